"""Walk over all public callables: a value of a wrong type is refused in one sentence, at any parameter."""

from __future__ import annotations

import inspect
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import eqlab
from contrastive_core.devices.presets import PRESETS
from contrastive_core.devices.pulse_files import Train
from contrastive_core.networks.untied import Feedback
from eqprop.lattice import Graph
from hebbian.theory.ensemble import Convention, diluted_ensemble

X, Y = torch.rand(6, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 2, 1, 0])


class Odd:
    """Value that nothing asks for."""


WRONG = (Odd(), "no such thing", b"bytes", None, -1, 1.5, True, 1j, float("nan"), [], [Odd()], {}, {"a": Odd()}, np.array("text"))


@cache
def calls() -> dict[str, dict[str, Any]]:
    """Valid arguments of every public callable."""
    network = eqlab.Layered((4, 5, 3))
    clamped, cost, split, batch = network.clamp(X), eqlab.SquaredError(), eqlab.Split(X, Y), eqlab.Batch(X, Y)
    state, rule, stop = network.initial_state(clamped), eqlab.RULES["ep-centered"]("squared-error"), eqlab.Stop(1e-3, 5)
    gradients = rule.estimate(network, batch).gradients
    dynamics = eqlab.BlockDescent()
    patterns = eqlab.draw_patterns(2, 20, 0.1, 0)
    memory = eqlab.remember(patterns, 0.1)
    system = eqlab.store_patterns(memory)
    field = eqlab.MeanField(diluted_ensemble(2, 0.1), 0.5)
    sized: dict[str, Any] = {"sizes": (4, 5, 3), "gain": 0.5, "generator": 0, "dtype": torch.float32}
    parts = {"cost": cost, "settling": eqlab.Settling()}
    pulses = np.linspace(1e-6, 1e-5, 9)
    trains = [Train("a", str(i), up, pulses[:: 1 if up else -1]) for i, up in enumerate((True, False))]
    return {
        "Layered": {
            **sized,
            "activation": "tanh",
            "output_activation": "linear",
            "energy_scale": 1.0,
            "readout": 3,
            "picture_output": False,
        },
        "SpinNetwork": {"num_spins": 4, "couplings": torch.zeros(4, 4), "dtype": torch.float32},
        "Untied": {"network": network, "deviations": {"weight_2": torch.zeros(5, 3)}, "mode": Feedback.FOLLOWS},
        "Resistive": {**sized, "parts": None},
        "ResistorGraph": {
            "graph": Graph(8, [(one, other) for other in range(8) for one in range(other)], range(4), range(4, 7)),
            "bounds": (1e-3, 1.0),
            "initial": (0.5, 0.6),
            "input_gain": 1.0,
            "mirrored": False,
            "generator": 0,
            "dtype": torch.float32,
        },
        "Oscillators": {**sized, "injection": 0.1, "input_gain": 1.0},
        "Ising": {"sizes": (4, 5, 3), "field_limit": 4.0, "coupling_limit": 1.0, "voters": 1, "gains": (0.5, 0.2), "generator": 0},
        "BinaryWeights": {"network": network},
        "convolutional": {"layers": "4c3+1 p2 5", "inputs": (1, 6, 6)},
        "towers": {"first": (4, 5, 3), "second": (2, 4, 3)},
        "spiking": {**sized, "window": 8, "energy_scale": 1.0},
        "to_onnx": {"network": network, "sweeps": 1},
        "to_nir": {"network": network, "time_constant": 0.1},
        "from_nir": {"graph": eqlab.to_nir(network) if find_spec("nir") else None, "energy_scale": None, "activation": None},
        "NetworkKind": {
            "build": len,
            "options": None,
            "section": "",
            "uses": frozenset(),
            "dynamics": frozenset(),
            "unit_stiffness": False,
        },
        "Setting": {"cost": cost, "settling": eqlab.Settling(), "strength": 0.1, "fraction": 0.1, "frozen": False, "own": ()},
        "Settling": {"dynamics": dynamics, "free": stop, "second": stop, "backend": "auto"},
        "Estimate": {"gradients": gradients, "relaxations": {}, "contrast": None},
        "Unrolling": {"unroll": 3},
        "Homeostasis": {"homeostasis": 0.1},
        "EquilibriumPropagation": {**parts, "strength": 0.1, "sides": eqlab.Sides.CENTERED, "frozen": False},
        "EquilibriumLayer": {"network": network, "rule": 0.01, "settling": None, "unconverged": "warn"},
        "CoupledLearning": {**parts, "fraction": 0.1, "sides": eqlab.Sides.CENTERED},
        "contrastive_hebbian": {"setting": eqlab.Setting(cost)},
        "Implicit": {**parts, "dense_units": 4},
        "RecurrentBackprop": parts,
        "Unrolled": {**parts, "truncation": 3},
        "FeedforwardBackprop": {"cost": cost},
        "relax": {
            "clamped": clamped,
            "state": state,
            "dynamics": dynamics,
            "stop": stop,
            "phase": None,
            "backend": "auto",
            "generator": None,
        },
        "Stop": {"tolerance": 1e-3, "budget": 10, "unstable": False},
        "Relaxation": {"state": state, "steps": Y, "residual": Y.double(), "status": Y.to(torch.int8)},
        "Nudge": {"cost": cost, "batch": batch, "strength": 0.1, "frozen": None},
        "Hold": {"output": state[-1]},
        "BlockDescent": {"order": "forward", "over_relaxation": 1.0},
        "Synchronous": {"damping": 0.5},
        "GradientFlow": {"step_size": 0.5},
        "Momentum": {"step_size": 0.5, "momentum": 0.5},
        "Anderson": {"inner": dynamics, "window": 3, "regularisation": 1e-9, "wait": 3},
        "Langevin": {"temperature": 0.1, "step_size": 0.1},
        "Annealing": {"reads": 2, "sweeps": 3, "hot": 0.1, "cold": 10.0, "reverse": 0.2, "back": False, "by_kernel": False},
        "Batch": {"inputs": X, "labels": Y, "instances": None, "views": None, "extras": None, "held": None, "start": None},
        "Split": {"inputs": X, "labels": Y},
        "Splits": {"train": split, "validation": split, "test": split, "num_classes": 3, "source": "", "digest": "", "shape": ()},
        "own_data": {"arrays": {"inputs": X, "labels": Y}, "source": "", "names": ()},
        "read_own": {"name": "table.csv", "target": "a", "features": ("b",), "group": "", "task": "auto", "deviation": None, "size": ()},
        "batches": {"split": split, "batch_size": 2, "generator": None},
        "MultiView": {"views": (eqlab.VIEWS["noise"](),), "count": 2, "strength": 0.5, "growth": 0.0, "shape": ()},
        "train": {
            "network": network,
            "rule": rule,
            "cost": cost,
            "splits": eqlab.Splits(split, split, split, 3, "", ""),
            "plan": eqlab.TrainingPlan(epochs=1),
            "seed": 0,
            "contrasting": None,
            "checkpoint": None,
            "identity": "",
            "on_step": None,
            "on_epoch": None,
        },
        "fit": {
            "network": network,
            "rule": rule,
            "data": eqlab.Splits(split, split, split, 3, "", ""),
            "plan": eqlab.TrainingPlan(epochs=1),
            "cost": cost,
            "seed": 0,
            "run": None,
            "callbacks": (),
        },
        "evaluate": {"network": network, "rule": rule, "cost": cost, "split": split, "contrasting": None},
        "generator_of": {"seed": 0, "purpose": 0},
        "NoiseTolerances": {"share": 0.1, "horizon": 3, "settling": eqlab.Settling()},
        "TrainingPlan": {
            "epochs": 1,
            "batch_size": 2,
            "optimiser": "sgd",
            "schedule": "constant",
            "learning_rates": (0.1,),
            "momentum": 0.5,
            "weight_decay": 0.1,
            "decay": 0.9,
            "clip_norm": 1.0,
            "patience": 1,
            "keep_last": False,
            "warm_start": False,
            "augment": (),
            "follow_noise": None,
            "noise_horizon": None,
        },
        "save_checkpoint": {"path": None, "tensors": gradients, "record": {}},  # the path is that of the test
        "load_checkpoint": {"path": None},
        "compare_gradients": {"estimate": gradients, "exact": gradients},
        "bias_in_strength": {
            "rule_of": lambda strength: eqlab.RULES["ep-centered"](eqlab.Setting(cost, strength=strength)),
            "network": network,
            "batch": batch,
            "exact": gradients,
            "strengths": (0.1, 0.2, 0.4),
            "generator_of": torch.Generator,
        },
        "extreme_eigenvalues": {"clamped": clamped, "state": state, "relative": False},
        "spectral_radius": {"dynamics": dynamics, "clamped": clamped, "state": state},
        "linear_probe": {"train": split, "test": split, "penalty": 0.1},
        "linear_cka": {"first": X, "second": X[:, :2]},
        "draw_patterns": {"num_patterns": 2, "num_spins": 8, "dilution": 0.1, "seed": 0},
        "draw_examples": {"patterns": patterns, "quality": 0.5, "num_examples": 3, "seed": 0},
        "remember": {"patterns": patterns, "dilution": 0.1, "examples": None, "quality": 1.0},
        "store_patterns": {"memory": memory, "convention": Convention.RAW},
        "Multitasking": {"patterns": patterns, "features": patterns, "scale": 1.0, "convention": Convention.RAW},
        "cue": {"patterns": patterns, "weights": (1.0, 0.5), "num_chains": 2, "quality": 0.9, "seed": 0},
        "simulate": {
            "system": system,
            "spins": np.sign(patterns + 0.5).astype(np.int8),
            "temperatures": 0.1,
            "sampler": "glauber",
            "seed": 0,
            "num_sweeps": 2,
            "first_step": 0,
            "every": 1,
        },
        "recall_from_cue": {"system": system, "weights": (1.0, 0.5), "quality": 0.9, "temperature": 0.1, "sweeps": 2, "seed": 0},
        "descend_to_rest": {"system": system, "spins": np.sign(patterns + 0.5).astype(np.int8), "budget": 50},
        "diluted_ensemble": {"num_patterns": 2, "dilution": 0.1},
        "MeanField": {"ensemble": diluted_ensemble(2, 0.1), "temperature": 0.5, "scale": 1.0},
        "stable_branches": {"mean_field": field, "starts": None},
        "retrieval_overlap": {"load": 0.05},
        "OnDevice": {"network": network, "device": eqlab.Device()},
        "Device": {
            "conductance": eqlab.Conductance(),
            "law": eqlab.Device().law,
            "step": 1e-3,
            "step_up": 1.0,
            "step_down": 1.0,
            "effects": (),
            "seconds": 0.0,
            "seed": 0,
        },
        "Conductance": {
            "g_min": 1e-6,
            "g_max": 1e-4,
            "pairing": eqlab.Conductance().pairing,
            "w_max": 1.0,
            "headroom": 2.0,
            "reference": 0.5,
        },
        "find_preset": {"name": next(iter(PRESETS))},
        "fit_pulses": {"trains": trains},
    }


