"""Compare numbers in the pages of circuits and hardware with what the program prints now, cell by cell, within stated tolerances.

By hand: ``python tests/by_hand/page_figures.py [--runs DIRECTORY] NAME...``, or with ``all`` for every name; without one the names are listed with
the processor time of their commands. Finished trials in the directory are not computed again. The suite computes the checks of ``CHEAP``.
"""

# ruff: noqa: E501 - the checks are a table

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import processes
from documents import PAGES, commands
from printed_tables import ANY, Bounds, Share, Table, numbered, piped, sentence, stale, table_at, tables

Lines = list[list[str]]


class Check(NamedTuple):
    """Numbers of a page, and the commands that print them.

    Attributes
    ----------
    page : str
        Page that shows the numbers.
    shown : callable
        Function of the page's text that returns the numbers as a table.
    lines : list of str
        Commands: patterns of those on the page, or whole lines that begin with ``eqlab``.
    printed : callable
        Function of the outputs of the commands that returns their numbers in the form of the page.
    bounds : mapping
        Largest differences between processors, by row or by column.
    seconds : int
        Processor time of the commands on one core.
    """

    page: str
    shown: Callable[[str], Table]
    lines: list[str]
    printed: Callable[[Sequence[str]], Table]
    bounds: Bounds
    seconds: int


def only(reader: Callable[[str], Table]) -> Callable[[Sequence[str]], Table]:
    """Return a reader of the output of one command."""
    return lambda texts: reader(*texts)


def each(reader: Callable[[str], str]) -> Callable[[Sequence[str]], Table]:
    """Return a reader of one number in each output."""
    return lambda texts: numbered([reader(text) for text in texts])


def quantities(text: str) -> Table:
    """Return the quantities of a training as one row, so that each has a bound of its own."""
    return {"value": {name: cells["value"] for name, cells in table_at("quantity ")(text).items()}}


def quantities_of(command: str) -> Callable[[str], Table]:
    """Return a reader of the quantities that a page shows under a command."""
    return lambda text: quantities(text[text.index(command) :])


def test_error(text: str) -> str:
    """Return the test error that ``train`` prints."""
    return quantities(text)["value"]["test error"].removesuffix(" %")


def slope(text: str) -> str:
    """Return the largest difference of a gradient that ``spice`` prints."""
    return sentence(r"largest difference of a gradient: (\S+) of")(text)["text"]["1"]


def cosine(text: str) -> str:
    """Return the lowest cosine of the one rule in an output of ``gradients``."""
    (row,) = tables(text)[0].values()
    return f"{min(float(cell) for name, cell in row.items() if name.startswith('cos ')):.5f}"


def epochs(texts: Sequence[str]) -> Table:
    """Return the errors of the first and of the best epoch of ``ising --json``, in per cent."""
    errors = [100 * row["test error"] for row in json.loads(texts[0])["history"]]
    return numbered([f"{errors[0]:.0f}", f"{min(errors):.1f}"])


def compared(texts: Sequence[str]) -> Table:
    """Return the test errors of the rules of ``compare``, in their order."""
    return numbered([row["test error %"] for row in tables(texts[0])[0].values()])


CONFIGURATIONS = (
    *((name, "ep-centered") for name in ("spiking-digits", "binary-digits", "ising-digits", "ising-anneal-digits")),
    *(("ising-anneal-digits", "ep-positive"), ("graph-digits", "ep-centered"), ("graph-digits", "coupled-positive")),
)
"""Configuration and rule of each row of the table of physical networks."""


def errors(text: str) -> Table:
    """Return the errors of the page's table of physical networks."""
    rows = piped("| configuration |", keys=(0, 2))(text)
    return {row: {"test error %": cells["test error %"]} for row, cells in rows.items()}


def configurations(texts: Sequence[str]) -> Table:
    """Return the error of each comparison of one rule."""
    rows = [next(iter(tables(text)[0].values())) for text in texts]
    names = [" ".join(pair) for pair in CONFIGURATIONS]
    return {name: {"test error %": row["test error %"]} for name, row in zip(names, rows, strict=True)}


def studied(text: str) -> list[dict[str, Any]]:
    """Return the rows of ``hardware --json``."""
    rows: list[dict[str, Any]] = json.loads(text)["rows"]
    return rows


def effects(titles: str) -> Callable[[str], Table]:
    """Return a reader of the measured columns of a table of effects."""

    def read(text: str) -> Table:
        rows = table_at(titles)(text)
        return {row: {name: cell for name, cell in cells.items() if name in ("here", "of 3")} for row, cells in rows.items()}

    return read


def accuracies(reader: Callable[[str], Table], first: int) -> Callable[[Sequence[str]], Table]:
    """Return a reader of ``hardware --json`` that gives its rows, from the number ``first`` on, the names that the page has."""

    def read(texts: Sequence[str]) -> Table:
        names = reader(PAGES["hardware.md"].read_text("utf-8"))
        values = [row["accuracy"]["seeds"] for row in studied(texts[0])[first:]]
        cells = [{"here": f"{fmean(one):.3f}", "of 3": f"{stdev(one) / 3**0.5:.3f}"} for one in values]
        return {name: {column: cell[column] for column in names[name]} for name, cell in zip(names, cells, strict=True)}

    return read


