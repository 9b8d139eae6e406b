"""Files that are there whole or not at all."""

import errno
import os
import secrets
from glob import escape
from pathlib import Path

_UNFINISHED = ".tmp"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, which is renamed once it is on the disk.

    Parameters
    ----------
    path : Path
        In an existing directory; an existing file is replaced, and where it is a link, the file that it leads to.
    content : bytes
        Its content.

    Raises
    ------
    OSError
        If the file cannot be written; an existing one is then unchanged. What exists and is no file, such as a device or a pipe, is
        not replaced.
    """
    # The link itself stays: /dev/stdout is one, and may lead to a file.
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():  # to rename over /dev/null would take the device from the whole machine
        code = errno.EISDIR if path.is_dir() else errno.EINVAL
        raise OSError(code, "Is a directory" if path.is_dir() else "Not a regular file, and is not replaced", str(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):  # a full disk does not say which file it kept from being written
            error.filename = str(path)
        raise
    directory = os.open(path.parent, os.O_RDONLY)  # the new name itself has to reach the disk too
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def remove(path: Path) -> None:
    """Remove a file that ``write_bytes`` wrote, with what killed writers left beside it; one that is not there is no error.

    Parameters
    ----------
    path : Path
        The file; nobody is writing it.
    """
    path.unlink(missing_ok=True)
    for left in path.parent.glob(f".{escape(path.name)}.*{_UNFINISHED}"):
        left.unlink(missing_ok=True)
