"""Generators that are fitted to a data set: samples beside the real ones, and views of these from their latents."""
