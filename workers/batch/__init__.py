"""All rows of a file, and a network's answers for them, some at a time."""
