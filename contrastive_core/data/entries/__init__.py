"""Descriptions of data sets that belong together."""
