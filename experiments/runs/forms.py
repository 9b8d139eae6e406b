"""Forms of metrics: what JSON may stand where, so that a damaged record is found before it reaches a table or a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Form = str | list[Any]
"""Form of a value, itself JSON: the name of a single value, or a list that begins with ``list``, ``mapping``, ``record`` or ``missing``."""
NUMBER = "number"
"""Form of a number; null stands for one that was not finite, which JSON cannot hold."""
FINITE = "finite"
"""Form of a number that is never null."""
TEXT = "text"
FLAG = "flag"
ANY = "any"

_TYPES: Mapping[str, tuple[type, ...]] = {NUMBER: (int, float, type(None)), FINITE: (int, float), TEXT: (str,), FLAG: (bool,)}
_WORDS: Mapping[str, str] = {
    NUMBER: "a number belongs",
    FINITE: "a number belongs",
    TEXT: "a text belongs",
    FLAG: "true or false belongs",
    "list": "a list belongs",
    "mapping": "a mapping belongs",
    "record": "a mapping belongs",
}


def list_of(form: Form) -> Form:
    """Return the form of a list of any length."""
    return ["list", form]


def mapping_of(form: Form) -> Form:
    """Return the form of a mapping with any names."""
    return ["mapping", form]


def record_of(**forms: Form) -> Form:
    """Return the form of a mapping with known names; one of them may be absent, and others may be there, as in runs of other versions."""
    return ["record", forms]


def missing_or(form: Form) -> Form:
    """Return the form of a value that may be null."""
    return ["missing", form]


def misfits(metrics: Mapping[str, Any], forms: Mapping[str, Form]) -> str | None:
    """Find the first metric of another form than stated; one that is absent or not stated fits."""
    return next((found for name, form in forms.items() if name in metrics and (found := misfit(metrics[name], form, name))), None)


def misfit(value: Any, form: Form, name: str) -> str | None:
    """Find the first place at which a value has another form.

    Parameters
    ----------
    value : object
        Value as read from JSON.
    form : Form
        Its form; a form of a later version fits everything.
    name : str
        Name of the value, for the answer.

    Returns
    -------
    str or None
        Answer such as ``null for gradient_cosine, where a mapping belongs``; None if the value fits.
    """
    kind, inner = (form, ANY) if isinstance(form, str) else form
    if kind == "missing":
        return None if value is None else misfit(value, inner, name)
    if kind in ("mapping", "record", "list"):
        if not isinstance(value, list if kind == "list" else dict):
            return _problem(value, kind, name)
        return _inside(value, kind, inner, name)
    if kind not in _TYPES or (isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind == FLAG)):
        return None
    return _problem(value, kind, name)


def _inside(value: Any, kind: str, inner: Any, name: str) -> str | None:
    if kind == "list":
        parts = ((one, inner, f"{name}[{place}]") for place, one in enumerate(value))
    elif kind == "mapping":
        parts = ((one, inner, f"{name}.{key}") for key, one in value.items())
    else:
        parts = ((value[key], form, f"{name}.{key}") for key, form in inner.items() if key in value)
    return next((found for part in parts if (found := misfit(*part))), None)


def _problem(value: Any, kind: str, name: str) -> str:
    return f"{json.dumps(value):.60} for {name}, where {_WORDS[kind]}"
