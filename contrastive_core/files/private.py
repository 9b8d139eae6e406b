"""A directory for temporary files that nobody but the user can write."""

import os
import stat
import tempfile
from pathlib import Path


def private_folder(name: str, root: Path | None = None) -> Path | None:
    """Return a directory that is the same for all processes of this user, or None if there can be none.

    Parameters
    ----------
    name : str
        Beginning of its name, to which the user's number is added.
    root : Path, optional
        Directory for temporary files, which other users may write too; by default that of the system.

    Returns
    -------
    Path or None
        Existing directory of the user, which others can neither read nor write.
    """
    try:
        folder = (root or Path(tempfile.gettempdir())) / f"{name}-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    # Programs may be kept here, and whoever can write them chooses what is run.
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if private and os.access(folder, os.W_OK) else None
