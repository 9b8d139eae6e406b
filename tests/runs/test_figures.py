"""Figures: what a picture shows is in its data, every rule is seen, and nothing in a record can break a picture."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from flag_tables import ALL
from matplotlib.axes import Axes
from matplotlib.text import Text
from pictures import HOSTILE, RULES, check, failure, faults, gradients, group, history, points, record, texts, trace

from contrastive_core.errors import InputError
from experiments.commandline.invocation import FIGURE_FORMATS, PAPER_COLUMNS, Drawing
from experiments.figures.axes import decades, plain, spread
from experiments.figures.style import number
from experiments.figures.writing import (
    FORMATS,
    SMALLEST_TEXT,
    Picture,
    comparison,
    gradient_alignment,
    learning_curves,
    relaxation,
    write_pictures,
)
from experiments.report.views import VIEWS

pytestmark = pytest.mark.usefixtures("rendered")

FIGURES: dict[str, tuple[Callable[[Any], Picture], Callable[[], Any]]] = {
    "learning_curves": (learning_curves, lambda: [history(), history(0.01), history(0.03)]),
    "comparison": (comparison, record),
    "gradient_alignment": (gradient_alignment, gradients),
    "relaxation": (relaxation, trace),
}


def test_a_curve_has_a_point_per_epoch_at_the_median_of_its_seeds() -> None:
    """Three seeds: the line is the middle one, in proportion on the logarithmic axis; its band runs from the least to the most."""
    picture = learning_curves({"ep-centered": [history(), history(0.01), history(0.03)]})
    curve = picture.data["rules"]["ep-centered"]
    assert curve["validation_error"]["median"] == pytest.approx([0.5 / epoch + 0.01 for epoch in range(1, 6)])
    assert curve["validation_error"]["least"] == pytest.approx([0.5 / epoch for epoch in range(1, 6)])
    assert curve["validation_error"]["most"] == pytest.approx([0.5 / epoch + 0.03 for epoch in range(1, 6)])
    drawn = points(picture, "sweeps_per_sample-0")  # 21 to 25 on a linear axis: equal steps up
    assert len(drawn) == 5
    steps = [second[1] - first[1] for first, second in pairwise(drawn)]
    assert steps == pytest.approx([steps[0]] * 4, abs=1e-3)
    assert steps[0] < 0
    heights = [y for _, y in points(picture, "validation_error-0")]
    values = [math.log(value) for value in curve["validation_error"]["median"]]
    slopes = [(b - a) / (d - c) for (a, b), (c, d) in zip(pairwise(heights), pairwise(values), strict=True)]
    assert slopes == pytest.approx([slopes[0]] * 4, rel=1e-4)
    assert group(picture, "validation_error-band-0") is not None
    check(picture)


@pytest.mark.parametrize("num_rules", [1, 4, 5, 12])
def test_every_rule_has_its_curves_and_its_name(num_rules: int) -> None:
    picture = learning_curves({rule: [history(0.001 * index)] for index, rule in enumerate(RULES[:num_rules])})
    for index, rule in enumerate(RULES[:num_rules]):
        assert rule in texts(picture)
        assert len(points(picture, f"validation_error-{index}")) == len(points(picture, f"sweeps_per_sample-{index}")) == 5
    check(picture)


def test_seeds_that_stop_early_leave_the_others_their_epochs() -> None:
    picture = learning_curves({"ep-centered": [history(0.0, 2), history(0.02, 4)]})
    curve = picture.data["rules"]["ep-centered"]
    assert curve["epochs"] == [1, 2, 3, 4]
    assert curve["validation_error"]["median"] == pytest.approx([0.51, 0.26, 0.5 / 3 + 0.02, 0.145])


@pytest.mark.parametrize("num_others", [1, 11])
def test_a_rule_without_records_is_shown_as_such(num_others: int) -> None:
    rules = {rule: [history()] for rule in RULES[:num_others]}
    assert any("no records" in text for text in texts(learning_curves({**rules, "backprop": []})))


def test_a_comparison_shows_means_intervals_seeds_and_the_zero_line() -> None:
    """Positions are linear in the numbers, so that what is read off the axis is what was measured."""
    rules = {"ep-centered": record(0.030), "backprop": {**record(0.034), "paired_difference": None}}
    picture = comparison(rules)
    scale = []
    for row, mean in enumerate((0.030, 0.034)):
        (centre,) = points(picture, f"test_error-mean-{row}")
        low, high = points(picture, f"test_error-interval-{row}")
        seeds = points(picture, f"test_error-seeds-{row}")
        assert len(seeds) == 3
        assert (low[0] + high[0]) / 2 == pytest.approx(centre[0], abs=1e-3)
        assert (high[0] - low[0]) / (seeds[2][0] - seeds[0][0]) == pytest.approx(4.0, rel=1e-3)  # 0.008 wide over 0.002 apart
        scale.append((mean, centre[0], (high[0] - low[0]) / 0.008))
    (first, at_first, per_unit), (second, at_second, _) = scale
    assert (at_second - at_first) / (second - first) == pytest.approx(per_unit, rel=1e-3)
    (zero, _) = points(picture, "zero")
    (difference,) = points(picture, "paired_difference-mean-0")
    assert difference[0] > zero[0]
    assert group(picture, "paired_difference-mean-1") is None
    assert picture.data["rules"]["ep-centered"]["lowest_cosine"] == 0.9
    assert {"ep-centered", "backprop", "baseline", "difference to backprop (% points)"} <= set(texts(picture))
    check(picture)


def test_a_failed_rule_keeps_its_row_with_its_reason() -> None:
    picture = comparison({rule: failure("the energy has no minimum") if rule == "coupled-negative" else record() for rule in RULES})
    assert group(picture, f"failed-{RULES.index('coupled-negative')}") is not None
    assert group(picture, "failed-0") is None
    assert {"coupled-negative (failed)", "the energy has no minimum"} <= set(texts(picture))
    assert not any("$" in text for text in texts(picture))


def test_a_rule_of_which_some_seeds_failed_shows_the_others() -> None:
    picture = comparison({"ep-centered": {**record(), "status": "failed", "error": "diverged"}})
    assert "ep-centered (some failed)" in texts(picture)
    assert len(points(picture, "test_error-mean-0")) == 1
    assert group(picture, "failed-0") is None


def test_one_seed_has_no_interval() -> None:
    single = {"mean": 0.03, "ci95": [None, None], "seeds": [0.03]}
    picture = comparison({"ep-centered": {**record(), "test_error": single, "paired_difference": single}})
    assert len(points(picture, "test_error-mean-0")) == 1
    assert group(picture, "test_error-interval-0") is None
    check(picture)


def test_a_rule_that_does_not_learn_leaves_room_for_the_others() -> None:
    """With a difference of 85 points on a linear axis, one of 0.2 would be 1/400 of its width away from zero."""
    far = {"mean": 0.85, "ci95": [0.84, 0.86], "seeds": [0.85]}
    picture = comparison({"good": record(), "bad": {**record(0.9), "paired_difference": far}})
    (zero, _), (near,), (distant,) = (points(picture, f) for f in ("zero", "paired_difference-mean-0", "paired_difference-mean-1"))
    assert (near[0] - zero[0]) / (distant[0] - zero[0]) > 0.04


def test_slopes_on_the_page_are_the_orders_of_the_bias() -> None:
    """The drawn slope of each curve over that of the guide of slope 1 is the order."""
    picture = gradient_alignment({"one": gradients(1.0), "two": gradients(2.0), "exact": gradients(None), "flat": gradients(0.0)})

    def slope(name: str) -> float:
        drawn = points(picture, name)
        (x, y), (x_end, y_end) = drawn[0], drawn[-1]
        return (y_end - y) / (x_end - x)

    unit = slope("slope-1")
    assert unit < 0  # y grows downwards on the page
    assert [slope(name) / unit for name in ("bias-0", "bias-1", "bias-3", "slope-2")] == pytest.approx([1, 2, 0, 2], abs=1e-3)
    assert group(picture, "bias-2") is None
    assert {"one (1.00)", "two (2.00)", "flat (0.00)", "exact", "weights.0", "weights.1"} <= set(texts(picture))
    check(picture)


def test_a_negative_cosine_lies_right_of_an_orthogonal_one_and_an_exact_one_leftmost() -> None:
    cosines = {"exact": 1.0, "close": 1 - 1e-6, "orthogonal": 0.0, "opposite": -1.0}
    picture = gradient_alignment({name: {"cosine": {"weights.0": cosine}} for name, cosine in cosines.items()})
    places = [points(picture, f"cosine-{row}-0")[0][0] for row in range(4)]
    assert places == sorted(places)
    assert len(set(places)) == 4
    assert "≤ 10⁻¹²" in texts(picture)


def test_relaxation_shows_straight_lines_for_geometric_convergence() -> None:
    """Residuals 3^-n are a straight line on a logarithmic axis; the last energy is the reference and is not shown itself."""
    picture = relaxation({"free": trace()})
    drawn = points(picture, "residual-0")
    steps = [second[1] - first[1] for first, second in pairwise(drawn)]
    assert steps == pytest.approx([steps[0]] * 4, abs=1e-3)
    assert picture.data["traces"]["free"]["energy_above_final"] == [*(2.0**-step - 2.0**-5 for step in range(5)), None]
    assert picture.data["traces"]["free"]["energy_sweeps"] == list(range(6))
    assert len(points(picture, "energy_above_final-0")) == 5


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_data_give_the_same_bytes_whatever_the_users_settings(name: str) -> None:
    import matplotlib

    figure, example = FIGURES[name]
    first = figure({"one": example(), "two": example()})
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": None, "axes.facecolor": "red", "svg.fonttype": "path"}):
        second = figure({"one": example(), "two": example()})
    assert first.svg == second.svg
    assert first.data == second.data
    assert not re.search(r"matplotlib\.org|<dc:date|Created with", first.svg)


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_to_show_is_no_error(name: str) -> None:
    figure, _ = FIGURES[name]
    check(figure({}))
    check(figure({"empty": [] if name == "learning_curves" else {}}))


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("odd", [math.nan, 0.0, -1.0, 1e-300, 1e200], ids=str)
def test_numbers_that_cannot_be_drawn_break_nothing(name: str, odd: float) -> None:
    def replaced(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: inner if key in ("epoch", "status", "error") else replaced(inner) for key, inner in value.items()}
        return [replaced(inner) for inner in value] if isinstance(value, list) else odd

    figure, example = FIGURES[name]
    check(figure({"odd": replaced(example()), "fine": example()}))
    check(figure({"odd": replaced(example())}))


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, "0.5", [0.5]], ids=str)
def test_what_is_not_a_finite_number_counts_as_missing(value: object) -> None:
    assert number(value) is None
    assert number(2) == 2.0


def test_a_gap_in_a_curve_is_a_gap() -> None:
    records = history()
    records[2]["validation_error"] = None
    picture = learning_curves({"ep-centered": [records]})
    assert len(points(picture, "validation_error-0")) == 4
    found = group(picture, "validation_error-0")
    assert found is not None
    assert found[0].get("d", "").count("M") == 2


@pytest.mark.parametrize("name", FIGURES)
def test_hostile_names_are_shown_as_text(name: str) -> None:
    figure, example = FIGURES[name]
    picture = figure({hostile: example() for hostile in HOSTILE})
    check(picture)
    assert "<script" not in picture.svg
    shown = texts(picture)
    for expected in ("<script>", "a&b", "_hidden", "$\\frac{"):
        assert any(text.startswith(expected) for text in shown), expected
    assert all(len(text) < 80 for text in shown)
    assert list(picture.data["traces" if name == "relaxation" else "rules"]) == HOSTILE


def test_a_hostile_error_message_is_shown_as_text() -> None:
    check(comparison({"rule": failure("<b>&\x00$x" * 100)}))


def test_files_hold_the_picture_and_its_data(tmp_path: Any) -> None:
    picture = comparison({"ep-centered": record(), "coupled": failure()})
    write_pictures(tmp_path / "new" / "figures", {"comparison": picture}, Drawing(("pdf", "png")))
    directory = tmp_path / "new" / "figures"
    assert sorted(path.name for path in directory.iterdir()) == [f"comparison.{kind}" for kind in ("csv", "json", "pdf", "png", "svg")]
    assert json.loads((directory / "comparison.json").read_text(encoding="utf-8")) == picture.data
    assert (directory / "comparison.svg").read_text(encoding="utf-8") == picture.svg
    first = {kind: (directory / f"comparison.{kind}").read_bytes() for kind in ("pdf", "png")}
    assert first["png"].startswith(b"\x89PNG")
    assert first["pdf"].startswith(b"%PDF")
    assert b"CreationDate" not in first["pdf"]
    write_pictures(directory, {"comparison": picture}, Drawing(("png",)))
    assert (directory / "comparison.png").read_bytes() == first["png"]


def test_files_have_the_width_of_a_column_and_texts_that_can_be_read(tmp_path: Any) -> None:
    """If this fails, a figure is scaled by the editor of the journal, and its texts with it; in the narrow column a sentence says so."""

    def drawn(millimetres: float) -> tuple[Any, str]:
        picture = comparison({"ep-centered": record(), "backprop": record(0.04)})
        told = write_pictures(tmp_path, {"comparison": picture}, Drawing(("pdf", "png"), millimetres))
        svg = (tmp_path / "comparison.svg").read_text(encoding="utf-8")
        assert float(re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)[1]) == pytest.approx(millimetres / 25.4 * 72, abs=0.01)  # type: ignore[index]
        (box,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) [\d.]+ \]", (tmp_path / "comparison.pdf").read_bytes())
        assert float(box) == pytest.approx(millimetres / 25.4 * 72, abs=0.01)
        pixels = int.from_bytes((tmp_path / "comparison.png").read_bytes()[16:20], "big")
        assert pixels == int(millimetres / 25.4 * 300)
        return picture.figure, told

    figure, told = drawn(PAPER_COLUMNS["double"])
    assert (faults(figure), told) == ([], "")
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
    assert max(sizes) == pytest.approx(9 * 183 / 25.4 / 9.6)  # points of a label in the style, scaled as its 9.6 inches are
    figure, told = drawn(PAPER_COLUMNS["single"])
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) == pytest.approx(SMALLEST_TEXT)
    assert told == "texts of 5 points leave little room at 89 mm in comparison; look at them, or raise --width"
    with pytest.raises(InputError, match="does not fit into 15 mm"):
        drawn(15)


def test_every_command_that_shows_figures_takes_their_format_and_width() -> None:
    """If this fails, figures of one command cannot be had for a paper; networks of ``bench memory`` have a width of their own."""
    drawing = {name.replace(" ", "-") for name, made in ALL.items() if {"figure_format", "width"} <= {one.name for one in made.params}}
    assert drawing - {"report"} == {*VIEWS} - {"relaxation", "fit", "bench-memory"}
    assert (*FORMATS,) == FIGURE_FORMATS[1:]


@pytest.mark.parametrize("rules", [1, 6])
def test_long_learning_curves_are_drawn_thinned_and_say_so(rules: int) -> None:
    """If this fails, 10 000 epochs fill a page, or a reader takes some of the epochs for all of them."""

    def curve(epochs: int) -> Picture:
        history = [{"epoch": epoch, "validation_error": 1 / epoch, "sweeps_per_sample": 5.0} for epoch in range(1, epochs + 1)]
        return learning_curves({f"rule {index}": [history] for index in range(rules)})

    long, longer = curve(1_000), curve(10_000)
    assert longer.caption == "400 of 10000 epochs are drawn; the numbers of the figure have them all."
    assert len(longer.svg) < 1.3 * len(long.svg)
    assert [row["epoch"] for row in longer.rows] == [*range(1, 10_001)] * rules
    assert longer.figure is not None
    (line,) = (line for axes in longer.figure.findobj(Axes) for line in axes.lines if line.get_gid() == "validation_error-0")
    drawn = np.asarray(line.get_xdata())
    assert drawn[-1] == 10_000
    assert set(np.diff(drawn)) == {25}
    assert np.asarray(line.get_ydata()) == pytest.approx(100 / drawn)
    assert curve(400).caption == ""


@pytest.mark.parametrize("name", ["", "..", "../up", ".hidden", "a\nb"])
def test_a_name_that_is_no_file_name_is_refused_before_anything_is_written(tmp_path: Any, name: str) -> None:
    with pytest.raises(InputError, match="name"):
        write_pictures(tmp_path, {"fine": Picture("<svg/>", {}), name: Picture("<svg/>", {})})
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another directory"):
        write_pictures(tmp_path / "file" / "figures", {"a": Picture("<svg/>", {})})
    with pytest.raises(InputError, match="SVG only"):
        write_pictures(tmp_path, {"a": Picture("<svg/>", {})}, Drawing(("png",)))
    with pytest.raises(InputError, match="without --width"):
        write_pictures(tmp_path, {"a": Picture("<svg/>", {})}, Drawing(width=89))


def test_importing_figures_and_reports_imports_no_matplotlib() -> None:
    """Command modules import them for ``--help``, which has to be quick."""
    modules = "experiments.figures.writing, experiments.report.html"
    code = f"import sys, {modules}; print({{'matplotlib', 'numpy', 'jinja2', 'torch'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


def test_labels_move_apart_and_no_further() -> None:
    assert spread([0.0, 5.0], 1.0, 0.0, 10.0) == [0.0, 5.0]
    assert spread([5.0, 5.0, 5.0], 1.0, 0.0, 10.0) == pytest.approx([4.0, 5.0, 6.0])
    assert spread([0.0, 0.0, 0.0], 1.0, 0.0, 10.0) == pytest.approx([0.0, 1.0, 2.0])
    assert spread([10.0, 10.0], 1.0, 0.0, 10.0) == pytest.approx([9.0, 10.0])


@pytest.mark.parametrize(("low", "high"), [(1e-300, 1e300), (0.9, 1.1), (3.0, 40.0), (1e-6, 2.0)])
def test_ticks_of_a_logarithmic_axis_fit(low: float, high: float) -> None:
    ticks = decades(low, high, 7)
    assert len(ticks) <= 7
    assert ticks == sorted(ticks)
    assert all(low <= tick <= high for tick in ticks)
    assert ticks


def test_ticks_are_written_plainly() -> None:
    assert [plain(value) for value in (0, 0.05, 20, -0.5, 1e-6, 2e-6, 1e7, 1e-12)] == [
        "0", "0.05", "20", "\N{MINUS SIGN}0.5", "10⁻⁶", "2·10⁻⁶", "10⁷", "10⁻¹²",
    ]  # fmt: skip


class Counted(dict[str, float]):
    """Record of an epoch that counts how often it is read."""

    reads = 0

    def get(self, key: str, default: Any = None) -> Any:
        Counted.reads += 1
        return super().get(key, default)

    def __getitem__(self, key: str) -> float:
        Counted.reads += 1
        return super().__getitem__(key)


@pytest.mark.parametrize("seeds", [1, 3])
def test_curves_of_four_times_the_epochs_read_four_times_the_records(seeds: int) -> None:
    """If this fails, the page about a long training takes hours."""
    reads = []
    for epochs in (50, 200):
        Counted.reads = 0
        histories = [[Counted(epoch=epoch, validation_error=1 / epoch) for epoch in range(1, epochs + 1)] for _ in range(seeds)]
        learning_curves({"a": histories})
        reads.append(Counted.reads)
    assert reads[1] == 4 * reads[0]
