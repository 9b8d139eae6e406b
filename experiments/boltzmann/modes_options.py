"""Options of the study of contrastive divergence on a machine of two modes."""

from typing import Annotated

from annotated_types import Ge, Gt
from pydantic import AfterValidator, Field

from experiments.commandline.options import CommandOptions
from experiments.commandline.quantities import Positive, PositiveFloat, distinct
from experiments.commandline.sections import COMPUTATION


class ModesOptions(CommandOptions):
    """A small restricted machine of two modes, data in them, and what is learnt from these.

    Attributes
    ----------
    visible, hidden, couplings
        Machine, by its mean weights.
    samples, share, turned
        Data.
    sweeps
        Lengths of contrastive divergence whose expectation is compared with the gradient.
    learn_coupling, learn_sweeps, updates, learning_rate, chains, replicas
        Learning.
    """

    visible: Annotated[int, Ge(2)] = Field(6, description="Number of visible binary units.")
    hidden: Annotated[int, Ge(1)] = Field(4, description="Number of hidden binary units; with the visible ones at most 14.")
    couplings: Annotated[tuple[Annotated[float, Gt(0)], ...], Field(min_length=1), AfterValidator(distinct)] = Field(
        (0.5, 1.5, 3.0), description="Mean weights; the stronger they are, the less modes mix."
    )
    samples: Positive = Field(100, description="Number of samples.")
    share: Annotated[float, Field(ge=0, le=1)] = Field(0.8, description="Share of the samples in the mode of all units on.")
    turned: Annotated[float, Field(ge=0, le=1)] = Field(0.04, description="Chance that a unit of a sample is turned.")
    sweeps: Annotated[tuple[Positive, ...], Field(min_length=1), AfterValidator(distinct)] = Field(
        (1, 3, 10, 30), description="Numbers k of sweeps of CD-k, whose expectation is a power of the exact kernel."
    )
    learn_coupling: PositiveFloat = Field(2.0, description="Mean weight of the machine that learns, of two equal modes.")
    learn_sweeps: Positive = Field(10, description="Sweeps of all chains per update, those of contrastive divergence too.")
    updates: Positive = Field(400, description="Updates of each way to learn.")
    learning_rate: PositiveFloat = Field(0.1, description="Learning rate of the first update; it falls linearly to 0.")
    chains: Annotated[int, Ge(2)] = Field(100, description="Number of kept chains.")
    replicas: Annotated[int, Ge(2)] = Field(5, description="Points between independent units and the machine, for tempering.")


class ModesRunOptions(ModesOptions, section=COMPUTATION):
    """A study, and where it is computed.

    Attributes
    ----------
    engine
        Engine that computes.
    """

    engine: str = Field(
        "serial",
        exclude=True,
        description="Engine that computes the trial: serial, process:1, dask:1, tcp://HOST:PORT or a scheduler file.",
    )
