"""Measurements of ``eqlab thermal``: identities, exact biases, and errors of sampled gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.generators import generator_of
from contrastive_core.network import Network
from contrastive_core.phases import Nudge
from contrastive_core.progress.share import counted
from contrastive_core.types import Batch, Gradients
from eqprop.ising import Ising
from eqprop.thermal.chains import BathRecord, contrast_of_chains, covariance_of_chains, mean_and_error, replicated, run_chains
from eqprop.thermal.exact import expected_cost, expected_gradient, free_energy, slope
from eqprop.thermal.heat_bath import HeatBath

if TYPE_CHECKING:
    from experiments.thermal.options import ThermalOptions

_COST = SquaredError()
_STEP = 1e-3


class SummedMachine(NamedTuple):
    """Machine, samples and temperature.

    Attributes
    ----------
    network : Ising
        Machine of hidden and output spins, in float64.
    batch : Batch
        Samples with normal inputs and random classes.
    temperature : float
        T in units of the energy.
    """

    network: Ising
    batch: Batch
    temperature: float

    def mean(self, strength: float) -> Tensor:
        """Return the exact mean of the energy's gradient at a strength, in one vector."""
        return flat(expected_gradient(self.network, self.batch, _COST, self.temperature, strength))

    def centered(self, strength: float) -> Tensor:
        """Return the exact centered contrast."""
        return (self.mean(strength) - self.mean(-strength)) / (2 * strength)

    def slope(self, temperature: float | None = None) -> Tensor:
        """Return the exact gradient of the expected cost."""
        return flat(slope(self.network, self.batch, _COST, temperature or self.temperature))


def flat(gradients: Gradients) -> Tensor:
    """Return all entries of a gradient in one vector."""
    return torch.cat([value.flatten() for value in gradients.values()])


def case_of(options: ThermalOptions, seed: int) -> SummedMachine:
    """Draw the machine and its samples."""
    gains, sizes = (options.gain, options.coupling_gain), (options.inputs, options.hidden, options.outputs)
    network = Ising(sizes, gains=gains, generator=generator_of(seed, 0), dtype=torch.float64)
    source = generator_of(seed, 1)
    inputs = torch.randn(options.samples, options.inputs, generator=source, dtype=torch.float64)
    return SummedMachine(network, Batch(inputs, torch.randint(options.outputs, (options.samples,), generator=source)), options.temperature)


def identities(case: SummedMachine, strength: float) -> dict[str, float]:
    """Return the largest differences of the covariance and of a finite contrast to differences of sums over states."""
    network, batch, temperature = case
    parts = (network, batch, _COST, temperature)
    found = differences(network, lambda: expected_cost(*parts))
    covariance = float((case.slope() - found).abs().max())
    found = differences(network, lambda: (free_energy(*parts, strength) - free_energy(*parts)) / strength)
    finite = float(((case.mean(strength) - case.mean(0.0)) / strength - found).abs().max())
    return {"covariance": covariance, "finite_strength": finite}


def biases(case: SummedMachine, strengths: tuple[float, ...]) -> list[dict[str, float]]:
    """Return the relative errors of exact contrasts by strength."""
    exact, rows = case.slope(), []
    for strength in strengths:
        half, whole = case.centered(strength / 2), case.centered(strength)
        forms = {
            "positive": (case.mean(strength) - case.mean(0.0)) / strength,
            "centered": whole,
            "richardson": (4 * half - whole) / 3,
        }
        rows.append({"strength": strength, **{name: _relative(one, exact) for name, one in forms.items()}})
    return rows


