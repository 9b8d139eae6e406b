"""Options of the comparison of gradients, for its trials and for its command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from contrastive_core.costs import COSTS
from contrastive_core.networks import ACTIVATIONS
from experiments.commandline.markers import OneOf
from experiments.commandline.quantities import Positive, PositiveFloat, distinct
from experiments.setup.options import LearningOptions
from experiments.setup.rules import RULES

ALL = "all"
"""Name that stands for every objective, one after the other."""


class GradientsOptions(LearningOptions):
    """One batch, one network, and the strengths to vary; relaxed to rounding in float64 by default.

    Attributes
    ----------
    rules, samples, strengths, checkpoint
        What is compared, on what, and where along the strength.
    cost, outputs
        A cost of samples, or an objective on noisy views of them, and then the number of outputs.
    activation
        Smooth by default: with kinks, expansions in the strength hold only as far as no unit crosses one.
    """

    rules: Annotated[tuple[Annotated[str, OneOf("rule", RULES)], ...], AfterValidator(distinct)] = Field(
        tuple(RULES), min_length=1, description="Rules to compare."
    )
    samples: Positive = Field(32, description="Training samples in the batch.")
    cost: Annotated[str, OneOf("cost", COSTS)] = Field("squared-error", description="Cost that the rules lower, or an objective.")
    outputs: Positive = Field(12, description="Output units where the cost is an objective.")
    strengths: Annotated[tuple[PositiveFloat, ...], Field(min_length=2)] | None = Field(
        None, description="Where the bias is measured; for coupled learning, fractions. None: 2, 1, 1/2 and 1/4 of the strength."
    )
    checkpoint: Path | None = Field(None, exclude=True, description="Take the parameters of a trained network from here.")
    activation: Annotated[str, OneOf("activation", ACTIVATIONS)] = Field("tanh", description="Of the hidden layers.")
    strength: PositiveFloat | None = Field(  # type: ignore[assignment]
        None, description="Nudging strength of EP, in units of the output layer's stiffness; none: 0.02, or what an objective documents."
    )
    fraction: PositiveFloat = Field(0.02, description="How far coupled learning holds the outputs towards lower cost.")
    dtype: Annotated[str, OneOf("dtype", ("float32", "float64"))] = Field("float64", description="Of all computations.")  # type: ignore[assignment]
    tolerance: Annotated[float, Field(ge=0)] | None = Field(1e-11, description="Residual at which a sample's free phase stops.")
    budget: Positive = Field(5000, description="Most sweeps of a free phase.")
    nudged_tolerance: Annotated[float, Field(ge=0)] | None = Field(
        1e-9, description="The same for the later phases, relative to the size of their contrast."
    )
    nudged_budget: Positive = Field(5000, description="Most sweeps of a later phase.")


class CommandGradientsOptions(GradientsOptions):
    """A comparison of gradients, and where it is computed.

    Attributes
    ----------
    cost
        May also stand for every objective.
    engine
        What computes.
    """

    cost: Annotated[str, OneOf("cost", (*COSTS, ALL))] = Field(
        "squared-error", description="Cost that the rules lower, or an objective; all: every objective, one after the other."
    )
    engine: str = Field("serial", exclude=True, description="serial, process:1, dask:1, tcp://HOST:PORT or a scheduler file.")
