"""Data of one's own: a reader for each kind of file, folder or source, all of which give named arrays."""
