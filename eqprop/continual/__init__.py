"""Equilibrium propagation that learns while the nudged phase runs: continual updates, and spike-timing traces."""
