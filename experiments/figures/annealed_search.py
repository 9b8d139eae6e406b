"""Success of a noisy search against its initial noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import plain
from experiments.figures.style import Picture, draw, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def search_picture(rows: Sequence[Mapping[str, float]]) -> Picture:
    """Show the share of searches that end in the lowest energy, against their initial noise.

    Parameters
    ----------
    rows : sequence of mapping
        Each with ``noise`` and ``success``, a share in [0, 1].

    Returns
    -------
    Picture
        Figure whose data are the rows.
    """
    data = {"rows": [{name: row[name] for name in ("noise", "success")} for row in rows]}
    table = [{"initial_noise_over_field": row["noise"], "share_that_finds_the_lowest_energy": row["success"]} for row in data["rows"]]
    return draw(_paint, data, 5.0, 3.2, table)


def _paint(figure: Figure, data: Any) -> None:
    axes = figure.add_subplot()
    axes.plot([row["noise"] for row in data["rows"]], [row["success"] for row in data["rows"]], **look(0))
    axes.set_xscale("symlog", linthresh=0.1)
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel("initial noise, in units of the fields")
    axes.set_ylabel("share that finds the lowest energy")
    axes.set_ylim(bottom=0)
