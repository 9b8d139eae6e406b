"""Guards of the public edge: types of arguments, and errors of foreign code."""
