"""Kinds of values that options take, read from annotations, and the reading of text from the command line."""

import tomllib
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from experiments.commandline.assignments import read_text
from experiments.commandline.documents import read_toml
from experiments.commandline.markers import FromFile, OneOf, Positional

NONE = "none"
"""Word for "no value" in a configuration; TOML has none."""


class OptionKind(NamedTuple):
    """The shape of the values that an option takes.

    Attributes
    ----------
    name : str
        ``integer``, ``number``, ``boolean``, ``text``, ``path``, ``list``, ``mapping``, ``table`` (a nested model) or ``any``.
    choices : tuple of str
        The only values allowed, empty for any.
    optional : bool
        Whether the value may be missing, written "none".
    item : OptionKind or None
        The kind of a list's items.
    model : type or None
        The nested model of a table.
    """

    name: str
    choices: tuple[str, ...] = ()
    optional: bool = False
    item: "OptionKind | None" = None
    model: type[BaseModel] | None = None


_TYPES = {"boolean": bool, "integer": int, "number": float}
_SCALARS: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "text", Path: "path"}


def kind_of(annotation: Any, markers: tuple[Any, ...] = ()) -> OptionKind:
    """Read the kind from an annotation.

    Parameters
    ----------
    annotation : type
        Annotation as written in the model; ``Annotated``, ``X | None``, ``Literal`` and ``tuple[X, ...]`` are understood.
    markers : tuple
        Further metadata of the field, such as ``OneOf``.

    Returns
    -------
    OptionKind
        ``any`` where the annotation is none of the kinds that have a flag.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    choices = next((marker.names for marker in markers if isinstance(marker, OneOf)), ())
    if origin is Annotated:
        return kind_of(arguments[0], (*markers, *arguments[1:]))
    if origin in (Union, UnionType):
        members = [member for member in arguments if member is not NoneType]
        inner = kind_of(members[0], markers) if len(members) == 1 else OptionKind("any")
        return inner._replace(optional=len(members) < len(arguments))
    if origin is Literal:
        return OptionKind(_SCALARS.get(type(arguments[0]), "text"), tuple(str(argument) for argument in arguments))
    if origin in (tuple, list, frozenset):
        return OptionKind("list", item=kind_of(arguments[0]))
    if any(isinstance(marker, FromFile) for marker in markers):
        return OptionKind("path")
    if origin is dict or annotation is dict:
        return OptionKind("mapping")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return OptionKind("table", model=annotation)
    return OptionKind(_SCALARS.get(annotation, "text"), choices)


def field_kind(field: FieldInfo) -> OptionKind:
    """Read the kind of a model's field.

    Parameters
    ----------
    field : FieldInfo
        From ``model_fields``.

    Returns
    -------
    OptionKind
        Kind of its values.
    """
    return kind_of(field.annotation, tuple(field.metadata))


def kind_at(model: type[BaseModel], keys: tuple[str, ...]) -> OptionKind | None:
    """Find the kind of the option with a dotted key.

    Parameters
    ----------
    model : type
        The model at which the key begins.
    keys : tuple of str
        The parts of the key.

    Returns
    -------
    OptionKind or None
        None if there is no such option.
    """
    field = model.model_fields.get(keys[0])
    if field is None:
        return None
    kind = field_kind(field)
    if len(keys) == 1:
        return kind
    return kind_at(kind.model, keys[1:]) if kind.model else None


def is_positional(field: FieldInfo) -> bool:
    """Tell whether an option is an argument rather than a flag.

    Parameters
    ----------
    field : FieldInfo
        From ``model_fields``.

    Returns
    -------
    bool
        True if it is marked so.
    """
    return any(isinstance(marker, Positional) for marker in field.metadata)


def flag_name(key: str) -> str:
    """Spell an option's flag.

    Parameters
    ----------
    key : str
        Its dotted key.

    Returns
    -------
    str
        Such as ``--learning-rate``.
    """
    return "--" + key.replace(".", "-").replace("_", "-")


def from_text(text: str, kind: OptionKind) -> Any:
    """Turn a flag's text into a value, leaving text that does not fit for the model to refuse.

    Parameters
    ----------
    text : str
        Text as typed.
    kind : OptionKind
        Kind of the option; lists are separated by commas.

    Returns
    -------
    object
        An int, float, bool, list or str.
    """
    if kind.name == "list" and kind.item:
        if kind.optional and text.strip() == NONE:
            return NONE
        inner = text.strip().removeprefix("[").removesuffix("]")
        return [from_text(part.strip(), kind.item) for part in inner.split(",")] if inner.strip() else []
    if kind.name == "any":
        return from_toml(text)
    try:
        return read_text(text, _TYPES.get(kind.name, str))
    except ValidationError:
        return text


def from_toml(text: str) -> Any:
    """Read text as a TOML value, and as plain text where it is none.

    Parameters
    ----------
    text : str
        Such as ``0.1``, ``[1, 2]``, ``true`` or ``"a"``.

    Returns
    -------
    object
        The value.
    """
    try:
        document = read_toml(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return document["value"] if len(document) == 1 else text


def from_assignment(text: str, kind: OptionKind | None) -> Any:
    """Turn the right-hand side of ``--set key=value`` into a value: TOML where it fits the option, else as for a flag.

    Parameters
    ----------
    text : str
        Text after the equals sign.
    kind : OptionKind or None
        Kind of the option; None for an option that does not exist.

    Returns
    -------
    object
        The value.
    """
    value = from_toml(text)
    if kind is None:
        return value
    is_text = isinstance(value, str)
    fits = {"text": is_text, "path": is_text, "list": isinstance(value, list)}.get(kind.name, value is not text)
    return value if fits else from_text(text, kind)
