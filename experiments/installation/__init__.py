"""Data sets and the state of this installation."""