RULES = {
    "ep-centered": ("EP, centered, strength 1", "CEP, strength 1", "1.25e-2"),
    "contrastive-hebbian": ("contrastive Hebbian (hard clamp)", "CHL, hard clamp", "2.5e-2"),
    "coupled-positive": ("coupled, one-sided, fraction .1", "coupled, one-sided", "1.25e-2"),
    "coupled-centered": ("coupled, centered, fraction .1", "coupled, centered", "1.25e-2"),
}
"""Names of each rule in two tables, and its bias of 1e-4 per step over its learning rate."""


def rates(texts: Sequence[str]) -> Table:
    """Return the validation accuracies of each rule at each learning rate."""
    rows = [row for row in studied(texts[0]) if row["value"]]
    return {
        titles[0]: {row["value"][1:]: f"{100 * (1 - row['validation_error']):.1f}" for row in rows if row["rule"] == rule}
        for rule, titles in RULES.items()
    }


def under_noise(texts: Sequence[str]) -> Table:
    """Return the test accuracies of each rule on each device."""
    found = {(row["rule"], row["varied"], row["value"]): f"{row['accuracy']['mean']:.3f}" for row in studied(texts[0])}
    places = {
        "ideal": ("unvaried", ""),
        "read .01": ("node-noise.sigma_v", "0.01"),
        "read .1": ("node-noise.sigma_v", "0.1"),
        "ADC 6 b": ("adc.adc_bits", "6"),
        "bias 1e-4": ("rule-bias.sigma_rule_bias", ""),
        "6-bit stochastic": ("finite-states.bits", "6"),
    }
    return {
        title: {name: found[rule, part, bias if name.startswith("bias") else value] for name, (part, value) in places.items()}
        for rule, (_, title, bias) in RULES.items()
    }


def without_published(text: str) -> Table:
    """Return the page's table of rules under noise without the values in brackets."""
    return {row: {name: cell.split(" ")[0] for name, cell in cells.items()} for row, cells in piped("| rule | ideal |")(text).items()}


def two_pass(texts: Sequence[str]) -> Table:
    """Return the least and the largest accuracy of writes in two passes, and that of the difference, in per cent."""
    *two, net = (100 * row["accuracy"]["mean"] for row in studied(texts[0])[1:])
    return numbered([f"{min(two):.1f}", f"{max(two):.1f}", f"{net:.1f}"])


FEW = 1.2
"""Four of 350 test samples, in per cent: roundings of another processor decide single samples, and later ones follow."""
TRAINED: Bounds = {
    **dict.fromkeys(("test error", "validation error"), FEW),
    **dict.fromkeys(("chosen epoch", "CPU microseconds per sample"), ANY),
    **dict.fromkeys(("sweeps per sample", "unconverged"), 1.0),
    "energy decrease": Share(0.05),
    "lowest cosine to exact gradient": 0.002,
}
"""Bounds of the quantities of a training."""
TWO_PASS = "law.m=0,0.05,0.25,1 pulse-train.scheme=two-pass pulse-train.desired_bl=1000000 device.step=1e-6 learning_rates=0.003"
CIRCUIT = "eqlab spice --hidden 16,12 --circuit-voltage-gain 4 --edges 8 --strength"
COSINE = "eqlab gradients --network oscillator --hidden 64 --rules ep-centered --strength"
STUDY = "eqlab hardware --config hardware-digits"
FIRST, SECOND = effects("effect here there"), effects("effect here of 3")

