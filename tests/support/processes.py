"""The program in processes of its own, and how far its journal is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from experiments.machine import THREAD_LIMITS

ROOT = Path(__file__).resolve().parents[2]
PATHS = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support")))
# Without the limits of this process, which a user's shell does not have either.
_OURS = {name: value for name, value in os.environ.items() if name not in THREAD_LIMITS}
ENVIRONMENT = _OURS | {"PYTHONPATH": PATHS, "PYTHONWARNINGS": "ignore"}
PROGRAM = [sys.executable, "-c", "from experiments.cli import main; main()"]


def run(folder: Path, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=check, timeout=600)


def count_done(journal: Path) -> int:
    with sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True) as connection:
        found = int(connection.execute("SELECT count(*) FROM trials WHERE status = 'done'").fetchone()[0])
    connection.close()
    return found
