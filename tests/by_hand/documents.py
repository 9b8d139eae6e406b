"""Commands and code of the documents, and how each is made small enough for a test."""

from __future__ import annotations

import re
import shlex
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PAGES = {page.name: page for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))}
"""Every page with commands, by its name."""


class Block(NamedTuple):
    """Fenced block of a page: its language, its text, and the text of the block after it."""

    language: str
    text: str
    after: str


def blocks(page: str, section: str = "") -> list[Block]:
    """Return the fenced blocks of a page or of one of its sections, in order."""
    text = PAGES[page].read_text("utf-8")
    if section:
        text = re.split(r"^## ", text.split(f"\n## {section}\n")[1], flags=re.MULTILINE)[0]
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [
        Block(*one, following[1] if following[0] == "text" else "") for one, following in zip(found, [*found, ("", "")][1:], strict=True)
    ]


def commands(page: str, section: str = "") -> list[list[str]]:
    """Return the arguments of every command of the program on a page or in its section, without comments, in order."""
    found = []
    for block in blocks(page, section):
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
    (r"train .*(drn|resistive)", sets(**FEW), "takes minutes; the strength needs the conductance of all hidden nodes"),
    (r"train .*conv-", sets(**FEW, layers="4c3 p2 10"), "filters of 5 x 5 do not fit into digits of 8 x 8"),
    (r"train ", sets(**FEW, hidden="[8]"), "training on all samples takes seconds to minutes"),
    (r"compare .*ising", [*sets(**FEW, hidden="[4]", seeds=1, ising__voters=1), *SERIAL], "an Ising machine anneals every sample"),
    (r"compare .*conv-", [*sets(**FEW, layers="4c3 p2 10", seeds=1), *SERIAL], "filters of 5 x 5 do not fit into digits of 8 x 8"),
    (r"compare ", [*sets(**FEW, hidden="[8]", seeds=1), *SERIAL], "several rules and seeds"),
    (r"gradients .*--vary .*--seeds ", sets(samples=4, seeds=2), "exact gradients of 32 samples, for every value and seed"),
    (r"gradients .*ising", sets(samples=1), "phases of several hundred sweeps"),
    (r"gradients ", sets(samples=4), "exact gradients of 32 samples"),
    (
        r"show runs/",
        sets(samples="[0]", strengths="[0.1]", energy_scales="[1.0]", temperatures="[0.0]"),
        "relaxes under every value of every slider",
    ),
    (
        r"show ",
        sets(hidden="[4]", epochs=0, samples="[0]", strengths="[0.1]", energy_scales="[1.0]", temperatures="[0.0]"),
        "trains a network, and relaxes it under every value of every slider",
    ),
    (r"spice ", sets(hidden="[4]", edges=1, samples=2), "a circuit of 784 sources"),
    (
        r"ising ",
        sets(epochs=1, hidden=4, voters=1, reads=1, sweeps=2, searches=4, spins=8),
        "machines anneal every sample and problem",
    ),
    (
        r"boltzmann ",
        sets(train_size=32, hidden="[4]", epochs=2, anneals=4, anneal_steps=10, mixing_sweeps=50, fantasies=2, test_size=20, chains=4),
        "training and annealing of large machines, and other rules beside them",
    ),
    (r"bench boltzmann", sets(visible=20, hidden=8, batches="[4]", repeats=1), "repeats for a median"),
    (
        r"joint ",
        [
            *sets(
                train_size=64, epochs=2, warmup=1, attack_steps=1, langevin_steps=1, test_size=20, test_steps=1, restarts=1, fantasies=12
            ),
            *SERIAL,
        ],
        "attacks and samples in every update of several trainings",
    ),
    (
        r"bench train ",
        sets(**FEW, hidden="[8]", seeds=1, targets="[90]", rules='["ep-positive"]', thread_counts="[1]"),
        "trainings of several rules and seeds on all of MNIST",
    ),
    (r"bench circuits", sets(hidden="[4]", repeats=1, samples=2), "repeats for a median"),
    (
        r"bench conv",
        sets(networks='["1x8x8 4c3 p2 5"]', batch=4, repeats=1, training_steps=1),
        "repeats for a median, on published networks",
    ),
    (r"bench spins", sets(size=64, replicas=2, repeats=1, patterns=2), "repeats for a median"),
    (
        r"bench settle",
        sets(networks='["20-8-3"]', batches="[4]", repeats=1),
        "repeats for a median, on networks as large as published ones",
    ),
    (r"contrast ", [*sets(**FEW, hidden="[8]", seeds=1, batch_size=24), *SERIAL], "views of all samples"),
    (
        r"match --train ",
        [*sets(predicted=4, clusters=3, seeds=2, training__train_size=48, training__epochs=1), *SERIAL],
        "trains every network, and lasso of every unit",
    ),
    (r"match ", sets(predicted=4, clusters=3, more_seeds="false"), "lasso of every unit"),
    (
        r"tune ",
        sets(train_size=128, hidden="[8]", batches=2, warmup=5, strengths="[0.1,0.02]", tolerances="[0.01]"),
        "a search over 24 points",
    ),
    (
        r"hardware .*config",
        [*sets(**FEW, seeds=1), *SERIAL],
        "one training per device and seed; the strength of a circuit needs the conductance of all hidden nodes",
    ),
    (r"hardware ", [*sets(**FEW, hidden="[4]", seeds=1), *SERIAL], "one training per device, rule and seed"),
    (r"reproduce .*ernoult.*full", ["--scale", "small"], "trainings on all of MNIST"),
    (r"recall ", sets(**SPINS, flow_sweeps=5), "chains of 50 000 spins"),
    (r"phase ", [*sets(**SPINS, dilutions="[0.3]"), *SERIAL], "400 points of a diagram"),
    (r"learn ", [*sets(**SPINS, examples="[1,5]"), *SERIAL], "a chain for every quality and number of examples"),
    (r"basins ", [*sets(size=64, networks=2, qualities="[0.1,0.5]"), *SERIAL], "100 networks of 4000 spins"),
    (
        r"capacity ",
        [*sets(sizes="[100,200,400]", loads="[0.14,0.18,0.22]", spins=12000, resamples=20), *SERIAL],
        "21 824 descents; with fewer of these the fit does not settle",
    ),
    (
        r"sweep new .* contrastive ",
        [*sets(**FEW, hidden="[8]", batch_size=24), "--seeds", "1"],
        "a trial is computed to measure the size of chunks",
    ),
    (r"sweep new .* train ", [*sets(**FEW, hidden="[8]"), "--seeds", "1"], "a training is computed to measure the size of chunks"),
    (r"sweep new .* recall ", [*sets(**SPINS, flow_sweeps=5), "--seeds", "2"], "chains of 10 000 spins; an interval needs two seeds"),
    (r"sweep new ", ["--seeds", "1"], "every point of the grid, with many seeds"),
)
"""For each command, in the order of preference: a pattern, overriding options, and the reason for them."""

