"""Equilibrium propagation in networks whose feedback is not the transpose of their forward weights."""
