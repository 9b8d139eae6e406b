"""Objectives whose targets are soft: what a teacher, a vocabulary, a codebook or a weaker view says of a sample."""
