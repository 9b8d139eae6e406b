"""Representation learning: contrastive objectives, linear probes, matched units."""
