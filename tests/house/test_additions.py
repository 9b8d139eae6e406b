"""A rule, a network, a cost and an experiment are each added by one file and one line, and then train from the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from example_package import files
from sources import ROOT

PARTS = ("contrastive_core", "eqprop", "hebbian", "experiments", "eqlab")


class Addition(NamedTuple):
    """File that is added, the line that names it and its table, the arguments that use it, and what the run then records."""

    source: str
    file: str
    table: str
    before: str
    line: str
    arguments: str
    recorded: str


TINY = "--data two-moons --hidden 4 --epochs 1 --train-size 32 --backend torch --quiet --out run"
ADDITIONS = {
    "rule with a setting": Addition(
        "noisy_ep.py",
        "eqprop/noisy_ep.py",
        "eqprop/__init__.py",
        '        "ep-random": ',
        '        "noisy-ep": "eqprop.noisy_ep:noisy",\n',
        f"train --rule noisy-ep --noise 0.3 {TINY}",
        "noise = 0.3",
    ),
    "network with options": Addition(
        "tapered.py",
        "contrastive_core/networks/tapered.py",
        "contrastive_core/networks/__init__.py",
        '        "layered": ',
        '        "tapered": "contrastive_core.networks.tapered:TAPERED",\n',
        f"train --network tapered --tapered-depth 1 {TINY}",
        "[tapered]\ndepth = 1",
    ),
    "cost": Addition(
        "pseudo_huber.py",
        "contrastive_core/costs/pseudo_huber.py",
        "contrastive_core/costs/__init__.py",
        '        "cross-entropy": ',
        '        "pseudo-huber": "contrastive_core.costs.pseudo_huber:PseudoHuber",\n',
        f"train --cost pseudo-huber {TINY}",
        'cost = "pseudo-huber"',
    ),
    "experiment": Addition(
        "coin.py",
        "experiments/coin.py",
        "experiments/trials/experiment.py",
        '        "contrastive": ',
        '        "coin": "experiments.coin:EXPERIMENT",\n',
        "sweep new coins coin --grid bias=0.4,0.6",
        'experiment = "coin"',
    ),
}

PROGRAM = """
import sys
from experiments.cli import cli

cli.main(["train", "--help"], standalone_mode=False)
assert "torch" not in sys.modules
sys.exit(cli.main(sys.argv[1:], standalone_mode=False))
"""


def git(place: Path, *arguments: str) -> str:
    """Run git in a copy, whoever its user is."""
    named = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    return subprocess.run(["git", *named, *arguments], cwd=place, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages in a repository of its own."""
    place = tmp_path_factory.mktemp("tree")
    for part in PARTS:
        shutil.copytree(ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
    (place / ".gitignore").write_text("__pycache__\n")
    git(place, "init", "-q")
    git(place, "add", ".")
    git(place, "commit", "-qm", "before")
    return place


@pytest.mark.parametrize("kind", ADDITIONS)
def test_an_addition_is_one_file_and_one_line(kind: str, copy: Path, tmp_path: Path) -> None:
    """Whoever adds a method would otherwise have to know the program: flags, checks and documents that list names by hand."""
    added = ADDITIONS[kind]
    table = copy / added.table
    text = table.read_text(encoding="utf-8")
    assert text.count(added.before) == 1
    table.write_text(text.replace(added.before, added.line + added.before), encoding="utf-8")
    (copy / added.file).write_text(files()[added.source], encoding="utf-8")
    git(copy, "add", ".")
    changed = {line.split("\t")[2]: line.split("\t")[:2] for line in git(copy, "diff", "--cached", "--numstat").splitlines()}
    assert changed.pop(added.table) == ["1", "0"]
    assert list(changed) == [added.file]
    environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *added.arguments.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    git(copy, "reset", "-q", "--hard")
    assert ran.returncode == 0, ran.stderr
    config = next(tmp_path.rglob("config.toml")).read_text(encoding="utf-8")
    assert added.recorded in config
