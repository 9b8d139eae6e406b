"""Records that figures are drawn of, and what a drawn figure shows."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

from experiments.figures.writing import Picture

RULES = (
    *("ep-positive", "ep-negative", "ep-centered", "ep-random", "contrastive-hebbian", "coupled-positive", "coupled-negative"),
    *("coupled-centered", "implicit", "recurrent-backprop", "unrolled", "backprop"),
)

HOSTILE = ["<script>alert(1)</script>", "a&b", 'say "]]>"', "_hidden", "$\\frac{", "two\nlines", "\x00\x0b\ud800", "漢字", "x" * 500, ""]

SVG = "{http://www.w3.org/2000/svg}"


def history(offset: float = 0.0, num_epochs: int = 5) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "validation_error": 0.5 / epoch + offset, "sweeps_per_sample": 20.0 + epoch, "train_error": 0.1}
        for epoch in range(1, num_epochs + 1)
    ]


def record(mean: float = 0.03) -> dict[str, Any]:
    return {
        "test_error": {"mean": mean, "ci95": [mean - 0.004, mean + 0.004], "seeds": [mean - 0.001, mean, mean + 0.001]},
        "paired_difference": {"mean": 0.002, "ci95": [-0.001, 0.005], "seeds": [0.001, 0.002, 0.003]},
        "sweeps_per_sample": 30.0,
        "cpu_seconds_per_sample": 4e-5,
        "unconverged": 0.0,
        "energy_decrease": 0.5,
        "gradient_cosine": {"weights.0": 0.999, "biases.0": 0.9, "weights.1": None},
        "status": "done",
        "error": None,
    }


def failure(error: str | None = "no minimum") -> dict[str, Any]:
    return {"status": "failed", "error": error, "test_error": None, "paired_difference": None}


def gradients(order: float | None = 2.0) -> dict[str, Any]:
    bias = None if order is None else {"strengths": [0.01, 0.1, 1.0], "errors": [0.1 * strength**order for strength in (0.01, 0.1, 1.0)]}
    return {"cosine": {"weights.0": 1.0, "weights.1": -0.5}, "relative_error": 0.1, "order": order, "bias": bias}


def trace() -> dict[str, list[float]]:
    return {"energy": [2.0**-step for step in range(6)], "residual": [3.0**-step for step in range(5)]}


def group(picture: Picture, name: str) -> ElementTree.Element | None:
    return ElementTree.fromstring(picture.svg).find(f".//{SVG}g[@id='{name}']")


def points(picture: Picture, name: str) -> list[tuple[float, float]]:
    """Corners of the line, or places of the markers, in a group."""
    found = group(picture, name)
    assert found is not None, name
    uses = [(float(use.get("x", "nan")), float(use.get("y", "nan"))) for use in found.iter(f"{SVG}use")]
    path = found.find(f"{SVG}path")
    return uses if path is None else [(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path.get("d", ""))]


def texts(picture: Picture) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(picture.svg).iter(f"{SVG}text")]


def check(picture: Picture) -> None:
    """Well-formed, without a number that is none, and with data that JSON can hold."""
    root = ElementTree.fromstring(picture.svg)
    for element in root.iter():
        for name in ("d", "x", "y", "transform", "width", "height", "viewBox"):
            assert not re.search(r"nan|inf", element.get(name, "")), element.attrib
    assert json.loads(json.dumps(picture.data, allow_nan=False)) == picture.data
