"""Networks at equilibrium as layers of torch networks."""
