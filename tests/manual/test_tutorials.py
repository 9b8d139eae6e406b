"""Tutorials and gallery run as they are shown: their code prints what the page shows, and their scripts draw their pictures."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest
from documents import NEEDED, PAGES, ROOT, blocks

NUMBERS = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
TAUGHT = [path.name for folder in ("start", "learn", "how-to") for path in sorted((ROOT / "docs" / folder).glob("*.md"))]
CODED = [page for page in TAUGHT if page != "plugins.md" and any(block.language == "python" for block in blocks(page))]
SCRIPTS = sorted((ROOT / "docs" / "gallery").glob("*.py"))
DRAWN = re.compile(r"^\$ python (docs/gallery/\w+\.py) (docs/gallery/images/\w+\.svg)$", re.MULTILINE)


@pytest.mark.parametrize("page", CODED)
def test_the_code_of_a_tutorial_prints_what_the_page_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If this fails, a learner who types the code sees something else."""
    for library in NEEDED.get(page, ()):
        pytest.importorskip(library, reason=f"{library} is not installed")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "tutorial"}
    for block in blocks(page):
        if block.language == "python":
            exec(compile(block.text, page, "exec"), names)
            printed, shown = capsys.readouterr().out, block.after
            assert NUMBERS.sub("#", printed).split() == NUMBERS.sub("#", shown).split()
            # Digits are rounded where they are printed; sums in another order may round the last one the other way.
            for found, wanted in zip(NUMBERS.findall(printed), NUMBERS.findall(shown), strict=True):
                assert float(found) == pytest.approx(float(wanted), rel=2e-3, abs=1.1 * 10.0 ** -len(wanted.partition(".")[2]))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_of_the_gallery_draws_and_prints(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If this fails, a picture of the gallery cannot be made as shown. Errors after training differ between processors, so words count."""
    picture = tmp_path / "picture.svg"
    monkeypatch.setattr(sys, "argv", [str(script), str(picture)])
    runpy.run_path(str(script), run_name="__main__")
    assert "</svg>" in picture.read_text("utf-8")
    page = PAGES["gallery.md"].read_text("utf-8")
    section = re.split(r"^## ", page.split(f"]({script.name})")[1], flags=re.MULTILINE)[0]
    (shown,) = re.findall(r"^```text\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert NUMBERS.sub("#", capsys.readouterr().out).split() == NUMBERS.sub("#", shown).split()
    assert f"images/{script.stem}.svg" in section


def test_every_shown_line_that_draws_names_a_script_and_its_picture() -> None:
    """If this fails, a page shows a line that makes another picture than the one below it, or a script has no place in a page."""
    lines = [line for page in PAGES.values() for line in DRAWN.findall(page.read_text("utf-8"))]
    assert {Path(script).stem for script, _ in lines} == {script.stem for script in SCRIPTS}
    assert all(Path(script).stem == Path(picture).stem and (ROOT / picture).is_file() for script, picture in lines)