def sampling(case: SummedMachine, options: ThermalOptions, seed: int) -> dict[str, Any]:
    """Return relative RMS errors of sampled gradients, and how many standard errors their means are from exact values."""
    exact, (network, batch, temperature) = case.slope(), case
    replicas, bath = options.chains * options.repeats, HeatBath(case.temperature)
    many = replicated(batch, replicas)
    draws = [int(torch.randint(2**31, (), generator=generator_of(seed, 2))) + index for index in range(3)]
    with torch.no_grad():
        clamped = network.clamp(many.inputs)
        # The covariance needs one phase, which is as long as the two of a contrast together.
        sweeps = (options.burn_in, 2 * options.sweeps)
        free = run_chains(clamped, network.initial_state(clamped), bath, None, many, _COST, sweeps, replicas, draws[0])

    def phase(strength: float, draw: int) -> BathRecord:
        nudge, sweeps = Nudge(_COST, many, strength), (options.burn_in, options.sweeps)
        with torch.no_grad():
            return run_chains(clamped, free.last, bath, nudge, many, _COST, sweeps, replicas, draw)

    rows, deviations = [], {}
    for strength in counted(options.strengths, name="strength"):
        plus = phase(strength, draws[1])
        row = {"strength": strength}
        for name, draw in (("common", draws[1]), ("own", draws[2])):
            found = _contrasts(case, options, plus, phase(-strength, draw), 1 / (2 * strength))
            row |= {name: _rms(found, exact), f"{name}_noise": _rms(found, found.mean(0))}
            if strength == options.strengths[0] and name == "common":
                deviations["contrast"] = _furthest(found, case.centered(strength))
        rows.append(row)
    found = torch.stack(
        [flat(mean_and_error(covariance_of_chains(network, batch, part, temperature, 1))[0]) for part in _parts(free, options)]
    )
    deviations |= {"covariance": _furthest(found, exact), "control": _furthest(found, case.slope(2 * temperature))}
    return {"rows": rows, "covariance": _rms(found, exact), "deviations": deviations}


def error_ratio(found: Mapping[str, Any]) -> float:
    """Return the error of the covariance form over that of the best contrast, from the result of :func:`sampling`."""
    ratio: float = found["covariance"] / min(row[name] for row in found["rows"] for name in ("own", "common"))
    return ratio


def best_strength(rows: list[dict[str, float]], bias: list[dict[str, float]], name: str) -> float:
    r"""Return :math:`(w/\sqrt2 b)^{1/3}`, with bias :math:`b\beta^2` at the weakest strength and noise :math:`w/\beta` on average."""
    last = min(bias, key=lambda row: row["strength"])
    curvature = last["centered"] / last["strength"] ** 2
    noise = math.exp(sum(math.log(row[f"{name}_noise"] * row["strength"]) for row in rows) / len(rows))
    best: float = (noise / (math.sqrt(2) * curvature)) ** (1 / 3)
    return best


def _parts(chains: BathRecord, options: ThermalOptions) -> list[BathRecord]:
    """Split a record by repeats."""
    width, found = options.chains, []
    for start in range(0, options.repeats * width, width):
        states = tuple(layer[:, start : start + width] for layer in chains.states)
        found.append(BathRecord(states, chains.costs[:, start : start + width], chains.last, chains.dropped))
    return found


def _contrasts(case: SummedMachine, options: ThermalOptions, plus: BathRecord, minus: BathRecord, factor: float) -> Tensor:
    """Return the contrast of every repeat, of shape (repeats, parameters)."""
    every = torch.stack([flat(one) for one in contrast_of_chains(case.network, case.batch, plus, minus, factor)])
    return every.reshape(options.repeats, options.chains, -1).mean(1)


def _relative(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


def _rms(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).square().sum(1).mean().sqrt() / exact.norm())


def _furthest(found: Tensor, exact: Tensor) -> float:
    """Return the largest deviation of the mean from a value, over the parameters, in standard errors."""
    errors = found.std(0) / math.sqrt(len(found))
    moving = errors > 0
    return float(((found.mean(0) - exact)[moving] / errors[moving]).abs().max())


def differences(network: Network, value: Callable[[], Tensor]) -> Tensor:
    """Return the derivative of a value by every parameter, by central differences of order 4: their error is of order step^4."""
    found = []
    with torch.no_grad():
        for parameter in network.parameters():
            entries = parameter.view(-1)
            for index in range(len(entries)):
                middle, at = float(entries[index]), {}
                for factor in (2, 1, -1, -2):
                    entries[index] = middle + factor * _STEP
                    at[factor] = float(value())
                entries[index] = middle
                found.append((8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * _STEP))
    return torch.tensor(found, dtype=torch.float64)
