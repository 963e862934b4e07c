"""Transferability scores, one file a paper: of frozen features, or a source's predictions, and labels."""
