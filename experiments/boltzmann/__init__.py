"""Boltzmann machines: the command that trains them, its measures and its report."""
