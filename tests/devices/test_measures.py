"""Measures of a trained network on a device: the contrast against the error of reading it, and the sweeps and samples that are billed."""

from __future__ import annotations

import pytest
import torch
from systems import build_rule
from training_cases import SETTING, make_network, make_splits

from contrastive_core.data.batches import batches
from contrastive_core.devices.conductance import Conductance
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.periphery import NodeNoise
from contrastive_core.devices.on_device import OnDevice
from experiments.hardware.energy_bill import ConstantOptions
from experiments.hardware.measures import measure

SIZE = 96
SIGMA = 0.01


@pytest.mark.parametrize(("name", "contrasted"), [("ep-centered", ("positive", "negative")), ("ep-positive", ("free", "positive"))])
def test_signal_is_the_displacement_between_the_phases_that_are_contrasted(name: str, contrasted: tuple[str, str]) -> None:
    """If this fails, a centered rule is given the signal of a one-sided one. The distances are taken again, unit by unit.

    The noise is estimated from 96 x 11 readings, to 1/sqrt(2 x 1056) = 2.2 % of it; 4.5 of these are 10 %.
    """
    splits, rule = make_splits(train_size=SIZE), build_rule(name, SETTING)
    held = OnDevice(make_network(), Device(Conductance(w_max=3.0), effects=(NodeNoise(SIGMA),)))
    found = measure(held, rule, splits, SIZE, [{"sweeps_per_sample": 7.0}], ConstantOptions())
    phases = rule.estimate(held, next(batches(splits.train, SIZE))).relaxations
    assert set(phases) == {"free", *contrasted}

    def displacement(one: str, other: str) -> float:
        squares = [(a - b).double().square().flatten() for a, b in zip(phases[one].state, phases[other].state, strict=True)]
        return float(torch.cat(squares).mean().sqrt())

    assert found["signal_to_noise"] == pytest.approx(displacement(*contrasted) / SIGMA, rel=0.1)
    if name == "ep-centered":  # the two displacements from the free phase are about half of it each, and rejected
        assert displacement("free", "negative") / SIGMA < 0.8 * found["signal_to_noise"]


def test_sweeps_and_samples_are_those_of_all_epochs() -> None:
    """If this fails, joules of a training are those of one epoch, or of one sample. 96 samples, and 7 and 5 sweeps of each."""
    splits, rule = make_splits(train_size=SIZE), build_rule("ep-positive", SETTING)
    held = OnDevice(make_network(), Device(Conductance(w_max=3.0)))
    found = measure(held, rule, splits, SIZE, [{"sweeps_per_sample": 7.0}, {"sweeps_per_sample": 5.0}], ConstantOptions())
    phases = rule.estimate(held, next(batches(splits.train, SIZE))).relaxations
    steps = {name: float(phase.steps.double().mean()) for name, phase in phases.items()}
    swept = {name: found["phases"][name]["sweeps"] for name in steps}
    assert sum(swept.values()) == pytest.approx(12 * SIZE, rel=1e-12, abs=0)
    assert swept["free"] / swept["positive"] == pytest.approx(steps["free"] / steps["positive"], rel=1e-12, abs=0)
    assert found["energy"] / found["sample_energy"] == pytest.approx(2 * SIZE, rel=1e-12, abs=0)
    # Each of the 11 units is converted once per sample, epoch and phase.
    assert [found["phases"][name]["conversions"] for name in steps] == [11 * 2 * SIZE] * 2
    assert found["signal_to_noise"] is None  # nothing is misread
