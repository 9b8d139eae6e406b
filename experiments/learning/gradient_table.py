"""Tables of the comparison of gradients: of one cost, and of every objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def table(result: Mapping[str, Any]) -> tuple[tuple[str, ...], list[Sequence[Any]]]:
    """Return the comparison as a header and rows: a column of cosines per parameter."""
    measured = {rule: record for rule, record in result["rules"].items() if "error" not in record}
    parameters = list(next(iter(measured.values()))["cosine"]) if measured else []
    header = (
        "rule",
        *(f"cos {name}" for name in parameters),
        "norm ratio",
        "relative error",
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
