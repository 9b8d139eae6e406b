"""The short form of the fuzz; ``tests/by_hand/fuzz.py`` runs as many cases as one has time for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[1] / "by_hand" / "fuzz.py"
LINES, FILES = 10, 10


def test_random_lines_and_damaged_files_end_in_a_sentence(here: Path) -> None:
    """If this fails, some command line or file ends in a traceback, hangs, takes the memory, or writes a number that JSON does not have."""
    arguments = ("--lines", f"0:{LINES}", "--files", f"0:{FILES}")
    done = subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, check=False, cwd=here)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = dict(re.findall(r"(lines|files) (\d+)", done.stdout))
    assert counted == {"lines": str(LINES), "files": str(FILES)}
    assert "exit code 0" in done.stdout, "no line computes anything, so that the lines are too wild"
    assert "exit code 2" in done.stdout, "no line is refused, so that the lines are too tame"
