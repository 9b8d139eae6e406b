"""Relaxations as an interactive page: ``eqlab show``."""
