"""Commands and code of the documents, and how each is made small enough for a test."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PAGES = {page.name: page for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))}
"""Every page with commands, by its name."""


class Block(NamedTuple):
    """Fenced block of a page: its language, its text, and the text of the block after it."""

    language: str
    text: str
    after: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", PAGES[page].read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [
        Block(*one, following[1] if following[0] == "text" else "") for one, following in zip(found, [*found, ("", "")][1:], strict=True)
    ]


def commands(page: str) -> list[list[str]]:
    """Return the arguments of every command of the program on a page, without comments, in order."""
    found = []
    for block in blocks(page):
        if block.language in ("console", "sh", "bash"):
            for line in block.text.replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True) if re.match(r"(\$ )?eqlab ", line) else []
                if words:
                    found.append(words[1:])
    return found


def sets(**values: object) -> list[str]:
    """Return ``--set NAME=VALUE`` for each setting; ``__`` stands for a dot."""
    return [word for name, value in values.items() for word in ("--set", f"{name.replace('__', '.')}={value}")]


FEW = {"train_size": 48, "epochs": 1}
SPINS = {"size": 64, "chains": 4, "sweeps": 60, "burn_in": 20}
SERIAL = ["--engine", "serial"]
SMALL: tuple[tuple[str, list[str], str], ...] = (
    (r"train .*ising", sets(**FEW, hidden="[4]", ising__voters=1), "an Ising machine anneals every sample"),
    (r"train .*graph-digits", sets(**FEW, graph__links=40), "a graph solves one matrix per sample"),
    (r"train .*drn", sets(**FEW), "training on all samples takes minutes; its strength needs the conductance of all hidden nodes"),
    (r"train ", sets(**FEW, hidden="[8]"), "training on all samples takes seconds to minutes"),
    (r"compare .*ising", [*sets(**FEW, hidden="[4]", seeds=1, ising__voters=1), *SERIAL], "an Ising machine anneals every sample"),
    (r"compare ", [*sets(**FEW, hidden="[8]", seeds=1), *SERIAL], "several rules and seeds"),
    (r"gradients ", sets(samples=4), "exact gradients of 32 samples"),
    (r"spice ", sets(hidden="[4]", edges=1, samples=2), "a circuit of 784 sources"),
    (r"ising ", sets(train_size=20, epochs=1, hidden="[4]", searches=4, spins=8), "machines anneal every sample and problem"),
    (r"bench circuits", sets(hidden="[4]", repeats=1, samples=2), "repeats for a median"),
    (r"bench spins", sets(size=64, replicas=2, repeats=1, patterns=2), "repeats for a median"),
    (
        r"bench settle",
        sets(networks='["20-8-3"]', batches="[4]", repeats=1),
        "repeats for a median, on networks as large as published ones",
    ),
    (r"contrast ", [*sets(**FEW, hidden="[8]", seeds=1, batch_size=24), *SERIAL], "views of all samples"),
    (r"match ", sets(predicted=4, clusters=3, more_seeds="false"), "lasso of every unit"),
    (
        r"tune ",
        sets(train_size=128, hidden="[8]", batches=2, warmup=5, strengths="[0.1,0.02]", tolerances="[0.01]"),
        "a search over 24 points",
    ),
    (r"hardware ", [*sets(**FEW, hidden="[4]", seeds=1), *SERIAL], "one training per device, rule and seed"),
    (r"recall ", sets(**SPINS, flow_sweeps=5), "chains of 50 000 spins"),
    (r"phase ", [*sets(**SPINS, dilutions="[0.3]"), *SERIAL], "400 points of a diagram"),
    (r"learn ", [*sets(**SPINS, examples="[1,5]"), *SERIAL], "a chain for every quality and number of examples"),
    (r"basins ", [*sets(size=64, networks=2, qualities="[0.1,0.5]"), *SERIAL], "100 networks of 4000 spins"),
    (r"capacity ", [*sets(sizes="[64,96,128]", loads="[0.1,0.15,0.2]", spins=256, starts=1, resamples=20), *SERIAL], "21 824 descents"),
    (r"sweep new ", ["--seeds", "1"], "every point of the grid, with many seeds"),
)
"""For each command, in the order of preference: a pattern, overriding options, and the reason for them."""

ELSEWHERE: tuple[tuple[str, str, str], ...] = (
    ("cluster.md", r"", "needs a cluster; tests/runs/test_compute.py runs sweeps on a scheduler of its own"),
    ("cuda.md", r"--device cuda", "needs a CUDA device"),
    ("data.md", r"^data |--left-out", "needs the network or recordings; tests/data has small files of its own"),
    ("plugins.md", r"", "tests/commandline/test_plugins.py runs this page with the package that it shows"),
)
"""Page, pattern and reason of the commands that do not run here."""

RUNS = {"contrastive.md": "runs/first", "hardware.md": "runs/first"}
"""Run that RUN stands for, that of the first command on the page."""


def placed(words: list[str], page: str) -> list[str]:
    """Return a command with the files and runs of a test in place of those of the reader: digits stand for data sets in files."""
    if "--data-dir" in words:
        where = words.index("--data-dir")
        words = [*words[:where], *words[where + 2 :], *(() if words[0] == "bench" else ("--set", "data=digits"))]
        words = ["initial" if word == "trained" else word for word in words]
    return [{"RUN": RUNS.get(page, "RUN"), "FILE.csv": "pulses.csv"}.get(word, word) for word in words]


def small(words: list[str]) -> list[str]:
    """Return a command with the options that make it small."""
    line = " ".join(words) + " "
    return [*words, *next((more for pattern, more, _ in SMALL if re.match(pattern, line)), [])]


def elsewhere(words: list[str], page: str) -> bool:
    """Whether a command does not run in the tests of documents."""
    return any(page == where and re.search(pattern, " ".join(words)) for where, pattern, _ in ELSEWHERE)


def run_on(page: str, long: bool = False) -> list[list[str]]:
    """Return the arguments of the commands of a page that run in its order, in small form or as they are."""
    found = []
    for number, words in enumerate(commands(page)):
        if not elsewhere(words, page):
            arguments = placed(words, page) if long else small(placed(words, page))
            found.append([*arguments, "--out", RUNS[page]] if page in RUNS and number == 0 else arguments)
    return found


def prepare(folder: Path) -> None:
    """Write the one file that the documents take from their reader: measured pulses, in microsiemens."""
    rise = 20 + 60 * (1 - np.exp(-np.arange(40) / 15))
    fall = rise[-1] - 60 * (1 - np.exp(-np.arange(40) / 15))
    noise = np.random.default_rng(0).normal(0, 0.3, (40, 2))
    np.savetxt(folder / "pulses.csv", np.stack([rise, fall], 1) + noise, delimiter=",")
