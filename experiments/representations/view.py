"""Contents of reports about runs that train on views."""

from __future__ import annotations

from typing import Any

from experiments.figures.representations import curves as curves_picture
from experiments.figures.representations import embeddings, matches, spectra
from experiments.figures.scores import scores
from experiments.report.contents import Contents, ReportTable
from experiments.report.grid_view import show_grid
from experiments.report.run_reader import OpenedRun
from experiments.representations.comparison import detail_table, measure_table, probe_table, summarise
from experiments.representations.match_trial import LAYERS
from experiments.representations.match_trial import tables as tables_of_match
from experiments.representations.paired.modalities import retrieval_table
from experiments.runs.arrays import read_arrays
from experiments.sweeps.paired import read_paired, settled, trial_key


def show_contrast(opened: OpenedRun) -> Contents:
    """Show rules side by side, as far as they are: probes, measures, where samples lie and how the objective falls."""
    rules = [str(rule) for (rule,) in opened.axes[0].values] if opened.axes else []
    seeds = range(opened.first_seed, opened.first_seed + opened.seeds)
    found = settled(read_paired(opened.journal, rules, seeds, opened.history))
    records = summarise(found)
    collapsed = next((record["collapsed"] for record in records.values() if record.get("collapsed") is not None), None)
    shown = _arrays(opened, rules)
    pictures = {"curves": curves_picture(found.histories, collapsed)}
    pictures |= {"embedding": embeddings(shown), "spectrum": spectra(shown)} if shown else {}
    pictures |= {"scores": scores(shown)} if all("scores_positive" in one for one in shown.values()) and shown else {}
    if not records:
        return Contents([], pictures)
    tables = {"Probes": probe_table(records), "Measures": measure_table(records), "Pairs, few shots and layers": detail_table(records)}
    tables["Two modalities"] = retrieval_table(records)
    return Contents([ReportTable(name, *table) for name, table in tables.items() if table[1]], pictures)


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


def show_match(opened: OpenedRun) -> Contents:
    """Show how well units correspond, by kind of pair and layer; of a grid, those of its first trial."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return view
    curves = {kind: {layer: one[layer]["correlations"] for layer in LAYERS} for kind, one in found.metrics["kinds"].items()}
    tables = [ReportTable(*table) for table in tables_of_match(found.metrics)]
    return Contents([*tables, *view.tables], {"match-curves": matches(curves), **view.pictures})
