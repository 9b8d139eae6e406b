"""Files of a data set, read as bytes with their digests, on their own or out of an archive."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from contrastive_core.errors import DataError
from contrastive_core.files.bounded import read_bytes

AGAIN = "copy or download the file again"
"""Advice of every message about a damaged file."""
GZIP_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)
"""Errors of the gzip module for a damaged file."""
_LARGEST_CONTENT = 2**30
"""Bytes of an archive once unpacked; the largest published one has 185 million."""


class DataFile(NamedTuple):
    """Bytes of a file of a data set, unpacked but not yet interpreted.

    Attributes
    ----------
    path : Path
        Path of the file; a member of an archive has the path of the archive and its own name after it.
    num_bytes : int
        Size on disk; of a member, its unpacked size.
    archive : str
        SHA-256 of the file on disk; of a member, that of its content.
    content : str
        SHA-256 of the unpacked bytes; equal to ``archive`` if the file is not compressed.
    data : bytes
        Unpacked bytes.
    """

    path: Path
    num_bytes: int
    archive: str
    content: str
    data: bytes


def read_file(path: Path) -> bytes:
    """Read a file of bounded size.

    Raises
    ------
    DataError
        If it cannot be read, or is larger than any file of a data set.
    """
    try:
        return read_bytes(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    except ValueError as error:
        raise DataError(f"{path}: is no file of this data set, because {error}; check the path") from error


def open_plain(path: Path) -> DataFile:
    """Read a file as it is.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    return _whole(path, read_file(path))


def open_members(path: Path, names: Iterable[str]) -> dict[str, DataFile]:
    """Read files out of a tar archive that is compressed by gzip; nothing is written to the disk.

    Parameters
    ----------
    path : Path
        The archive.
    names : iterable of str
        Names of the files, in whatever folder of the archive.

    Returns
    -------
    dict of str to DataFile
        Every file by its name.

    Raises
    ------
    DataError
        If the archive cannot be read, is damaged, or lacks one of the files.
    """
    wanted = tuple(names)
    raw = read_file(path)
    found: dict[str, DataFile] = {}
    try:
        with gzip.open(io.BytesIO(raw)) as stream:
            # The bound holds for everything unpacked, because tar headers can declare any size too.
            content = stream.read(_LARGEST_CONTENT + 1)
        if len(content) > _LARGEST_CONTENT:
            raise DataError(f"{path}: unpacks to more than {_LARGEST_CONTENT} bytes, which no archive of a data set does; {AGAIN}")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                stored = archive.extractfile(member) if name in wanted and member.isfile() else None
                if stored is not None:
                    found[name] = _whole(path / name, stored.read())
    except (*GZIP_DAMAGE, tarfile.TarError, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: corrupt archive ({error}), expected a whole .tar.gz; {AGAIN}") from error
    missing = [name for name in wanted if name not in found]
    if missing:
        raise DataError(f"{path}: holds no {', '.join(missing)}, expected {', '.join(wanted)}; {AGAIN}")
    return found


def _whole(path: Path, data: bytes) -> DataFile:
    digest = sha256(data).hexdigest()
    return DataFile(path, len(data), digest, digest, data)
