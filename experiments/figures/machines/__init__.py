"""Figures of Boltzmann machines, stationary distributions and memory."""
