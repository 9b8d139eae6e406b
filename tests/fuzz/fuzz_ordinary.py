"""Values and arguments that commands are made for, and sizes that are computed in seconds."""

from __future__ import annotations

import random

EXPERIMENTS = ("relaxation", "gradients", "train", "recall", "device-show")
_DATA_SETS = ("two-moons", "two-moons", "two-moons", "digits", "teacher")
_RUNS = ("t", "r", "g", "c", "s", "runs/t")
_NEW_SWEEP = [["z", one, "--seeds", "2"] for one in EXPERIMENTS]
_ARGUMENTS: dict[str, list[list[str]]] = {
    "data": [[one] for one in _DATA_SETS],
    "device export": [["runs/r", "--write", "x.csv"], ["runs/t", "--write", "x.npz"]],
    "device fit": [["pulses.csv"], ["tidy.csv"]],
    "device show": [["ideal"], ["ecram"], ["pcm"], ["capacitor"]],
    "match": [["t"], ["c"]],
    "report": [[one] for one in _RUNS] + [["t", "g"], ["c", "s"]],
    "runs compare": [["t", "g"], ["t", "r", "c"], ["c", "g"]],
    "runs list": [[]],
    "runs rm": [["t", "--yes"], ["t", "g", "--yes"]],
    "runs": [[one] for one in _RUNS],
    "sweep new": _NEW_SWEEP,
    "sweep run": [["s"], ["p"]],
    "sweep resume": [["s"], ["p"]],
    "sweep": [["s"]],
    "watch": [[one] for one in _RUNS],
}
_SIZES = {
    "batch_size": ("4", "8"),
    "batches": ("2",),
    "budget": ("50", "90"),
    "burn_in": ("2", "5"),
    "epochs": ("1", "2"),
    "graph_links": ("20", "90"),
    "graph_columns": ("13",),
    "graph_rows": ("13",),
    "hidden": ("8", "4"),
    "large": ("4", "8"),
    "nudged_budget": ("50", "90"),
    "num_views": ("2",),
    "patterns": ("1", "2"),
    "pulses": ("10", "20"),
    "resamples": ("20",),
    "rows": ("4", "8"),
    "seeds": ("1", "1", "1", "2"),
    "size": ("20", "60"),
    "sizes": ("20,40",),
    "starts": ("2",),
    "sweeps": ("10", "20"),
    "train_size": ("20", "40"),
}
NETWORK = "8-4-2"
"""Network of a benchmark, whose defaults are as large as published ones."""
SIZE = ("2", "8")
"""Size or number that is written where an option of whole numbers is not among those above."""
_ALWAYS = ("data", "dilutions", "engine", "ratios", "views")
"""Options whose default takes longer than a short line may."""
_WORDS: dict[str, tuple[str, ...]] = {
    "after": (),
    "against": ("gain=1.0",),
    "checkpoint": ("runs/t/checkpoints/train.safetensors",),
    "circuit_diode_curve": ("curve.csv", "curve.npz"),
    "config": ("options.toml",),
    "csv": ("x.csv",),
    "data": _DATA_SETS,
    "device": ("cpu",),
    "device_file": ("fit/device.toml",),
    "engine": ("serial",),
    "figures": ("figures",),
    "file": ("search.toml",),
    "grid": ("gain=0.5,1", "strength=0.01,0.02"),
    "images": (),
    "imperfections": ("node-noise.sigma_v=0.01", "stuck-at.p_sa0=0.01"),
    "networks": (NETWORK,),
    "out": ("o", "runs/o"),
    "pattern_file": ("patterns.npy",),
    "plugin": ("noisy_ep", "table", "stripes"),
    "preset": ("ideal", "ecram", "fit/device.toml"),
    "dilutions": ("0.2", "0,0.5"),
    "qualities": ("0.2,0.5",),
    "ratios": ("0.5", "0.2,1.1"),
    "runs": ("runs",),
    "seed": ("1", "2"),
    "threads": ("1", "2"),
    "trial": ("1",),
    "vary": ("node-noise.sigma_v=0.01",),
    "views": ("mask,noise",),
    "write": ("x.csv", "x.npz"),
}


def arguments(words: tuple[str, ...], rng: random.Random) -> list[str]:
    """Choose positional arguments of a command that it accepts."""
    return rng.choice(_ARGUMENTS.get(" ".join(words)) or _ARGUMENTS.get(words[0]) or [[]])


def word(key: str, choices: tuple[str, ...], rng: random.Random) -> str | None:
    """Choose a value that keeps a line short; None for an option that has no part in that."""
    if key == "rules":
        return ",".join(rng.sample(choices, 2))
    return rng.choice(_WORDS[key]) if key in _ALWAYS else None


def size(key: str, rng: random.Random) -> str:
    """Choose a small size for an option of whole numbers."""
    return rng.choice(_SIZES.get(key, SIZE))


def value(key: str, default: str, choices: tuple[str, ...], rng: random.Random) -> str | None:
    """Choose a value that an option accepts by itself; None where there is none but its default.

    Parameters
    ----------
    key : str
        Option, as in a configuration.
    default : str
        Default, as its help shows it; lists of numbers are cut to two items.
    choices : tuple of str
        Only values allowed, empty for any.
    rng : Random
        Source of the choice.
    """
    if key in _WORDS:
        return rng.choice(_WORDS[key]) if _WORDS[key] else None
    if choices:
        return rng.choice(choices)
    try:
        numbers = [float(one) for one in default.split(",")[:2]]
    except ValueError:
        return None
    return ",".join(f"{rng.choice((0.5, 1, 2)) * one:g}" for one in numbers)
