"""Contents of reports about runs that train on views."""

from __future__ import annotations

from typing import Any

from experiments.figures.representations import curves, embeddings, spectra
from experiments.report.contents import Contents, ReportTable
from experiments.report.run_reader import OpenedRun
from experiments.representations.comparison import measure_table, probe_table, summarise
from experiments.runs.arrays import read_arrays
from experiments.sweeps.paired import Found, trial_key


def show_contrast(opened: OpenedRun) -> Contents:
    """Show rules side by side, as far as they are: probes, measures, where samples lie and how the objective falls."""
    rules = [str(rule) for (rule,) in opened.axes[0].values] if opened.axes else []
    seeds = range(opened.first_seed, opened.first_seed + opened.seeds)
    found = Found({}, {}, {})
    for rule in rules:
        keys = [trial_key(rule, seed) for seed in seeds]
        trials = [opened.journal.trial(key) for key in keys]
        found.histories[rule] = [[epoch.metrics for epoch in opened.history(key)] for key in keys]
        if any(trial and trial.status in ("done", "failed") for trial in trials):
            found.metrics[rule] = [trial.metrics if trial else None for trial in trials]
            found.errors[rule] = next((trial.error for trial in trials if trial and trial.error), None)
    records = summarise(found)
    for rule, record in records.items():
        if found.errors[rule] is None:
            record["status"] = "done"  # what is missing has not failed
    collapsed = next((record["collapsed"] for record in records.values() if record.get("collapsed") is not None), None)
    shown = _arrays(opened, rules)
    pictures = {"curves": curves(found.histories, collapsed)}
    pictures |= {"embedding": embeddings(shown), "spectrum": spectra(shown)} if shown else {}
    if not records:
        return Contents([], pictures)
    return Contents([ReportTable("Probes", *probe_table(records)), ReportTable("Measures", *measure_table(records))], pictures)


def _arrays(opened: OpenedRun, rules: list[str]) -> dict[str, dict[str, Any]]:
    """Read what figures show of the first seed, the untrained network first."""
    shown: dict[str, dict[str, Any]] = {}
    for rule in rules:
        arrays = {name: values.tolist() for name, values in read_arrays(opened.run, trial_key(rule, opened.first_seed)).items()}
        if not arrays:
            continue
        if not shown:
            shown["untrained"] = {
                name.removeprefix("untrained_"): values for name, values in arrays.items() if name.startswith("untrained_")
            }
        shown[rule] = {name: values for name, values in arrays.items() if not name.startswith("untrained_")}
    return shown
