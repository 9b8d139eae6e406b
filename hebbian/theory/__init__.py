r"""Statistical mechanics of multitasking Hebbian networks: states of a large network, without simulating it.

NumPy and SciPy only. Temperatures and energies are in the units of the couplings: "raw" ones, :math:`J = \xi^T\xi/N`, lose their
order at :math:`T_c = 1 - d`; "normalized" ones, divided by :math:`1 - d`, at 1. Overlaps are never divided by :math:`1 - d`.
"""
