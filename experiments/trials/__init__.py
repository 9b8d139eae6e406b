"""Experiments and the engines that run their trials."""
