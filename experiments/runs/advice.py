"""Commands that messages advise, as the user has to type them."""

import shlex
from pathlib import Path


def listing(root: Path | None) -> str:
    """Return the command that lists the runs in a directory, by default ``runs``."""
    return "eqlab runs list" if root is None else shlex.join(("eqlab", "runs", "list", "--runs", str(root)))
