"""Hopfield memories: retrieval, phases, learning from examples, basins and capacity."""
