"""Files: atomic writing, checkpoints, numbers in text."""
