"""Relaxation of phases to certified equilibria, and the choice of the backend that computes them."""
