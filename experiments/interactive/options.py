"""Options of the page of a relaxation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import AfterValidator, Field

from contrastive_core.networks import ACTIVATIONS
from experiments.commandline.markers import OneOf, Positional
from experiments.commandline.quantities import EnergyScale, NotNegative, Positive, PositiveFloat, Units, distinct
from experiments.commandline.sections import COMPUTATION, NETWORK, OUTPUT, OWN, RELAXATION
from experiments.setup.options import LearningOptions
from experiments.setup.tables import DYNAMICS

FLOW = "gradient-flow"
"""Dynamics that a heat bath shakes."""
TEMPERATURES = (0.0, 0.001, 0.01)
"""Temperatures on the slider of a gradient flow."""
PARTS = (1.0, 0.5, 0.2)
"""Energy scales on the slider, in units of the network's own."""


class PageOptions(LearningOptions, section=OWN):
    """Network, samples, and the values that the sliders of the page have.

    Attributes
    ----------
    run
        Run or checkpoint whose network is shown.
    samples, strengths, energy_scales, temperatures
        Test samples, and values of the sliders.
    epochs, units, out
        Length of a training before, units that are drawn, and file of the page.
    hidden, activation, energy_scale, dtype, dynamics, tolerance, budget, nudged_tolerance, nudged_budget
        Smaller, smooth and relaxed further than in trainings.
    """

    run: Annotated[str | None, Positional()] = Field(
        None, description="Run of train or compare whose network is shown, by name or path, or a checkpoint of it; none: a new network."
    )
    samples: Annotated[tuple[Annotated[int, Ge(0)], ...], Field(min_length=1), AfterValidator(distinct)] = Field(
        (0, 1, 2), description="Samples to show, by their places in the test split, which count from 0."
    )
    strengths: Annotated[tuple[PositiveFloat, ...], Field(min_length=1), AfterValidator(distinct)] = Field(
        (0.03, 0.1, 0.3), description="Nudging strengths on the slider, in units of the output layer's stiffness."
    )
    energy_scales: Annotated[tuple[EnergyScale, ...], Field(min_length=1), AfterValidator(distinct)] | None = Field(
        None, description="Energy scales on the slider, at the same weights; none: the network's own, its half and its fifth."
    )
    temperatures: Annotated[tuple[NotNegative, ...], Field(min_length=1), AfterValidator(distinct)] | None = Field(
        None,
        description="Temperatures of thermal noise on the slider beside 0, in units of the energy, or in kelvin with --node-capacitance; "
        "none: 0.001 and 0.01 for gradient flow, 0 alone for other dynamics.",
    )
    epochs: Annotated[int, Ge(0)] = Field(
        5, description="Number of epochs of training by ep-centered before a new network is shown; 0: initial weights."
    )
    units: Positive = Field(48, description="Largest number of units of a layer that are drawn, spread evenly over it.")
    out: Annotated[Path | None, OUTPUT] = Field(
        None, description="File of the page, where an earlier page is replaced; none: relaxation.html in this directory."
    )
    hidden: Annotated[tuple[Units, ...], NETWORK] = Field(
        (20,), description="Number of units in each hidden layer, from the inputs up, such as 16,12."
    )
    activation: Annotated[str, OneOf("activation", ACTIVATIONS), NETWORK] = Field(
        "tanh", description="Activation function of the hidden layers."
    )
    energy_scale: Annotated[EnergyScale, NETWORK] = Field(
        0.5, description="Ratio of feedback to forward coupling between neighbouring layers, above 0 and at most 1."
    )
    dtype: Annotated[Literal["float32", "float64"], COMPUTATION] = Field("float64", description="Floating-point type of all computations.")
    dynamics: Annotated[str, OneOf("dynamics", DYNAMICS), RELAXATION] = Field(
        FLOW, description="Dynamics of the phases; thermal noise needs gradient-flow."
    )
    tolerance: Annotated[NotNegative | None, RELAXATION] = Field(
        1e-4, description="Residual at which a sample's free phase stops; none: run the whole budget."
    )
    nudged_tolerance: Annotated[NotNegative | None, RELAXATION] = Field(
        1e-3, description="Residual, relative to the contrast, at which a sample's nudged phase stops; none: run the whole budget."
    )
    budget: Annotated[Positive, RELAXATION] = Field(200, description="Largest number of sweeps in a free phase.")
    nudged_budget: Annotated[Positive, RELAXATION] = Field(200, description="Largest number of sweeps in a nudged phase.")
