"""Pages of runs of hardware: imperfect devices, circuits beside ngspice, and Ising machines."""

from __future__ import annotations

from experiments.commandline.options import Layer, resolve_layers
from experiments.figures.annealed_search import search_picture
from experiments.figures.devices import deviation_picture, fit_picture, response_picture
from experiments.figures.hardware import effect_picture, front_picture
from experiments.hardware.ablation import CAPTION as ABLATION_CAPTION
from experiments.hardware.ablation import HEADER as ABLATION
from experiments.hardware.ablation import ablation_rows, verdict
from experiments.hardware.device import RESPONSE_HEADER, response_rows
from experiments.hardware.device_fit import HEADER as FIT_HEADER
from experiments.hardware.device_fit import fit_rows
from experiments.hardware.device_import import CAPTION as DEVIATION_CAPTION
from experiments.hardware.device_import import HEADER as DEVIATIONS
from experiments.hardware.device_import import deviation_rows
from experiments.hardware.device_import import verdict as verdict_of_import
from experiments.hardware.effective import HEADER, device_rows
from experiments.hardware.ising import tables as tables_of_ising
from experiments.hardware.options import HardwareOptions
from experiments.hardware.spice import tables as tables_of_spice
from experiments.hardware.table import CAPTION, COST_CAPTION, PER_SAMPLE_HEADER, cost_rows, result_rows, rows_of
from experiments.hardware.table import HEADER as RESULTS
from experiments.report.contents import Contents, ReportTable
from experiments.report.grid_view import show_grid
from experiments.report.run_reader import OpenedRun


def show_hardware(opened: OpenedRun) -> Contents:
    """Show accuracy and energy of each rule against each imperfection, as far as trials are done; of a sweep, its grid."""
    if opened.command != "hardware":
        return show_grid(opened) if opened.axes else Contents([], {})
    options = resolve_layers(HardwareOptions, [Layer("{key} (in config.toml)", opened.run.read_config())])
    rows = rows_of(options, {trial.key: trial.metrics for trial in opened.journal.trials("done")})
    told = "".join(f"{sentence}. " for sentence in verdict(rows))
    tables = [
        ReportTable("Accuracy, energy and pulses", RESULTS, result_rows(rows), told + CAPTION),
        ReportTable("Energy and time per inference and per training sample", PER_SAMPLE_HEADER, cost_rows(rows), COST_CAPTION),
        *([ReportTable("Accuracy without each effect", ABLATION, ablation_rows(rows), ABLATION_CAPTION)] if options.ablate else []),
        ReportTable("Settings of the devices", HEADER, device_rows(rows)),
    ]
    varied = {"effects": effect_picture(rows)} if any(row["value"] for row in rows) else {}
    return Contents(tables, {**varied, "front": front_picture(rows)})


def show_spice(opened: OpenedRun) -> Contents:
    """Show the operating points and gradients of ngspice beside those of block descent; of a grid, those of its first trial."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return view
    return Contents([*(ReportTable(*table) for table in tables_of_spice(found.metrics)), *view.tables], view.pictures)


def show_ising(opened: OpenedRun) -> Contents:
    """Show the training of an Ising machine and the search by noise; of a grid, those of its first trial."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return view
    tables = [ReportTable(*table) for table in tables_of_ising(found.metrics)]
    return Contents([*tables, *view.tables], {"noise": search_picture(found.metrics["search"]), **view.pictures})


def show_import(opened: OpenedRun) -> Contents:
    """Show how far a chip is from its targets, and what its network gets wrong."""
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return Contents([], {})
    caption = f"{verdict_of_import(found.metrics)}. {DEVIATION_CAPTION}"
    table = ReportTable("Deviations", DEVIATIONS, deviation_rows(found.metrics), caption)
    return Contents([table], {"deviations": deviation_picture(found.metrics["cells"], found.metrics["tolerance"])})


def show_fit(opened: OpenedRun) -> Contents:
    """Show the parameters of a fitted device, and the fit beside the measured pulses."""
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return Contents([], {})
    result = found.metrics
    table = ReportTable("Fitted device", FIT_HEADER, fit_rows(result))
    return Contents([table], {"fit": fit_picture(result["measured"], result["rising"], result["falling"])})


def show_response(opened: OpenedRun) -> Contents:
    """Show how the conductance of a device follows pulses."""
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return Contents([], {})
    result = found.metrics
    table = ReportTable("Response to pulses", RESPONSE_HEADER, response_rows(result))
    picture = response_picture(result["description"], result["microsiemens"], result["pulses"])
    return Contents([table], {"pulse-response": picture})
