"""Task vectors: what a data set's task is like, and which tasks are near."""
