"""Abstract classes declare, final classes implement: no method replaces another one, and few classes are abstract."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest
from overrides import overrides
from sources import PACKAGES, Source, read

BASE = """
class Base(ABC):
    @abstractmethod
    def step(self): ...
    @property
    @abstractmethod
    def size(self): ...
    def run(self): return self.step()
    @property
    def name(self): return ""
    def __init__(self): pass
"""


def found(text: str) -> list[str]:
    """Return the names of the overriding methods in a text that begins with ``BASE``."""
    return [place.split(": ")[1].split(" ")[0] for place in overrides([Source("hebbian/a.py", BASE + text)])]


def test_no_class_overrides_a_concrete_method() -> None:
    """If this fails, what a class does is no longer written in one place: a reader has to know its subclasses too."""
    assert list(overrides(read(*PACKAGES))) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("class A(Base):\n    def run(self): pass", ["A.run"]),
        ("class A(Base):\n    @property\n    def name(self): return 'a'", ["A.name"]),
        ("class A(Base):\n    name = 'a'", ["A.name"]),
        ("class A(Base):\n    name: str = 'a'", ["A.name"]),
        ("class A(Base):\n    def step(self): pass\nclass B(A):\n    def step(self): pass", ["B.step"]),
        ("class A(Base):\n    pass\nclass B(A):\n    def run(self): pass", ["B.run"]),
        ("class A(other.Base[int], Generic[T]):\n    def run(self): pass", ["A.run"]),
        ("class A(Base):\n    def step(self): pass\n    size = 3\n    def __init__(self): super().__init__()", []),
        ("class A(Base):\n    name: str", []),
        ("class A(Else):\n    def run(self): pass", []),
        ("class Mixin:\n    def step(self): pass\nclass A(Mixin, Base):\n    size = 3", []),
    ],
)
def test_overrides_are_found_near_and_far_and_implementations_are_none(text: str, names: list[str]) -> None:
    """The control: what replaces is found, what implements, constructs or only annotates is not."""
    assert found(text) == names


@pytest.mark.parametrize("package", ["contrastive_core", "eqprop", "hebbian"])
def test_every_final_class_is_complete(package: str) -> None:
    """If this fails, a class that claims to be final leaves a method abstract, and nobody can make one."""
    checked = 0
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if "cuda" in module.name:
            continue  # not importable without the compiler
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if kind.__module__ == module.name and getattr(kind, "__final__", False):
                checked += 1
                assert not inspect.isabstract(kind), kind
    assert checked > 5 or package == "hebbian"
