"""Certificates judged in float64, of random networks of every kind, dynamics and backend: ``python tests/by_hand/certificates.py [N]``.

Each network is relaxed free and under one more phase. A certificate is false if a sample is called converged and a sweep in float64
would move a unit further than the tolerance and one step more allow; :mod:`own_residuals` shares no code with the package. Prints the
counts and every false one; ends with 1 if there is any.
"""

from __future__ import annotations

import sys
from collections import Counter

from random_certificates import Outcome, examined

NUMBER = 1000


def table(outcomes: list[Outcome], column: str) -> str:
    """Return counts of relaxations, converged samples and false certificates for each value of a column."""
    rows: dict[str, Counter[str]] = {}
    for one in outcomes:
        counts = rows.setdefault(getattr(one, column), Counter())
        counts.update(relaxations=1, samples=one.samples, converged=one.converged, false=len(one.false))
    names = ("relaxations", "samples", "converged", "false")
    lines = [f"{column:<16}" + "".join(f"{name:>13}" for name in names)]
    return "\n".join(lines + [f"{key:<16}" + "".join(f"{rows[key][name]:>13}" for name in names) for key in sorted(rows)])


def main() -> int:
    """Judge N networks and print the tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else NUMBER
    outcomes = [outcome for number in range(count) for outcome in examined(number)]
    false = [sentence for outcome in outcomes for sentence in outcome.false]
    for column in ("kind", "dynamics", "backend", "dtype"):
        print(table(outcomes, column), end="\n\n")
    print(*false, sep="\n", end="\n" if false else "")
    print(f"{count} networks, {sum(one.converged for one in outcomes)} samples called converged, {len(false)} falsely")
    return int(bool(false))


if __name__ == "__main__":
    sys.exit(main())
