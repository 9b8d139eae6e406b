"""Sweeps: axes, studies, their directories and collected results."""
