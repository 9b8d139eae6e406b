"""Choices among the kinds of a part of a device, which may be given by name."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import Any

from contrastive_core.expect import expect
from contrastive_core.registry import unknown_name


def named_choices(part: Any) -> dict[str, Enum]:
    """Return the members of enumerations that a part names by their values.

    Parameters
    ----------
    part : dataclass
        Part of a device. A field is a choice if its default is a member of an enumeration.

    Returns
    -------
    dict of str to Enum
        Member by field; fields that hold one are left out.

    Raises
    ------
    UnknownNameError
        If a text names no member.
    InputError
        If a choice is neither a member nor a text.
    """
    kinds = {field.name: type(field.default) for field in fields(part) if isinstance(field.default, Enum)}
    given = {name: getattr(part, name) for name in kinds}
    return {name: _member(kinds[name], value, name) for name, value in given.items() if not isinstance(value, kinds[name])}


def _member(kind: type[Enum], given: object, name: str) -> Enum:
    members = {str(member.value): member for member in kind}
    if not isinstance(given, str):
        return expect(given, kind, name, f"or write one of {', '.join(members)}")
    if given not in members:
        raise unknown_name(name, given, list(members))
    return members[given]
