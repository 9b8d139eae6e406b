"""WAV files of speech: one channel of 16-bit samples."""

import io
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.formats.opening import AGAIN
from contrastive_core.errors import DataError
from contrastive_core.files.bounded import read_bytes

_LARGEST = 2**22
"""Bytes of a recording, which are some minutes at 8 kHz."""
_RATES = (1000, 192_000)
"""Slowest and fastest sampling, in hertz."""


class Recording(NamedTuple):
    """Recorded samples.

    Attributes
    ----------
    rate : int
        Samples per second.
    samples : ndarray of shape (n,)
        Sound pressure, in units of the largest that the file can hold.
    content : bytes
        The file's bytes.
    """

    rate: int
    samples: NDArray[np.float64]
    content: bytes


def read_wav(path: Path) -> Recording:
    """Read a recording.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Recording
        Its samples and their rate.

    Raises
    ------
    DataError
        If it cannot be read, is damaged or empty, or has another number of channels or bits.
    """
    try:
        content = read_bytes(path, _LARGEST)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    except ValueError as error:
        raise DataError(f"{path}: is no recording of a word, because {error}; check the path") from error
    try:
        with wave.open(io.BytesIO(content)) as stream:
            form = stream.getparams()
            data = stream.readframes(form.nframes)
    # A size beyond the end of the file is a RuntimeError or an EOFError without a word.
    except (wave.Error, EOFError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be read as a WAV file ({str(error) or 'it ends too early'}); {AGAIN}") from error
    if (form.nchannels, form.sampwidth) != (1, 2):
        found = f"{form.nchannels} channels of {8 * form.sampwidth} bits"
        raise DataError(f"{path}: {found}, expected 1 channel of 16 bits; convert the recording")
    slowest, fastest = _RATES
    if not slowest <= form.framerate <= fastest:
        raise DataError(f"{path}: {form.framerate} samples per second, expected {slowest} to {fastest}; convert the recording")
    if len(data) != 2 * form.nframes or not data:
        raise DataError(f"{path}: truncated or empty, {len(data)} bytes of sound, expected {2 * form.nframes} and at least 2; {AGAIN}")
    return Recording(form.framerate, np.frombuffer(data, "<i2") / 32768, content)
