"""Fast copies of the reference dynamics, chosen by :mod:`contrastive_core.kernels.table`.

The torch code of ``Dynamics.step`` is the definition; a kernel here computes the same thing faster, for the cases it knows.
``numba`` is imported in this package only, and only when a kernel runs.
"""
