"""Made time series: trains of pulses of patients in several trials, whose rhythm is the class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.seeds import spawn
from contrastive_core.data.splits import Splits

PATIENTS = (24, 6, 6)
"""Patients in the training, validation and test split."""
TRIALS, SAMPLES, STEPS = 4, 10, 64
"""Trials of a patient, samples of a trial, and time steps of a sample."""
_NOISE = 0.05


def load(data_dir: Path | None, seed: int) -> Splits:
    r"""Draw trains of Gaussian pulses.

    A patient has a class k of three, a pulse width w, uniform in [1, 3] steps, and a height h, uniform in [.5, .9]. A trial of a patient
    has a baseline b, uniform in [0, .2]. A sample of a trial has a phase p, uniform in one period. Its value at step t is :math:`b + h
    \sum_j e^{-(t - p - jT_k)^2 / 2w^2}` with the period :math:`T_k` of 12, 16 or 22 steps, plus Gaussian noise of standard deviation
    0.05, cut to [0, 1].

    Parameters
    ----------
    data_dir : Path, optional
        Not used: the samples are computed.
    seed : int
        Seed of everything that is drawn, at least 0.

    Returns
    -------
    Splits
        960, 240 and 240 samples of 64 steps in random order, with ``patients`` and ``trials``; no patient is in two splits.

    Raises
    ------
    InputError
        If ``seed`` is negative.
    """
    (generator,) = spawn(seed, 1)
    count = sum(PATIENTS)
    patients = np.arange(count)
    classes = patients % 3
    width, height = generator.uniform(1, 3, count), generator.uniform(0.5, 0.9, count)
    baseline = generator.uniform(0, 0.2, (count, TRIALS))
    phase = generator.random((count, TRIALS, SAMPLES))
    pulses = _pulses(classes, width, phase)  # (patients, trials, samples, steps)
    values = baseline[:, :, None, None] + height[:, None, None, None] * pulses
    values += _NOISE * generator.standard_normal(values.shape)
    each = TRIALS * SAMPLES
    arrays = {
        "inputs": np.clip(values, 0, 1).reshape(-1, STEPS),
        "labels": classes.repeat(each),
        "patients": patients.repeat(each),
        "trials": np.arange(count * TRIALS).repeat(SAMPLES),
        "split": np.repeat(np.arange(3), PATIENTS).repeat(each),
    }
    mixed = generator.permutation(count * each)  # a part of a split then has patients of all classes
    arrays = {name: array[mixed] for name, array in arrays.items()}
    return own_data(arrays, source=f"pulses: synthetic with seed {seed}, patients and trials of pulse trains")


def _pulses(classes: NDArray[np.intp], width: NDArray[np.float64], phase: NDArray[np.float64]) -> NDArray[np.float64]:
    period = np.array([12.0, 16.0, 22.0])[classes][:, None, None, None]
    time = np.arange(STEPS) - phase[..., None] * period
    nearest = (time + period / 2) % period - period / 2
    # A pulse is narrow beside its period, so that the nearest one is all that a step sees.
    train: NDArray[np.float64] = np.exp(-(nearest**2) / (2 * width[:, None, None, None] ** 2))
    return train
