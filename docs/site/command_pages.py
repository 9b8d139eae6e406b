"""Pages of the commands: the help of each with its examples, and its options by section, from the declarations."""

from __future__ import annotations

import re

import click
import cloup
from flag_tables import ALL, cell, flags

from contrastive_core.errors import EqlabError
from experiments.cli import SUBJECTS
from experiments.commandline.exits import FAILED, SOME_FAILED, USAGE
from experiments.commandline.interruption import INTERRUPTED


def _described(text: str) -> str:
    """Return the help of a command as Markdown; paragraphs after a form feed keep their lines."""
    parts = []
    for part in re.split(r"\n\s*\n", text.strip()):
        kept = part.startswith("\b")
        lines = part.removeprefix("\b").strip("\n")
        if kept:
            title, _, rest = lines.partition("\n")
            body = "\n".join(line.strip() for line in rest.splitlines())
            parts.append(f"{title.strip()}\n\n```text\n{body}\n```")
        else:
            parts.append(" ".join(lines.split()).replace("<", "&lt;"))
    return "\n\n".join(parts)


def _section(name: str, level: str) -> str:
    command = ALL[name]
    usage = " ".join([name, *command.collect_usage_pieces(click.Context(command, info_name=name))])
    text = f"{level} eqlab {name}\n\n```text\neqlab {usage}\n```\n\n{_described(command.help or '')}\n"
    rows: dict[str, list[str]] = {}
    for flag, option in flags(command).items():
        group = option.group if isinstance(option, cloup.Option) else None
        meaning, _, default = (option.help or "").partition("  [")
        shown = f"`{flag} {option.metavar}`" if option.metavar else f"`{flag}`"
        default = default.removesuffix("]").removeprefix("default: ")
        rows.setdefault(group.title if group else "General options", []).append(f"| {shown} | {cell(meaning)} | {cell(default)} |\n")
    for title, lines in rows.items():
        text += f"\n**{title}**\n\n| option | meaning | default |\n|---|---|---|\n{''.join(lines)}"
    return text


def command_pages() -> dict[str, str]:
    """Return a page for every command, with the commands of a group on the page of the group."""
    pages = {}
    for names in SUBJECTS.values():
        for name in names:
            inner = [other for other in ALL if other.startswith(f"{name} ")]
            pages[f"eqlab-{name}"] = "\n".join([_section(name, "#"), *(_section(other, "##") for other in inner)])
    return pages


def exits_page() -> str:
    """Return the page of exit codes, with the classes of errors that lead to 1 and to 2."""
    rows = {
        0: "done",
        FAILED: "the run failed, or the disk is full",
        USAGE: "wrong usage or configuration: nothing was computed",
        SOME_FAILED: "some trials failed; the results of the others are complete",
        INTERRUPTED: "interrupted; the message names the command that resumes the run",
    }
    table = "".join(f"| {code} | {meaning} |\n" for code, meaning in rows.items())
    described = (EqlabError.__doc__ or "").split("\n")[0]
    return (
        f"# Exit codes\n\nResults go to stdout, progress and messages to stderr.\n\n| code | meaning |\n|---|---|\n{table}\n"
        f"An error is one sentence: what was wrong, what was expected, and what to do. `eqlab.EqlabError`: {described}\n"
        "`--debug`, or `EQLAB_DEBUG=1`, shows where it comes from.\n"
    )
