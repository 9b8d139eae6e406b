"""Fit of a device to measured pulse responses, with noise of writing apart from noise of reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import least_squares

from contrastive_core.devices.pulse_files import Array, Train
from contrastive_core.errors import DataError
from contrastive_core.guards.typed import typed

_STEEPEST = 50.0
"""Largest nonlinearity of a fit: such a curve reaches its end within a fiftieth of the pulses."""

_FLAT, _POOR = 1e-3, 0.1
"""Nonlinearity below which a curve is a line, and residual, as a share of the range, from which a fit is no description."""


@dataclass(frozen=True)
class Fit:
    """An exponential device fitted to pulse responses.

    Attributes
    ----------
    g_min, g_max : float
        Range, in siemens: from the mean first to the mean last conductance of a train.
    alpha_p, alpha_d : float
        Nonlinearity of potentiation and depression, from 0 (linear) to 50.
    num_pulses : int
        Pulses over the range.
    n_states : int
        Conductances that a train visits.
    sigma_c2c : float
        Spread of a pulse's step from cycle to cycle within a device, relative to the mean step, without noise of reading.
    sigma_read : float
        Spread of a reading of a conductance, as a fraction of ``g_max``.
    sigma_d2d : float, optional
        Spread of the devices' mean steps, relative to their mean; None with one device.
    residual : float
        Root mean square distance of the data from the fit, as a fraction of the range.
    """

    g_min: float
    g_max: float
    alpha_p: float
    alpha_d: float
    num_pulses: int
    n_states: int
    sigma_c2c: float
    sigma_read: float
    sigma_d2d: float | None
    residual: float

    def curve(self, potentiating: bool) -> Array:
        """Return the fitted conductances of a train, of shape (P + 1,), in siemens."""
        share = np.linspace(0, 1, self.num_pulses + 1)
        if potentiating:
            return self.g_min + (self.g_max - self.g_min) * _rise(share, self.alpha_p)
        return self.g_max - (self.g_max - self.g_min) * _rise(share, self.alpha_d)

    def settings(self) -> dict[str, dict[str, float | int | str]]:
        """Return the settings of the device of the fit, by part and name, as a file of a device holds them.

        Pulses are whole. Their rounding is stochastic, a choice of the circuit that sends them, which no measurement of a device shows.
        """
        spread: dict[str, dict[str, float | int | str]] = (
            {} if self.sigma_d2d is None else {"device-to-device": {"dw_min_dtod": self.sigma_d2d}}
        )
        return {
            "conductance": {"g_min": self.g_min, "g_max": self.g_max},
            "law": {"model": "neurosim", "alpha_p": self.alpha_p, "alpha_d": self.alpha_d, "num_pulses": self.num_pulses},
            "conductance-noise": {"sigma_read": self.sigma_read, "kind": "abs"},
            "finite-states": {"n_states": self.n_states, "rounding": "stochastic"},
            **spread,
            "cycle-to-cycle": {"sigma_c2c": self.sigma_c2c},
        }

    def cautions(self) -> list[str]:
        """Return sentences about what the fit cannot show, for the user."""
        told = []
        for direction, alpha in (("potentiation", self.alpha_p), ("depression", self.alpha_d)):
            if alpha < _FLAT:
                told.append(f"{direction} is fitted as linear; steps that grow along a train are not part of the write law")
            elif alpha > _STEEPEST * (1 - 1e-6):
                told.append(f"the nonlinearity of {direction} is at the bound of the fit, {_STEEPEST:g}; check the columns and polarities")
        if self.residual > _POOR:
            told.append(f"data lie {100 * self.residual:.0f} % of the range from the fitted curve (root mean square); check the file")
        return told

    def record(self) -> dict[str, float | int | None]:
        """Return the parameters by name."""
        return asdict(self)


def _rise(share: Array, alpha: float) -> Array:
    """Return the normalised exponential rise; ``alpha`` 0 is a straight line."""
    return share if alpha < 1e-9 else np.expm1(-alpha * share) / np.expm1(-alpha)


@typed()
def fit_pulses(trains: Sequence[Train]) -> Fit:
    """Fit an exponential device to pulse responses by least squares, all trains at once.

    Parameters
    ----------
    trains : sequence of Train
        Trains, at least one of each polarity.

    Raises
    ------
    DataError
        If a polarity is missing, or conductances do not rise under potentiation.
    """
    ups, downs = ([train.conductance for train in trains if train.potentiating is up] for up in (True, False))
    if not ups or not downs:
        raise DataError("a fit needs trains of both polarities, potentiating (P) and depressing (D); measure the other one too")
    low = float(np.mean([train[0] for train in ups] + [train[-1] for train in downs]))
    high = float(np.mean([train[-1] for train in ups] + [train[0] for train in downs]))
    if not low < high:
        raise DataError(f"conductances go from {low:g} to {high:g} S under potentiation; they have to rise, swap the polarities or columns")

    def distances(parameters: Array) -> Array:
        floor, span, alpha_p, alpha_d = parameters
        rising = [train - floor - span * _rise(_shares(train), alpha_p) for train in ups]
        falling = [train - floor - span * (1 - _rise(_shares(train), alpha_d)) for train in downs]
        return np.concatenate(rising + falling) / (high - low)

    # Siemens are millionths beside nonlinearities of order 1: without scales the solver would leave them.
    start = np.array([low, high - low, 1.0, 1.0])
    ends = [0, 0, 0, 0], [np.inf, np.inf, _STEEPEST, _STEEPEST]
    solution = least_squares(distances, start, x_scale=[high - low, high - low, 1, 1], bounds=ends)
    floor, span, alpha_p, alpha_d = (float(value) for value in solution.x)
    num_pulses = max(len(train) - 1 for train in (*ups, *downs))
    mean_step = span / num_pulses
    written, read = _noises(trains, span, {True: alpha_p, False: alpha_d})
    residual = float(np.sqrt(np.mean(solution.fun**2)))
    return Fit(
        *(floor, floor + span, alpha_p, alpha_d, num_pulses, num_pulses + 1),
        *(written / mean_step, read / (floor + span), _between_devices(trains), residual),
    )


def _noises(trains: Sequence[Train], span: float, alphas: dict[bool, float]) -> tuple[float, float]:
    r"""Return the standard deviations of a write and of a reading, in siemens.

    A deviation of writing stays in the device, one of reading does not. Increments of a train therefore deviate by
    :math:`w_n + r_n - r_{n-1}`, with variance :math:`\sigma_w^2 + 2\sigma_r^2` and covariance :math:`-\sigma_r^2` of neighbours: pure read
    noise has a correlation of -1/2, pure write noise of 0.
    """
    squares, products = [], []
    for deviations, lost in _deviations(trains, span, alphas):
        # A mean that was taken out of m cycles takes a share of 1/m of the variance with it.
        squares.append(deviations**2 / (1 - lost))
        products.append(deviations[:, 1:] * deviations[:, :-1] / (1 - lost))
    variance = float(np.mean(np.concatenate([square.ravel() for square in squares])))
    neighbours = float(np.mean(np.concatenate([product.ravel() for product in products])))
    # Both are variances, and their estimates may come out below 0 by chance.
    return float(np.sqrt(max(variance + 2 * min(neighbours, 0.0), 0.0))), float(np.sqrt(max(-neighbours, 0.0)))


def _deviations(trains: Sequence[Train], span: float, alphas: dict[bool, float]) -> Iterator[tuple[Array, float]]:
    """Yield increments less those of their own device, of shape (cycles, P), and the share of their variance that is lost so."""
    groups: dict[tuple[str, bool, int], list[Array]] = {}
    for train in trains:
        groups.setdefault((train.device, train.potentiating, len(train.conductance)), []).append(np.diff(train.conductance))
    for (_, potentiating, length), increments in groups.items():
        cycles = np.stack(increments)
        if len(cycles) > 1:
            # The mean of the cycles is the device's own curve, whatever its shape.
            yield cycles - cycles.mean(0), 1 / len(cycles)
        else:
            expected = span * np.diff(_rise(np.linspace(0, 1, length), alphas[potentiating]))
            # Scaled to the device: the spread between devices is none of its cycles.
            yield cycles - expected * (cycles @ expected / (expected @ expected))[:, None], 1 / (length - 1)


def _shares(train: Array) -> Array:
    return np.linspace(0, 1, len(train))


def _between_devices(trains: Sequence[Train]) -> float | None:
    """Return the relative spread of the devices' mean steps."""
    by_device: dict[str, list[float]] = {}
    for train in trains:
        # From end to end, so that noise of the single steps does not count.
        way = abs(float(train.conductance[-1] - train.conductance[0]))
        by_device.setdefault(train.device, []).append(way / (len(train.conductance) - 1))
    means = [float(np.mean(values)) for values in by_device.values()]
    return float(np.std(means, ddof=1) / np.mean(means)) if len(means) > 1 else None