WITHOUT = {"Network", "Activation", "Cost", "SquaredError", "CrossEntropy", "Objective", "Rule", "Sides", "Status", "Dynamics"}
"""Base classes and enumerations, which nobody calls with settings of ours, and costs without settings."""
ESTIMATORS = {"EquilibriumClassifier", "EquilibriumRegressor", "EquilibriumEncoder", "BoltzmannMachine"}
"""Constructors that check nothing, as scikit-learn asks; ``fit`` does."""
TABLES = {name for name in eqlab.PUBLIC if name.isupper()}
ERRORS = {name for name in eqlab.PUBLIC if name.endswith(("Error", "Warning")) and name != "SquaredError"}
LIBRARIES = {"to_onnx": "onnx", "to_nir": "nir", "from_nir": "nir"}
"""Optional library that a function needs before all else."""
ANY = {("NetworkKind", "options"), ("Batch", "inputs"), ("Batch", "labels"), ("Estimate", "relaxations")}
"""Parameters that take any class, samples, which are converted where they are used, and relaxations, which a look into them would make."""


def test_the_walk_covers_every_public_callable() -> None:
    """If this fails, a new public name is free to answer a slip with an error of its inside."""
    assert set(calls()) | WITHOUT | ESTIMATORS | TABLES | ERRORS == set(eqlab.PUBLIC)


