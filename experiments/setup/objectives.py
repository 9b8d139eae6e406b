"""Objectives, and weighted sums of them, built from their text and settings."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm
from typing import TYPE_CHECKING, Any, TypeVar

from contrastive_core.costs import TERMS
from contrastive_core.errors import InputError
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.expression import is_sum, read_sum
from experiments.commandline.assignments import read_settings

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.objectives.objective import Objective

T = TypeVar("T")


def objective_of_text(text: str, settings: Mapping[str, Any], temperature: float | None, embedding: int) -> Objective:
    """Return the objective that a text stands for.

    Parameters
    ----------
    text : str
        Name of an objective, or a weighted sum.
    settings : mapping
        Settings of a lone objective, by name; those of a sum's terms stand in its text.
    temperature : float, optional
        Temperature of every objective that has one and whose text gives none; None leaves their defaults.
    embedding : int
        Outputs that objectives of a sum see if other terms have outputs of their own.

    Raises
    ------
    InputError
        If there is no such setting, a value makes no sense, or the terms of a sum do not fit together.
    """
    from contrastive_core.objectives.objective import Objective
    from contrastive_core.objectives.weighted_sum import Term, WeightedSum

    if not is_sum(text):
        return _tempered(OBJECTIVES[text], text, settings, temperature)
    if settings:
        raise InputError(
            f"settings of a sum stand behind its terms, as in nt-xent(temperature=0.1); got {', '.join(settings)} apart from it"
        )
    written = read_sum(text)
    names = [term.name for term in written]
    shown = [name if names.count(name) == 1 else f"{name} {number}" for number, name in enumerate(names, 1)]
    terms = tuple(
        Term(name, _tempered(TERMS[term.name], term.name, term.settings, temperature), term.first, term.last)
        for name, term in zip(shown, written, strict=True)
    )
    return WeightedSum(terms, None if all(isinstance(term.cost, Objective) for term in terms) else embedding)


def embedding_step(text: str, settings: Mapping[str, Any]) -> int:
    """Return the smallest number whose multiples fit the heads and groups of all objectives of a text.

    Parameters
    ----------
    text : str
        Name of an objective, or a weighted sum.
    settings : mapping
        Settings of a lone objective, by name.
    """
    named = [(term.name, term.settings) for term in read_sum(text)] if is_sum(text) else [(text, settings)]
    steps = []
    for name, given in named:
        kind = OBJECTIVES[name] if name in OBJECTIVES.entries else None
        size = given.get(kind.needs.divisor, getattr(kind, kind.needs.divisor)) if kind is not None and kind.needs.divisor else 1
        size = int(size) if isinstance(size, str) and size.isdecimal() else size
        steps.append(size if isinstance(size, int) and size > 0 else 1)  # another value is refused where the objective is built
    return lcm(*steps)


def outputs_for(objective: Objective, embedding: int, splits: Splits) -> int:
    """Return the number of outputs that a network needs for an objective of an embedding of this width, on this data."""
    from contrastive_core.objectives.weighted_sum import WeightedSum

    width = objective.width(splits.num_classes, splits.train.inputs.shape[1]) if isinstance(objective, WeightedSum) else None
    return width or embedding


def between_towers(objective: Objective, inside: Objective | None = None) -> Objective:
    """Return the objective of two towers, with one between them and one inside each of them."""
    from contrastive_core.objectives.modalities.two_towers import TwoTowers

    return TwoTowers(objective, inside)


def has_temperature(objective: Objective) -> bool:
    """Return whether an objective, or a term of a sum, has a temperature."""
    from contrastive_core.objectives.modalities.two_towers import TwoTowers
    from contrastive_core.objectives.weighted_sum import WeightedSum

    objective = objective.across if isinstance(objective, TwoTowers) else objective
    parts = [term.cost for term in objective.terms] if isinstance(objective, WeightedSum) else [objective]
    return any("temperature" in vars(part) for part in parts)


def build(kind: type[T], name: str, settings: Mapping[str, Any]) -> T:
    """Return an object of a frozen dataclass with some of its settings.

    Raises
    ------
    InputError
        If it has no such setting, or a value is of another type or makes no sense.
    """
    return kind(**read_settings(kind, name, settings))


def _tempered(kind: type[T], name: str, settings: Mapping[str, Any], temperature: float | None) -> T:
    takes_one = "temperature" in getattr(kind, "__dataclass_fields__", {})
    shared = {"temperature": temperature} if temperature is not None and takes_one and "temperature" not in settings else {}
    try:
        return build(kind, name, {**shared, **settings})
    except InputError as error:  # the temperature may be the command's default, which the user never typed
        raise InputError(f"{error}; --temperature none is {name}'s own" if shared else str(error)) from error
