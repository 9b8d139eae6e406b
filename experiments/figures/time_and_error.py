"""Time against accuracy: the validation error of each rule against the processor time of its training."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from contrastive_core.data.task import error_among
from experiments.figures.axes import add_key, scale
from experiments.figures.style import Picture, draw, gaps, looks, number, present

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def time_and_error(histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> Picture:
    """Show the validation error of each rule against the processor time spent on training, a point for each epoch.

    Parameters
    ----------
    histories : mapping of str to sequence of histories
        For each rule one history per seed; a history is a sequence of epoch records with ``validation_error`` in [0, 1], or
        ``validation_rmse``, and ``cpu_seconds``. A history ends at the first epoch without a time.

    Returns
    -------
    Picture
        Figure whose data hold, by rule and epoch, the medians over the seeds of time in seconds and error in [0, 1].
    """
    score = error_among(name for seeds in histories.values() for history in seeds for record in history[:1] for name in record)
    curve = f"validation_{score.name}"
    data: dict[str, Any] = {"rules": {rule: _medians(seeds, curve) for rule, seeds in histories.items()}}
    column = f"{curve}{'_percent' * score.percent}"
    rows = [
        {"rule": rule, "epoch": epoch, "training_CPU_s": time, column: None if error is None else score.factor * error}
        for rule, one in data["rules"].items()
        for epoch, (time, error) in enumerate(zip(one["cpu_seconds"], one[curve], strict=True), start=1)
    ]
    return draw(_paint, data, 6.4, max(3.0, 1.0 + 0.2 * len(histories)), rows)


def _medians(seeds: Sequence[Sequence[Mapping[str, Any]]], curve: str) -> dict[str, list[float | None]]:
    runs = []
    for history in seeds:
        times: list[float] = []
        for record in history:
            spent = number(record.get("cpu_seconds"))
            if spent is None:
                break
            times.append(spent)
        runs.append(list(zip(accumulate(times), (number(record.get(curve)) for record in history), strict=False)))
    epochs = [[run[index] for run in runs if index < len(run)] for index in range(max(map(len, runs), default=0))]
    middle = [(statistics.median(time for time, _ in points), present(error for _, error in points)) for points in epochs]
    return {
        "cpu_seconds": [time for time, _ in middle],
        curve: [statistics.median(errors) if errors else None for _, errors in middle],
    }


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    axes, rules = figure.subplots(), data["rules"]
    look_of, score = looks(list(rules)), error_among(name for one in rules.values() for name in one)
    curve = f"validation_{score.name}"
    for index, (name, one) in enumerate(rules.items()):
        marks: dict[str, Any] = {"marker": "o", "markersize": 2.5, "gid": f"rule-{index}"}
        axes.plot(gaps(one["cpu_seconds"]), gaps(one[curve], score.factor), **look_of[name], **marks)
    scale(axes, [score.factor * error for one in rules.values() for error in present(one[curve])])
    scale(axes, [time for one in rules.values() for time in present(one["cpu_seconds"])], along="x")
    axes.set(xlabel="processor time of training (s)", title=f"Validation {score.heading}, median over seeds")
    add_key(figure, list(look_of.items()))
