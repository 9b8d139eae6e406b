"""Arguments that Python callers may write: random weights, names, arrays and pairs; anything else is refused in one sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import pytest
import torch
from systems import RULE_NAMES

import eqlab
from contrastive_core.devices import EFFECTS
from contrastive_core.devices.presets import PRESETS
from contrastive_core.networks.kind import Blueprint

LAYERED: dict[str, Callable[..., Any]] = {
    "layered": eqlab.Layered,
    "spiking": eqlab.spiking,
    "resistive": eqlab.Resistive,
    "oscillator": eqlab.Oscillators,
    "ising": eqlab.Ising,
}
"""Public makers of networks that take layer sizes."""

X = np.random.default_rng(0).random((6, 4))
Y = np.array([0, 1, 2, 2, 1, 0])


def registered(kind: str, dtype: torch.dtype = torch.float32) -> Any:
    """A small network of a registered kind, as commands build it."""
    entry = eqlab.NETWORKS[kind]
    tanh, linear = (eqlab.ACTIVATIONS[name] for name in ("tanh", "linear"))
    own = {"resistor-graph": {"rows": 4, "columns": 4, "links": 9}}.get(kind, {})
    options = None if entry.options is None else entry.options(**own)
    return entry.build(Blueprint(4, 3, (5,), tanh, linear, 1.0, False, 0.7, dtype, "2c2+1 3", (1, 2, 2)), options, eqlab.generator_of(0))


def weights(network: Any) -> torch.Tensor:
    """All matrices of a network in one vector."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters() if parameter.dim() > 1])


@pytest.mark.parametrize("name", LAYERED)
def test_weights_are_random_unless_told_otherwise(name: str) -> None:
    """If this fails, a network that nobody initialised looks trainable, and units of a layer stay equal for ever."""
    make = LAYERED[name]
    drawn = weights(make((4, 5, 3)))
    assert len(drawn.unique()) > 5
    torch.testing.assert_close(weights(make((4, 5, 3))), drawn, rtol=0, atol=0)
    torch.testing.assert_close(weights(make((4, 5, 3), generator=eqlab.generator_of(0))), drawn, rtol=0, atol=0)
    assert not torch.equal(weights(make((4, 5, 3), generator=1)), drawn)
    zero = {"gains": (0.0, 0.0)} if name == "ising" else {"gain": 0.0}
    # Conductances of 0 are moved to their lower bound, which is 0 in these circuits.
    assert not weights(make((4, 5, 3), **zero)).any()


@pytest.mark.parametrize("name", LAYERED)
def test_other_generators_and_sizes_are_refused(name: str) -> None:
    """If this fails, a slip ends in a message about the inside of torch, or not at all."""
    for generator in (None, -1, 0.5, True, "0", np.random.default_rng(0)):
        with pytest.raises(eqlab.InputError, match=r"generator must be a seed of at least 0 or a torch\.Generator, got "):
            LAYERED[name]((4, 5, 3), generator=generator)
    for sizes in (4, "453", (4, 2.5, 3), (4, True, 3), None, (4, "5", 3)):
        with pytest.raises(eqlab.InputError, match="layer sizes must be two or more positive numbers"):
            LAYERED[name](sizes)
    weights(LAYERED[name](np.array([4, 5, 3])))


@pytest.mark.parametrize("bad", ["0.7", None, -1.0, float("nan"), 1j])
def test_gains_are_numbers(bad: Any) -> None:
    """If this fails, a wrong gain shows as a mistake of torch's random numbers."""
    with pytest.raises(eqlab.InputError, match="gain must be a finite number of at least 0"):
        eqlab.Layered((4, 3), gain=bad)


@pytest.mark.parametrize("name", eqlab.ACTIVATIONS)
def test_activations_go_by_name(name: str) -> None:
    """If this fails, a name is taken for an activation until it is used, much later."""
    by_name, by_object = (eqlab.Layered((4, 5, 3), activation=given, readout=3) for given in (name, eqlab.ACTIVATIONS[name]))
    assert by_name.activations == by_object.activations
    assert f"4-5-3, activation {name}, readout of 3" in repr(by_name)
    assert f"outputs {name}" in repr(eqlab.Layered((4, 5, 3), output_activation=name)) or name == "hard-sigmoid"


