"""A workspace with a file of every kind that the program reads, and the command lines that read it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import fuzz_damage as damage
import idx_files
import numpy as np
from example_package import files as plug_ins
from fuzz_cases import attempt

_TINY = "--data two-moons --train-size 20 --hidden 4"
_TRAIN = f"train {_TINY} --epochs 1 --batch-size 10"
_COMPARE = f"compare {_TINY} --epochs 1 --rules ep-centered,backprop --seeds 2 --engine serial --out runs/c"
_MADE_BY = f"""
{_TRAIN} --out runs/t
{_TRAIN} --network resistive --strength 0.02 --out runs/r
gradients {_TINY} --samples 4 --rules ep-centered,backprop --out runs/g
{_COMPARE}
sweep new s --file search.toml --chunk 1
sweep run s --engine serial
sweep new p train --grid epochs=1,2 --set data=two-moons --set train_size=20 --set hidden=[4] --chunk 1
device fit pulses.csv --out fit
"""
_LOOKING = """
report {0}
runs show {0}
runs show {0} --json
runs list
runs list --json
runs compare {0} g
report {0} g --out both.html
"""
_SWEEP = """
sweep status s
sweep status s --json
sweep status s --trial 1
sweep collect s
sweep collect s --json --csv x.csv
sweep collect s --against gain=1.0
sweep run s --engine serial
sweep retry-failed s --engine serial
"""
_OF_RUN = {
    "t": f"{_TRAIN} --out runs/t\ndevice export runs/t --write x.csv\nmatch t --samples 8 --engine serial",
    "s": _SWEEP,
    "c": f"{_COMPARE}\nmatch c --engine serial",
    "g": "",
}


class Kind(NamedTuple):
    """One kind of file.

    Attributes
    ----------
    file : str
        Path in the workspace.
    readers : str
        Command lines that read it, one a line.
    damages : tuple of callable
        Damage that only this kind can take, besides that of every file.
    """

    file: str
    readers: str
    damages: tuple[damage.Damage, ...]


_TEXT = (damage.number, damage.word)
KINDS = {
    "unbegun journal": Kind(
        "runs/p/journal.sqlite",
        "sweep run p --engine serial\nsweep status p\nreport p\nsweep collect p",
        (damage.row, damage.row, damage.schema),
    ),
    "checkpoint": Kind(
        "runs/t/checkpoints/train.safetensors",
        f"gradients {_TINY} --samples 4 --rules backprop --checkpoint runs/t/checkpoints/train.safetensors\n{_OF_RUN['t']}",
        (damage.tensors,),
    ),
    "history": Kind("runs/t/checkpoints/train.safetensors.history", _OF_RUN["t"], _TEXT),
    "checkpoint of a circuit": Kind(
        "runs/r/checkpoints/train.safetensors",
        f"spice {_TINY} --network resistive --samples 1 --edges 1 --checkpoint runs/r/checkpoints/train.safetensors\n"
        "device export runs/r --write x.npz",
        (damage.tensors,),
    ),
    "trajectory": Kind("runs/g/trajectories/gradients.npz", "report g\nruns show g", (damage.archive,)),
    "patterns": Kind(
        "patterns.npy", "recall --pattern-file patterns.npy --sweeps 4 --chains 2 --burn-in 2 --engine serial --json", (damage.array,)
    ),
    "diode curve": Kind("curve.csv", f"{_TRAIN} --network resistive --circuit-diode-curve curve.csv", _TEXT),
    "diode arrays": Kind("curve.npz", f"{_TRAIN} --network resistive --circuit-diode-curve curve.npz", (damage.archive,)),
    "pulses": Kind("pulses.csv", "device fit pulses.csv --json\ndevice fit pulses.csv --unit microsiemens --out o", _TEXT),
    "tidy pulses": Kind("tidy.csv", "device fit tidy.csv --json --out o", _TEXT),
    "device": Kind("fit/device.toml", f"hardware {_TINY} --epochs 1 --preset fit/device.toml --seeds 1 --engine serial --json", _TEXT),
    "images": Kind(
        "mnist/train-images-idx3-ubyte",
        "data verify mnist --data-dir mnist --json\ntrain --data mnist --data-dir mnist --hidden 4 --epochs 1 --json\n"
        "recall --images mnist --data-dir mnist --patterns 2 --sweeps 4 --engine serial",
        (damage.header,),
    ),
    "packed labels": Kind(
        "mnist/train-labels-idx1-ubyte.gz",
        "data verify mnist --data-dir mnist\ntrain --data mnist --data-dir mnist --hidden 4 --epochs 1",
        (damage.bomb, damage.header),
    ),
    "options": Kind("options.toml", "train --config options.toml --json\ntrain --config options.toml --rule backprop", _TEXT),
    "sweep": Kind("search.toml", "sweep new z --file search.toml --chunk 1", _TEXT),
    "scheduler": Kind("scheduler.json", "sweep run p --engine scheduler.json", (damage.parts,)),
    "plug-in": Kind("table.py", f"{_TRAIN} --plugin table --rule mine\ninfo --plugin table", (damage.tables, damage.word)),
}
for _run, _readers in _OF_RUN.items():
    _readers = _LOOKING.format(_run) + _readers
    KINDS |= {
        f"journal of {_run}": Kind(f"runs/{_run}/journal.sqlite", _readers, (damage.row, damage.row, damage.row, damage.schema)),
        f"configuration of {_run}": Kind(f"runs/{_run}/config.toml", _readers, _TEXT),
        f"provenance of {_run}": Kind(f"runs/{_run}/provenance.json", _readers, (damage.parts, *_TEXT)),
    }


def build(folder: Path) -> tuple[str, ...]:
    """Fill an empty folder, and return the names that a command line may use in it."""
    folder.mkdir(parents=True)
    texts = {
        "pulses.csv": "\n".join(f"{1e-6 + 1e-7 * n:.6g},{9e-6 - 1e-7 * n:.6g}" for n in range(40)) + "\n",
        "tidy.csv": "device_id,cycle,pulse,polarity,conductance_S\n"
        + "".join(
            f"a,{cycle},{n},{way},{1e-6 + 1e-7 * (n if way == 'P' else 9 - n):.6g}\n" for cycle in (1, 2) for way in "PD" for n in range(10)
        ),
        "curve.csv": "voltage,current\n" + "".join(f"{v / 10},{1e-6 * (v / 10) ** 3 + 1e-7 * v}\n" for v in range(-10, 11)),
        "search.toml": 'experiment = "relaxation"\nseeds = 2\n[grid]\ngain = [0.5, 1.0]\n[set]\nhidden = [4]\n',
        "options.toml": 'data = "two-moons"\ntrain_size = 20\nhidden = [4]\nepochs = 1\n[when.rule.backprop]\nepochs = 2\n',
        "scheduler.json": json.dumps({"type": "Scheduler", "address": "tcp://127.0.0.1:1", "workers": {}}),
        **plug_ins(),
        "table.py": "from noisy_ep import noisy\n\nRULES = {'mine': noisy}\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    draw = np.random.default_rng(1)
    patterns = draw.choice([-1.0, 1.0], (3, 60))
    np.save(folder / "patterns.npy", patterns)
    np.savez(folder / "curve.npz", v=np.linspace(-1, 1, 9), i=np.linspace(-1e-6, 1e-6, 9))
    arrays = {"train": 60, "t10k": 20}
    idx_files.write(
        folder / "mnist",
        {
            **{
                f"{one}-images-idx3-ubyte": idx_files.idx(draw.integers(0, 255, (size, 4, 4), dtype=np.uint8))
                for one, size in arrays.items()
            },
            **{
                f"{one}-labels-idx1-ubyte.gz": gzip.compress(idx_files.idx(np.arange(size, dtype=np.uint8) % 10))
                for one, size in arrays.items()
            },
        },
    )
    for words in _MADE_BY.strip().splitlines():
        ended = attempt([*words.split(), "--quiet"], folder, seconds=120)
        if ended.code or ended.problems:
            raise RuntimeError(f"eqlab {words}: {ended.problems} {ended.err}")
    inside = ("t", "r", "g", "c", "s", "p", "runs/t", "runs/t/checkpoints/train.safetensors", "fit/device.toml")
    return (*sorted(path.name for path in folder.iterdir()), *inside)
