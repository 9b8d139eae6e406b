"""Estimates from several nudges of finite strength: Richardson's extrapolation, holomorphic propagation and lock-in."""
