"""Cells and files of data sets. Imports nothing else of `app`, so that a copy of the folder reads alone."""

PACKAGES = ("pyarrow", "pydantic", "pillow", "charset-normalizer")
"""What the folder imports beside the standard library, by the names of the packages."""
