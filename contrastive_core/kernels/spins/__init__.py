"""Kernels that sample spin systems: single chains, packed replicas, annealing, and their counter-based random numbers."""
