"""Array types that the package's signatures share; shapes stand in docstrings."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Entries = NDArray[np.int8]
"""Pattern entries in {-1, 0, 1}, where 0 is blank, or spins in {-1, 1}. Axes are (pattern, spin) or (pattern, example, spin)."""
