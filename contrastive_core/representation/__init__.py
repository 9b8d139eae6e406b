"""Measures of representations: probes with labels, geometry without labels, collapse, and matching of two networks."""
