"""Texts of figures: on the page none is cut, over another, raw TeX, or equal to one that it should be told apart from."""

from __future__ import annotations

import ast
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from gallery import GALLERY, picture_of
from pictures import RULES, faults

from experiments.figures.style import COLOURS, draw, looks, names, to_svg
from experiments.figures.writing import Picture
from experiments.report.contents import Report
from experiments.report.html import render

pytestmark = pytest.mark.usefixtures("rendered")

FIGURES = Path(__file__).parents[2] / "experiments" / "figures"


def test_every_function_that_draws_is_in_the_gallery() -> None:
    """If this fails, a figure is drawn that no test looks at."""
    drawing = {
        node.name
        for path in FIGURES.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id == "Picture" and node.name != "draw"
    }
    assert drawing == set(GALLERY)


@pytest.mark.parametrize(("function", "case"), [(function, case) for function, cases in GALLERY.items() for case in cases])
def test_no_text_of_a_figure_is_cut_covered_raw_or_ambiguous(function: str, case: str) -> None:
    """If this fails, a figure shows names that cannot be read or told apart."""
    picture = picture_of(function, case)
    assert faults(picture.figure) == []
    page = render(Report("run", "", "", [], {"figure": picture._replace(svg=to_svg(picture.figure).decode())}, {}, {}))
    assert 'href=""' not in page
    for reference in re.findall(r'href="#([^"]*)"', page):
        assert f'id="{reference}"' in page


def _painted(paint: Any) -> Picture:
    return draw(paint, {}, 4.0, 3.0)


def _raw(figure: Any, _: Any) -> None:
    axes = figure.subplots()
    axes.plot([1, 1000], [1, 1000])
    axes.twinx().set(yscale="log", ylim=(1, 1000))


def _covered(figure: Any, _: Any) -> None:
    figure.text(0.5, 0.5, "one")
    figure.text(0.52, 0.51, "other")


def _turned(figure: Any, _: Any) -> None:
    axes = figure.subplots()
    axes.set_xticks(range(14), [f"a name of a rule {index}" for index in range(14)], rotation=20)


def _cut(figure: Any, _: Any) -> None:
    figure.text(0.9, 0.5, "a long text at the edge")


def _equal(figure: Any, _: Any) -> None:
    figure.subplots().set_xticks([0, 1], ["ep-centered", "ep-centered"])


def _named_alike(figure: Any, _: Any) -> None:
    axes = figure.subplots()
    for _ in range(2):
        axes.plot([0, 1], label="ep-centered…")
    axes.legend()


def _unnamed(figure: Any, _: Any) -> None:
    figure.subplots().set(title="test_error", xlabel="energy (uJ)")


def _tiny(figure: Any, _: Any) -> None:
    figure.text(0.5, 0.5, "small print", fontsize=1)


@pytest.mark.parametrize(
    ("paint", "fault"),
    [
        (_raw, "raw TeX"),
        (_covered, "over each other: 'one' and 'other'"),
        (_turned, "over each other"),
        (_cut, "outside of the figure"),
        (_equal, "equal ticks along x"),
        (_named_alike, "equal names in a legend"),
        (_unnamed, "underscore"),
        (_unnamed, "u for micro"),
        (_tiny, "too small"),
    ],
)
def test_the_check_finds_what_is_wrong(paint: Any, fault: str) -> None:
    """Controls: without them a check that looks at nothing would pass."""
    assert any(found.startswith(fault) for found in faults(_painted(paint).figure))


def test_the_check_lets_a_plain_figure_pass() -> None:
    def plain(figure: Any, _: Any) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1])
        axes.set_xticks([0, 1], ["a name", "another"], rotation=30)

    assert faults(_painted(plain).figure) == []


def test_a_page_shows_pixels_that_a_figure_carries_and_fetches_nothing() -> None:
    """A colour bar of many shades is an image inside of the figure; a blank one came of emptying its reference."""
    svg = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="{}"/></svg>'
    for reference, kept in (("data:image/png;base64,AAAA", True), ("http://elsewhere/a.png", False), ("data:text/html,x", False)):
        page = render(Report("run", "", "", [], {"figure": Picture(svg.format(reference), {})}, {}, {}))
        assert (f'href="{reference}"' in page) is kept
        assert 'href=""' not in page


def test_a_rule_has_one_look_in_every_figure_and_shares_its_colour_with_no_other() -> None:
    """If this fails, a reader takes the curve of one rule for that of another."""
    together = looks(RULES)
    assert len({look["color"] for look in together.values()}) == len(RULES)
    assert looks(["backprop", "ep-centered"]) == {name: together[name] for name in ("backprop", "ep-centered")}
    mixed = looks(["untrained", *RULES[:5], "something"])
    assert len({look["color"] for look in mixed.values()}) == 7
    assert mixed["ep-random"] == together["ep-random"]
    many = looks([f"point {index}" for index in range(40)])
    assert len({(look["color"], str(look["linestyle"])) for look in many.values()}) == 40


def test_colours_are_far_apart_also_from_ink_and_paper() -> None:
    """Distances in CIELAB: about 2 is just visible, 20 is told apart in a thin line."""
    import numpy as np

    def lab(colour: str) -> Any:
        values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        x, y, z = np.cbrt(matrix @ linear / np.array([0.9505, 1.0, 1.089]))
        return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])

    for one, other in combinations((*COLOURS, "#222222", "#ffffff"), 2):
        assert np.linalg.norm(lab(one) - lab(other)) > 20, (one, other)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["ep-centered", "backprop"], ["ep-centered", "backprop"]),
        (["rule ep-centered, tolerance 0.01", "rule backprop, tolerance 0.1"], ["ep-centered, 0.01", "backprop, 0.1"]),
        (["rule ep-centered, tolerance 0.01", "rule backprop, tolerance 0.01"], ["ep-centered", "backprop"]),
        (["a" * 40 + "b", "a" * 40 + "c"], ["a" * 18 + "…" + "a" * 8 + "b", "a" * 18 + "…" + "a" * 8 + "c"]),
        (["a" * 30 + "b" + "a" * 30, "a" * 30 + "c" + "a" * 30], ["a" * 18 + "…" + "a" * 5 + " #1", "a" * 18 + "…" + "a" * 5 + " #2"]),
        ([], []),
    ],
    ids=["short", "words in common", "one word differs", "ends differ", "middles differ", "none"],
)
def test_names_that_are_shortened_still_differ(given: list[str], shown: list[str]) -> None:
    assert names(given) == shown
