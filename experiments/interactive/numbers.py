"""Numbers of the page: all arrays in one table, as base64 of small integers or of single floats."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = {"int8": 127, "uint16": 65535}
"""Largest code of each type of integers."""


def exact(values: NDArray[Any]) -> dict[str, Any]:
    """Return numbers as single floats, in the order of memory."""
    return {"type": "float32", "data": _text(np.ascontiguousarray(values, "<f4"))}


def coded(values: NDArray[Any], low: float, high: float) -> dict[str, Any]:
    """Return numbers as codes of 16 bits between two values; numbers beyond them become the nearest one."""
    width = (high - low) or 1.0
    codes = np.rint(np.clip((values - low) / width, 0, 1) * STEPS["uint16"])
    return {"type": "uint16", "low": low, "high": low + width, "data": _text(codes.astype("<u2"))}


def shares(values: NDArray[Any]) -> dict[str, Any]:
    """Return numbers between -1 and 1 as codes of 8 bits."""
    return {"type": "int8", "data": _text(np.rint(np.clip(values, -1, 1) * STEPS["int8"]).astype(np.int8))}


def rounded(value: float) -> float:
    """Return a number with five digits, for scales and extents."""
    return float(f"{value:.5g}")


def _text(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()