ELSEWHERE: tuple[tuple[str, str, str], ...] = (
    ("cluster.md", r"", "needs a cluster; tests/runs/test_compute.py runs sweeps on a scheduler of its own"),
    ("README.md", r"^watch ", "ends with Ctrl-C; tests/runs/test_watch.py watches a run, and so does tests/by_hand/stories.py"),
    ("cuda.md", r"--device cuda", "needs a CUDA device"),
    ("data.md", r"^data |--left-out", "needs the network or recordings; tests/data has small files of its own"),
    ("plugins.md", r"", "tests/commandline/test_plugins.py runs this page with the package that it shows"),
)
"""Page, pattern and reason of the commands that do not run here."""

SLOW: tuple[tuple[str, str, str], ...] = (
    ("README.md", r"^sweep new ", "3 s to measure chunks; sweeps.md has the same command"),
    ("circuits.md", r"^ising ", "8 s, a training on all digits"),
    ("circuits.md", r"^train --config drn-mnist", "3 s, and digits stand in for MNIST as in drn-digits"),
    ("contrastive.md", r"^sweep new ", "7 s to measure chunks; sweeps.md has the command"),
    (
        "hardware.md",
        r"^hardware --config hardware-digits$",
        "6 s for 61 devices; other lines have this configuration",
    ),
    ("multitasking.md", r"^bench spins", "8 s, samplers that are compiled for this measurement; tests/commands/bench/test_bench.py"),
    ("multitasking.md", r"^capacity ", "3 s; tests/commands/test_capacity.py"),
    ("multitasking.md", r"^modes ", "3 s; tests/hebbian/boltzmann/test_modes_command.py"),
    ("multitasking.md", r"^(phase .*|report )runs/plane", "10 s; other lines have these commands"),
    ("multitasking.md", r"^phase .*dilution$|^learn --temperature 0", "3 s each; other lines have these commands"),
    ("reproduce.md", r"^reproduce ernoult", "4 s each; tests/commands/test_reproduce.py has the command"),
    ("tuning.md", r"^sweep ", "11 s; sweeps.md has these commands"),
)
"""Page, pattern and reason of the commands that ``run_documents.py`` runs and the suite does not, with processor times."""

