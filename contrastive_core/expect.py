"""Checks of what a caller gives: a wrong type is an error of one sentence."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, TypeVar

from contrastive_core.errors import InputError

T = TypeVar("T")

_LONGEST = 60
"""Characters of a value that a message shows at most."""


def shown(given: object) -> str:
    """Return a short description of a value for a message: a class or array by its name, plain values as they are written.

    Parameters
    ----------
    given : object
        Any value.
    """
    shape = getattr(given, "shape", None)
    if isinstance(given, type):
        return f"the class {given.__name__}"
    if isinstance(shape, tuple):
        return f"{type(given).__name__} of shape {tuple(shape)}"
    text = "".join(repr(given).splitlines()[:1])
    plain = 0 < len(text) <= _LONGEST and " at 0x" not in text  # the usual form of an object shows its address
    return text if plain else f"a value of type {type(given).__name__}"


def expect(given: object, kind: type[T], name: str, advice: str) -> T:
    """Return a value that has the type which is expected.

    Parameters
    ----------
    given : object
        Value that a caller gave.
    kind : type
        Expected type.
    name : str
        Name of the argument.
    advice : str
        Advice on what to do instead, the end of the message.

    Raises
    ------
    InputError
        If the value has another type.
    """
    if isinstance(given, kind):
        return given
    raise InputError(f"{name} must be {with_article(kind)}, got {shown(given)}; {advice}")


def expect_number(given: Any, name: str, advice: str, least: float = -math.inf) -> float:
    """Return a finite real number that is at least ``least``.

    Raises
    ------
    InputError
        If the value is no such number.
    """
    if isinstance(given, Real) and not isinstance(given, bool) and least <= float(given) < math.inf:
        return float(given)
    bound = "" if least == -math.inf else f" of at least {least:g}"
    raise InputError(f"{name} must be a finite number{bound}, got {shown(given)}; {advice}")


def with_article(kind: type) -> str:
    """Return the name of a class with its indefinite article."""
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"


def expect_whole(given: Any, name: str, advice: str, least: int) -> int:
    """Return a whole number that is at least ``least``.

    Raises
    ------
    InputError
        If the value is no such number.
    """
    if isinstance(given, Integral) and not isinstance(given, bool) and int(given) >= least:
        return int(given)
    raise InputError(f"{name} must be a whole number of at least {least}, got {shown(given)}; {advice}")
