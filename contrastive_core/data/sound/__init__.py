"""Recordings of sound: found in a folder, as spectrograms, and as a data set."""
