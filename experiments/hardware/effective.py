"""Effective settings of the devices of a study, as a table: what was given, and the defaults that act beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ABLATION = "without"
"""Name of the variation that switches effects off, and of its rows."""

HEADER = ("varied", "part", "settings")


def device_rows(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return the settings of each device of a study, as rows under ``HEADER``.

    Parameters
    ----------
    rows : sequence of mappings
        Rows of :func:`experiments.hardware.table.rows_of`; those without a recorded device are left out.

    Returns
    -------
    list of tuple of str
        All parts of the device without varied parameters, then the parts of each variation that differ from them. A setting with
        several values in a variation is shown as ``varied``, and an effect that the base has and a variation has not as ``off``.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("device"):
            # Each point of an ablation switches another part off, which a common row would call varied.
            name = f"{ABLATION} {row['value']}" if row["varied"] == ABLATION else row["varied"]
            groups.setdefault(name, []).append(row["device"])
    if not groups:
        return []
    base = next(iter(groups.values()))[0]
    return [(name, part, text) for name, devices in groups.items() for part, text in _parts(devices, {} if devices[0] is base else base)]


def _parts(devices: Sequence[Mapping[str, Any]], base: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part in dict.fromkeys(part for device in (base, *devices) for part in device):
        found = [device.get(part, {}) for device in devices]
        if not any(found):
            yield part, "off"
        elif any(one != base.get(part) for one in found):
            yield part, ", ".join(f"{name}={_shown(found, name)}" for name in dict.fromkeys(name for one in found for name in one))


def _shown(found: Sequence[Mapping[str, Any]], name: str) -> str:
    values = [one.get(name) for one in found]
    if any(value != values[0] for value in values):
        return "varied"
    return "none" if values[0] is None else f"{values[0]:.6g}" if isinstance(values[0], float) else str(values[0]).lower()
