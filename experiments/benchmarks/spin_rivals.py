"""Samplers of others beside the spin kernels of ``eqlab bench spins``, where they are installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hebbian.multitasking import Multitasking

LARGEST = 4000
"""Largest number of spins for them, because they hold every coupling."""

SWEEPS = 100
"""Sweeps of a run."""


class Rival(NamedTuple):
    """Run of another sampler, and what of it is no sweep.

    Attributes
    ----------
    name : str
        Name of the row.
    run : callable
        Function that makes the sweeps and returns the final overlap with the first pattern.
    sweeps : int
        Sweeps of a run that count.
    preparation : callable, optional
        Function that does the rest of a run, whose time is subtracted.
    """

    name: str
    run: Callable[[], float]
    sweeps: int = SWEEPS
    preparation: Callable[[], float] | None = None


def missing() -> list[str]:
    """Return the names of the samplers that are not installed; asking imports none of them."""
    needed = {"dwave-samplers": ("dimod", "dwave", "dwave.samplers"), "OpenJij": ("openjij",)}
    return [name for name, modules in needed.items() if not all(find_spec(module) for module in modules)]


def rival_note(size: int) -> str:
    """Return a sentence about the samplers of others: their method, or the reason why they were left out."""
    if size > LARGEST:
        return f"dwave-samplers and OpenJij are measured up to {LARGEST} spins: they hold every coupling; try --size 2000"
    if names := missing():
        return f"{' and '.join(names)}: not installed and left out; install with pip install 'eqlab[bench]'"
    return "dwave-samplers and OpenJij take any couplings: they do not use that these have low rank, which the other kernels do"


def rivals(system: Multitasking, temperature: float) -> list[Rival]:
    """Set up the samplers that are installed on the same couplings, from the first pattern.

    Parameters
    ----------
    system : Multitasking
        Network of at most ``LARGEST`` spins.
    temperature : float
        Temperature in units of the system's convention.

    Returns
    -------
    list of Rival
        The Gibbs sampler of dwave-samplers with and without the time in which it takes the model over, and OpenJij's engine alone.
    """
    import numpy as np

    if system.num_spins > LARGEST:
        return []
    absent = missing()
    couplings = system.scale / system.num_spins * (system.features.T.astype(float) @ system.features)
    np.fill_diagonal(couplings, 0)
    start = np.where(system.patterns[0] == 0, 1, system.patterns[0]).astype(np.int8)
    return [
        *(_dwave(system, temperature, couplings, start) if "dwave-samplers" not in absent else []),
        *([_openjij(system, temperature, couplings, start)] if "OpenJij" not in absent else []),
    ]


def _dwave(system: Multitasking, temperature: float, couplings: NDArray[np.float64], start: NDArray[np.int8]) -> list[Rival]:
    import numpy as np
    from dimod import BinaryQuadraticModel
    from dwave.samplers import SimulatedAnnealingSampler

    upper = np.triu(couplings)
    pairs = np.nonzero(upper)
    model = BinaryQuadraticModel.from_numpy_vectors(np.zeros(system.num_spins), (*pairs, -upper[pairs]), 0.0, "SPIN")
    sampler = SimulatedAnnealingSampler()

    def run(sweeps: int = SWEEPS) -> float:
        found = sampler.sample(
            model,
            beta_schedule_type="custom",
            beta_schedule=[1 / temperature],
            num_sweeps_per_beta=sweeps,
            num_reads=1,
            seed=1,
            initial_states=(start[None], list(range(system.num_spins))),
            proposal_acceptance_criteria="Gibbs",
        )
        return float(system.overlaps(found.record.sample)[0, 0])

    name = "dwave-samplers (Gibbs)"
    return [Rival(name, run), Rival(f"{name}, sweeps alone", run, SWEEPS - 1, lambda: run(1))]


def _openjij(system: Multitasking, temperature: float, couplings: NDArray[np.float64], start: NDArray[np.int8]) -> Rival:
    import numpy as np
    from openjij import cxxjij

    # Its energy is + J s s, and its matrix has one more row for the fields, whose corner is 1.
    graph, matrix = cxxjij.graph.Dense(system.num_spins), np.diag(np.append(np.zeros(system.num_spins), 1.0))
    matrix[:-1, :-1] = -couplings
    graph.set_interaction_matrix(matrix)
    chain = cxxjij.system.make_classical_ising(start.tolist(), graph)

    def run() -> float:
        cxxjij.algorithm.Algorithm_SingleSpinFlip_run(chain, 1, [(1 / temperature, SWEEPS)])
        return float(system.overlaps(np.array([cxxjij.result.get_solution(chain)], np.int8))[0, 0])

    return Rival("OpenJij (Metropolis), sweeps alone", run)
