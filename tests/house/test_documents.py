"""The documents work as shown: their commands run in small form, their code runs, and every option stands in them."""

from __future__ import annotations

import re
import shlex
from configparser import ConfigParser
from pathlib import Path

import flag_tables
import pytest
from click.testing import CliRunner
from documents import ELSEWHERE, NEEDED, PAGES, ROOT, SLOW, SMALL, blocks, commands, prepare, run_on
from stories import STORIES, Story, code, copied, lines

from experiments.cli import cli
from experiments.papers.table import PAPERS

TESTED = [page for page in PAGES if commands(page) and page != "plugins.md"]
"""Pages with commands; the page of plug-ins has a test of its own."""


def test_the_tables_of_options_are_fresh() -> None:
    """If this fails, an option is not in the documents, or described as it was; tests/by_hand/flag_tables.py writes them."""
    assert flag_tables.DOCUMENT.read_text("utf-8") == flag_tables.written()


def test_every_option_of_every_command_is_in_the_documents() -> None:
    """If this fails, a user cannot find an option by searching; the words are looked up apart from how the tables are made."""
    text = "\n".join(page.read_text("utf-8") for page in PAGES.values())
    known = set(re.findall(r"--[a-z][\w-]*", text))
    missing = {
        flag for command in flag_tables.ALL.values() for option in flag_tables.flags(command).values() for flag in option.opts
    } - known
    assert {flag for flag in missing if flag.startswith("--")} == set()
    assert len(known) > 200


@pytest.mark.parametrize("page", TESTED)
def test_the_commands_of_a_page_run_in_order(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a documented line does not work where the page shows it."""
    for library in NEEDED.get(page, ()):
        pytest.importorskip(library, reason=f"{library} is not installed")
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    for arguments in run_on(page, quick=True):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, f"eqlab {' '.join(arguments)}\n{result.output}"
        assert result.stdout.strip()


def test_every_reason_to_make_a_command_small_or_to_leave_it_out_is_used() -> None:
    """If this fails, an override outlived its command, and would hide a fault in the next one that it fits."""
    of_papers = [shlex.split(line) for paper in PAPERS.values() for line in paper.commands]
    lines = [" ".join(words) + " " for words in (*of_papers, *(words for page in PAGES for words in commands(page)))]
    first = [next((i for i, (pattern, _, _) in enumerate(SMALL) if re.match(pattern, line)), None) for line in lines]
    assert {pattern for i, (pattern, _, _) in enumerate(SMALL) if i not in first} == set()
    for where, pattern, reason in (*ELSEWHERE, *SLOW):
        assert any(re.search(pattern, " ".join(words)) for words in commands(where)), reason


@pytest.mark.parametrize("page", TESTED)
def test_no_page_is_left_to_programs_that_are_run_by_hand(page: str) -> None:
    """If this fails, the commands of a page that could run in the suite are all left out as slow."""
    assert run_on(page, quick=True) or not run_on(page)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_every_story_has_documented_lines(story: Story) -> None:
    """If this fails, a user's way is not in the documents; tests/by_hand/stories.py goes it in an installed wheel."""
    assert lines(story) or code(story)


def test_the_container_holds_what_the_wheel_is_made_from_and_runs_the_demo() -> None:
    """If this fails, an image is built that lacks a package, or that runs another demo than ``make demo``."""
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    packages = {pattern.rstrip("*") for pattern in settings["options.packages.find"]["include"].split()}
    assert packages < set(copied())
    assert {"setup.cfg", "pyproject.toml", "README.md", "LICENSE", "constraints.txt"} < set(copied())
    assert all((ROOT / name).exists() for name in copied())
    made = re.findall(r"^\t\$\(BIN\)/eqlab (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert lines(STORIES["demo"]) == [line.split() for line in made]


NUMBERS = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@pytest.mark.parametrize("page", ["circuits.md", "objectives.md", "api.md", "convolution.md", "torch.md", "estimators.md"])
def test_the_code_of_a_page_runs_and_prints_what_the_page_shows(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """If this fails, the documented interface is not the real one, or its numbers are those of another version."""
    code = [block for block in blocks(page) if block.language == "python"]
    assert code
    for block in code:
        exec(compile(block.text, page, "exec"), {"__name__": "page"})
        printed = [float(number) for number in NUMBERS.findall(capsys.readouterr().out)]
        shown = [float(number) for number in NUMBERS.findall(block.after)]
        # Phases settle to 1e-9 of a volt, and their contrast is divided by a fraction of 0.1: 1e-8 in every conductance, over 150 steps.
        assert not shown or printed == pytest.approx(shown, abs=1e-6)
