"""Text form of sums of costs, such as ``clip + 0.5 nt-xent(temperature=0.1) + 0..0.2 uniformity``; reading it imports no costs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from contrastive_core.errors import InputError
from contrastive_core.expect import shown

FORM = "terms joined by +, each a name with an optional weight before it and settings behind it: clip + 0.5 nt-xent(temperature=0.1)"
_NUMBER = r"(?:[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf)(?=\s|\.\.))"
_TERM = re.compile(
    rf"\s*(?:(?P<first>{_NUMBER})(?:\.\.(?P<last>{_NUMBER}))?\s*\*?\s*)?(?P<name>[A-Za-z_][\w.:-]*)\s*(?:\((?P<settings>[^()]*)\))?\s*"
)


class WrittenTerm(NamedTuple):
    """Term of a sum as it was written.

    Attributes
    ----------
    name : str
        Name of a cost.
    first, last : float
        Weight at the beginning and at the end of a training.
    settings : mapping of str to str
        Texts of its settings, by name.
    """

    name: str
    first: float = 1.0
    last: float = 1.0
    settings: Mapping[str, str] = MappingProxyType({})

    @property
    def text(self) -> str:
        """Canonical text, from which the same term is read."""
        weight = f"{self.first:g} " if self.first == self.last else f"{self.first:g}..{self.last:g} "
        settings = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{'' if weight == '1 ' else weight}{self.name}{f'({settings})' if settings else ''}"


def read_sum(text: str) -> tuple[WrittenTerm, ...]:
    """Read a sum of costs.

    Parameters
    ----------
    text : str
        Terms joined by ``+``. A weight is a number, or two numbers ``0..0.5`` between which it moves linearly during a training.

    Returns
    -------
    tuple of WrittenTerm
        Terms in their order; names are not looked up.

    Raises
    ------
    InputError
        If the text has another form, or a weight is negative, not finite or 0 all the time.
    """
    terms, place = [], 0
    while True:
        found = _TERM.match(text, place)
        if found is None or (found.end() < len(text) and text[found.end()] != "+"):
            rest = text[place:].strip()
            problem = f"which cannot be read from {shown(rest)} on" if rest else "which has no term behind its last +"
            raise InputError(f"a sum of costs is {FORM}; got {shown(text)}, {problem}")
        terms.append(_term(found))
        if found.end() == len(text):
            return tuple(terms)
        place = found.end() + 1


def is_sum(text: str) -> bool:
    """Return whether a text is more than the name of a cost: several terms, a weight, or settings."""
    return any(letter in text for letter in "+( ")


def _term(found: re.Match[str]) -> WrittenTerm:
    name = found["name"]
    first = 1.0 if found["first"] is None else float(found["first"])
    last = first if found["last"] is None else float(found["last"])
    for weight in (first, last):
        if not math.isfinite(weight) or weight < 0:
            raise InputError(f"the weight of {name} is {weight:g}; a weight must be finite and at least 0")
    if first == last == 0:
        raise InputError(f"the weight of {name} is 0; leave the term out")
    settings: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in (found["settings"] or "").split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise InputError(f"settings of {name} are NAME=VALUE, joined by commas; got {shown(part)}")
        if key in settings:
            raise InputError(f"{name} is given {key} twice, as {settings[key]} and {value}; leave one out")
        settings[key] = value
    return WrittenTerm(name, first, last, settings)
