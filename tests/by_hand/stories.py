"""Four users' stories by documented lines only, in an installed wheel, beside a folder called ``experiments``.

``python tests/by_hand/stories.py [STORY...]`` builds a wheel of the checkout and installs it in a fresh environment, which reuses the
packages that this interpreter has. Commands run in small form (``documents.py``), and code as it is printed. Each is shown with its exit
code, its seconds and the end of its output. The program ends with 1 if one fails, or if a story does not leave its files.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from documents import ROOT, blocks, commands, placed, prepare, small

from experiments.machine import THREAD_LIMITS


class Story(NamedTuple):
    """Section of a page that a user follows from its first line to its last, and the files that the user came for."""

    page: str
    section: str
    leaves: tuple[str, ...]


STORIES = {
    "engineer": Story(
        "hardware.md", "From measured pulses to a chip", ("runs/fit/device.toml", "table/weight_1.plus.csv", "runs/chip/report.html")
    ),
    "theorist": Story(
        "multitasking.md", "From a grid to a figure", ("overlaps.csv", "runs/plane/figures/*.csv", "runs/plane/figures/*.pdf")
    ),
    "researcher": Story("api.md", "A training by hand", ()),
    "student": Story("README.md", "Going on", ("runs/first/report.html", "runs/first/figures/*.csv")),
}
PACKAGES = ("contrastive_core", "eqlab", "eqprop", "hebbian", "experiments")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in (*THREAD_LIMITS, "PYTHONPATH")}
"""Variables of a user's shell, which has neither our limits of threads nor our path of modules."""


def install(folder: Path) -> Path:
    """Return the folder of the programs of a fresh environment with the wheel of this checkout."""
    source, environment = folder / "source", folder / "environment"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source], check=True, cwd=folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (wheel,) = folder.glob("*.whl")
    programs = Path(sysconfig.get_path("scripts", "venv", {"base": str(environment), "platbase": str(environment)}))
    modules = Path(sysconfig.get_path("purelib", "venv", {"base": str(environment), "platbase": str(environment)}))
    subprocess.run([*pip, "--python", programs / "python", "install", "--no-deps", "--no-index", wheel], check=True, cwd=folder)
    # A path in a .pth file is searched last, and the .pth files in it are not read: an editable eqlab stays out.
    (modules / "packages_of_another_environment.pth").write_text(sysconfig.get_path("purelib"))
    print(f"installed {wheel.name}, {wheel.stat().st_size / 1000:.0f} kB")
    return programs


def run(shown: str, words: list[str], folder: Path) -> bool:
    """Run a program, print how it ended, and return whether it ended well."""
    start = time.monotonic()
    done = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=3600)
    return told(shown, done.returncode, time.monotonic() - start, done.stdout, done.stderr)


def told(shown: str, code: int, seconds: float, output: str, errors: str, wanted: int = 0) -> bool:
    """Print a command and how it ended; return whether it ended with the exit code that is wanted, which is 130 after Ctrl-C."""
    print(f"$ {shown}\n  exit {code}, {seconds:.1f} s", flush=True)
    lines = [*output.rstrip().splitlines()[-6:], *errors.rstrip().splitlines()[-3 if code == wanted else -8 :]]
    print("".join(f"  | {line[:150]}\n" for line in lines), flush=True)
    return code == wanted


def watch(shown: str, words: list[str], folder: Path) -> bool:
    """Open the page of a run as a browser does, then press Ctrl-C."""
    start = time.monotonic()
    with subprocess.Popen(words, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watching:
        assert watching.stdout is not None
        read: list[str] = []
        for line in watching.stdout:
            read.append(line)
            if address := re.search(r"http://127\.0\.0\.1:\d+/?", line):
                with urllib.request.urlopen(address[0], timeout=60) as page:
                    read.append(f"{len(page.read())} bytes of HTML\n")
                watching.send_signal(signal.SIGINT)
                break
        rest, _ = watching.communicate(timeout=60)
    return told(f"{shown}    # and Ctrl-C", watching.returncode, time.monotonic() - start, "".join(read) + rest, "", 130)


def failures(story: Story, programs: Path, folder: Path) -> int:
    """Run the lines of a story in order, and return how many failed."""
    (folder / "experiments").mkdir(parents=True)
    (folder / "experiments" / "__init__.py").write_text('raise ImportError("these are the experiments of the user, not those of eqlab")\n')
    prepare(folder)
    failed = 0
    for words in commands(story.page, story.section):
        line = small(placed(words, story.page))
        how = watch if words[0] == "watch" else run
        failed += not how(shlex.join(["eqlab", *line]), [str(programs / "eqlab"), *line], folder)
    for number, block in enumerate(one for one in blocks(story.page, story.section) if one.language == "python"):
        script = folder / f"script_{number}.py"
        script.write_text(block.text)
        failed += not run(f"python {script.name}    # code {number + 1} of {story.page}", [str(programs / "python"), str(script)], folder)
    for pattern in story.leaves:
        found = sorted(str(path.relative_to(folder)) for path in folder.glob(pattern))
        print(f"  left {', '.join(found) or f'nothing like {pattern}'}")
        failed += not found
    return failed


def main() -> int:
    """Install, run the stories, and return the exit code."""
    with TemporaryDirectory() as temporary:
        programs = install(Path(temporary))
        ended = {}
        for name in sys.argv[1:] or STORIES:
            print(f"\n== {name}: {STORIES[name].page}, {STORIES[name].section}\n")
            ended[name] = failures(STORIES[name], programs, Path(temporary) / name)
    print("\n" + "; ".join(f"{name}: {f'{count} failed' if count else 'all passed'}" for name, count in ended.items()))
    used = os.times()
    print(f"{used.children_user + used.children_system:.0f} s of processor time")
    return int(any(ended.values()))


if __name__ == "__main__":
    sys.exit(main())
