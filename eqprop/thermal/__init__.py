"""Equilibrium propagation at a temperature: contrasts and covariances of stationary distributions, sampled and exact."""
