"""Help texts: plain sentences that are understood alone, grouped so that a reader finds an option, and quick to show."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import cloup
import pytest
from click.testing import CliRunner

from contrastive_core.devices import EFFECTS
from contrastive_core.registry import Table
from experiments.cli import COMMANDS, SUBJECTS, cli
from experiments.commandline.sections import GENERAL
from experiments.setup.tables import RULES
from experiments.trials.experiment import EXPERIMENTS

ROOT = Path(__file__).resolve().parents[2]

FORBIDDEN = re.compile(r"(Of|As|That|The same|What|Which|Who|How|Where|If|Both|Its|Those|None)\b")
"""Beginnings that leave out the noun, or make the reader look for it in another text."""

NOTE = re.compile(r"(  \[[^\]]*\])+$")
"""Default and range, which stand after the sentences in brackets."""

BIG = 20
"""Options from which on a flat list is hard to read."""


def all_commands(group: click.Group = cli, names: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command and group below a group, with what the user types for it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*names, name)), command
        if isinstance(command, click.Group):
            yield from all_commands(command, (*names, name))


EVERY = dict(all_commands())
PLAIN = {name: command for name, command in EVERY.items() if not isinstance(command, click.Group)}


def texts(command: click.Command) -> dict[str, str | None]:
    """The help text of every option and argument, without default and range."""
    context = click.Context(command)
    found = {}
    for parameter in command.get_params(context):
        help_text = getattr(parameter, "help", None)
        found[parameter.opts[0]] = None if help_text is None else NOTE.sub("", help_text)
    return found


@pytest.mark.parametrize("name", PLAIN)
def test_every_option_and_argument_is_explained_in_whole_sentences(name: str) -> None:
    """If this fails, a user meets an option without a word, or with half a sentence."""
    wrong = {flag: text for flag, text in texts(PLAIN[name]).items() if not text or not text[0].isupper() or not text.endswith(".")}
    assert wrong == {}


@pytest.mark.parametrize("name", PLAIN)
def test_no_help_text_begins_without_its_noun(name: str) -> None:
    """If this fails, a help text is a riddle unless its neighbours are read."""
    assert {flag: text for flag, text in texts(PLAIN[name]).items() if text and FORBIDDEN.match(text)} == {}


@pytest.mark.parametrize("name", EVERY)
def test_every_command_says_first_what_it_does(name: str) -> None:
    """If this fails, the list of commands shows a fragment, or a sentence that starts with a relative word."""
    first = EVERY[name].get_short_help_str(500)
    assert first.endswith(".")
    assert first[0].isupper()
    assert not first.endswith("...")
    assert not FORBIDDEN.match(first)


@pytest.mark.parametrize("name", PLAIN)
def test_every_command_shows_an_example_that_names_it(name: str) -> None:
    """If this fails, a user has to guess how the options are put together."""
    text = PLAIN[name].help or ""
    examples = text.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    assert all(line.strip().startswith(f"eqlab {name}") for line in examples)


@pytest.mark.parametrize("name", PLAIN)
def test_every_option_stands_in_one_section(name: str) -> None:
    """If this fails, the sections of the help hide an option, show it twice, or have an empty heading."""
    command = PLAIN[name]
    assert isinstance(command, cloup.Command)
    context = cloup.Context(command)
    groups = [*command.option_groups, command.get_default_option_group(context)]
    listed = [option for group in groups for option in group]
    assert sorted(option.opts[0] for option in listed) == sorted(
        parameter.opts[0] for parameter in command.get_params(context) if isinstance(parameter, click.Option)
    )
    assert all(len(group) for group in groups)
    assert len({group.title for group in groups}) == len(groups)


@pytest.mark.parametrize("name", [name for name, command in PLAIN.items() if len(command.params) > BIG])
def test_a_big_command_has_sections_that_can_be_read(name: str) -> None:
    """If this fails, a user is back at a list of eighty options."""
    command = PLAIN[name]
    assert isinstance(command, cloup.Command)
    assert len(command.option_groups) > 1
    assert max(map(len, command.option_groups)) <= BIG


def test_the_sections_of_training_come_in_the_order_of_its_decisions() -> None:
    """If this fails, a user who looks for the learning rule reads through the diodes of a network that is not trained."""
    output = CliRunner().invoke(cli, ["train", "--help"]).output
    wanted = (
        "Data:",
        "Network:",
        "Learning rule:",
        "Relaxation:",
        "Optimisation:",
        "Network resistive:",
        "Computation:",
        f"{GENERAL.title}:",
    )
    places = [output.index(f"\n{title}\n") for title in wanted]
    assert places == sorted(places)
    assert output.index("--rule NAME") < output.index("--strength NUMBER")
    assert output.index("Network resistive:") < output.index("--circuit-rail") < output.index("Network oscillator:")


def test_the_list_of_commands_shows_each_once_under_its_subject() -> None:
    """If this fails, a command cannot be found, or a subject is empty."""
    lines = CliRunner().invoke(cli, ["--help"]).output.splitlines()
    shown: dict[str, list[str]] = {}
    for line in lines[lines.index(f"{next(iter(SUBJECTS))}:") :]:
        if line.endswith(":") and not line.startswith(" "):
            shown[line[:-1]] = []
        elif line.startswith("  ") and not line.startswith("   "):
            shown[list(shown)[-1]].append(line.split()[0])
    assert shown == {subject: list(commands) for subject, commands in SUBJECTS.items()}
    assert sorted(name for names in shown.values() for name in names) == sorted(COMMANDS)


@pytest.mark.parametrize("arguments", [(), ("train", "--help"), ("sweep", "new", "--help"), ("hardware", "--help")])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """If this fails, help that is read in a second takes several to come."""
    program = (
        "import sys\nfrom experiments.cli import cli\n"
        f"cli.main({list(arguments)!r}, standalone_mode=False)\n"
        "print(sorted({'torch', 'numba', 'scipy', 'matplotlib', 'sklearn'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_example_of_the_document_is_a_command() -> None:
    """If this fails, a contributor who copies the example of docs/reference/options.md begins with an error."""
    (code,) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / "reference" / "options.md").read_text(encoding="utf-8"), flags=re.M | re.S
    )
    made: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "docs/reference/options.md", "exec", dont_inherit=True), made)
    shown = CliRunner().invoke(made["toss_command"], ["--help"]).output
    assert shown.index("Options of this command:") < shown.index("--tosses INTEGER") < shown.index("Data:") < shown.index("--coin NAME")
    assert "3 tosses of a bent coin" in CliRunner().invoke(made["toss_command"], ["--tosses", "3", "--coin", "bent"]).output


@pytest.mark.parametrize(("name", "flag", "table"), [("sweep new", "option_experiment", EXPERIMENTS), ("hardware", "--vary", EFFECTS)])
def test_lists_of_names_in_the_help_are_those_of_the_tables(name: str, flag: str, table: Table[object]) -> None:
    """If this fails, what a table lists can be used, and no user learns of it."""
    text = texts(PLAIN[name])[flag]
    assert text is not None
    assert text.endswith(f": {', '.join(table)}.")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_name_is_broken_at_its_hyphens(width: int) -> None:
    """If this fails, a user cannot find or copy the name of a rule."""
    shown = CliRunner().invoke(cli, ["train", "--help"], terminal_width=width).output
    assert all(name in shown for name in RULES)
    assert not any(line.endswith("-") for line in shown.splitlines())
