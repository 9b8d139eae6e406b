"""Arguments checked against their annotations, for public functions and classes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import signature
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, ForwardRef, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from contrastive_core.errors import InputError
from contrastive_core.expect import shown, with_article

T = TypeVar("T", bound=Callable[..., Any])


class _Meaning(NamedTuple):
    """Test of a value, words for the values that pass it, and whether the type of a value alone decides."""

    fits: Callable[[Any], bool]
    words: str
    by_type: bool = False


def typed(*but: str) -> Callable[[T], T]:
    """Return a decorator of a function or class that refuses arguments of other types than the annotations say.

    Annotations that cannot be tested, such as type variables, take anything. A list is taken for a tuple, and whole numbers are taken
    for real ones. The results of ``_replace`` of a named tuple are not checked.

    Parameters
    ----------
    *but : str
        Parameters that the target checks itself, because it takes more than the annotation says.

    Returns
    -------
    callable
        Decorator. It returns a function with the check before it, or the class itself, whose constructor then has the check.
    """

    def decorated(target: T) -> T:
        if not isinstance(target, type):
            return _checking(target, target, but)  # type: ignore[return-value]
        maker = "__new__" if issubclass(target, tuple) else "__init__"
        setattr(target, maker, _checking(target, getattr(target, maker), but))
        return target

    return decorated


def _checking(target: Callable[..., Any], function: Callable[..., Any], but: Sequence[str]) -> Callable[..., Any]:
    meanings: dict[str, _Meaning | None] = {}
    passed: set[tuple[type, ...]] = set()  # types of arguments that need no second look: nudges are made in every batch
    first = int(function is not target)  # methods begin with the object or the class

    @wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        types = tuple(map(type, args))
        if types in passed and not kwargs:
            return function(*args)
        if not meanings:  # the first call, when all modules are imported that annotations name
            names, parameters = vars(sys.modules[target.__module__]), list(signature(function).parameters.values())[first:]
            meanings.update({one.name: None if one.name in but else _meaning(_resolved(one.annotation, names)) for one in parameters})
        for (parameter, meaning), given in zip(meanings.items(), args[first:], strict=False):
            _check(target.__name__, parameter, meaning, given)
        for parameter, given in kwargs.items():
            _check(target.__name__, parameter, meanings.get(parameter), given)
        if not kwargs and all(meaning is None or meaning.by_type for meaning in meanings.values()):
            passed.add(types)
        return function(*args, **kwargs)

    return checking


def _check(name: str, parameter: str, meaning: _Meaning | None, given: object) -> None:
    if meaning is not None and not meaning.fits(given):
        raise InputError(f"{parameter} of {name} must be {meaning.words}, got {shown(given)}; docs/api.md shows how {name} is used")


def _resolved(hint: Any, names: Mapping[str, Any]) -> Any:
    text = hint.__forward_arg__ if isinstance(hint, ForwardRef) else hint
    if not isinstance(text, str):
        return hint
    try:
        return eval(text, dict(names))
    except NameError:  # imported for the type checker only
        return Callable if text.startswith("Callable[") else Any


def _meaning(hint: Any) -> _Meaning | None:
    """Return the test that an annotation stands for; None if it takes anything."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return None
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is Annotated:
        return _meaning(parts[0])
    if origin in (Union, UnionType):
        return _any_of(parts)
    if origin is Literal:
        return _Meaning(lambda given: isinstance(given, str) and given in parts, f"one of {', '.join(map(repr, parts))}")
    if origin is tuple or origin is Sequence:
        return _sequence(_meaning(parts[0]), None if origin is Sequence else 0 if parts[-1] is ... else len(parts))
    kind = origin or hint
    if kind is Callable:
        return _Meaning(callable, "a function")
    if kind.__name__ == "ndarray":
        return _Meaning(lambda given: isinstance(given, kind) and _are_numbers(given), "an array of numbers")
    if issubclass(kind, Mapping):
        part = _meaning(parts[1]) if parts else None
        words = f"a mapping, each value {part.words}" if part else "a mapping"
        return _Meaning(lambda given: isinstance(given, kind) and (not part or all(map(part.fits, given.values()))), words)
    return _Meaning(lambda given: isinstance(given, kind), with_article(kind), by_type=True)


def _any_of(hints: Sequence[Any]) -> _Meaning | None:
    if any(getattr(get_origin(one) or one, "_is_protocol", False) for one in hints):  # NumPy's ArrayLike is a union of protocols
        without = NoneType in hints
        words = f"numbers in an array or lists of equal lengths{' or None' * without}"
        return _Meaning(lambda given: (without and given is None) or _are_numbers(given), words)
    found = [_meaning(one) for one in hints]
    sure = [one for one in found if one is not None]
    if sure != found:
        return None
    by_type = all(one.by_type for one in sure)
    return _Meaning(lambda given: any(one.fits(given) for one in sure), " or ".join(one.words for one in sure), by_type)


def _sequence(part: _Meaning | None, length: int | None) -> _Meaning:
    """Return the test of a sequence; of a tuple, if a length is given, which is 0 for any."""

    def fits(given: Any) -> bool:
        if isinstance(given, tuple | list):
            return (not length or len(given) == length) and (part is None or all(map(part.fits, given)))
        array = getattr(given, "ndim", 0) == 1
        return length is None and (array or (isinstance(given, Sequence) and not isinstance(given, str | bytes)))

    size = f" of {length}" if length else ""
    return _Meaning(fits, f"a sequence{size}, each member {part.words}" if part else f"a sequence{size}")


def _are_numbers(given: object) -> bool:
    from numpy import asarray

    try:
        return asarray(given).dtype.kind in "biuf"
    except (ValueError, TypeError, RuntimeError):  # lists of unequal lengths, and objects that are no array
        return False


def _is_bool(given: object) -> bool:
    return isinstance(given, bool) or type(given).__name__ in ("bool", "bool_")  # NumPy's, which need not be imported


_PLAIN = {
    NoneType: _Meaning(lambda given: given is None, "None", by_type=True),
    bool: _Meaning(_is_bool, "True or False", by_type=True),
    int: _Meaning(lambda given: isinstance(given, Integral) and not _is_bool(given), "a whole number", by_type=True),
    float: _Meaning(lambda given: isinstance(given, Real) and not _is_bool(given), "a number", by_type=True),
    str: _Meaning(lambda given: isinstance(given, str), "a text", by_type=True),
}
