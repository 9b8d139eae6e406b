"""The error that there is no run, and commands that messages advise, as the user has to type them."""

import shlex
from difflib import get_close_matches
from pathlib import Path

from contrastive_core.errors import InputError


class NoRunError(InputError):
    """Error of a name that belongs to no run, or to one that has not begun."""


def listing(root: Path | None) -> str:
    """Return the command that lists the runs in a directory, by default ``runs``."""
    return "eqlab runs list" if root is None else shlex.join(("eqlab", "runs", "list", "--runs", str(root)))


def beside(name: str) -> str:
    """Point to a run of this name in the current directory, which is spelled with a slash; nothing if there is none."""
    return f"; the run here is ./{name}" if name and "/" not in name and (Path(name) / "config.toml").is_file() else ""


def closest(path: Path) -> str | None:
    """Return the name of the run beside ``path`` that is closest to its name; None if none is close."""
    found = [other.name for other in sorted(path.parent.iterdir()) if (other / "config.toml").is_file()] if path.parent.is_dir() else []
    return next(iter(get_close_matches(path.name, found, n=1)), None)
