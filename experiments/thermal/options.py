"""Options of the study of gradients at a temperature."""

from typing import Annotated

from annotated_types import Ge, Gt
from pydantic import AfterValidator, Field

from experiments.commandline.options import CommandOptions
from experiments.commandline.quantities import Positive, PositiveFloat, distinct
from experiments.commandline.sections import COMPUTATION


class ThermalOptions(CommandOptions):
    """A small Ising machine in a heat bath, and the sampling of its gradients.

    Attributes
    ----------
    inputs, hidden, outputs, gain, coupling_gain, samples
        Machine and its samples.
    temperature, strengths
        Temperature, and strengths of the nudges.
    chains, sweeps, burn_in, repeats, machines
        Sampling of an estimate, number of independent estimates, and number of machines.
    """

    inputs: Positive = Field(3, description="Number of inputs.")
    hidden: Positive = Field(7, description="Number of hidden spins; with the outputs at most 20.")
    outputs: Annotated[int, Field(ge=2)] = Field(3, description="Number of output spins, one per class.")
    gain: PositiveFloat = Field(1.0, description="Size of the weights from the inputs, which are uniform in +-gain/sqrt(inputs).")
    coupling_gain: PositiveFloat = Field(1.5, description="Size of the couplings, which are uniform in +-gain/sqrt(hidden).")
    samples: Positive = Field(2, description="Number of samples, with normal inputs and random classes.")
    temperature: PositiveFloat = Field(1.0, description="Temperature of the heat bath, in units of the energy.")
    strengths: Annotated[tuple[Annotated[float, Gt(0)], ...], Field(min_length=2), AfterValidator(distinct)] = Field(
        (0.4, 0.2, 0.1, 0.05), description="Strengths of the nudges."
    )
    chains: Annotated[int, Ge(2)] = Field(64, description="Number of chains per sample of an estimate.")
    sweeps: Annotated[int, Ge(2)] = Field(200, description="Recorded sweeps of each phase of a contrast; the covariance has twice as many.")
    burn_in: Annotated[int, Ge(0)] = Field(40, description="Sweeps of each phase before its record.")
    repeats: Annotated[int, Ge(8)] = Field(24, description="Number of independent estimates, from which errors are measured.")
    machines: Positive = Field(
        1, description="Number of machines, with samples and chains of their own, over which the ratio of errors is measured."
    )


class ThermalRunOptions(ThermalOptions, section=COMPUTATION):
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
