"""File formats of data sets: reading, and one clear sentence for each kind of damage."""
