"""Sentences for settings that are wrong: which one, where it was given, what was expected and what was there."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from contrastive_core.errors import InputError
from contrastive_core.familiar import translated
from experiments.commandline.kinds import OptionKind, field_kind

_LONGEST_VALUE = 60


def complain(error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]) -> str:
    """Turn a failed validation into text for the user.

    Parameters
    ----------
    error : ValidationError
        With one or more problems.
    model : type
        Model that the settings were validated against.
    origins : mapping
        Names of the given settings in the message, by dotted key.

    Returns
    -------
    str
        One sentence, or a list of them.
    """
    problems = error.errors(include_url=False)
    parents = {problem["loc"][:-1] for problem in problems}
    problems = [one for one in problems if one["type"] != "too_short" or one["loc"] not in parents]  # short for want of the wrong items
    sentences = list(dict.fromkeys(_sentence(problem, model, origins) for problem in problems))
    if len(sentences) == 1:
        return sentences[0]
    return "\n  - ".join((f"{len(sentences)} settings are wrong:", *sentences))


def refuse_other_encodings(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """Refuse texts that are not Unicode, such as names of files in another encoding, which no configuration or record could hold.

    Parameters
    ----------
    values : mapping
        Values by dotted key.
    origins : mapping
        Names of the given settings in the message, by dotted key.

    Raises
    ------
    InputError
        If there is such a text.
    """
    for key, value in values.items():
        for text in map(str, value if isinstance(value, list | tuple) else [value]):
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(f"{origins.get(key, key)} is not Unicode text, got {text!r}; rename the file or directory") from error


def _sentence(problem: ErrorDetails, model: type[BaseModel], origins: Mapping[str, str]) -> str:
    keys, item = _locate(problem["loc"], model)
    name = item + _name(keys, origins)
    message = problem["msg"].replace("a valid array", "a list").replace("a valid tuple", "a list")
    match problem["type"]:
        case "extra_forbidden":
            return _unknown(keys, model, name)
        case "missing":
            return f"{name} is missing and has no default"
        case "value_error" | "assertion_error":
            text = message.partition(", ")[2]
            return f"{name}: {text}" if name else text
        case "too_short":
            return f"{name} needs at least {problem['ctx']['min_length']}, got {problem['ctx']['actual_length']}"
        case "literal_error":
            return f"{name} must be {problem['ctx']['expected']}, got {_shown(problem['input'])}"
    if message.startswith("Input should be "):
        return f"{name} must be {message.removeprefix('Input should be ')}, got {_shown(problem['input'])}"
    return f"{name}: {message[:1].lower()}{message[1:]}, got {_shown(problem['input'])}"


def _locate(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[tuple[str, ...], str]:
    """Split a problem's location into the option's keys and, inside a list, the item; names of union members are dropped."""
    keys: list[str] = []
    item = ""
    kind: OptionKind | None = OptionKind("table", model=model)
    for part in location:
        if isinstance(part, int):
            item = f"item {part + 1} of {item}"
        elif kind and kind.name in ("table", "mapping"):
            keys.append(part)
            field = kind.model.model_fields.get(part) if kind.model else None
            kind = field_kind(field) if field else None
    return tuple(keys), item


def _name(keys: tuple[str, ...], origins: Mapping[str, str]) -> str:
    dotted = ".".join(keys)
    parents = (".".join(keys[:length]) for length in range(len(keys), 0, -1))
    return next((origins[parent] for parent in parents if parent in origins), dotted)


def _unknown(keys: tuple[str, ...], model: type[BaseModel], name: str) -> str:
    owner = model
    for key in keys[:-1]:
        owner = field_kind(owner.model_fields[key]).model or owner
    prefix = "".join(f"{key}." for key in keys[:-1])
    known = [prefix + key for key in owner.model_fields]
    close = get_close_matches(".".join(keys), known, n=1)
    ours = translated("option", ".".join(keys), [one.replace("_", "-") for one in known])
    if ours:
        hint = f"it is {ours.replace('-', '_')!r} here"
    else:
        hint = f"did you mean {close[0]!r}?" if close else f"choose one of: {', '.join(known)}"
    return f"unknown option {name}; {hint}"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."
