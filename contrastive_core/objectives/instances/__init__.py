"""Objectives whose positives are views of one instance."""
