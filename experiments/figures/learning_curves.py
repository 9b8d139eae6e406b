"""Learning curves: validation error, or the score of another task, and sweeps per sample against the epoch."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contrastive_core.data.task import Score, error_among
from experiments.figures.axes import add_key, at, label_ends, scale
from experiments.figures.style import FAINT, Picture, Row, draw, gaps, looks, names, number, present, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_TOGETHER = 4
_COLUMNS = 4
_TITLE = 20
"""Number of characters of a name above one of the small panels."""
_MOST_EPOCHS = 400
"""Epochs of a curve that are drawn; a curve of more is as fine as a screen without them, and a page of more would be too large."""
_MOST_POINTS = 2400
"""Epochs that are drawn of all curves together."""
_SWEEPS = "sweeps_per_sample"


def learning_curves(histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], baseline: str = "backprop") -> Picture:
    """Show validation error and sweeps per sample against the epoch: the median over seeds, in a band from least to most.

    Up to four rules share a panel; more get a panel each, in which a grey line is the baseline's.

    Parameters
    ----------
    histories : mapping of str to sequence of histories
        For each rule one history per seed; a history is a sequence of epoch records with ``epoch``, ``validation_error`` in
        [0, 1] or ``validation_rmse``, and ``sweeps_per_sample``, each of which may be missing or None. A rule without records says so
        in its panel.
    baseline : str
        Rule with which the others are compared.

    Returns
    -------
    Picture
        Figure whose data hold the epochs of each rule and, per panel, the median, least and largest value over the seeds.
    """
    error = error_among(name for seeds in histories.values() for history in seeds for record in history[:1] for name in record)
    summaries = {rule: _summary(seeds, (f"validation_{error.name}", _SWEEPS)) for rule, seeds in histories.items()}
    data: dict[str, Any] = {"baseline": baseline, "rules": summaries}
    num_rows = -(-len(histories) // _COLUMNS)
    rows, drawn = _rows(data["rules"]), {**data, "rules": _thinned(data["rules"])}
    if len(histories) > _TOGETHER:
        picture = draw(_paint_apart, drawn, 9.6, 0.6 + 1.35 * num_rows, rows)
    else:
        picture = draw(_paint_together, drawn, 9.0, 3.2, rows)
    return picture._replace(data=data, caption=_note(data["rules"], drawn["rules"]))


def _thinned(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Keep equally distant epochs of long curves, and the last one."""
    most = max(2, min(_MOST_EPOCHS, _MOST_POINTS // max(len(rules), 1)))
    return {name: _every(rule, -(-len(rule["epochs"]) // most)) for name, rule in rules.items()}


def _every(rule: Mapping[str, Any], step: int) -> Mapping[str, Any]:
    if step < 2:
        return rule
    kept = slice((len(rule["epochs"]) - 1) % step, None, step)
    metrics = {metric: {key: values[kept] for key, values in found.items()} for metric, found in rule.items() if isinstance(found, dict)}
    return {**rule, "epochs": rule["epochs"][kept], **metrics}


def _note(rules: Mapping[str, Any], drawn: Mapping[str, Any]) -> str:
    longest = max(rules, key=lambda name: len(rules[name]["epochs"]), default="")
    if not rules or len(drawn[longest]["epochs"]) == len(rules[longest]["epochs"]):
        return ""
    return f"{len(drawn[longest]['epochs'])} of {len(rules[longest]['epochs'])} epochs are drawn; the numbers of the figure have them all."


def _rows(rules: Mapping[str, Any]) -> Iterator[Row]:
    error = _error(rules)
    columns = {f"validation_{error.name}": (f"validation_{error.name}{'_percent' * error.percent}", error.factor), _SWEEPS: (_SWEEPS, 1.0)}
    for name, rule in rules.items():
        for index, epoch in enumerate(rule["epochs"]):
            row: dict[str, Any] = {"rule": name, "epoch": epoch}
            for metric, (title, factor) in columns.items():
                row |= {f"{title}_{key}": at(values, index, factor) for key, values in rule[metric].items()}
            yield row


def _error(rules: Mapping[str, Any]) -> Score:
    """Return the score whose curves are drawn."""
    return error_among(name for rule in rules.values() for name in rule)


def _summary(seeds: Sequence[Sequence[Mapping[str, Any]]], metrics: Sequence[str]) -> dict[str, Any]:
    at: dict[int, list[Mapping[str, Any]]] = {}
    for record in (record for history in seeds for record in history if number(record.get("epoch")) is not None):
        at.setdefault(int(record["epoch"]), []).append(record)
    epochs = sorted(at)
    summary: dict[str, Any] = {"num_seeds": len(seeds), "epochs": epochs}
    for metric in metrics:
        columns = [present(number(record.get(metric)) for record in at[epoch]) for epoch in epochs]
        summary[metric] = {
            "median": [statistics.median(column) if column else None for column in columns],
            "least": [min(column, default=None) for column in columns],
            "most": [max(column, default=None) for column in columns],
        }
    return summary


def _paint_together(figure: Figure, data: dict[str, Any]) -> None:
    rules = data["rules"]
    errors, sweeps = figure.subplots(1, 2)
    look_of, curve = looks(list(rules)), f"validation_{_error(rules).name}"
    for index, (name, rule) in enumerate(rules.items()):
        _plot(errors, rule, curve, index, look_of[name])
        _plot(sweeps, rule, _SWEEPS, index, look_of[name])
    for axes, metric in ((errors, curve), (sweeps, _SWEEPS)):
        scale(axes, _values(rules, metric))
        _finish(axes)
    errors.set(title=_heading(rules), xlabel="epoch")
    sweeps.set(title="Sweeps per sample, all phases", xlabel="epoch")
    add_key(figure, [(name if rule["epochs"] else f"{shown(name)}: no records", look_of[name]) for name, rule in rules.items()])


def _paint_apart(figure: Figure, data: dict[str, Any]) -> None:
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.3, 1))[0]
    _paint_grid(left, data)
    _paint_sweeps(right, data["rules"], figure.get_figheight() - 0.8)


def _paint_grid(figure: SubFigure, data: dict[str, Any]) -> None:
    rules = data["rules"]
    num_rows = -(-len(rules) // _COLUMNS)
    panels = figure.subplots(num_rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).flatten()
    reference, look_of, error = rules.get(data["baseline"]), looks(list(rules)), _error(rules)
    curve = f"validation_{error.name}"
    titles = names(rules, _TITLE)
    for index, (axes, (name, rule)) in enumerate(zip(panels, rules.items(), strict=False)):
        if reference is not None and rule is not reference:
            median = gaps(reference[curve]["median"], error.factor)
            axes.plot(reference["epochs"], median, color=FAINT, linewidth=0.8, gid=f"reference-{index}")
        _plot(axes, rule, curve, index, look_of[name])
        axes.set_title(titles[index], fontsize=8.5, pad=3)
        if not rule["epochs"]:
            axes.text(0.5, 0.5, "no records", transform=axes.transAxes, ha="center", va="center", color=FAINT, fontsize=8)
    for axes in panels[len(rules) :]:
        axes.set_visible(False)
    for axes in panels[max(len(rules) - _COLUMNS, 0) : len(rules)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("epoch", fontsize=8.5)
    scale(panels[0], _values(rules, curve), most=4)
    _finish(panels[0], 4)
    note = "" if reference is None else f"; grey: {shown(data['baseline'])}"
    figure.suptitle(_heading(rules) + note, x=0.01, ha="left", fontsize=9.5)


def _heading(rules: Mapping[str, Any]) -> str:
    several = any(rule["num_seeds"] > 1 for rule in rules.values())
    heading = f"Validation {_error(rules).heading}"
    return f"{heading}, median and range over seeds" if several else heading


def _paint_sweeps(figure: SubFigure, rules: Mapping[str, Any], height: float) -> None:
    axes, look_of = figure.subplots(), looks(list(rules))
    for index, (name, rule) in enumerate(rules.items()):
        _plot(axes, rule, _SWEEPS, index, look_of[name])
    scale(axes, _values(rules, _SWEEPS))
    _finish(axes, 4)
    axes.set(xlabel="epoch")
    axes.margins(x=0)
    figure.suptitle("Sweeps per sample, all phases", x=0.01, ha="left", fontsize=9.5)
    last = {name: present(rule[_SWEEPS]["median"])[-1:] for name, rule in rules.items()}
    ends = [(text, last[name][0], look_of[name]) for text, name in zip(names(rules, _TITLE), rules, strict=True) if last[name]]
    axes.set_ylim(axes.get_ylim())
    label_ends(axes, ends, height)


def _plot(axes: Axes, rule: Mapping[str, Any], metric: str, index: int, look: Mapping[str, Any]) -> None:
    factor = _factor(metric)
    epochs, curve = rule["epochs"], rule[metric]
    marker: dict[str, Any] = {"marker": "o", "markersize": 2.5} if len(epochs) <= 3 else {}
    axes.plot(epochs, gaps(curve["median"], factor), **look, **marker, gid=f"{metric}-{index}")
    if rule["num_seeds"] > 1:
        low, high = gaps(curve["least"], factor), gaps(curve["most"], factor)
        axes.fill_between(epochs, low, high, color=look["color"], alpha=0.2, linewidth=0, gid=f"{metric}-band-{index}")


def _values(rules: Mapping[str, Any], metric: str) -> list[float]:
    factor = _factor(metric)
    return [factor * value for rule in rules.values() for key in ("least", "most") for value in present(rule[metric][key])]


def _factor(metric: str) -> float:
    return 1.0 if metric == _SWEEPS else error_among([metric]).factor


def _finish(axes: Axes, most: int = 6) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=most))
