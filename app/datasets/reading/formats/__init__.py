"""One file a format: bytes in, Arrow batches out, or an error that names the row."""
