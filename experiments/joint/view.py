"""Contents of the report about joint models: tables, robustness, the course of the trainings, and samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.figures.machines.robustness import course_picture, robustness_picture
from experiments.figures.machines.tiles import ACROSS, tiles_picture
from experiments.joint.comparison import summarise, tables
from experiments.report.contents import Contents
from experiments.report.run_reader import OpenedRun
from experiments.runs.arrays import read_arrays
from experiments.sweeps.paired import read_paired, settled, trial_key

if TYPE_CHECKING:
    from experiments.figures.style import Picture


def show_joint(opened: OpenedRun) -> Contents:
    """Show ways to train side by side, as far as they are, with samples of the first seed of each."""
    arms = [str(arm) for (arm,) in opened.axes[0].values]
    seeds = range(opened.first_seed, opened.first_seed + opened.seeds)
    found = settled(read_paired(opened.journal, arms, seeds, opened.history))
    records = summarise(found.metrics, found.errors)
    contrasted = {arm: each[0] for arm, each in found.histories.items() if any(record.get("gap") for record in each[0])}
    pictures: dict[str, Picture] = {"course": course_picture(contrasted)} if contrasted else {}
    done = {arm: {**record, "test_error": record["test_error"]["mean"]} for arm, record in records.items() if record["test_error"]}
    if done:
        pictures = {"robustness": robustness_picture(done), **pictures}
    for arm in done:
        arrays = read_arrays(opened.run, trial_key(arm, seeds[0]))
        if {"samples", "neighbours"} <= arrays.keys():
            pictures[f"samples-{arm}"] = _samples(arrays)
    return Contents(tables(records), pictures)


def _samples(arrays: dict[str, Any]) -> Picture:
    """Show samples in rows, each row above the nearest training samples of its pictures."""
    samples, neighbours = arrays["samples"].tolist(), arrays["neighbours"].tolist()
    rows = [
        row
        for start in range(0, len(samples) - ACROSS + 1, ACROSS)
        for row in (*samples[start : start + ACROSS], *neighbours[start : start + ACROSS])
    ]
    side = round(len(rows[0]) ** 0.5)
    return tiles_picture(rows, side if side * side == len(rows[0]) else 0, "joint")
