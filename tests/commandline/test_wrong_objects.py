"""Names ``MODULE:NAME`` that lead to something else than was meant: every door says so in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from command_line import Refused

import eqlab
from contrastive_core import plugins
from contrastive_core.data.catalog import CATALOG

TINY = ("--hidden", "4", "--epochs", "1", "--train-size", "8", "--quiet", "--out", "out")
DOORS = {
    "data": ("train", "--data", "{}", *TINY),
    "data of an objective": ("contrast", "--data", "{}", *TINY),
    "patterns": ("recall", "--patterns", "{}", "--quiet", "--out", "out"),
    "rule": ("train", "--data", "two-moons", "--rule", "{}", *TINY),
    "rules": ("compare", "--data", "two-moons", "--rules", "backprop,{}", *TINY),
    "network": ("train", "--data", "two-moons", "--network", "{}", *TINY[2:]),
    "cost": ("train", "--data", "two-moons", "--cost", "{}", *TINY),
    "experiment": ("sweep", "new", "s", "{}"),
}
MODULE = """
number = 3
def nothing(*any): return None
def no_arguments(): return None
def raises(*any): raise RuntimeError("two\\nlines")
def ends(*any): raise SystemExit(3)
class Odd:
    def __call__(self, *any): return self
    @property
    def fails(self): raise ZeroDivisionError
odd = Odd()
"""
NAMES = ("number", "nothing", "no_arguments", "raises", "ends", "odd", "odd.fails", "absent", "odd.absent")


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of things that are no plug-ins, in the current folder."""
    (tmp_path / "wrong_things.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "wrong_things"
    plugins.use_modules(())
    plugins.forget()
    sys.modules.pop("wrong_things", None)


@pytest.mark.parametrize("door", DOORS)
def test_wrong_objects_are_refused_in_one_sentence(door: str, module: str, refused: Refused) -> None:
    """If this fails, a slip in a name, or a fault in a file of one's own, looks like a fault of eqlab."""
    for name in (*(f"{module}:{name}" for name in NAMES), "os:path", "no_such_module:x"):
        words = refused(*(part.format(name) for part in DOORS[door]))
        assert name.partition(":")[0] in words
        assert "Traceback" not in words
        assert " at 0x" not in words


def splits(**changes: object) -> eqlab.Splits:
    """A whole data set of two classes, with some of its parts replaced."""
    part = eqlab.Split(torch.zeros(6, 4), torch.tensor([0, 1] * 3))
    return eqlab.Splits(part, part, part, 2, "zeros", "", (1, 2, 2))._replace(**changes)


def part(inputs: object, labels: object) -> eqlab.Split:
    """A split of anything."""
    return eqlab.Split._make((inputs, labels))


LABELS = torch.tensor([0, 1] * 3)
FAULTS = {
    "no Split of two tensors in its split 'train'": {"train": None},
    "no Split of two tensors in its split 'test'": {"test": part(torch.zeros(6, 4).numpy(), LABELS)},
    "no Split of two tensors in its split 'validation'": {"validation": (torch.zeros(6, 4), LABELS)},
    "no samples": {"train": part(torch.zeros(0, 4), LABELS[:0])},
    "inputs of shape (24,)": {"train": part(torch.zeros(24), LABELS)},
    "type torch.int64, in place of floats": {"train": part(torch.zeros(6, 4).long(), LABELS)},
    "labels of shape (5,)": {"train": part(torch.zeros(6, 4), LABELS[:5])},
    "type torch.float32, in place of int64 of shape (6,)": {"train": part(torch.zeros(6, 4), LABELS.float())},
    "labels from 0 to 2, in place of 0 to 1": {"test": part(torch.zeros(3, 4), torch.arange(3))},
    "labels from -1 to 0": {"test": part(torch.zeros(2, 4), torch.tensor([-1, 0]))},
    "NaN or infinity in its split 'test'": {"test": part(torch.full((6, 4), torch.nan), LABELS)},
    "splits of different widths (4, 4, 3 inputs)": {"test": part(torch.zeros(6, 3), LABELS)},
    "no pictures of shape (3, 2, 2)": {"shape": (3, 2, 2)},
    "no pictures of shape 4": {"shape": 4},
    "'2' as its number of classes": {"num_classes": "2"},
    "True as its number of classes": {"num_classes": True},
}


@pytest.mark.parametrize("words", FAULTS)
def test_data_sets_of_plug_ins_are_whole(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a data set that contradicts itself is trained on, or fails somewhere in the first epoch."""
    monkeypatch.setattr(sys.modules[__name__], "load", lambda data_dir, seed: splits(**FAULTS[words]), raising=False)
    with pytest.raises(eqlab.InputError) as caught:
        eqlab.DATASETS[f"{__name__}:load"](None, 0)
    assert words in str(caught.value)
    monkeypatch.setattr(sys.modules[__name__], "load", lambda data_dir, seed: splits())
    assert eqlab.DATASETS[f"{__name__}:load"](None, 0).num_classes == 2


@pytest.mark.parametrize("name", eqlab.DATASETS)
def test_loaders_take_folders_and_seeds_only(name: str, tmp_path: Path) -> None:
    """If this fails, a folder given as a text, or a seed given in its place, ends in an error of the path."""
    for given in ((3, 0), (b"folder", 0), ([], 0), (None, "0"), (None, -1), (None, 1.5), (None, None), (None, True)):
        with pytest.raises(eqlab.InputError, match=r"^(data_dir must be the path of a folder|seed must be a whole number of at least 0)"):
            eqlab.DATASETS[name](*given)
    if CATALOG[name].kind in ("download", "folder"):
        with pytest.raises(eqlab.InputError, match="nowhere"):
            eqlab.DATASETS[name](str(tmp_path / "nowhere"), 0)
