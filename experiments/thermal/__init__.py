"""Study of equilibrium propagation at a temperature, on a machine whose states can all be summed."""
