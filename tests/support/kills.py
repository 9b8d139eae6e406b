"""Kill drivers and workers of a sweep at random moments, and check that every record is kept once."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import psutil
from processes import ENVIRONMENT, PROGRAM, count_done, run

TRIALS = 1200


class Toll(NamedTuple):
    """Result of the kills: killed processes, starts of drivers, and sums over the content of all journals."""

    drivers: int
    workers: int
    starts: int
    missing: int
    twice: int
    epochs_missing: int
    integrity: str
    same: bool


class Inspection(NamedTuple):
    """Content of a journal."""

    done: int
    twice: int
    epochs: int
    integrity: str


def new(folder: Path, name: str) -> None:
    axes = ["--grid", f"x={','.join(map(str, range(TRIALS // 20)))}", "--set", "seconds=0.002", "--set", "epochs=2"]
    run(folder, "sweep", "new", name, "trials:EXPERIMENT", *axes, "--seeds", 20, "--chunk", 40)


def workers(driver: int) -> list[psutil.Process]:
    """List the processes that compute: spawned ones, and those that a server forks, without the server and the tracker of resources."""
    try:
        children = psutil.Process(driver).children(recursive=True)
        servers = {child.pid for child in children if "forkserver" in " ".join(child.cmdline()) and child.ppid() == driver}
        return [child for child in children if "spawn_main" in " ".join(child.cmdline()) or child.ppid() in servers]
    except psutil.Error:
        return []


def table(folder: Path, name: str) -> str:
    run(folder, "sweep", "collect", name, "--csv", f"{name}.csv", "--points", 0)
    return (folder / f"{name}.csv").read_text()


def ordeal(folder: Path, kills: int, seed: int, *, verbose: bool = False) -> Toll:
    """Compute a sweep under changing engines while processes are killed, and compare with an undisturbed sweep.

    A kill comes at a random moment after the first new record, so that it hits the computation and not the start.
    """
    chance = random.Random(seed)
    new(folder, "peace")
    run(folder, "sweep", "run", "peace", "--plugin", "trials", "--engine", "serial")
    struck = {"driver": 0, "worker": 0}
    starts = part = 0
    while sum(struck.values()) < kills:
        part += 1
        name = f"war-{part}"
        new(folder, name)
        journal = (folder / "runs" / name / "journal.sqlite").resolve()
        while count_done(journal) < TRIALS:
            starts += 1
            engine = ("process:2", "dask:2")[starts % 2]
            arguments = [*PROGRAM, "sweep", "run", name, "--plugin", "trials", "--engine", engine]
            with subprocess.Popen(arguments, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
                victim = strike(driver, journal, chance) if sum(struck.values()) < kills else None
                driver.wait(timeout=300)
            if victim:
                struck[victim] += 1
            if verbose:
                print(f"{name} {engine}: killed {victim}, {count_done(journal)} of {TRIALS} done", flush=True)
    expected = table(folder, "peace")
    names = [f"war-{number + 1}" for number in range(part)]
    found = [inspect(folder / "runs" / name / "journal.sqlite") for name in names]
    return Toll(
        struck["driver"],
        struck["worker"],
        starts,
        missing=sum(TRIALS - one.done for one in found),
        twice=sum(one.twice for one in found),
        epochs_missing=sum(2 * TRIALS - one.epochs for one in found),
        integrity=", ".join({one.integrity for one in found}),
        same=all(table(folder, name) == expected for name in names),
    )


def strike(driver: subprocess.Popen[bytes], journal: Path, chance: random.Random) -> str | None:
    before = count_done(journal)
    while driver.poll() is None and count_done(journal) == before:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.5))
    if driver.poll() is not None:
        return None
    victims = workers(driver.pid)
    if chance.random() < 0.5 and victims:
        chance.choice(victims).send_signal(signal.SIGKILL)
        return "worker"
    driver.send_signal(signal.SIGKILL)
    return "driver"


def inspect(journal: Path) -> Inspection:
    connection = sqlite3.connect(journal)
    done = connection.execute("SELECT count(*) FROM trials WHERE status = 'done'").fetchone()[0]
    twice = connection.execute("SELECT count(*) - count(DISTINCT key) FROM trials").fetchone()[0]
    epochs = connection.execute("SELECT count(*) FROM history").fetchone()[0]
    integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return Inspection(done, twice, epochs, integrity)
