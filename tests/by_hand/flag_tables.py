"""Write the tables of all options of all commands into ``docs/commands.md``: ``python tests/by_hand/flag_tables.py``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import cloup

from experiments.cli import cli

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "commands.md"

HEAD = """# All options

Every option of every command, by the sections of `--help`. `eqlab COMMAND --help` shows those of one command, with its examples. A list is
given as `1,2,3`, a truth value as `--flag` or `--no-flag`, and `none` is an optional value that is left out. In configurations and after
`--set`, names have underscores, and options of a table stand in it: `--circuit-g-min 0.005` is `g_min = 0.005` under `[circuit]`. This page
is made by `tests/by_hand/flag_tables.py` from the declarations.
"""


def commands(found: click.Command, context: click.Context, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Return the name and the command of every command, and of every group but the program."""
    if path:
        yield " ".join(path), found
    if isinstance(found, click.Group):
        for name in found.list_commands(context):
            inner = found.get_command(context, name)
            assert inner is not None
            yield from commands(inner, click.Context(inner, parent=context, info_name=name), (*path, name))


ALL = dict(commands(cli, click.Context(cli, info_name="eqlab")))
"""Every command by its name."""


def flags(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command by how they are written, such as ``--frozen/--no-frozen``."""
    return {"/".join([*one.opts, *one.secondary_opts]): one for one in command.params if isinstance(one, click.Option)}


def cell(text: str) -> str:
    """Return a text for a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def _users(names: list[str]) -> str:
    others = [name for name in ALL if name not in names and flags(ALL[name])]
    return f"all but {', '.join(others)}" if len(others) < len(names) / 2 and others else ", ".join(names)


def written() -> str:
    """Return the page."""
    rows: dict[str, dict[tuple[str, str], list[tuple[str, str]]]] = {}
    for name, command in ALL.items():
        for flag, option in flags(command).items():
            help_text, _, default = (option.help or "").partition("  [")
            group = option.group if isinstance(option, cloup.Option) else None
            shown = f"`{flag} {option.metavar}`" if option.metavar else f"`{flag}`"
            default = default.removesuffix("]").removeprefix("default: ")
            section = rows.setdefault(group.title if group else "General options", {})
            section.setdefault((shown, cell(help_text)), []).append((name, cell(default)))
    text = HEAD
    for title, options in rows.items():
        text += f"\n## {title}\n\n| option | meaning | default | commands |\n|---|---|---|---|\n"
        for (shown, meaning), uses in sorted(options.items()):
            defaults: dict[str, list[str]] = {}
            for name, default in uses:
                defaults.setdefault(default, []).append(name)
            values = (
                "; ".join(f"{value} ({', '.join(names)})" for value, names in defaults.items())
                if len(defaults) > 1
                else next(iter(defaults))
            )
            text += f"| {shown} | {meaning} | {values} | {_users([name for name, _ in uses])} |\n"
    return re.sub(r"  +", " ", text)


if __name__ == "__main__":
    DOCUMENT.write_text(written(), "utf-8")
