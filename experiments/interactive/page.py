"""Page of a relaxation: its numbers, and the template that draws them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from contrastive_core.certificate import Status
from contrastive_core.costs.labels import targets
from experiments.commandline.output import to_json
from experiments.interactive.landscape import Landscape, Plane, flat_states, landscape_of
from experiments.interactive.numbers import coded, exact, rounded, shares
from experiments.interactive.recorded import SIGNS, Recorded, Thought

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from contrastive_core.cost import Cost
    from contrastive_core.data.splits import Splits
    from contrastive_core.types import Batch

_TEMPLATES = Path(__file__).with_name("templates")


class Shown(NamedTuple):
    """Everything that a page shows.

    Attributes
    ----------
    title, network, origin : str
        Heading, layer sizes, and a sentence about the weights and the data.
    places : sequence of int
        Places of the samples in the test split.
    batch : Batch
        The samples.
    cost : Cost
        Cost that nudges.
    strengths, energy_scales, temperatures : sequence of float
        Values of the sliders; the first temperature is 0.
    thoughts : sequence of sequence of Thought
        Phases by energy scale and temperature.
    dynamics : str
        Name of the dynamics.
    units : int
        Largest number of units of a layer that are drawn.
    """

    title: str
    network: str
    origin: str
    places: Sequence[int]
    batch: Batch
    cost: Cost
    strengths: Sequence[float]
    energy_scales: Sequence[float]
    temperatures: Sequence[float]
    thoughts: Sequence[Sequence[Thought]]
    dynamics: str
    units: int


class _Table:
    """Frames of all phases, one after the other; each phase is a row of numbers that says where its frames begin."""

    def __init__(self, chosen: Sequence[NDArray[np.int64]]) -> None:
        self.chosen, self.frames = chosen, 0
        self.units: list[NDArray[Any]] = []
        self.energy: list[NDArray[Any]] = []
        self.cost: list[NDArray[Any]] = []
        self.residual: list[NDArray[Any]] = []
        self.places: list[NDArray[Any]] = []

    def add(self, recorded: Recorded, sample: int, rest: Sequence[NDArray[Any]] | None, plane: Plane | None) -> dict[str, Any]:
        """Append the frames of a sample; those of a nudged phase as differences from the free state."""
        count, layers = recorded.frames(sample), layers_of(recorded, sample, self.chosen)
        moved = layers if rest is None else [layer - free for layer, free in zip(layers, rest, strict=True)]
        sizes = [float(np.abs(layer).max()) for layer in moved]
        frames = [
            np.concatenate([layer[index] / (size or 1.0) for layer, size in zip(moved, sizes, strict=True)]) for index in range(count)
        ]
        self.units.append(np.stack(frames))
        self.energy.append(recorded.energy[:count, sample].numpy())
        self.cost.append(recorded.cost[:count, sample].numpy())
        # The start has no residual: no step has led to it.
        self.residual.append(np.concatenate([[np.nan], recorded.residual[: count - 1, sample].numpy()]))
        if plane is not None:
            self.places.append(plane.places(flat_states(recorded, sample)).numpy())
        else:
            self.places.append(np.zeros((count, 3)))
        first, self.frames = self.frames, self.frames + count
        relaxation = recorded.relaxation
        return {
            "first": first,
            "frames": count,
            "status": Status(int(relaxation.status[sample])).name.lower(),
            "residual": rounded(float(relaxation.residual[sample])),
            "tolerance": None if recorded.tolerance is None else rounded(recorded.tolerance),
            "strength": recorded.strength,
            "sizes": [rounded(size) for size in sizes],
        }

    def arrays(self) -> dict[str, Any]:
        """Return all frames as the page reads them."""
        places = np.concatenate(self.places)
        bound = float(np.abs(places).max()) or 1.0
        return {
            "units": shares(np.concatenate(self.units)),
            "energy": exact(np.concatenate(self.energy)),
            "cost": exact(np.concatenate(self.cost)),
            "residual": exact(np.concatenate(self.residual)),
            "places": coded(places, -bound, bound),
        }


def layers_of(recorded: Recorded, sample: int, chosen: Sequence[NDArray[np.int64]]) -> list[NDArray[Any]]:
    """Return the drawn units of a sample at every frame, one (frames, units) array per layer."""
    count = recorded.frames(sample)
    return [layer[:count, sample].numpy()[:, index] for layer, index in zip(_drawn(recorded), chosen, strict=True)]


def _drawn(recorded: Recorded) -> tuple[Tensor, ...]:
    """Return all layers, the outputs last: a layer of their own where they are computed from the last one."""
    last = recorded.states[-1]
    same = last.shape == recorded.outputs.shape and torch.equal(last, recorded.outputs)
    return recorded.states if same else (*recorded.states, recorded.outputs)


def chosen_units(shown: Shown) -> list[NDArray[np.int64]]:
    """Return the units of each layer that are drawn: all of them, or some spread evenly; outputs are drawn whole up to the same limit."""
    counts = [layer.shape[-1] for layer in _drawn(shown.thoughts[0][0].free)]
    return [np.unique(np.linspace(0, count - 1, min(count, shown.units)).round().astype(np.int64)) for count in counts]


def numbers_of(shown: Shown, splits: Splits) -> dict[str, Any]:
    """Return all that the template draws, as texts, numbers and encoded arrays."""
    chosen, count = chosen_units(shown), len(shown.places)
    table, runs, landscapes = _Table(chosen), [], []
    for row in shown.thoughts:
        drawn = [landscape_of(row[0], sample, shown.cost, shown.batch) for sample in range(count)]
        landscapes.append([_landscape(one) for one in drawn])
        planes = [None if one is None else one.plane for one in drawn]
        runs.append(
            [[_phases(table, thought, sample, planes[sample], shown.strengths, chosen) for sample in range(count)] for thought in row]
        )
    names = [f"hidden layer {index}" if len(chosen) > 2 else "hidden layer" for index in range(1, len(chosen))]
    drawn_sizes = zip([*names, "outputs"], _drawn(shown.thoughts[0][0].free), chosen, strict=True)
    return {
        "layers": [{"name": name, "size": layer.shape[-1], "units": index.tolist()} for name, layer, index in drawn_sizes],
        "samples": list(_samples(shown, splits)),
        "strengths": list(shown.strengths),
        "scales": list(shown.energy_scales),
        "temperatures": list(shown.temperatures),
        "dynamics": shown.dynamics,
        "runs": runs,
        "landscapes": landscapes,
        "frames": table.arrays(),
    }


def _phases(
    table: _Table, thought: Thought, sample: int, plane: Plane | None, strengths: Sequence[float], chosen: Sequence[NDArray[np.int64]]
) -> dict[str, Any]:
    """Return the free phase of a sample, and its nudged phases by strength: the positive one, and the negative one."""
    free = table.add(thought.free, sample, None, plane)
    rest = [layer[-1] for layer in layers_of(thought.free, sample, chosen)]
    nudged = [[table.add(thought.nudged[strength, sign], sample, rest, plane) for sign in SIGNS] for strength in strengths]
    return {"free": free, "nudged": nudged}


def _landscape(one: Landscape | None) -> dict[str, Any] | None:
    if one is None:
        return None
    energy, cost = one.energy.numpy(), one.cost.numpy()
    return {
        "extent": [rounded(end) for end in one.extent],
        "points": len(energy),
        "energy": coded(energy, float(energy.min()), float(energy.max())),
        "cost": coded(cost, float(cost.min()), float(cost.max())),
    }


def _samples(shown: Shown, splits: Splits) -> Iterator[dict[str, Any]]:
    """Yield each sample with its picture or row of inputs, and its targets."""
    wanted = targets(shown.thoughts[0][0].free.outputs[0], shown.batch)
    for index, place in enumerate(shown.places):
        row = shown.batch.inputs[index].numpy()
        shape = list(splits.shape) or [1, 1, len(row)]
        label = str(int(shown.batch.labels[index])) if shown.batch.labels.dim() == 1 else ""
        low, high = float(row.min()), float(row.max())
        yield {
            "place": place,
            "label": label,
            "shape": shape,
            "inputs": coded(row, low, high),
            "targets": [rounded(one) for one in wanted[index].tolist()],
        }


def render_page(shown: Shown, splits: Splits) -> str:
    """Return the page as one HTML document, which needs nothing from outside."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    # A text of the data, such as a name, must not end the element that holds it.
    numbers = to_json(numbers_of(shown, splits), indent=False).replace("<", "\\u003c")
    parts = {kind: Markup((_TEMPLATES / f"relaxation.{kind}").read_text("utf-8")) for kind in ("css", "js")}
    return environment.get_template("relaxation.html").render(shown=shown, numbers=Markup(numbers), **parts)
