"""Data sets of named arrays: from a file or from Python, and bundled ones that have more than inputs and labels."""