@pytest.mark.parametrize("name", sorted(set(eqlab.PUBLIC) - WITHOUT - ESTIMATORS - TABLES - ERRORS))
def test_wrong_types_are_refused_in_one_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a slip is found by reading our code."""
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name], reason=f"{LIBRARIES[name]} is not installed")
    monkeypatch.chdir(tmp_path)  # a text is the name of a file for some
    call, valid = getattr(eqlab, name), dict(calls()[name])
    Path("table.csv").write_text("\n".join(["a,b", *(f"{index}.5,{index}" for index in range(9))]))
    if "path" in valid:
        valid["path"] = tmp_path / "checkpoint"
        eqlab.save_checkpoint(tmp_path / "checkpoint", {"a": torch.zeros(1)}, {"epoch": 1})
    call(**valid)
    assert set(valid) <= set(inspect.signature(call).parameters)
    failures = []
    for parameter in valid:
        for wrong in WRONG:
            try:
                call(**valid | {parameter: wrong})
            except eqlab.EqlabError as error:
                if "\n" in str(error) or " at 0x" in str(error):
                    failures.append(f"{parameter}={wrong!r}: {error}")
            except Exception as error:
                failures.append(f"{parameter}={wrong!r}: {type(error).__name__}: {error}")
            else:
                if isinstance(wrong, Odd | bytes | complex) and (name, parameter) not in ANY:
                    failures.append(f"{parameter}={wrong!r} is taken")
    assert not failures, "\n" + "\n".join(failures)


def test_arguments_of_a_type_that_has_passed_are_looked_at_where_the_type_does_not_decide() -> None:
    """Arguments whose types are enough are looked at once; a tuple of texts is no tuple of sizes because one of sizes came before it."""
    assert eqlab.Stop(1e-3, 5).budget == eqlab.Stop(1e-3, 6).budget - 1
    with pytest.raises(eqlab.InputError, match="budget"):
        eqlab.Stop(1e-3, True)
    eqlab.Layered((4, 3))
    with pytest.raises(eqlab.InputError, match="sizes"):
        eqlab.Layered(("4", "3"))  # type: ignore[arg-type]
