"""Kernels that relax layered networks and ladders by block descent, and contrast the relaxed phases."""
