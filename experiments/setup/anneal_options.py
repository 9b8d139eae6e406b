"""Options of the dynamics ``anneal``."""

from pydantic import Field

from experiments.commandline.options import Options
from experiments.commandline.quantities import Positive, PositiveFloat
from experiments.commandline.sections import Section


class AnnealOptions(Options, section=Section("Dynamics anneal")):
    """Schedule by which an Ising machine anneals.

    Attributes
    ----------
    reads, sweeps
        Number of anneals per free phase, and number of sweeps per anneal.
    hot, cold, reverse
        Inverse temperatures, and the position between them at which a nudged phase starts.
    """

    reads: Positive = Field(10, description="Number of anneals per free phase, of which the one with the lowest energy counts.")
    sweeps: Positive = Field(100, description="Number of sweeps per anneal.")
    hot: PositiveFloat = Field(0.1, description="Inverse temperature at which a free anneal starts, in 1/energy.")
    cold: PositiveFloat = Field(10.0, description="Inverse temperature at which an anneal ends, in 1/energy.")
    reverse: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Position between --anneal-hot (0, forgets the free state) and --anneal-cold (1) at which a nudged phase starts.",
    )
