"""Random command lines, made of the registered commands and of the kinds of their options."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache

import click
import fuzz_ordinary

from experiments.cli import cli
from experiments.commandline.kinds import OptionKind
from experiments.commandline.parameters import FieldType

TAME = 0.65
"""Share of the lines whose arguments and values are all ordinary, so that about half of all lines compute something."""
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
_HUGE = re.compile(r"(?<![\d.])\d{3,}|e\d")


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
    tame = rng.random() < TAME
    base = [token for one in options if tame or rng.random() < 0.97 for token in _small(one, rng)]
    if tame or rng.random() < 0.5:
        base += fuzz_ordinary.arguments(words, rng)
    else:
        base += [token for one in command.params if isinstance(one, click.Argument) for token in _wild_argument(one, rng, names)]
    base += [token for one in rng.sample(options, min(len(options), rng.choice((0, 1, 1, 2, 3)))) for token in _ordinary(one, rng)]
    wild: list[str] = []
    if not tame:
        count = min(len(options), rng.choice((1, 1, 2, 2, 3, 5)))
        wild = [token for one in rng.sample(options, count) for token in _given(one, rng, names)]
        if rng.random() < 0.1:
            wild.insert(rng.randrange(len(wild) + 1), rng.choice((*_ABSURD, "--nosuch", "--sed=1", "-q")))
    if rng.random() < 0.5 and any("--json" in one.opts for one in options):
        wild.append("--json")
    # Arguments of a process cannot hold a zero byte, nor what is no Unicode.
    return [one.replace("\x00", "") for one in (*words, *base, *wild)]


def serves(arguments: list[str]) -> bool:
    """Whether a line starts a server, which ends by an interruption only."""
    return arguments[0] == "watch"


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


def _wild_argument(argument: click.Argument, rng: random.Random, names: tuple[str, ...]) -> list[str]:
    many = 1 if argument.nargs == 1 else rng.choice((1, 1, 2, 3))
    return [rng.choice(names) if rng.random() < 0.8 else _value(rng, _kind(argument), names) for _ in range(many)]


def _small(option: click.Option, rng: random.Random) -> list[str]:
    """Give an option on which the time depends a value that takes seconds; others keep their default."""
    kind, key = _kind(option), _key(option)
    if (word := fuzz_ordinary.word(key, (kind.item or kind).choices, rng)) is not None:
        return [option.opts[0], word]
    if key == "networks" and (kind.item or kind).name == "text":
        return [option.opts[0], fuzz_ordinary.NETWORK]
    if (kind.item or kind).name != "integer" or option.is_flag or key in ("seed", "data_seed", "port", "threads", "trial"):
        return []
    sizes = {fuzz_ordinary.size(key, rng) for _ in range(rng.choice((1, 2)) if kind.name == "list" else 1)}
    return [option.opts[0], ",".join(sorted(sizes))]


def _ordinary(option: click.Option, rng: random.Random) -> list[str]:
    """Give an option a value that it accepts, or leave it out."""
    if option.is_flag:
        return [rng.choice([*option.opts, *option.secondary_opts])]
    kind, found = _kind(option), _DEFAULT.search(option.help or "")
    if (kind.item or kind).name == "integer" and _key(option) not in ("seed", "threads", "trial"):
        return []
    value = fuzz_ordinary.value(_key(option), found[1] if found else "", (kind.item or kind).choices, rng)
    return [] if value is None else [option.opts[0], value]


def _key(option: click.Parameter) -> str:
    return option.opts[0].removeprefix("--").replace("-", "_")


def _given(option: click.Option, rng: random.Random, names: tuple[str, ...]) -> list[str]:
    """Give an option a value of any kind."""
    flag = rng.choice([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return [flag]
    key = _key(option)
    value = _value(rng, _kind(option), names)
    if option.multiple:
        value = rng.choice((value, f"{key}={value}", f"{rng.choice(_keys())}={value}"))
    shape = rng.random()
    return [f"{flag}={value}"] if shape < 0.3 else ["--set", f"{key}={value}"] if shape < 0.4 else [flag, value]


@cache
def _keys() -> tuple[str, ...]:
    """Keys of all options of all commands."""
    return tuple(sorted({_key(one) for command in _commands().values() for one in command.params}))


def _value(rng: random.Random, kind: OptionKind, names: tuple[str, ...]) -> str:
    if rng.random() < 0.12:
        return rng.choice(_ABSURD)
    if kind.choices:
        return rng.choice(kind.choices) if rng.random() < 0.9 else rng.choice(kind.choices)[:-1]
    if kind.name == "list" and kind.item:
        return ",".join(_value(rng, kind.item, names) for _ in range(rng.choice((0, 1, 1, 2, 3, 40))))
    by_kind = {"integer": _INTEGERS, "number": (*_NUMBERS, *_INTEGERS[:5]), "boolean": ("true", "0", "yes"), "path": (*_PATHS, *names)}
    return rng.choice(by_kind.get(kind.name, (*names, *names, *_keys(), *_NUMBERS)))
