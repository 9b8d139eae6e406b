"""Progress of long computations."""
