"""Files that others may have written, read only as far as their largest sensible size."""

from pathlib import Path

LARGEST_TABLE = 2**28
"""Bytes of a table of text, which is some million rows."""
LARGEST = 2**32
"""Bytes of a file of arrays or tensors."""


def read_bytes(path: Path, most: int = LARGEST) -> bytes:
    """Read a file, unless it is larger than any that is sensible.

    Parameters
    ----------
    path : Path
        The file.
    most : int
        Largest number of bytes.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it has more bytes.
    """
    with path.open("rb") as stream:
        # A file can be sparse, and declare terabytes that no disk holds; a device has no size at all.
        if path.stat().st_size <= most and len(content := stream.read(most + 1)) <= most:
            return content
    raise ValueError(f"it has more than {most} bytes")


def read_table(path: Path) -> str:
    """Read a table of text in UTF-8, with or without a byte-order mark, as ``read_bytes`` does."""
    return read_bytes(path, LARGEST_TABLE).decode("utf-8-sig")
