"""Which rows are the same, and which of them train, validate and test."""