NEEDED = {"take-elsewhere.md": ("onnx", "nir")}
"""Optional libraries without which a page is left out."""

RUNS = {"contrastive.md": "runs/first", "hardware.md": "runs/first"}
"""Run that RUN stands for, that of the first command on the page."""


def placed(words: list[str], page: str) -> list[str]:
    """Return a command with the files and runs of a test in place of those of the reader: digits stand for data sets in files."""
    if "--data-dir" in words:
        where = words.index("--data-dir")
        words = [
            *words[:where],
            *words[where + 2 :],
            *(() if words[0] in ("bench", "reproduce") and words[1] != "train" else ("--set", "data=digits")),
        ]
        words = ["initial" if word == "trained" else word for word in words]
    stands = {"RUN": RUNS.get(page, "RUN"), "FILE.csv": "measured.csv", "KEY": "ep-centered ideal #0"}
    return [stands.get(word, word) for word in words]


def small(words: list[str]) -> list[str]:
    """Return a command with the options that make it small."""
    line = " ".join(words) + " "
    return [*words, *next((more for pattern, more, _ in SMALL if re.match(pattern, line)), [])]


def elsewhere(words: list[str], page: str) -> bool:
    """Whether a command does not run in the tests of documents."""
    return any(page == where and re.search(pattern, " ".join(words)) for where, pattern, _ in ELSEWHERE)


def slow(words: list[str], page: str) -> bool:
    """Whether a command is run by hand only."""
    return any(page == where and re.search(pattern, " ".join(words)) for where, pattern, _ in SLOW)


def run_on(page: str, long: bool = False, quick: bool = False) -> list[list[str]]:
    """Return the arguments of the commands of a page that run in its order, in small form or as they are, all or those of the suite."""
    found = []
    for number, words in enumerate(commands(page)):
        if not elsewhere(words, page) and not (quick and slow(words, page)):
            arguments = placed(words, page) if long else small(placed(words, page))
            found.append([*arguments, "--out", RUNS[page]] if page in RUNS and number == 0 else arguments)
    return found


def prepare(folder: Path) -> None:
    """Write the files that the documents take from their reader: pulses by rows and in two columns of microsiemens, and own data."""
    measure(folder / "measured.csv")
    with chdir(folder):
        for page in ("your-own-data.md", "own-files.md"):
            exec(blocks(page)[0].text, {})  # own.npz; a table, pictures and recordings
    rise = 20 + 60 * (1 - np.exp(-np.arange(40) / 15))
    fall = rise[-1] - 60 * (1 - np.exp(-np.arange(40) / 15))
    noise = np.random.default_rng(0).normal(0, 0.3, (40, 2))
    np.savetxt(folder / "columns.csv", np.stack([rise, fall], 1) + noise, delimiter=",")


def measure(path: Path) -> None:
    """Write pulses of two devices in three cycles, as a laboratory would: exponential curves with noise of reading, from 2 to 50 µS."""
    draws, lines = np.random.default_rng(0), ["device_id,cycle,pulse,polarity,conductance_S"]
    rise = -np.expm1(-2 * np.arange(51) / 50) / -np.expm1(-2)
    for device in "ab":
        for cycle in range(3):
            for polarity, share in (("P", rise), ("D", 1 - rise)):
                siemens = 2e-6 + 48e-6 * share + 1e-7 * draws.normal(size=51)
                lines += [f"{device},{cycle},{pulse},{polarity},{value:.6e}" for pulse, value in enumerate(siemens)]
    path.write_text("\n".join(lines))
