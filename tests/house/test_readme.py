"""The README is right: its sentences about every command hold, and its example prints what it should; links of all pages lead somewhere.

``test_documents.py`` runs its commands.
"""

import re
from pathlib import Path

import click
import flag_tables
import pytest
import torch

import eqlab
from experiments.cli import COMMANDS as PROGRAM
from experiments.learning import compare, gradients
from experiments.setup.tables import COMPARED

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line.split("#")[0].removeprefix("$ ").strip() for kind, text in BLOCKS if kind == "console" for line in text.splitlines()]


def test_the_readme_names_every_command() -> None:
    """If this fails, a user does not learn of a command, or looks for one that is gone."""
    table = README[README.index("Every command:") : README.index("## What is where")]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", table, re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(PROGRAM)


def test_the_options_that_every_command_has_are_those_of_the_readme() -> None:
    """If this fails, a user types an option that the README promises, and is refused."""
    inner = {name: set(found) for name, command in flag_tables.ALL.items() if (found := flag_tables.flags(command))}
    assert "every command has --help and --json\n" in README
    assert "--json" in set.intersection(*inner.values())
    assert all(command.get_help_option(click.Context(command)) for command in flag_tables.ALL.values())
    ((without, others),) = re.findall(r"All commands but (.*?) also have\s(.*?)\. Every command:", README)
    wanted = set(re.findall(r"`(--\w+)`", others))
    assert {name.split()[0] for name, found in inner.items() if not wanted <= found} == set(re.findall(r"`(\w+)`", without))
    assert len(wanted) == 4


def test_every_relaxation_has_a_certificate() -> None:
    """If this fails, a number of the README's kind cannot be judged: nobody knows whether its phases settled."""
    batch = next(eqlab.batches(eqlab.DATASETS["digits"](None, 0).train, 4))
    network = eqlab.Layered((64, 8, 10), activation="tanh")  # no kinks, which complex nudges cannot take
    for name in eqlab.RULES:
        rule = eqlab.RULES[name]("squared-error")
        if rule.averages:  # of a heat bath, which has no default
            continue
        estimate = rule.estimate(network, batch, generator=torch.Generator().manual_seed(0))
        for relaxation in (*estimate.relaxations.values(), rule.infer(network, batch.inputs)):
            assert relaxation.steps.shape == relaxation.residual.shape == relaxation.status.shape == (4,), name


def test_the_demo_measures_every_rule_that_needs_nothing_of_its_own() -> None:
    """If this fails, the README's tables leave one out."""
    for command in ("gradients", "compare"):
        assert f"[default: {','.join(COMPARED)}]" in str(flag_tables.flags(flag_tables.ALL[command])["--rules"].help)


def test_the_two_commands_of_the_readme_are_in_the_makefile() -> None:
    """If this fails, set-up and tests are not where a newcomer looks for them."""
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    wanted = [line.split()[1] for line in COMMANDS if line.startswith("make")]
    assert wanted == ["demo", "test"]
    assert set(wanted) <= set(targets)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_python_example_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """If this fails, the documented interface is not the real one."""
    (example,) = [text for kind, text in BLOCKS if kind == "python"]
    lines = [line for line in example.splitlines() if line]
    assert [line for line in lines if "import" in line] == ["import eqlab"]
    assert len(lines) <= 10
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})
    printed = re.fullmatch(r"cosine (\d\.\d+), free phase: (\d+) sweeps\n", capsys.readouterr().out)
    assert printed is not None
    # The bias of a centered estimate is about strength squared, 2.5e-3 of the gradient; a cosine is off by half its square.
    assert float(printed[1]) > 0.9999
    assert int(printed[2]) > 1


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def links(page: Path) -> list[str]:
    """Targets of the links and pictures of a page, without those of the web and of places on the page itself."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    return [target for target in re.findall(r"\]\(([^)#]+)", prose) if not target.startswith("http")]


def paths(page: Path) -> list[str]:
    """Paths of our own files and folders that a page names in its text."""
    top = "contrastive_core|eqlab|eqprop|experiments|hebbian|tests"
    return re.findall(rf"`((?:{top})/[\w./*]+)", page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_pictures_and_paths_of_every_page_exist(page: Path) -> None:
    """If this fails, a reader is sent to a file that is not there."""
    missing = [target for target in links(page) if not (page.parent / target).is_file()]
    assert missing + [path for path in paths(page) if not list(ROOT.glob(path))] == []


def test_links_and_paths_are_found() -> None:
    """A control: a check of nothing proves nothing."""
    assert "docs/api.md" in links(ROOT / "README.md")
    assert "experiments/runs/intervals.py" in paths(ROOT / "README.md")


def test_the_tables_of_the_readme_have_the_columns_and_rules_that_the_demo_prints() -> None:
    """If this fails, the README shows the output of another version."""
    record = {"cosine": dict.fromkeys(("weight_1", "bias_1", "weight_2", "bias_2"), 1.0), "norm_ratio": 1.0, "relative_error": 0.1}
    record |= {"sign_agreement": 1.0, "order": None, "sweeps": 1.0, "unconverged": 0.0}
    headers = [gradients.table({"rules": {"ep-centered": record}})[0], compare.table({})[0]]
    tables = re.findall(r"<!-- demo: \w+ -->\n\n```text\n(.*?)```", README, re.DOTALL)
    for shown, header in zip(tables, headers, strict=True):
        lines = shown.splitlines()
        titles = next(line for line in lines if line.startswith("rule "))
        assert titles.split() == " ".join(header).split()
        assert [line.split()[0] for line in lines[lines.index(titles) + 2 :]] == list(COMPARED)
