"""A trained network is compared under the physics that it was trained with, or not at all."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from contrastive_core.errors import CheckpointError
from contrastive_core.files.checkpoint import save_checkpoint
from experiments.commandline.kinds import flag_name
from experiments.learning.gradient_cases import prepare_case
from experiments.setup.build import build_network, load_data
from experiments.setup.options import LearningOptions
from experiments.setup.own_options import network_kind, section_of
from experiments.setup.tables import NETWORKS

OWN = [name for name in NETWORKS if network_kind(name).options]
SHAPES = ("rows", "columns", "links", "voters", "feedback")
"""Options that change the shapes of parameters, which are refused for that."""


def options_with(network: str, **others: Any) -> LearningOptions:
    """A tiny network, some of its options set."""
    small = {"hidden": (4,), "data": "two-moons", "graph": {"rows": 4, "columns": 4, "links": 40}}
    pictures = {"data": "digits", "layers": "2c3 a2 10"} if network == "convolutional" else {}
    return LearningOptions.model_validate({**small, **pictures, "network": network, **others})


def trained(network: str, place: Path, seed: int = 0, **others: Any) -> Path:
    """A checkpoint as training writes it, at the initial parameters."""
    options = options_with(network, **others)
    built = build_network(options, load_data(options), seed)
    identity = json.dumps({"options": options.resolved(), "seed": seed, "data": ""})
    save_checkpoint(place, {f"best.{name}": value for name, value in built.state_dict().items()}, {"identity": identity})
    return place


def other(value: Any) -> Any:
    """Another value of an option."""
    if isinstance(value, tuple):
        return tuple(map(other, value))
    if isinstance(value, str):
        return "sign" if value == "fixed" else "fixed"
    return 1.0 if value is None else value + 1 if isinstance(value, int) else 0.5 * value + 0.25


@pytest.mark.parametrize("network", OWN)
def test_a_checkpoint_under_other_physics_is_refused_with_the_flags_to_give(network: str, tmp_path: Path) -> None:
    """Oscillators trained with an injection and compared without one had a relative error of 0.43, and nothing was said."""
    kind, section = network_kind(network), section_of(network)
    file = trained(network, tmp_path / "trained.safetensors")
    same = options_with(network)
    assert prepare_case(same, 4, file, 0).network.sizes
    own = dict(getattr(same, section))
    tried = [one.name for one in fields(kind.options) if one.name not in SHAPES and one.name != "diode_curve"]
    assert tried
    for name in tried:
        value = (1.0,) if (section, name) == ("circuit", "g_max") else other(own[name])
        changed = options_with(network, **{section: own | {name: value}})
        with pytest.raises(CheckpointError, match=f"other settings of the network; give the same: {flag_name(f'{section}.{name}')} "):
            prepare_case(changed, 4, file, 0)


@pytest.mark.parametrize("network", NETWORKS)
def test_options_without_effect_on_a_network_do_not_keep_its_checkpoint_from_being_used(network: str, tmp_path: Path) -> None:
    """A refusal for an option that says nothing about the network would be as wrong as none."""
    file = trained(network, tmp_path / "trained.safetensors")
    strangers = {"circuit": {"rail": 3.0}, "oscillator": {"injection": 0.5}}
    unused = {name: value for name, value in {"energy_scale": 0.7, "activation": "tanh"}.items() if name not in network_kind(network).uses}
    others = {name: value for name, value in strangers.items() if name != section_of(network)}
    assert prepare_case(options_with(network, **others, **unused), 4, file, 0).network.sizes
    for name, value in {"energy_scale": 0.7, "activation": "tanh"}.items():
        if name in network_kind(network).uses:
            with pytest.raises(CheckpointError, match=flag_name(name)):
                prepare_case(options_with(network, **{name: value}), 4, file, 0)


def test_a_graph_drawn_from_another_seed_is_another_graph(tmp_path: Path) -> None:
    """The resistors lie between other nodes: the conductances of one graph say nothing in the other."""
    file = trained("resistor-graph", tmp_path / "trained.safetensors", seed=3)
    assert prepare_case(options_with("resistor-graph"), 4, file, 3).network.sizes
    with pytest.raises(CheckpointError, match="give the same: --seed 3"):
        prepare_case(options_with("resistor-graph"), 4, file, 0)
