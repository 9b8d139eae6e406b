"""Inputs that stay in their file, for data sets larger than memory."""
