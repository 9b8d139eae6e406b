"""``KEY=VALUE`` as it is written on the command line, and the settings of an object that are given so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name


def split_assignment(text: str, flag: str, form: str) -> tuple[str, str]:
    """Split ``KEY=VALUE`` at its first equals sign.

    Parameters
    ----------
    text : str
        Words as typed; blanks around the key, its dotted parts and the value do not count.
    flag, form : str
        Option and form that the message names, such as ``--set`` and ``KEY=VALUE``.

    Returns
    -------
    key, value : str
        The dotted key, and the value, which may be empty.

    Raises
    ------
    InputError
        If there is no equals sign, or a part of the key is empty.
    """
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise InputError(f"{flag} needs {form}, got {text!r}")
    return ".".join(parts), value.strip()


def split_values(text: str, flag: str, form: str) -> tuple[str, list[str]]:
    """Split ``KEY=VALUE,VALUE,...`` at the commas that are not inside brackets or parentheses.

    Parameters
    ----------
    text : str
        Words as typed; values that are lists stand in brackets, as in ``hidden=[64],[64,32]``.
    flag, form : str
        Option and form that the message names.

    Returns
    -------
    key : str
        The dotted key.
    values : list of str
        None if nothing follows the equals sign.

    Raises
    ------
    InputError
        If there is no key, a value is empty or a bracket lacks its other half.
    """
    key, listed = split_assignment(text, flag, form)
    parts, depth = [""], 0
    for letter in listed:
        depth += {"[": 1, "]": -1, "(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    values = [part.strip() for part in parts] if listed else []
    if "" in values or depth:
        raise InputError(f"{flag} {text!r} has an empty value, or a bracket without its other half; it needs {form}")
    return key, values


def read_text(text: str, annotation: Any) -> Any:
    """Turn text into a value of a type, as every option and setting does.

    Parameters
    ----------
    text : str
        Such as ``3``, ``0.1`` or ``true``.
    annotation : type
        Type of the value.

    Returns
    -------
    object
        The value.

    Raises
    ------
    ValidationError
        If the text stands for no such value.
    """
    return _adapter(annotation).validate_strings(text)


def read_settings(kind: type[Any], name: str, given: Mapping[str, Any], known: Sequence[str] | None = None) -> dict[str, Any]:
    """Check settings of a dataclass against the types of its fields.

    Parameters
    ----------
    kind : type
        The dataclass, or a class without settings.
    name : str
        Name that the messages give it.
    given : mapping
        Settings by name; texts are read, other values must have the type of the field.
    known : sequence of str, optional
        Names of the fields that may be set; by default all of them.

    Returns
    -------
    dict
        Values by name.

    Raises
    ------
    InputError
        If there is no such setting, or a value is of another type.
    """
    settings = [field.name for field in fields(kind)] if is_dataclass(kind) else []
    settings = settings if known is None else [one for one in settings if one in known]
    hints = get_type_hints(kind)
    checked = {}
    for key, value in given.items():
        if not settings:
            raise InputError(f"{name} has no settings, got {key!r}; leave it out")
        if key not in settings:
            raise unknown_name(f"setting of {name}", key, settings)
        try:
            text = isinstance(value, str)
            checked[key] = read_text(value, hints[key]) if text else _adapter(hints[key]).validate_python(value, strict=True)
        except ValidationError as error:
            expected = error.errors()[0]["msg"].removeprefix("Input should be ").partition(", ")[0]
            raise InputError(f"{name}.{key} must be {expected}, got {value!r}; correct the value") from error
    return checked


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)