@pytest.mark.parametrize("name", PRESETS)
def test_published_devices_go_by_name_and_alias(name: str) -> None:
    """If this fails, a network is held by another device than the one named, or a name is no device until a weight is written."""
    by_name, by_alias, by_object = (
        eqlab.OnDevice(eqlab.Layered((4, 5, 3)), given) for given in (name, PRESETS[name].alias.upper() or name, PRESETS[name].build(0))
    )
    assert by_name.device == by_alias.device == by_object.device
    for one, other in zip(by_name.buffers(), by_object.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


CHOICES = [
    (kind, field.name)
    for kind in (eqlab.Conductance, *EFFECTS.values())
    for field in dataclasses.fields(kind)
    if isinstance(field.default, Enum)
]
"""Every field of a part of a device that is one of several kinds."""


@pytest.mark.parametrize(("kind", "field"), CHOICES)
def test_kinds_of_a_part_of_a_device_go_by_name(kind: Any, field: str) -> None:
    """If this fails, a name passes for no member: rounding="stochastic" would round to the nearest state, without a word."""

    def held(given: object) -> object:
        part = kind(**{field: given})
        device = eqlab.Device(conductance=part) if kind is eqlab.Conductance else eqlab.Device(effects=(part,))
        return getattr(device.conductance if kind is eqlab.Conductance else device.effects[0], field)

    for member in type(next(one.default for one in dataclasses.fields(kind) if one.name == field)):
        assert held(member) is held(member.value) is member
    with pytest.raises(eqlab.EqlabError, match=f"unknown {field} 'stochasticc'"):
        held("stochasticc")
    with pytest.raises(eqlab.InputError, match=f"{field} must be a.* got 3; or write one of"):
        held(3)


@pytest.mark.parametrize(("given", "words"), [("ecrum", "did you mean 'ecram'"), ("", "unknown device ''"), (eqlab.Device, "must be a")])
def test_what_is_no_device_is_refused_in_one_sentence(given: Any, words: str) -> None:
    """If this fails, a slip in the name of a device ends in a message about an attribute of a text."""
    with pytest.raises(eqlab.EqlabError, match=words) as caught:
        eqlab.OnDevice(eqlab.Layered((4, 3)), given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", eqlab.NETWORKS)
def test_every_network_shows_its_sizes_and_says_why_it_is_no_function(kind: str) -> None:
    """If this fails, a network cannot be told from another, or a call ends in torch's NotImplementedError."""
    network = registered(kind)
    sizes = "-".join(("4", *("x".join(map(str, shape)) for shape in network.shapes)))
    assert repr(network).startswith(f"{type(network).__name__}({sizes}")
    with pytest.raises(eqlab.InputError, match=r"rule\.infer"):
        network(X)


@pytest.mark.parametrize("kind", eqlab.NETWORKS)
def test_every_network_takes_arrays_of_any_real_type(kind: str) -> None:
    """If this fails, double precision inputs stop a network of single precision, or are used in another precision than said."""
    network = registered(kind)
    single = X.astype(np.float32)
    expected = network.clamp(torch.from_numpy(single)).drive
    for inputs in (torch.from_numpy(single).double(), single.astype(np.float64), single.tolist(), single[::-1][::-1], single.astype(">f4")):
        torch.testing.assert_close(network.clamp(inputs).drive, expected, rtol=0, atol=0)
    single.setflags(write=False)
    network.clamp(single)
    for inputs, words in (([["a"] * 4], "must be numbers"), ([[1.0] * 4, [1.0]], "equal lengths"), (None, "got None"), (X + 1j, "numbers")):
        with pytest.raises(eqlab.InputError, match=words):
            network.clamp(inputs)
    with pytest.raises(eqlab.InputError, match="complex"):
        network.clamp(torch.zeros(2, 4, dtype=torch.complex64))
    with pytest.raises(eqlab.InputError, match="infinity"):
        network.clamp(np.full((1, 4), 1e300))


@pytest.mark.parametrize("name", RULE_NAMES)
def test_every_rule_takes_pairs_of_arrays_lists_and_tensors(name: str) -> None:
    """If this fails, what a data loader gives cannot be learnt from."""
    network, rule = eqlab.Layered((4, 5, 3), activation="tanh"), eqlab.RULES[name]("squared-error")
    batch = eqlab.Batch(torch.from_numpy(X).float(), torch.from_numpy(Y))
    expected = rule.estimate(network, batch, generator=eqlab.generator_of(0)).gradients
    for given in (
        (X, Y),
        [X, Y.astype(np.uint8)],
        (X.tolist(), Y.tolist()),
        (torch.from_numpy(X), batch.labels),
        eqlab.Batch(X, Y),
        (X, np.eye(3)[Y]),
        (X, np.eye(3, dtype=np.float32)[Y]),
    ):
        found = rule.estimate(network, given, generator=eqlab.generator_of(0)).gradients
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-6)  # another kernel may sum targets in another order
    assert rule.infer(network, X).state[-1].shape == (6, 3)


@pytest.mark.parametrize("name", RULE_NAMES)
def test_every_rule_refuses_what_is_no_network_no_batch_and_no_setting(name: str) -> None:
    """If this fails, arguments in the wrong order or a forgotten part end in an AttributeError."""
    network, build = eqlab.Layered((4, 5, 3)), eqlab.RULES[name]
    rule = build(eqlab.Setting(eqlab.SquaredError))
    for given in (X, (X,), (X, Y, Y), "digits", None):
        with pytest.raises(eqlab.InputError, match=r"a batch must be a Batch or a pair \(inputs, labels\), got "):
            rule.estimate(network, given)
    with pytest.raises(eqlab.InputError, match=r"network must be a Network, got .*in this order"):
        rule.estimate((X, Y), network)
    for setting in (3, None, eqlab.Layered, network):
        with pytest.raises(eqlab.InputError, match="cost must be a Cost or a name such as 'squared-error', got "):
            build(setting)
    with pytest.raises(eqlab.InputError, match="unknown cost 'squared-eror'; did you mean 'squared-error'"):
        build("squared-eror")


RULE_CLASSES = (
    eqlab.EquilibriumPropagation,
    eqlab.CoupledLearning,
    eqlab.Implicit,
    eqlab.RecurrentBackprop,
    eqlab.Unrolled,
)


@pytest.mark.parametrize("kind", RULE_CLASSES)
def test_classes_of_rules_take_names_and_refuse_other_parts(kind: Any) -> None:
    """If this fails, a rule is built from parts that fail in the first estimate."""
    assert isinstance(kind("cross-entropy", eqlab.Settling()).cost, eqlab.CrossEntropy)
    assert isinstance(kind(eqlab.CrossEntropy, eqlab.Settling()).cost, eqlab.CrossEntropy)
    with pytest.raises(eqlab.InputError, match=r"settling must be a Settling, got .*write Settling"):
        kind("cross-entropy", eqlab.Stop())
    with pytest.raises(eqlab.InputError, match="cost must be a Cost"):
        kind(eqlab.Settling(), "cross-entropy")


@pytest.mark.parametrize("name", eqlab.COSTS)
def test_every_cost_goes_by_name_and_by_class(name: str) -> None:
    """If this fails, a cost without its brackets is taken for a cost until it is used."""
    kind = eqlab.COSTS[name]
    for given in (name, kind, kind()):
        assert isinstance(eqlab.Setting(given).cost, kind)


@pytest.mark.parametrize("name", ["squared-error", "cross-entropy"])
def test_costs_of_samples_take_pairs(name: str) -> None:
    """If this fails, the cost of a pair cannot be asked."""
    cost = eqlab.COSTS[name]()
    outputs = torch.from_numpy(X[:, :3])
    for ask in (cost.value, cost.gradient, cost.errors):
        torch.testing.assert_close(ask(outputs, (X, Y)), ask(outputs, eqlab.Batch(torch.from_numpy(X), torch.from_numpy(Y))))


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "strength of text": (lambda: eqlab.Setting("squared-error", strength="0.1"), "strength must be a finite number, got '0.1'"),
    "fraction of nothing": (lambda: eqlab.Setting("squared-error", fraction=None), "fraction must be a finite number, got None"),
    "stop as a number": (lambda: eqlab.Settling(free=1e-3), "free must be a Stop, got 0.001; write Stop"),
    "stop as a pair": (lambda: eqlab.Settling(second=(1e-3, 10)), "second must be a Stop"),
    "dynamics as a number": (lambda: eqlab.Settling(dynamics=3), "dynamics must be a Dynamics or a name such as 'forward', got 3"),
    "activation as a function": (lambda: eqlab.Layered((4, 3), activation=torch.tanh), "activation must be an Activation or a name"),
    "activation of torch": (lambda: eqlab.Layered((4, 3), activation=torch.nn.Tanh()), "activation must be an Activation or a name"),
    "unknown activation": (lambda: eqlab.Layered((4, 3), activation="tahn"), "unknown activation 'tahn'; did you mean 'tanh'"),
    "own without a tuple": (lambda: eqlab.Setting("squared-error", own=eqlab.Unrolling()), "own must be a tuple"),
    "scale of text": (lambda: eqlab.Layered((4, 3), energy_scale="1"), "energy_scale must be a finite number"),
    "readout of text": (lambda: eqlab.Layered((4, 3), readout="3"), "readout must be a whole number of at least 1, got '3'"),
    "graph of sizes": (lambda: eqlab.ResistorGraph((4, 5, 3)), "graph must be a Graph"),
    "class with settings": (lambda: eqlab.COSTS.made(_Needy, eqlab.Cost), "the class _Needy has settings without defaults"),
}


