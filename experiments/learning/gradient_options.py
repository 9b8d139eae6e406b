"""Options of the comparison of gradients, for its trials and for its command."""

from __future__ import annotations

import operator
from functools import partial
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from contrastive_core.costs import COSTS, TERMS
from contrastive_core.networks import ACTIVATIONS
from experiments.commandline.markers import OneOf
from experiments.commandline.quantities import Positive, PositiveFloat, distinct
from experiments.commandline.sections import COMPUTATION, DATA, NETWORK, RULE
from experiments.setup.options import LearningOptions, RuleName
from experiments.setup.tables import COMPARED

EXACT = "implicit"
"""Rule whose gradient is exact."""
ALL = "all"
"""Name that stands for every objective, one after the other."""
SINGLE = {"tolerance": 1e-6, "nudged_tolerance": 1e-6}
"""Default tolerances in float32, above its roundings; below them every phase would run its whole budget."""


class GradientsOptions(LearningOptions):
    """One batch, one network, and the strengths to vary; relaxed to rounding, in float64 by default.

    Attributes
    ----------
    rules, against, samples, strengths, read_noise, checkpoint
        Rules to compare and the rule that they are compared with, batch, strengths at which the bias is measured, errors of reading, and
        parameters.
    cost, outputs
        A cost of samples, or an objective on noisy views of them, and then the number of outputs.
    activation
        Smooth by default: with kinks, expansions in the strength hold only as far as no unit crosses one.
    """

    rules: Annotated[tuple[RuleName, ...], AfterValidator(distinct), RULE] = Field(
        COMPARED, min_length=1, description="Learning rules to compare."
    )
    against: Annotated[RuleName, RULE] = Field(
        EXACT,
        exclude_if=partial(operator.eq, EXACT),  # recorded runs are older than this option, and must still resume
        description="Rule that the others are compared with; at a --node-temperature implicit stands for thermal-exact.",
    )
    samples: Annotated[Positive, DATA] = Field(32, description="Number of training samples in the batch.")
    cost: Annotated[str, OneOf("cost", COSTS, terms=TERMS)] = Field(
        "squared-error", description="Cost that learning lowers, or an objective on views, or a weighted sum such as 'clip + 0.5 nt-xent'."
    )
    outputs: Annotated[Positive, NETWORK] = Field(12, description="Number of output units if the cost is an objective.")
    strengths: Annotated[Annotated[tuple[PositiveFloat, ...], Field(min_length=2)] | None, RULE] = Field(
        None,
        description="Strengths, or fractions of coupled learning, at which the bias is measured; none: 2, 1, 1/2 and 1/4 of the strength.",
    )
    read_noise: Annotated[tuple[PositiveFloat, ...], RULE] = Field(
        (),
        exclude_if=operator.not_,
        description="Errors of reading a phase, such as 0.001,0.01, in units of the exact gradient's root mean square entry, for a table "
        "and a figure of the error of each rule at every strength; empty: none.",
    )
    checkpoint: Annotated[Path | None, NETWORK] = Field(
        None, exclude=True, description="Checkpoint of a trained network, whose parameters are used; none: initial parameters."
    )
    activation: Annotated[str, OneOf("activation", ACTIVATIONS)] = Field("tanh")
    strength: PositiveFloat | None = Field(  # type: ignore[assignment]
        None,
        description="Nudging strength (beta) of equilibrium propagation, in units of the output layer's stiffness; none: 0.02, or the"
        " strength that an objective documents.",
    )
    fraction: PositiveFloat = Field(0.02)
    dtype: Annotated[str, OneOf("dtype", ("float32", "float64"))] = Field("float64")  # type: ignore[assignment]
    tolerance: Annotated[float, Field(ge=0)] | None = Field(
        1e-11,
        description=f"Residual at which a sample's free phase stops; none: run the whole budget. In float32 {SINGLE['tolerance']:g} by "
        "default.",
    )
    budget: Positive = Field(5000)
    nudged_tolerance: Annotated[float, Field(ge=0)] | None = Field(
        1e-9,
        description="Residual, relative to the contrast, at which a sample's nudged phase stops; none: run the whole budget. In float32 "
        f"{SINGLE['nudged_tolerance']:g} by default.",
    )
    nudged_budget: Positive = Field(5000)

    @model_validator(mode="after")
    def _fit_precision(self) -> Self:
        if self.dtype == "float32":
            self.__dict__ |= {name: value for name, value in SINGLE.items() if name not in self.model_fields_set}
        return self


class CommandGradientsOptions(GradientsOptions):
    """A comparison of gradients, and where it is computed.

    Attributes
    ----------
    cost
        May also stand for every objective.
    vary, seeds
        A setting and its values, and draws of the initial weights at each.
    engine
        Engine that computes the comparison.
    """

    cost: Annotated[str, OneOf("cost", COSTS, ALL, terms=TERMS)] = Field(
        "squared-error",
        description="Cost that learning lowers, or an objective on views, or a weighted sum such as 'clip + 0.5 nt-xent'; all: every "
        "objective, one after the other.",
    )
    vary: Annotated[str | None, RULE] = Field(
        None,
        exclude_if=partial(operator.is_, None),
        description="Setting and its values, such as untied-angle=0,45,90 or update-rate=1e-4,1e-3, for a table and a figure of each "
        "rule's cosine and error at each; none: one comparison.",
    )
    seeds: Annotated[Positive, RULE] = Field(
        1,
        exclude_if=partial(operator.eq, 1),
        description="Number of draws of the initial weights, over which means and extremes are taken.",
    )
    engine: Annotated[str, COMPUTATION] = Field(
        "serial",
        exclude=True,
        description="Engine that computes the trials: serial, process:N, dask:N, tcp://HOST:PORT or a scheduler file.",
    )
