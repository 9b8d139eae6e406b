"""Digest of source files, by which results of older sources are told apart."""

from functools import cache
from hashlib import sha256
from pathlib import Path


@cache
def digest_of(folder: Path) -> str:
    """Return the SHA-256 of the Python files below a folder, read once per process.

    Parameters
    ----------
    folder : Path
        Folder of sources.

    Returns
    -------
    str
        Hexadecimal digits, which change with the name or the content of any file.
    """
    files = sorted(folder.rglob("*.py"))
    return sha256(b"".join(str(file.relative_to(folder)).encode() + sha256(file.read_bytes()).digest() for file in files)).hexdigest()