class _Needy(eqlab.SquaredError.__mro__[1]):  # type: ignore[misc]
    def __init__(self, width: float) -> None:
        self.width = width

    value = gradient = errors = None


@pytest.mark.parametrize("case", BAD)
def test_other_types_are_refused_in_one_sentence(case: str) -> None:
    """If this fails, a slip is found by reading our code."""
    make, words = BAD[case]
    with pytest.raises(eqlab.InputError) as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", ["rule", "cost", "splits", "plan"])
def test_training_refuses_other_parts(where: str) -> None:
    """If this fails, a name or an array in place of an object fails somewhere inside the first epoch."""
    part = eqlab.Split(torch.from_numpy(X).float(), torch.from_numpy(Y))
    whole = {"rule": eqlab.RULES["backprop"]("squared-error"), "cost": "squared-error", "splits": eqlab.Splits(part, part, part, 3, "", "")}
    whole["plan"] = eqlab.TrainingPlan(epochs=1)
    network = eqlab.Layered((4, 5, 3))
    assert eqlab.train(network, **whole, seed=0).best_epoch == 1
    with pytest.raises(eqlab.InputError, match=f"{where} must be a"):
        eqlab.train(network, **whole | {where: 3.5}, seed=0)
    with pytest.raises(eqlab.InputError, match=r"rule must be a Rule, got 'ep-centered'; .*RULES"):
        eqlab.evaluate(network, "ep-centered", "squared-error", part)
