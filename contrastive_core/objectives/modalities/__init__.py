"""Objectives that pair modalities."""
