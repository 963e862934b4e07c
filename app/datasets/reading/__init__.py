"""Cells and files of data sets. Imports nothing else of `app`, so that a copy of the folder reads alone."""
