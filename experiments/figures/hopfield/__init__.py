"""Figures of Hopfield networks."""
