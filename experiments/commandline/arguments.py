"""First look at the arguments of a command: the names that decide which flags it has."""

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from contrastive_core.errors import InputError
from experiments.commandline.kinds import field_kind, flag_name, from_text
from experiments.commandline.options import assignment, read_config

_FILES = ("--config", "--file")
_BETWEEN = re.compile(r"[=,\[\]\"'\s]+")


def names_in(args: Sequence[str], model: type[BaseModel]) -> dict[str, Any]:
    """Read the options out of the arguments as far as possible, before it is known which flags there are.

    Parameters
    ----------
    args : sequence of str
        Arguments of the command.
    model : type of Options
        Options of the command.

    Returns
    -------
    dict
        Settings from the configuration, the flags and the assignments, unchecked; the model refuses wrong ones later.
    """
    layers: list[Mapping[str, Any]] = []
    with suppress(InputError):
        layers += [read_config(name).values for name in values_of("--config", args)]
    flags = {key: list(values_of(flag_name(key), args)) for key in model.model_fields}
    layers.append({key: from_text(texts[-1], field_kind(model.model_fields[key])) for key, texts in flags.items() if texts})
    with suppress(InputError):
        layers += [assignment(text, model).values for text in values_of("--set", args)]
    return dict(ChainMap(*(dict(layer) for layer in reversed(layers))))


def modules_in(args: Sequence[str]) -> Iterator[str]:
    """Find the modules of names ``MODULE:NAME`` that the user has typed; those in files are chosen by whoever wrote the file."""
    for before, text in zip(("", *args), args, strict=False):
        if before not in _FILES and not text.startswith(tuple(f"{flag}=" for flag in _FILES)):
            yield from (word.partition(":")[0] for word in _BETWEEN.split(text) if ":" in word)


def values_of(flag: str, args: Sequence[str]) -> Iterator[str]:
    """Find the values of a flag, given as ``--flag VALUE`` or ``--flag=VALUE``."""
    for place, text in enumerate(args):
        if text == flag and place + 1 < len(args):
            yield args[place + 1]
        elif text.startswith(f"{flag}="):
            yield text.removeprefix(f"{flag}=")
