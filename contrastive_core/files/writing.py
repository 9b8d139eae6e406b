"""Atomic writing: a file exists as a whole or not at all."""

import errno
import os
import secrets
from collections.abc import Iterable, Mapping
from glob import escape
from pathlib import Path

from contrastive_core.errors import InputError

_UNFINISHED = ".tmp"
_LONGEST_NAME = 255
"""Bytes of a name that file systems of Linux and macOS take."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file as :func:`write_pieces` does, of content that is in memory."""
    write_pieces(path, (content,))


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file through a temporary one beside it, which is renamed once it is on the disk.

    Parameters
    ----------
    path : Path
        File in an existing directory. An existing file is replaced; of a link, the file that it leads to.
    pieces : iterable of bytes
        Its content, piece by piece.

    Raises
    ------
    OSError
        If the file cannot be written, or ``path`` exists and is not a regular file, such as a device or a pipe. An existing file is
        unchanged then.
    """
    # Links are followed, not replaced: /dev/stdout is a link that may lead to a file.
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():  # renaming over /dev/null would remove the device for the whole machine
        code = errno.EISDIR if path.is_dir() else errno.EINVAL
        raise OSError(code, "Is a directory" if path.is_dir() else "Not a regular file, and is not replaced", str(path))
    temporary = path.with_name(f"{_beginning(path)}{secrets.token_hex(4)}{_UNFINISHED}")
    try:
        with temporary.open("xb") as stream:
            stream.writelines(pieces)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):  # the error of a full disk has no file name
            error.filename = str(path)
        raise
    directory = os.open(path.parent, os.O_RDONLY)  # the new name has to reach the disk too
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def write_named(contents: Mapping[Path, bytes], option: str) -> None:
    """Write files in places that a user has named, where nothing else is lost.

    Parameters
    ----------
    contents : mapping of Path to bytes
        Content of each file. One that exists is left as it is if it has this content, and is written if it is empty.
    option : str
        Option that names the place, for the message.

    Raises
    ------
    InputError
        If a file exists and holds something else; nothing is written then.
    OSError
        As ``write_bytes``.
    """
    for path, content in contents.items():
        if path.is_file() and (size := path.stat().st_size) and (size != len(content) or path.read_bytes() != content):
            raise InputError(f"{path} exists and holds something else; remove it, or choose another {option}")
    for path, content in contents.items():
        write_bytes(path, content)


def remove(path: Path) -> None:
    """Remove a file of ``write_bytes`` and the temporary files of killed writers; a missing file is no error.

    Parameters
    ----------
    path : Path
        File that nobody is writing.
    """
    path.unlink(missing_ok=True)
    for left in path.parent.glob(f"{escape(_beginning(path))}*{_UNFINISHED}"):
        left.unlink(missing_ok=True)


def _beginning(path: Path) -> str:
    """Return the beginning of the temporary names of a file, which leaves room for their ends in the longest name that is allowed."""
    room = _LONGEST_NAME - len("..") - 8 - len(_UNFINISHED)
    return f".{os.fsdecode(os.fsencode(path.name)[:room])}."
