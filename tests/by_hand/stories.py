"""Users' stories by documented lines only, in an installed wheel, beside a folder called ``experiments``.

``python tests/by_hand/stories.py [STORY...]`` builds a wheel from the files that the Dockerfile copies, and checks that it holds each of
them. The wheel is installed without dependencies in a fresh environment: a ``.pth`` file there names the packages that this interpreter
has. Commands run in small form (``documents.py``), and code as it is printed. Each is shown with its exit code, its seconds and the end of
its output. The program ends with 1 if one fails, or if a story does not leave its files. ``make wheel`` runs the story ``demo``.
"""

from __future__ import annotations

import json
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
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from documents import ROOT, Block, blocks, commands, placed, prepare, small

from experiments.machine import THREAD_LIMITS


class Story(NamedTuple):
    """Section of a page that a user follows from its first line to its last, and the files that the user came for."""

    page: str
    section: str
    leaves: tuple[str, ...]


STORIES = {
    "demo": Story("Dockerfile", "", ("runs/demo-gradients/report.html", "runs/demo/figures/*.svg", "runs/demo/config.toml")),
    "engineer": Story(
        "hardware.md", "From measured pulses to a chip", ("runs/fit/device.toml", "table/weight_1.plus.csv", "runs/chip/report.html")
    ),
    "theorist": Story(
        "multitasking.md", "From a grid to a figure", ("overlaps.csv", "runs/plane/figures/*.csv", "runs/plane/figures/*.pdf")
    ),
    "researcher": Story("api.md", "A training by hand", ()),
    "student": Story("README.md", "Going on", ("runs/first/report.html", "runs/first/figures/*.csv")),
}
DOCKERFILE = ROOT / "Dockerfile"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in (*THREAD_LIMITS, "PYTHONPATH")}
"""Variables of a user's shell, which has neither our limits of threads nor our path of modules."""


def copied() -> list[str]:
    """Return the files and folders that the Dockerfile copies into its image."""
    return [name for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE.read_text("utf-8"), re.MULTILINE) for name in line.split()]


def lines(story: Story) -> list[list[str]]:
    """Return the commands of a story, those of the demo from the last line of the Dockerfile."""
    if story.page != DOCKERFILE.name:
        return commands(story.page, story.section)
    (shell,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    return [shlex.split(line)[1:] for line in json.loads(shell)[-1].split("&&")]


def code(story: Story) -> list[Block]:
    """Return the fenced blocks of a story, none for the demo."""
    return [] if story.page == DOCKERFILE.name else blocks(story.page, story.section)


def install(folder: Path) -> Path:
    """Return the folder of the programs of a fresh environment with the wheel of this checkout."""
    source, environment = folder / "source", folder / "environment"
    source.mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    data = {path.relative_to(source).as_posix() for path in source.glob("*/**/*") if path.is_file()}
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source], check=True, cwd=folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (wheel,) = folder.glob("*.whl")
    programs = Path(sysconfig.get_path("scripts", "venv", {"base": str(environment), "platbase": str(environment)}))
    modules = Path(sysconfig.get_path("purelib", "venv", {"base": str(environment), "platbase": str(environment)}))
    subprocess.run([*pip, "--python", programs / "python", "install", "--no-deps", "--no-index", wheel], check=True, cwd=folder)
    # A path in a .pth file is searched last, and the .pth files in it are not read: an editable eqlab stays out.
    (modules / "packages_of_another_environment.pth").write_text(sysconfig.get_path("purelib"))
    if missing := data - set(zipfile.ZipFile(wheel).namelist()):
        raise SystemExit(f"the wheel lacks {', '.join(sorted(missing))}; name them in setup.cfg")
    print(f"installed {wheel.name}, {wheel.stat().st_size / 1000:.0f} kB, with all {len(data)} files of its packages")
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
    for words in lines(story):
        line = small(placed(words, story.page))
        how = watch if words[0] == "watch" else run
        failed += not how(shlex.join(["eqlab", *line]), [str(programs / "eqlab"), *line], folder)
    for number, block in enumerate(one for one in code(story) if one.language == "python"):
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
