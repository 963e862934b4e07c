"""Training: one loop for all, its steps, its checkpoints."""