CIRCUITS = {
    "spice-diodes": Check("circuits.md", table_at("emission"), ["spice --hidden 16,12"], only(table_at("emission")),
        {"largest difference V": Share(0.01), "largest voltage V": Share(0.01)}, 6),
    # The slope of a conductance at a blocked node is 1e-9 of those beside it, the least that ngspice resolves.
    "spice-gradients": Check("circuits.md", table_at("conductance"), ["spice --hidden 16,12"], only(table_at("conductance")),
        {"nudged": Share(0.01), "finite difference": Share(0.01), "relative difference": 1e-7}, 6),
    "spice-slope": Check("circuits.md", sentence(r"(\S+) at a strength of 1e-3 and (\S+) at 1e-4 for"), [f"{CIRCUIT} 1e-3", f"{CIRCUIT} 1e-4"],
        each(slope), {"text": Share(0.05)}, 20),
    # Success within two standard errors of 400 searches; the lowest energy is that of one network.
    "ising-search": Check("circuits.md", table_at("noise success"), ["eqlab ising --epochs 0"], only(table_at("noise success")),
        {"success": 0.05, "mean energy": 0.15, "lowest": 0.01}, 3),
    "ising-epochs": Check("circuits.md", sentence(r"they fall from (\S+) % to (\S+) %"), ["eqlab ising --json"], epochs, {"1": 3.0, "2": FEW}, 10),
    "ising-training": Check("circuits.md", quantities_of("--config ising-anneal-digits --quiet"), ["train --config ising-anneal-digits --quiet"],
        only(quantities), TRAINED, 20),
    "ising-rules": Check("circuits.md", sentence(r"gives test errors of (\S+), (\S+) and (\S+) %"), ["compare --config ising-anneal-digits"],
        compared, {"text": FEW}, 100),
    "drn-digits": Check("circuits.md", sentence(r"15 epochs \| 0 \| (\S+) % test error"), ["train --config drn-digits"],
        each(test_error), {"text": FEW}, 8),
    "configurations": Check("circuits.md", errors, [f"eqlab compare --config {name} --rules {rule} --seeds 3" for name, rule in CONFIGURATIONS],
        configurations, {"test error %": FEW}, 900),
    "oscillator-training": Check("circuits.md", quantities_of("--network oscillator --hidden 64 --epochs 8 --quiet"),
        ["train --network oscillator --hidden 64 --epochs 8 --quiet"], only(quantities), TRAINED, 12),
    "oscillator-cosines": Check("circuits.md", sentence(r"is (\S+) at the default strength of .1, (\S+) at .01 and above (\S+) at"),
        [f"{COSINE} {strength}" for strength in (0.1, 0.01, 0.001)], each(cosine), {"1": 0.001, "2": 0.0001, "3": 2e-5}, 25),
}  # fmt: skip
HARDWARE = {
    "heat": Check("hardware.md", table_at("varied value"), ["hardware --config hardware-digits --seeds 1 --vary conductance.pairing"],
        only(table_at("varied value")), {"accuracy %": FEW, **dict.fromkeys(("energy µJ", "settling µJ", "pulses"), Share(0.05))}, 15),
    # Means of three seeds, within the bound of the page itself; its second table has the rows that only twelve seeds determine.
    "devices": Check("hardware.md", FIRST, [f"{STUDY} --engine process:2 --json"], accuracies(FIRST, 0), {"here": 0.03}, 900),
    "devices-of-twelve": Check("hardware.md", SECOND, ["hardware --config hardware-digits --engine process:2 --seeds 12 + --json"],
        accuracies(SECOND, 1), {"here": 0.03, "of 3": 0.03}, 1000),
    "learning-rates": Check("hardware.md", piped("| rule | .0005"), ["hardware --config hardware-rules --no-final --vary learning_rates + --json"],
        rates, {title: 3.0 for title, _, _ in RULES.values()}, 250),
    "rules-under-noise": Check("hardware.md", without_published, ["eqlab hardware --config hardware-rules --engine process:2 --json"],
        under_noise, {title: 0.03 for _, title, _ in RULES.values()}, 300),
    "two-pass": Check("hardware.md", sentence(r"it reaches (\S+) to (\S+) %, instead of (\S+) % for the difference"),
        [f"{STUDY} --seeds 1 --vary '{TWO_PASS}' --vary learning_rates=0.003 --json"], two_pass, {"text": 3.0}, 35),
}  # fmt: skip
CHECKS = CIRCUITS | HARDWARE
CHEAP = ("ising-search", "spice-diodes", "spice-gradients")
"""Checks that the suite computes."""


def lines_of(check: Check) -> list[list[str]]:
    """Return the arguments of the commands of a check."""
    found = []
    for line in check.lines:
        if line.startswith("eqlab "):
            found.append(shlex.split(line)[1:])
            continue
        pattern, _, more = line.partition(" + ")
        (words,) = [words for words in commands(check.page) if re.match(pattern, " ".join(words))]
        found.append([*words, *more.split()])
    return found


def found_stale(check: Check, outputs: Sequence[str]) -> list[str]:
    """Compare the page of a check with the outputs of its commands."""
    return stale(check.shown(PAGES[check.page].read_text("utf-8")), check.printed(outputs), check.bounds)


def output(folder: Path, words: Sequence[str]) -> str:
    """Run a command in a directory of its own, and return what it prints."""
    name = hashlib.sha256(" ".join(words).encode()).hexdigest()[:8]
    command = [*processes.PROGRAM, *words, *(() if "--quiet" in words else ("--quiet",)), "--out", str(folder / f"{words[0]}-{name}")]
    return subprocess.run(command, env=processes.ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> int:
    """Compute the chosen checks, print what is stale, and return the number of stale cells."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*CHECKS, "all", []])
    parser.add_argument("--runs", type=Path, help="directory of the runs; without it they are thrown away")
    given = parser.parse_args()
    if not given.names:
        print("\n".join(f"{name:20} {check.seconds:5} s  {check.page}" for name, check in CHECKS.items()))
    count = 0
    with tempfile.TemporaryDirectory() as temporary:
        for name in CHECKS if "all" in given.names else given.names:
            lines = found_stale(CHECKS[name], [output(given.runs or Path(temporary), words) for words in lines_of(CHECKS[name])])
            print(f"{name}: " + ("\n  ".join(["stale", *lines]) if lines else "as printed"), flush=True)
            count += len(lines)
    return count


if __name__ == "__main__":
    sys.exit(main() > 0)
