"""Figures about learning rules: a varied setting, the angle of feedback, and traces of synapses."""
