"""Objectives that learn from labels: classes, degrees, numbers, ranks."""
