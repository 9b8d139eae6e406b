"""Pictures of every kind, from records as large as commands make them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from pictures import RULES, gradients, history, record, trace

from experiments.figures import annealed_search, devices, grid, hardware, representations, scores
from experiments.figures.hopfield import basins, capacity, learning_from_examples, phases
from experiments.figures.machines import divergence, likelihood, memory, robustness, thermal, tiles
from experiments.figures.rules.feedback_angle import feedback_angle
from experiments.figures.rules.synaptic_trace import synaptic_trace
from experiments.figures.rules.varied_gradients import varied_gradients
from experiments.figures.writing import (
    Picture,
    comparison,
    feature_maps,
    filters,
    gradient_alignment,
    layer_relaxation,
    learning_curves,
    pareto,
    reading_noise,
    relaxation,
    time_and_error,
    tuning,
)

EFFECTS = ("adc.adc_bits", "device-to-device.dw_min_dtod", "node-noise.standard_deviation", "stuck-at.p_sa0")
TIGHT = {"ep-centered": 0.0301, "contrastive-hebbian": 0.0302, "backprop": 0.0303}
"""Test errors that differ by less than a symbol."""


def _profile(numeric: bool) -> Picture:
    labels: list[object] = [0.1, 0.2, 0.5] if numeric else [f"rule ep-centered, tolerance {10.0**-n:g}" for n in range(2, 9)]
    column = [0.1 + 0.01 * index for index in range(len(labels))]
    metric = {"mean": column, "low": [m - 0.02 for m in column], "high": [m + 0.02 for m in column], "failed": [0.0] * len(labels)}
    return grid.profile("gain", labels, {"test_error": metric, "cpu_seconds_per_sample": metric, "theory.free_energy": metric})


def _map(across: int, down: int) -> Picture:
    means = [[1e-5 * x + 1e-4 * y for x in range(across)] for y in range(down)]
    labels = ([10.0**-x for x in range(across)], list(RULES[:down]))
    return grid.heat_map("cpu_seconds_per_sample", ("nudged_tolerance", "rule"), labels, means, [[0.0] * across] * down)


def _effects(names: tuple[str, ...], rules: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for index, rule in enumerate(rules):
        for name, value in [("unvaried", ""), *((name, value) for name in names for value in ("0.01", "0.1", "1"))]:
            mean = 0.9 - 0.01 * index - (0.1 * float(value) if value else 0)
            noise = 30.0 / float(value) if value else None
            accuracy = {"mean": mean, "ci95": [mean - 0.02, mean + 0.02]}
            rows.append({"varied": name, "value": value, "rule": rule, "accuracy": accuracy, "signal_to_noise": noise, "energy": 3e-6})
    return rows


def _phase_cells(patterns: int) -> list[dict[str, Any]]:
    states = ("pure", "hierarchical", "mixed", "symmetric", "disordered")
    cells = []
    for i in range(10):
        for j in range(10):
            sampled = {"overlaps": [0.5 - 0.1 * k for k in range(patterns)], "error": [0.01] * patterns, "warnings": []}
            agrees = (True, None, False)[(i + j) % 3]
            theory = {"overlaps": [0.5 - 0.1 * k for k in range(patterns)], "branch": states[(i + j) % 5]}
            cells.append({"dilution": 0.05 + 0.09 * i, "ratio": 0.05 + 0.1 * j, "agrees": agrees, "monte_carlo": sampled, **theory})
    return cells


def _ground_line(ratio: float) -> phases.GroundLine:
    places = [0.05 + 0.01 * index for index in range(80)]
    return places, [[0.5 - 0.1 * k - 0.2 * place * ratio - 0.1 * (place > 0.4) for k in range(3)] for place in places], [0.405]


def _phase() -> Picture:
    places = [0.05 + 0.01 * index for index in range(80)]
    names = ("pure unstable below", "symmetric unstable below", "hierarchical state exists up to, at T = 0")
    return phases.phase_picture(
        _phase_cells(3), {name: [(d, 0.5 * d * (1 + index / 3)) for d in places] for index, name in enumerate(names)}
    )


def _recall() -> Picture:
    rows = [[0.4 + 0.03 * t, 0.2, 0.1] for t in range(16)]
    flow = {"dynamics": "random-site", "measured": rows, "predicted": rows, "energy": [-0.02 * t for t in range(16)], "losses": rows}
    return phases.recall_picture({"flow": flow})


def _learning() -> Picture:
    columns = {"signal_to_noise": 0.5, "gaussian": 0.6, "instance": 0.6, "supervised": 0.7, "unsupervised": 0.5}
    errors = {"supervised_error": 0.01, "unsupervised_error": 0.01}
    cells = [{"quality": q, "examples": n, **columns, **errors} for q in (0.2, 0.5, 0.8) for n in (1, 3, 10, 30, 100, 300)]
    return learning_from_examples.learning_picture(cells, {"0.2": 100.0, "0.5": 10.0, "0.8": 3.0})


def _thresholds() -> Picture:
    thresholds = {"0.2": 100.0, "0.5": 10.0, "0.8": 3.0}
    return learning_from_examples.threshold_picture(
        thresholds, {"supervised": dict(thresholds), "unsupervised": {**thresholds, "0.2": None}}
    )


def _capacity() -> Picture:
    points = [
        {"size": size, "load": load, "retrieved_overlap": 0.98, "retrieved": max(0.0, 1 - 6 * load), "trials": 50, "fitted": 1 - 5 * load}
        for size in (500, 1000, 2000, 4000)
        for load in (0.1, 0.12, 0.14, 0.16)
    ]
    fit = {"exponent": 0.5, "load": 0.138, "shift": 0.2, "load_interval": [0.136, 0.14]}
    halves = [{"size": size, "load": 0.138 + 0.2 * size**-0.5, "interval": [0.138, 0.15]} for size in (500, 1000, 2000, 4000)]
    return capacity.capacity_picture({"theory": {"load": 0.13790}, "points": points, "monte_carlo": fit, "midpoints": halves})


def _basins() -> Picture:
    targets = [f"pattern 1, noise {noise:g} and load {load:g}" for noise in (0.1, 0.2) for load in (0.05, 0.1)]
    cell = {"final_overlap": 0.9, "success": 0.8, "interval": [0.7, 0.9]}
    return basins.basins_picture([{"target": target, "initial_overlap": 0.1 * m, **cell} for target in targets for m in range(1, 10)])


def _networks(count: int) -> dict[str, Any]:
    points = [[math.cos(i), math.sin(i)] for i in range(60)]
    one: dict[str, Any] = {"embedding": points, "classes": [i % 10 for i in range(60)]}
    one |= {
        "spectrum_hidden": [1.0, 0.1],
        "spectrum_output": [0.5, 1e-3],
        "scores_positive": [0.0, 0.5, 1.5],
        "scores_negative": [1.0, 0.5, 0.5],
    }
    return dict.fromkeys(("untrained", *RULES[: count - 1]), one)


def _match() -> Picture:
    kinds = [f"{rule} and backprop, {state}" for rule in RULES[:6] for state in ("same start", "two starts", "untrained")]
    return representations.matches({kind: {"hidden": [0.9, 0.5, 0.1], "output": [0.8, 0.4]} for kind in kinds})


def _reading_noise() -> Picture:
    strengths = [0.01, 0.1, 1.0]
    errors = [[1e-4 * (2 + level) / strength + strength**2 for strength in strengths] for level in range(3)]
    return reading_noise({rule: {"levels": [0.001, 0.01, 0.1], "strengths": strengths, "errors": errors} for rule in RULES})


def _varied(name: str, values: list[Any]) -> Picture:
    count = len(values)
    means, lows = [1 - 0.1 * i for i in range(count)], [1 - 0.3 * i for i in range(count)]
    errors = {"mean_error": [10.0**-i for i in range(count)], "least_error": [0.0] * count, "largest_error": [2.0] * count}
    return varied_gradients(name, values, {rule: {"mean_cosine": means, "lowest_cosine": lows, **errors} for rule in RULES})


def _angles(fall: float) -> list[dict[str, Any]]:
    return [{"epoch": 0, "angle": None}, *({"epoch": epoch, "angle": 90 - fall * epoch} for epoch in range(1, 4))]


def _memory() -> Picture:
    sizes = {"ep-centered": 0.0, "unrolled": 1.0, "backprop": 0.1}
    return memory.memory_picture(
        [
            {"rule": rule, "depth": depth, "sweeps": sweeps, "peak_mb": depth * (3 + slope * sweeps)}
            for rule, slope in sizes.items()
            for depth in (1, 4, 8)
            for sweeps in (5, 20, 80)
        ]
    )


def _synapse() -> Picture:
    sums = [0.0, 0.3, 0.5, 0.6]
    off = {"midpoint": 0.0, "left": 0.02, "one-sided": 0.1}
    pairings = {name: {"trace": [(1 + d) * one for one in sums], "difference": [d * one for one in sums]} for name, d in off.items()}
    return synaptic_trace({"synapse": "weight_2[3, 1]", "contrast": sums, "pairings": pairings})


def _tuning() -> Picture:
    candidates = [
        {"strength": 10.0**-s, "tolerance": 10.0**-t, "nudged_tolerance": 10.0**-n, "error": 10.0 ** (-s - t)}
        for s in range(1, 5)
        for t in (3, 4, 5, 6)
        for n in (4, 5, 6)
    ]
    return tuning({"candidates": candidates, "chosen": candidates[0], "bound": 1e-3, "noise": 2e-3})


def _fit() -> Picture:
    trains = [{"up": up, "siemens": [1e-6 * (n if up else 20 - n) for n in range(21)]} for up in (True, False)]
    return devices.fit_picture(trains, [1e-6 * n for n in range(21)], [1e-6 * (20 - n) for n in range(21)])


def _front(labels: list[str], spread: float) -> Picture:
    points = {label: (1.0 + spread * index, 3.0 + spread * (index % 3)) for index, label in enumerate(labels)}
    return pareto({"CPU time (µs/sample)": points, "sweeps per sample": points}, "test error (%)")


GALLERY: dict[str, dict[str, Callable[[], Picture]]] = {
    "learning_curves": {
        "of three rules": lambda: learning_curves({rule: [history(0.01 * i)] for i, rule in enumerate(RULES[:3])}),
        "of twelve rules": lambda: learning_curves({rule: [history(0.001 * i), history(0.002)] for i, rule in enumerate(RULES)}),
        "of a sweep": lambda: learning_curves(
            {f"rule {rule}, tolerance {t:g}": [history(), history(0.1)] for rule in RULES[:4] for t in (1e-2, 1e-3, 1e-4)}
        ),
    },
    "comparison": {
        "of two rules": lambda: comparison({"ep-centered": record(), "backprop": record(0.02)}),
        "of twelve rules": lambda: comparison({rule: record(0.01 + 0.001 * i) for i, rule in enumerate(RULES)}),
        "of equal rules": lambda: comparison({rule: record(0.03) | {"cpu_seconds_per_sample": 4.1e-5} for rule in RULES}),
    },
    "gradient_alignment": {
        "of two rules": lambda: gradient_alignment({"ep-centered": gradients(2.0), "backprop": gradients(None)}),
        "of twelve rules": lambda: gradient_alignment({rule: gradients(1.0 + i % 2) for i, rule in enumerate(RULES)}),
    },
    "relaxation": {
        "of one phase": lambda: relaxation({"free phase": trace()}),
        "of eight points": lambda: relaxation({f"gain {0.1 * i:.1f}, activation hard-sigmoid": trace() for i in range(8)}),
    },
    "layer_relaxation": {
        "of two layers": lambda: layer_relaxation({f"layer {n}": [n * 3.0**-t for t in range(6)] for n in (1, 2)}),
        "of twelve layers": lambda: layer_relaxation({f"layer {n}": [n * 3.0**-t for t in range(40)] for n in range(1, 13)}),
    },
    "likelihood_picture": {
        "of twelve epochs": lambda: likelihood.likelihood_picture(
            [
                {
                    "epoch": n,
                    "train_log_likelihood": -9.0 + 0.2 * n,
                    "test_log_likelihood": -9.1 + 0.15 * n,
                    "log_partition_error": 0.1,
                }
                for n in range(12)
            ]
        ),
        "of two epochs without errors": lambda: likelihood.likelihood_picture(
            [
                {"epoch": n, "train_log_likelihood": -130.0 + n, "test_log_likelihood": -131.0 + n, "log_partition_error": None}
                for n in (1, 50)
            ]
        ),
    },
    "mixing_picture": {
        "that decays": lambda: likelihood.mixing_picture([0.9**n for n in range(100)], 19.0),
        "that never decays": lambda: likelihood.mixing_picture([1.0] * 20, None),
    },
    "robustness_picture": {
        "of four arms": lambda: robustness.robustness_picture(
            {arm: _withstood(n) for n, arm in enumerate(("standard", "adversarial", "dat", "sgld"))}
        ),
        "of one radius": lambda: robustness.robustness_picture(
            {"dat": {"test_error": 0.1, "radii": [0.5], "robust_accuracy_restarts": [0.6], "transfer_accuracy": [0.8]}}
        ),
    },
    "course_picture": {
        "of two arms": lambda: robustness.course_picture(
            {
                arm: [{"epoch": n, "steps": n // 2, "area": 0.8, "gap": size / n} for n in range(1, 41)]
                for arm, size in (("dat", 9.0), ("sgld", -350.0))
            }
        ),
        "of two epochs": lambda: robustness.course_picture(
            {"dat": [{"epoch": 1, "steps": 0, "area": 0.5, "gap": 0.0}, {"epoch": 2, "steps": 1, "area": 0.9, "gap": 3.0}]}
        ),
    },
    "divergence_picture": {
        "of three couplings": lambda: divergence.divergence_picture(
            [
                {"coupling": c, "eigenvalue": e, "cosines": {str(k): 1 - e / (1 + k) for k in (1, 3, 10, 30)}}
                for c, e in ((0.5, 0.36), (1.5, 0.98), (3.0, 1.0))
            ]
        ),
    },
    "thermal_picture": {
        "of three strengths": lambda: thermal.thermal_picture(
            {
                "biases": [{"strength": 0.1 * n, "positive": 0.1 * n, "centered": 0.01 * n * n, "richardson": 1e-4} for n in (1, 2, 4)],
                "sampled": [{"strength": 0.1 * n, "own": 0.1 / n, "common": 0.05 / n} for n in (1, 2, 4)],
                "covariance_error": 0.02,
                "best_strength": {"own": 0.3, "common": 0.2},
            }
        ),
    },
    "tiles_picture": {
        "of filters": lambda: tiles.tiles_picture([[math.sin(n * p) for p in range(64)] for n in range(20)], 8, "filters"),
        "of large samples": lambda: tiles.tiles_picture([[(n * p) % 7 / 7 for p in range(784)] for n in range(3)], 28, "samples"),
        "of samples and neighbours": lambda: tiles.tiles_picture([[(n + p) % 5 / 5 for p in range(64)] for n in range(48)], 8, "joint"),
        "of a matrix": lambda: tiles.tiles_picture([[0.1 * n + p for p in range(16)] for n in range(6)], 0, "samples"),
    },
    "time_and_error": {
        "of two rules": lambda: time_and_error({"ep-centered": [_timed(2.0), _timed(2.2)], "backprop": [_timed(1.0)]}),
        "of twelve rules": lambda: time_and_error({rule: [_timed(1.0 + i)] for i, rule in enumerate(RULES)}),
    },
    "filters": {"of grey pictures": lambda: filters(_tiles(16, 1, 5)), "of coloured ones": lambda: filters(_tiles(3, 3, 3))},
    "feature_maps": {
        "of three layers": lambda: feature_maps(
            {"inputs": _tiles(1, 1, 14)[0], "layer 1": _tiles(1, 9, 6)[0], "layer 2": _tiles(1, 5, 2)[0]}
        ),
        "of five layers": lambda: feature_maps({f"layer {n}": _tiles(1, 9, 4)[0] for n in range(1, 6)}),
    },
    "memory_picture": {"of three rules at three depths": _memory},
    "reading_noise": {"of twelve rules at three levels": _reading_noise},
    "feedback_angle": {"of two rules": lambda: feedback_angle({rule: [_angles(30.0), _angles(20.0), []] for rule in RULES[:2]})},
    "synaptic_trace": {"of three pairings": _synapse},
    "varied_gradients": {
        "of angles": lambda: _varied("untied-angle", [0.0, 45.0, 90.0]),
        "of rates": lambda: _varied("update-rate", [1e-4, 1e-2]),
        "of names": lambda: _varied("activation", ["tanh", "logistic", "hard-sigmoid"]),
    },
    "tuning": {"of twelve tolerances": _tuning},
    "pareto": {
        "of rules that are far apart": lambda: _front(list(RULES), 1.0),
        "of rules that are equal": lambda: _front(list(RULES), 0.0),
        "of rules with errors that are close": lambda: pareto({"sweeps": {r: (30.0 + 9 * e, e) for r, e in TIGHT.items()}}, "test error"),
        "of a sweep": lambda: _front([f"rule {rule}, tolerance 1e-{t}" for rule in RULES[:3] for t in (3, 4, 5)], 0.1),
    },
    "profile": {"of numbers": lambda: _profile(True), "of names": lambda: _profile(False)},
    "heat_map": {"of two axes": lambda: _map(4, 3), "of long axes": lambda: _map(12, 12)},
    "histogram": {
        "of three metrics": lambda: grid.histogram({"test_error": [0.1, 0.2, 0.4], "energy_decrease": [1e-5, 2e-5], "value": [1.0]})
    },
    "effect_picture": {
        "of one effect": lambda: hardware.effect_picture(_effects(EFFECTS[:1], RULES[:1])),
        "of four effects": lambda: hardware.effect_picture(_effects(EFFECTS, ("ep-centered", "contrastive-hebbian"))),
    },
    "front_picture": {
        "of two rules": lambda: hardware.front_picture(_effects(EFFECTS[:1], ("ep-centered", "contrastive-hebbian"))),
        "of four effects": lambda: hardware.front_picture(_effects(EFFECTS, ("ep-centered", "contrastive-hebbian"))),
    },
    "response_picture": {
        "of two devices": lambda: devices.response_picture("a soft-bounds device of hafnium oxide, from a table", [[1.0, 2.0, 1.0]] * 2, 1)
    },
    "fit_picture": {"of two trains": _fit},
    "deviation_picture": {
        "of two arrays": lambda: devices.deviation_picture(
            {name: {"target": [1e-6, 5e-5, 1e-4], "written": [1.1e-6, 4.8e-5, 1.05e-4]} for name in ("weight_1", "feedback_2")}, 5e-8
        )
    },
    "embeddings": {"of five networks": lambda: representations.embeddings(_networks(5))},
    "spectra": {"of five networks": lambda: representations.spectra(_networks(5))},
    "scores": {"of five networks": lambda: scores.scores(_networks(5))},
    "curves": {"of four rules": lambda: representations.curves({r: [_contrast(i)] for i, r in enumerate(RULES[:4])}, 4.6)},
    "matches": {"of eighteen kinds": _match},
    "recall_picture": {"of three patterns": _recall},
    "phase_picture": {"of five states": _phase},
    "dilution_picture": {"of three patterns": lambda: phases.dilution_picture(_phase_cells(3), _ground_line)},
    "learning_picture": {"of three qualities": _learning},
    "threshold_picture": {"of three qualities": _thresholds},
    "capacity_picture": {"of four sizes": _capacity},
    "basins_picture": {"of four targets": _basins},
    "search_picture": {
        "of eight noises": lambda: annealed_search.search_picture([{"noise": n, "success": 0.1} for n in (0.0, 0.1, 0.2, 0.5, 1, 2, 5, 10)])
    },
}
"""Pictures by the function that draws them."""


@cache
def picture_of(function: str, case: str) -> Picture:
    """Draw a picture of the gallery once, for all tests that look at it."""
    return GALLERY[function][case]()


def _timed(seconds: float) -> list[dict[str, Any]]:
    return [{**epoch, "cpu_seconds": seconds} for epoch in history()]


def _withstood(number: int) -> dict[str, Any]:
    kept = [0.9 - 0.2 * radius / (1 + number) for radius in (0.25, 0.5, 1.0, 2.0)]
    transferred = [min(1.0, share + 0.05) for share in kept]
    return {"test_error": 0.04, "radii": [0.25, 0.5, 1.0, 2.0], "robust_accuracy_restarts": kept, "transfer_accuracy": transferred}


def _tiles(count: int, channels: int, side: int) -> Any:
    return [
        [[[math.sin(f + 2 * c + 3 * y + 5 * x) for x in range(side)] for y in range(side)] for c in range(channels)] for f in range(count)
    ]


def _contrast(offset: int) -> list[dict[str, Any]]:
    return [{"epoch": epoch, "validation_cost": 4.0 - 0.1 * epoch + 0.1 * offset, "sweeps_per_sample": 20.0} for epoch in range(1, 21)]
