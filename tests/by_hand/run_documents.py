"""Run the commands of every document in its order: ``python tests/by_hand/run_documents.py [--long] [PAGE...]``.

Commands run in small form, or with ``--long`` as they are printed, each in a process of its own, in a temporary directory for each page.
Beside each is its processor time, which other programs on the machine change little.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from documents import PAGES, ROOT, commands, prepare, run_on


def used() -> float:
    """Return the processor time of all processes that have ended, in seconds."""
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times.ru_utime + times.ru_stime


def failures(page: str, long: bool) -> int:
    """Run the commands of a page, print the time of each and the output of those that fail, and return how many failed."""
    failed = 0
    with TemporaryDirectory() as folder:
        prepare(Path(folder))
        for arguments in run_on(page, long):
            start = used()
            program = [sys.executable, "-m", "eqlab", *arguments]
            paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
            done = subprocess.run(
                program, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False, timeout=36000
            )
            shown = "ok" if done.returncode == 0 else f"exit {done.returncode}"
            print(f"{page}: {shown}, {used() - start:.1f} s: eqlab {' '.join(arguments)}", flush=True)
            if done.returncode:
                failed += 1
                print(done.stdout[-2000:] + done.stderr[-2000:])
    return failed


if __name__ == "__main__":
    chosen = [name for name in sys.argv[1:] if name != "--long"] or [page for page in PAGES if commands(page) and page != "README.md"]
    total = sum(failures(page, "--long" in sys.argv) for page in chosen)
    print(f"{total} commands failed")
    sys.exit(total > 0)
