"""Helpers of the tests of Boltzmann machines."""
