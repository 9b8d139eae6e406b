"""Recordings of spoken digits in a folder, listed by their names and examined."""

import re
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from contrastive_core.data.formats.wav import read_wav
from contrastive_core.errors import DataError

NAME = "spoken-digits"
"""Name of the data set."""
_PATTERN = re.compile(r"([0-9])_(.+)_([0-9]{1,9})\.wav")
_MOST = 100_000


class Recordings(NamedTuple):
    """Recordings of a folder, in the order of their names.

    Attributes
    ----------
    folder : Path
        The folder.
    paths : tuple of Path
        Files.
    digits, indices : tuple of int
        Spoken digit, and number of the recording among those of its speaker and digit.
    speakers : tuple of str
        Name of the speaker of each.
    """

    folder: Path
    paths: tuple[Path, ...]
    digits: tuple[int, ...]
    speakers: tuple[str, ...]
    indices: tuple[int, ...]


def find_recordings(data_dir: Path | None) -> Recordings:
    """List the recordings of a folder by their names.

    Raises
    ------
    DataError
        If no folder is given or there is none, it holds no recordings or more than any such data set, or a WAV file has another name.
    """
    if data_dir is None:
        raise DataError(
            f"{NAME} is not downloaded; give --data-dir with files digit_speaker_index.wav, such as the folder 'recordings' of the "
            "Free Spoken Digit Dataset, https://github.com/Jakobovski/free-spoken-digit-dataset"
        )
    folder = next((path for path in (data_dir / NAME, data_dir / "recordings") if path.is_dir()), data_dir)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; {NAME} needs files digit_speaker_index.wav there")
    paths = tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() == ".wav"))
    if not 0 < len(paths) <= _MOST:
        raise DataError(f"{folder}: {len(paths)} WAV files, expected 1 to {_MOST} with names digit_speaker_index.wav; check the folder")
    named = [_PATTERN.fullmatch(path.name) for path in paths]
    for path, match in zip(paths, named, strict=True):
        if match is None:
            raise DataError(f"{path}: expected a name digit_speaker_index.wav such as 7_jackson_32.wav; rename the file or move it away")
    digits, speakers, indices = zip(*(match.groups() for match in named if match is not None), strict=True)
    return Recordings(folder, paths, tuple(map(int, digits)), speakers, tuple(map(int, indices)))


def examine(data_dir: Path | None) -> tuple[Recordings, int, str]:
    """Read every recording, and return them with their bytes and a SHA-256 over all, in the order of their names.

    Raises
    ------
    DataError
        If one is damaged, or the folder is none of recordings.
    """
    found, size, total = find_recordings(data_dir), 0, sha256()
    for path in found.paths:
        content = read_wav(path).content
        size += len(content)
        total.update(f"{path.name} {len(content)}\n".encode())
        total.update(content)
    return found, size, total.hexdigest()
