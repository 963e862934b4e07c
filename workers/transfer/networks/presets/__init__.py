"""Pretrained backbones of built-in Keras layers: a file an architecture, and where weights are found."""
