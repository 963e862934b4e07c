"""The proof: what networks predict on test rows, and whether one is better than another."""
