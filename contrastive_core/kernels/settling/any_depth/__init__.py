"""Block descent for networks of any depth, layer by layer."""
