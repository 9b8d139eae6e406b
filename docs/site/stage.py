"""Lay out the pages of the site: ``python docs/site/stage.py DIRECTORY``, run by ``make docs``.

The directory mirrors the repository, so that links between pages hold in both. Pages of Python names, commands, modules and exit codes
are written into ``docs/generated`` of it, from the program itself.
"""

from __future__ import annotations

import fnmatch
import re
import shutil
import sys
from pathlib import Path

from command_pages import command_pages, exits_page
from python_names import ROOT, modules_page, python_pages

OPEN = re.compile(r"<!-- open: (\S+) -->")
"""Place of a link to a page of its own beside the pages of the site."""


def generated() -> dict[str, str]:
    """Return the text of every page that is made from the program, by its name."""
    return {**python_pages(), **command_pages(), "modules": modules_page(), "exit-codes": exits_page()}


def contents(folder: Path) -> str:
    """Return the front page with one line for each page of its lists, patterns expanded; a page that no list names is a subject."""
    pages = {path.relative_to(folder / "docs").with_suffix("").as_posix() for path in (folder / "docs").rglob("*.md")} - {"index"}
    lists = re.split(r"(?<=:glob:\n)(.*?)(?=^:::$)", (folder / "docs" / "index.md").read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    patterns = [pattern for text in lists[1::2] for pattern in text.split()]
    left = sorted(page for page in pages if not any(fnmatch.fnmatchcase(page, pattern) for pattern in patterns))
    for number in range(1, len(lists), 2):
        found = [[word] if word.startswith("..") else sorted(fnmatch.filter(pages, word)) for word in lists[number].split()]
        listed = dict.fromkeys(page for matches in found for page in matches)
        lists[number] = "".join(f"{page}\n" for page in [*listed, *(left if "Subjects" in lists[number - 1][-60:] else [])])
    return "".join(lists)


def staged(folder: Path) -> None:
    """Write all pages and pictures below a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("__pycache__", "site"))
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / "docs" / "generated").mkdir()
    for name, text in generated().items():
        (folder / "docs" / "generated" / f"{name}.md").write_text(re.sub(r"\n{3,}", "\n\n", text), "utf-8")
    (folder / "docs" / "index.md").write_text(contents(folder), "utf-8")
    for page in (folder / "docs" / "learn").glob("*.md"):  # only the site has the interactive page, which make docs writes beside these
        page.write_text(
            re.sub(OPEN, r'<a href="\1">Open this page for the network of <code>eqlab show</code></a>', page.read_text("utf-8")), "utf-8"
        )


if __name__ == "__main__":
    staged(Path(sys.argv[1]))
