"""The report: one file that needs nothing from outside, in which no name or value can become markup."""

import re
from pathlib import Path

import pytest
from pages import HOSTILE, Page
from pictures import RULES, gradients, history, record

from contrastive_core.errors import InputError
from experiments.figures.writing import Picture, comparison, gradient_alignment, learning_curves
from experiments.report.contents import Report, ReportTable
from experiments.report.html import caption, render, write_report

pytestmark = pytest.mark.usefixtures("rendered")


@pytest.fixture(scope="module")
def pictures() -> dict[str, Picture]:
    return {
        "comparison": comparison({rule: record(0.03 + 0.001 * index) for index, rule in enumerate(RULES)}),
        "learning-curves": learning_curves({rule: [history(0.01 * seed, 20) for seed in range(3)] for rule in RULES}),
        "gradient-alignment": gradient_alignment({rule: gradients(float(index % 3)) for index, rule in enumerate(RULES)}),
    }


@pytest.fixture(scope="module")
def html(pictures: dict[str, Picture]) -> str:
    rows = [("ep-centered", 3.0, "[-0.10, 0.20]", "-"), ("coupled", None, "-", "-"), ("backprop", -2.5, "[1.00, 2.00]", "-")]
    table = ReportTable("Side by side", ("rule", "error", "interval", "nothing yet"), rows)
    config = {"data": "digits", "hidden": [64, 32], "network": {"gain": 0.7}}
    provenance = {"command": "compare", "starts": [{"argv": ["eqlab", "compare"]}, {"argv": ["eqlab", "compare", "--seeds", "3"]}]}
    return render(Report("Learning rules", "One network.", "", [table], pictures, config, provenance))


def test_a_report_with_three_figures_of_twelve_rules_is_below_500_kilobytes(html: str) -> None:
    assert len(html.encode()) < 500_000
    assert html.count("<svg") == 3


def test_a_report_loads_nothing(html: str) -> None:
    page = Page(html)
    assert not page.open
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "embed", "base", "img", "image", "foreignobject"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "action")]
        assert attributes.get("href", "#").startswith("#")
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#f\d)", html)


def test_ids_are_unique_and_every_reference_finds_its_own_figure(html: str) -> None:
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 100
    references = re.findall(r'(?:url\(|href=")#([^")]+)', html)
    assert set(references) <= set(ids)
    assert {reference.split("-")[0] for reference in references} == {"f0", "f1", "f2"}
    figure = ""
    for tag, attributes in page.elements:
        if tag == "g" and re.fullmatch(r"f\d-figure_1", attributes.get("id") or ""):
            figure = str(attributes["id"]).split("-")[0]
        for value in (attributes.get("href"), attributes.get("clip-path")):
            assert value is None or f"#{figure}-" in value


def test_figures_follow_the_page_when_it_is_dark(html: str) -> None:
    """Ink and paper of the figures are the page's; only colours that are legible on both stay."""
    drawings = html[html.index("<svg") :]
    assert "currentColor" in drawings
    assert "var(--paper)" in drawings
    assert not re.search(r"#222222|#ffffff|#d9d9d9|#767676|DejaVu", drawings)
    assert "prefers-color-scheme: dark" in html


def test_numbers_are_aligned_to_the_right_and_texts_are_not(html: str) -> None:
    cells = {text: kind for tag, kind, text in Page(html).cells}
    assert [cells[text] for text in ("rule", "ep-centered", "coupled")] == [None] * 3
    minus = "\N{MINUS SIGN}"
    for text in ("error", "3", f"{minus}2.5", "interval", f"[{minus}0.10, 0.20]", "[1.00, 2.00]"):
        assert cells[text] == "number", text


def test_configuration_and_provenance_are_there_closed(html: str) -> None:
    page = Page(html)
    assert [attributes for tag, attributes in page.elements if tag == "details"] == [{}, {}]
    texts = [text for _, _, text in page.cells]
    for key, value in (("network.gain", "0.7"), ("hidden", "[64, 32]"), ("starts.2.argv", '["eqlab", "compare", "--seeds", "3"]')):
        assert texts[texts.index(key) + 1] == value


def test_no_name_or_value_becomes_markup() -> None:
    """Rule names, messages and options come from files that others may have written."""
    pictures = {
        HOSTILE: comparison({HOSTILE: {**record(), "gradient_cosine": {HOSTILE: 0.5}}, "a": {"status": "failed", "error": HOSTILE}})
    }
    html = render(
        Report(
            HOSTILE, HOSTILE, HOSTILE, [ReportTable(HOSTILE, (HOSTILE,), [(HOSTILE,)])], pictures, {HOSTILE: HOSTILE}, {HOSTILE: [HOSTILE]}
        )
    )
    page = Page(html)
    assert not {tag for tag, _ in page.elements} & {"script", "img"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.text.count(HOSTILE) >= 7


def test_a_report_of_nothing_is_a_page() -> None:
    assert not Page(render(Report("Empty", "", "", [ReportTable("None", ("a", "b"), [])], {}, {}, {}))).open


def test_captions_are_names_in_words() -> None:
    assert caption("learning-curves") == "Learning curves"
    assert caption("") == ""


def test_a_report_is_written_whole(tmp_path: Path, html: str) -> None:
    write_report(tmp_path / "new" / "report.html", html)
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8") == html
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
    with pytest.raises(InputError, match="choose another --out"):
        write_report(tmp_path / "new" / "report.html" / "below.html", html)


def test_the_same_records_give_the_same_report(pictures: dict[str, Picture]) -> None:
    again = comparison({rule: record(0.03 + 0.001 * index) for index, rule in enumerate(RULES)})
    first, second = (render(Report("a", "b", "", [], {"comparison": one}, {}, {})) for one in (again, pictures["comparison"]))
    assert first == second
