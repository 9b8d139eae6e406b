"""Tables of the comparison of gradients: of one cost, and of every objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def table(result: Mapping[str, Any]) -> tuple[tuple[str, ...], list[Sequence[Any]]]:
    """Return the comparison as a header and rows: a column of cosines per parameter."""
    measured = {rule: record for rule, record in result["rules"].items() if "error" not in record}
    parameters = list(next(iter(measured.values()))["cosine"]) if measured else []
    barred = any("standard_error" in record for record in measured.values())
    header = (
        "rule",
        *(f"cos {name}" for name in parameters),
        "norm ratio",
        "relative error",
        *(["standard error"] if barred else []),
        "signs %",
        "order",
        "sweeps",
        "unconverged %",
    )
    rows: list[Sequence[Any]] = []
    for rule, record in result["rules"].items():
        if "error" in record:
            rows.append((rule, "failed", *("-",) * (len(header) - 2)))
            continue
        cosines = [record["cosine"][name] for name in parameters]
        order = "-" if record["order"] is None else f"{round(record['order'], 2) + 0.0:.2f}"  # without the sign of a rounded zero
        signs = record["sign_agreement"]
        overall = (
            (record["norm_ratio"], "{:.4f}"),
            (record["relative_error"], "{:.1e}"),
            *([(record.get("standard_error"), "{:.1e}")] if barred else []),
            (None if signs is None else 100 * signs, "{:.1f}"),
        )
        rows.append(
            (
                rule,
                *("-" if value is None else f"{value:.5f}" for value in cosines),  # None: the exact gradient is 0 there
                *("-" if value is None else shown.format(value) for value, shown in overall),
                order,
                f"{record['sweeps']:.1f}",
                f"{100 * record['unconverged']:.1f}",
            )
        )
    return header, rows


def noise_table(result: Mapping[str, Any]) -> tuple[tuple[str, ...], list[Sequence[Any]]] | None:
    """Return the least error of each rule under errors of reading, with its strength, as a header and rows; None without such errors."""
    noisy = {rule: record["noise"] for rule, record in result["rules"].items() if record.get("noise")}
    if not noisy:
        return None
    levels = next(iter(noisy.values()))["levels"]
    header = ("rule", *(title for level in levels for title in (f"least error, readings off by {level:g}", "at strength")))
    rows: list[Sequence[Any]] = []
    for rule, record in noisy.items():
        best = [min(zip(errors, record["strengths"], strict=True)) for errors in record["errors"]]
        rows.append((rule, *(shown for error, strength in best for shown in (f"{error:.1e}", f"{strength:g}"))))
    return header, rows


def told_angles(result: Mapping[str, Any]) -> str:
    """Return a line with the angle between feedback and forward weights of each layer; empty if they are tied."""
    listed = ", ".join(f"{angle:.2f}" for angle in result["angles"] or [])
    return f"\nangles between feedback and forward weights: {listed} degrees" if listed else ""


def told_traces(result: Mapping[str, Any]) -> str:
    """Return a line with the distance of each spike-timing trace from the contrast at the end of the phase; empty without traces."""
    pairings: Mapping[str, Any] = next((record["trace"]["pairings"] for record in result["rules"].values() if record.get("trace")), {})
    listed = ", ".join(f"{name} {one['difference'][-1]:.1e}" for name, one in pairings.items() if one["difference"])
    return f"\n\nsum of the traces, relative distance from the contrast of the positive phase: {listed}" if listed else ""


def _error(value: float | None) -> str:
    """Return a relative error as text; a dash where the gradient is 0."""
    return "-" if value is None else f"{value:.1e}"


def table_of_objectives(found: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[Sequence[Any]]]:
    """Return the cosines of every objective and rule as a header and rows, a column for each parameter.

    Parameters
    ----------
    found : mapping
        Metrics of the trial of each objective.

    Returns
    -------
    header : tuple of str
        Names of the columns.
    rows : list of sequence
        One row per objective and rule.
    """
    parameters = next((list(record["cosine"]) for *_, record in records_of(found) if "error" not in record), [])
    header = ("objective", "rule", "strength", *(f"cos {name}" for name in parameters), "relative error", "unconverged %")
    rows: list[Sequence[Any]] = []
    for name, rule, record in records_of(found):
        strength = f"{found[name]['strength']:.1e}"
        if "error" in record:
            rows.append((name, rule, strength, *("-" for _ in parameters), "failed", "-"))
            continue
        shown = ["-" if value is None else f"{value:.5f}" for value in record["cosine"].values()]
        rows.append((name, rule, strength, *shown, _error(record["relative_error"]), f"{100 * record['unconverged']:.1f}"))
    return header, rows


def records_of(found: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """List objective, rule and record of every comparison."""
    return [(name, rule, record) for name, metrics in found.items() for rule, record in metrics["rules"].items()]
