"""Attacks on views: their gradient, their ball, and that they do what a random change of the same length does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from command_line import eqlab, found, refused
from systems import seeded
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.errors import InputError
from contrastive_core.joint.perturbed_views import ViewAttack
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch

TANH = ACTIVATIONS["tanh"]
OBJECTIVE = OBJECTIVES["nt-xent"](temperature=0.5)
SETTING = Setting(OBJECTIVE, replace(Settling(), free=Stop(1e-13, 5000)))


def network() -> Layered:
    return Layered((9, 8, 5), activation=TANH, output_activation=TANH, generator=seeded(1), dtype=torch.float64)


def views(samples: int = 5) -> Batch:
    inputs = torch.rand((2 * samples, 9), generator=seeded(2), dtype=torch.float64)
    numbers = torch.arange(2).repeat_interleave(samples)
    return Batch(inputs, torch.zeros(2 * samples, dtype=torch.int64), torch.arange(samples).repeat(2), numbers)


def value(net: Layered, setting: Setting | None, batch: Batch) -> float:
    """The objective at outputs that are settled, or of the bottom-up pass."""
    clamped = net.clamp(batch.inputs)
    state = net.feedforward(clamped) if setting is None else setting.settling.free_phase(clamped).state
    return float(OBJECTIVE.value(net.output(state), batch).detach())


@pytest.mark.parametrize("setting", [None, SETTING], ids=["bottom-up", "settled"])
def test_the_attack_follows_the_gradient_of_the_inputs(setting: Setting | None) -> None:
    """If this fails, perturbed positives are not the worst ones: the first step must be along central differences of the objective."""
    net, batch = network(), views()
    attack = ViewAttack(net, OBJECTIVE, setting, radius=1e-3, steps=1, every=True)
    step = attack(batch).inputs - batch.inputs
    slopes, size = torch.zeros_like(batch.inputs), 1e-4
    for row in range(len(slopes)):
        for place in range(9):
            change = torch.zeros_like(slopes)
            change[row, place] = size
            ends = [value(net, setting, batch._replace(inputs=batch.inputs + sign * change)) for sign in (1, -1)]
            slopes[row, place] = (ends[0] - ends[1]) / (2 * size)
    inner = (batch.inputs > 0.01) & (batch.inputs < 0.99)  # the box stops the others
    step, slopes = torch.where(inner, step, 0.0), torch.where(inner, slopes, 0.0)
    # Differences err by about size², and by the rounding of 1e-16 over their size: 1e-8 beside slopes of 1e-2.
    assert float(torch.nn.functional.cosine_similarity(step, slopes).min()) > 1 - 1e-6


@pytest.mark.parametrize("setting", [None, SETTING], ids=["bottom-up", "settled"])
def test_worst_positives_stay_in_the_ball_and_leave_the_first_views(setting: Setting | None) -> None:
    """If this fails, an attack is stronger than its radius says, or moves the anchors too; and it must beat a random change."""
    net, batch = network(), views()
    attack = ViewAttack(net, OBJECTIVE, setting, radius=0.3)
    moved = attack(batch)
    lengths = (moved.inputs - batch.inputs).norm(dim=1)
    assert torch.equal(moved.inputs[:5], batch.inputs[:5])
    assert float(lengths.max()) <= 0.3 + 1e-12
    assert float(lengths[5:].min()) > 0.1
    assert 0 <= float(moved.inputs.min()) <= float(moved.inputs.max()) <= 1
    random = torch.randn((10, 9), generator=seeded(3), dtype=torch.float64)
    control = (batch.inputs + 0.3 * torch.nn.functional.normalize(random)).clamp(0, 1)
    control[:5] = batch.inputs[:5]
    rise, chance = (value(net, setting, batch._replace(inputs=x)) - value(net, setting, batch) for x in (moved.inputs, control))
    assert rise > 3 * abs(chance)


def test_one_perturbation_for_all_raises_the_objective_of_samples_it_was_not_made_from() -> None:
    """If this fails, a universal perturbation is no better than noise of its length."""
    net = network()
    attack = ViewAttack(net, OBJECTIVE, None, radius=0.5, steps=20)
    change = attack.universal([views(), views(6)])
    assert change.shape == (9,)
    assert float(change.norm()) <= 0.5 + 1e-12
    inputs = torch.rand((40, 9), generator=seeded(7), dtype=torch.float64)
    others = views(20)._replace(inputs=inputs)

    def rise(one: Tensor) -> float:
        return value(net, None, attack.shifted(others, one)) - value(net, None, others)

    draws = torch.nn.functional.normalize(torch.randn((20, 9), generator=seeded(8), dtype=torch.float64)) * 0.5
    assert rise(change) > max(rise(draw) for draw in draws)
    assert torch.equal(attack.shifted(others, change).inputs[:20], inputs[:20])


def test_attacks_without_sense_are_refused() -> None:
    """If this fails, a ball of negative size ends in a traceback, or steps away from the ball."""
    with pytest.raises(InputError, match="radius of an attack"):
        ViewAttack(network(), OBJECTIVE, None, radius=-1.0)


def test_the_command_measures_and_trains_on_attacks(tmp_path: object) -> None:
    """If this fails, robust contrast has no command, or data outside the box are attacked as if they were pictures."""
    small = ("contrast", "--train-size", 60, "--batch-size", 20, "--hidden", 7, "--embedding", 6, "--probe-test", 60, "--epochs", 1)
    small = (*small, "--seeds", 1, "--threads", 1, "--quiet", "--engine", "serial", "--attack-steps", 2)
    result = found(*small, "--rules", "ep-centered,backprop", "--attack", "positives", "--out", f"{tmp_path}/robust")
    for record in result["rules"].values():
        assert 0 <= record["view_error_attacked"] <= 1
        assert 0 <= record["view_error_universal"] <= 1
    assert "attacks stay between 0 and 1" in refused(*small, "--standardise", 1, "--attack", "test", "--out", f"{tmp_path}/no")
    idle = eqlab(*small, "--rules", "backprop", "--out", f"{tmp_path}/idle")
    assert "have no effect without --attack" in idle.stderr
