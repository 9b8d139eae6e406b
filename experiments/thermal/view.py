"""Contents of the report about gradients at a temperature."""

from experiments.figures.machines.thermal import thermal_picture
from experiments.report.contents import Contents
from experiments.report.grid_view import show_grid
from experiments.report.run_reader import OpenedRun
from experiments.thermal.thermal import tables


def show_thermal(opened: OpenedRun) -> Contents:
    """Show bias and noise against the strength, and the checks; of a grid, those of its first trial."""
    view = show_grid(opened) if opened.axes else Contents([], {})
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return view
    picture = thermal_picture(found.metrics)
    return Contents([*tables(found.metrics), *view.tables], {"bias-and-noise": picture, **view.pictures})
