"""Elementwise steps of layers that are pictures: pooling with its bias, and the way back through it."""
