"""Kill drivers and workers of sweeps many times; the suite runs a short form.

By hand: ``python tests/by_hand/kill_sweeps.py 30``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from kills import ordeal

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(ordeal(Path(place), int(sys.argv[1]) if len(sys.argv) > 1 else 30, 0, verbose=True))
