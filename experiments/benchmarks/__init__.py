"""Benchmarks: what settling, sampling, circuits and objectives cost on this machine."""
