"""The numbers that the spin kernels of all backends and their callers share; imports nothing."""

HEAT_BATH, METROPOLIS, DESCENT = 0, 1, 2
"""Acceptance rules: Glauber's heat bath; Metropolis; T = 0, where a spin turns to its field and keeps its value without one."""
RANDOM, FIXED = 0, 1
"""Orders of a sequential sweep: N random sites, or the sites in turn."""
SHARED_CHAIN = 0xFFFFFFFF
"""Less the first chain of a group of lanes, the chain number whose site draws all replicas of the group follow in random order."""
