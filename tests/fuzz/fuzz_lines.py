"""Random command lines, made of the registered commands and of the kinds of their options."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache

import click

from experiments.cli import cli
from experiments.commandline.kinds import OptionKind
from experiments.commandline.parameters import FieldType

SMALL = 8
"""Sizes and counts of lines that are to be computed; a longer time than the limit is then a hang."""
_DEFAULT = re.compile(r"\[default: ([^\]]*)\]")
_NUMBERS = (
    "0",
    "-0.0",
    "1",
    "-1",
    "0.5",
    "1e-3",
    "1e-12",
    "1e-300",
    "5e-324",
    "1e300",
    "1e999",
    "nan",
    "inf",
    "-inf",
    "1e",
    "1_0",
    "\u0661",
)
_INTEGERS = ("0", "1", "2", "3", "-1", "1.5", "007", "2147483648", "9223372036854775808", "1" + "0" * 30, "9" * 5000, "-" + "9" * 5000)
_ABSURD = (
    "",
    " ",
    "none",
    "true",
    "é",
    "日本",
    "\u202e",
    "\ud800",
    "a\nb",
    "\x1b[31m",
    "%s{}",
    "'\"",
    "[" * 2000,
    "x" * 5000,
    "-",
    "--",
    "{",
    ",",
    "a=b",
)
_PATHS = ("", ".", "..", "nowhere", "nowhere/deep/er", "/dev/null", "/dev/full", "/proc/self/mem", "~", "a\x00b", "x" * 300, "é", "-x")
_HUGE = re.compile(r"\d{3,}|e\d")


def commands() -> dict[tuple[str, ...], click.Command]:
    """List every command that is no group, by its words."""
    return dict(_walk(cli, (), click.Context(cli)))


def line(rng: random.Random, names: tuple[str, ...]) -> list[str]:
    """Make a command line.

    Parameters
    ----------
    rng : Random
        Source of every choice.
    names : tuple of str
        Names of files and runs that exist where the line is run.

    Returns
    -------
    list of str
        Arguments of the program.
    """
    words, command = rng.choice(sorted(_commands().items()))
    options = [one for one in command.params if isinstance(one, click.Option)]
    base = [token for one in options if rng.random() < 0.97 for token in _small(one, rng)]
    for one in command.params:
        if isinstance(one, click.Argument):
            many = 1 if one.nargs == 1 else rng.choice((1, 1, 2, 3))
            base += [rng.choice(names) if rng.random() < 0.8 else _value(rng, _kind(one), names) for _ in range(many)]
    wild = [
        token for one in rng.sample(options, min(len(options), rng.choice((0, 1, 2, 2, 3, 3, 5, 8)))) for token in _given(one, rng, names)
    ]
    if rng.random() < 0.05:
        wild.insert(rng.randrange(len(wild) + 1), rng.choice((*_ABSURD, "--nosuch", "--sed=1", "-q")))
    if rng.random() < 0.5 and any("--json" in one.opts for one in options):
        wild.append("--json")
    # Arguments of a process cannot hold a zero byte, nor what is no Unicode.
    return [one.replace("\x00", "") for one in (*words, *base, *wild)]


def is_large(arguments: list[str]) -> bool:
    """Whether a line asks for sizes that may take long."""
    return any(_HUGE.search(one) for one in arguments)


@cache
def _commands() -> dict[tuple[str, ...], click.Command]:
    return commands()


def _walk(command: click.Command, words: tuple[str, ...], context: click.Context) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _walk(found, (*words, name), context)
    else:
        yield words, command


def _kind(parameter: click.Parameter) -> OptionKind:
    if isinstance(parameter.type, FieldType):
        return parameter.type._kind
    return OptionKind({"integer range": "integer"}.get(parameter.type.name, parameter.type.name))


def _small(option: click.Option, rng: random.Random) -> list[str]:
    """Give an option of whole numbers a small value; others keep their default."""
    kind, found = _kind(option), _DEFAULT.search(option.help or "")
    default = found[1] if found else ""
    item = kind.item or kind
    if item.name != "integer" or option.is_flag or "seed" in option.opts[0] or "port" in option.opts[0] or option.name == "threads":
        return []
    if kind.name == "list":
        sizes = [int(one) for one in default.split(",") if one.isdecimal()] or [SMALL]
        return [option.opts[0], ",".join(str(min(one, SMALL)) for one in sizes[:2])]
    size = int(default) if default.isdecimal() else rng.choice((SMALL, 20))
    return [option.opts[0], str(min(size, rng.choice((2, SMALL, 20))))]


def _given(option: click.Option, rng: random.Random, names: tuple[str, ...]) -> list[str]:
    """Give an option a value of any kind."""
    flag = rng.choice([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return [flag]
    key = option.opts[0].removeprefix("--").replace("-", "_")
    value = _value(rng, _kind(option), names)
    if option.multiple:
        value = rng.choice((value, f"{key}={value}", f"{rng.choice(_keys())}={value}"))
    shape = rng.random()
    return [f"{flag}={value}"] if shape < 0.3 else ["--set", f"{key}={value}"] if shape < 0.4 else [flag, value]


@cache
def _keys() -> tuple[str, ...]:
    """Keys of all options of all commands."""
    return tuple(sorted({one.opts[0].removeprefix("--").replace("-", "_") for command in _commands().values() for one in command.params}))


def _value(rng: random.Random, kind: OptionKind, names: tuple[str, ...]) -> str:
    if rng.random() < 0.12:
        return rng.choice(_ABSURD)
    if kind.choices:
        return rng.choice(kind.choices) if rng.random() < 0.9 else rng.choice(kind.choices)[:-1]
    if kind.name == "list" and kind.item:
        return ",".join(_value(rng, kind.item, names) for _ in range(rng.choice((0, 1, 1, 2, 3, 40))))
    by_kind = {"integer": _INTEGERS, "number": (*_NUMBERS, *_INTEGERS[:5]), "boolean": ("true", "0", "yes"), "path": (*_PATHS, *names)}
    return rng.choice(by_kind.get(kind.name, (*names, *names, *_keys(), *_NUMBERS)))
