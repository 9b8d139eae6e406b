"""Runs of objects that a Python script made."""
