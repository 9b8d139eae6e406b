"""Boltzmann machines: restricted, deep and general, with samplers, ways to learn and estimates of the likelihood."""
