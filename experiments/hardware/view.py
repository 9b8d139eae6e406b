"""Pages of runs of hardware: imperfect devices, circuits beside ngspice, and Ising machines."""

from __future__ import annotations

from experiments.commandline.options import Layer, resolve_layers
from experiments.figures.annealed_search import search_picture
from experiments.figures.devices import deviation_picture
from experiments.figures.hardware import effect_picture, front_picture
from experiments.hardware.ablation import HEADER as ABLATION
from experiments.hardware.ablation import ablation_rows
from experiments.hardware.device_import import CAPTION as DEVIATION_CAPTION
from experiments.hardware.device_import import HEADER as DEVIATIONS
from experiments.hardware.device_import import deviation_rows
from experiments.hardware.device_import import verdict as verdict_of_import
from experiments.hardware.effective import HEADER, device_rows
from experiments.hardware.ising import tables as tables_of_ising
from experiments.hardware.options import HardwareOptions
from experiments.hardware.spice import tables as tables_of_spice
from experiments.hardware.table import PER_SAMPLE_HEADER, cost_rows, rows_of
from experiments.report.contents import Contents, ReportTable
from experiments.report.grid_view import show_grid
from experiments.report.run_reader import OpenedRun


def show_hardware(opened: OpenedRun) -> Contents:
    """Show accuracy and energy of each rule against each imperfection, as far as trials are done; of a sweep, its grid."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    if opened.command != "hardware":
        return view
    options = resolve_layers(HardwareOptions, [Layer("{key} (in config.toml)", opened.run.read_config())])
    rows = rows_of(options, {trial.key: trial.metrics for trial in opened.journal.trials("done")})
    costs = ReportTable("Energy and time per inference and per training sample", PER_SAMPLE_HEADER, cost_rows(rows))
    lost = [ReportTable("Accuracy without each effect", ABLATION, ablation_rows(rows))] if options.ablate else []
    devices = [costs, *lost, ReportTable("Settings of the devices", HEADER, device_rows(rows))] if rows else []
    return Contents([*view.tables, *devices], {"effects": effect_picture(rows), "front": front_picture(rows)} if rows else {})


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
