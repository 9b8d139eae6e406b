"""Declared attributes of rules, held against their behaviour."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import fields, replace

import pytest
import torch
from systems import RULE_NAMES, build_rule, seeded

from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Setting
from contrastive_core.types import Batch

SETTING = Setting(SquaredError(), strength=0.1, fraction=0.1)

OTHER = {"sides": "positive", "update_rate": (7.0,), "pairing": "left"}
"""Values of own settings that are no numbers, other than their defaults."""


def batch() -> Batch:
    """Three samples of two classes."""
    return Batch(torch.rand((3, 4), generator=seeded(1), dtype=torch.float64), torch.tensor([0, 1, 1]))


def layered(readout: int | None = None) -> Layered:
    """A network with one hidden layer, and a second one or a readout."""
    return Layered((4, 5) if readout else (4, 5, 2), readout=readout, generator=seeded(0), dtype=torch.float64)


@pytest.mark.parametrize("name", RULE_NAMES)
def test_rules_that_hold_outputs_need_outputs_that_can_be_held(name: str) -> None:
    """A command that trusts a wrong declaration refuses what works, or fails after an hour of other rules."""
    rule = build_rule(name, SETTING)
    expected = pytest.raises(ValueError, match="cannot be held") if rule.holds_outputs else nullcontext()
    with expected:
        rule.estimate(layered(readout=2), batch(), generator=seeded(0))


@pytest.mark.parametrize("name", RULE_NAMES)
def test_rules_that_contrast_run_a_phase_beside_the_free_one(name: str) -> None:
    """A device that writes each phase would write one of them for nothing."""
    rule = build_rule(name, SETTING)
    found = rule.estimate(layered(), batch(), generator=seeded(0))
    # A rule that moves weights inside its phases has them, but its estimate is no contrast that a device could write.
    assert bool(set(found.relaxations) & {"positive", "negative"}) is (rule.contrasts or name == "ep-continual")
    assert rule.contrasts or found.contrast is None


@pytest.mark.parametrize("name", RULE_NAMES)
def test_the_scale_of_a_rule_is_the_setting_that_changes_it(name: str) -> None:
    """The bias would be fitted to a line of equal gradients, or not measured where there is one."""
    rule = build_rule(name, SETTING)
    doubled = {scale: build_rule(name, replace(SETTING, **{scale: 0.2})) != rule for scale in ("strength", "fraction")}
    assert [scale for scale, differs in doubled.items() if differs] == ([rule.scale] if rule.scale else [])


@pytest.mark.parametrize("name", RULE_NAMES)
def test_own_settings_reach_the_rule_that_declares_them_and_no_other(name: str) -> None:
    """A setting that no rule reads is reported as if it had acted."""
    rule = build_rule(name, SETTING)
    everything = [one for other in RULE_NAMES for one in build_rule(other, SETTING).options]
    for kind in dict.fromkeys(everything):
        (only,) = fields(kind)
        set_ = build_rule(name, replace(SETTING, own=(kind(**{only.name: OTHER.get(only.name, 7)}),)))
        assert (set_ != rule) is (kind in rule.options)
