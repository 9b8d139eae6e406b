"""Figures, one per file; the only home of matplotlib."""
