r"""Log-mel spectrograms: energies of a recording in bands that are equally wide to the ear, in equal parts of its length."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft, rfftfreq
from scipy.signal.windows import hann

NUM_BANDS, NUM_FRAMES = 24, 32
_SHORTEST_WINDOW = 0.032
"""Seconds; shorter windows do not tell the lowest bands apart."""
_RANGE = 80.0
"""Decibels below the loudest energy that are still told from silence."""


def log_mel(samples: NDArray[np.float64], rate: int) -> NDArray[np.float32]:
    r"""Return the spectrogram of a whole recording, whatever its length and loudness.

    Hann windows, evenly spread over the recording and twice as long as their distance (at least 32 ms), give the power :math:`p` in
    each band. The result is :math:`1 + \max(-80, 10\log_{10}(p/p_{\max}))/80`, decibels below the loudest band on a scale from 0 to 1.

    Parameters
    ----------
    samples : ndarray of shape (n,)
        Sound pressure, n at least 1.
    rate : int
        Samples per second.

    Returns
    -------
    ndarray of shape (24, 32)
        Bands, lowest first, by frames, in [0, 1]; zeros if the recording is silent.
    """
    length = max(int(2 * len(samples) / NUM_FRAMES), round(_SHORTEST_WINDOW * rate), 2)
    centres = (np.arange(NUM_FRAMES) + 0.5) * len(samples) / NUM_FRAMES
    starts = np.round(centres - length / 2).astype(np.int64) + length  # in the recording with a window of silence on both sides
    padded = np.pad(samples, length)
    frames = padded[starts[:, None] + np.arange(length)] * hann(length, sym=False)  # (32, length)
    # Twice the length: the lowest bands are narrower than the distance of two frequencies of the shortest window.
    num_points = next_fast_len(2 * length, real=True)
    power = np.square(np.abs(rfft(frames, num_points)))  # (32, num_points // 2 + 1)
    energies = filterbank(rate, num_points) @ power.T  # (24, 32)
    loudest = energies.max()
    if loudest == 0:
        return np.zeros((NUM_BANDS, NUM_FRAMES), np.float32)
    decibels = 10 * np.log10(np.maximum(energies / loudest, 10 ** (-_RANGE / 10)))
    levels: NDArray[np.float32] = (1 + decibels / _RANGE).astype(np.float32)
    return levels


@lru_cache(maxsize=256)
def filterbank(rate: int, num_points: int) -> NDArray[np.float64]:
    r"""Return the weights of frequencies in each band.

    Band b is a triangle over frequency that rises from 0 at :math:`f_b` to 1 at :math:`f_{b+1}` and falls to 0 at :math:`f_{b+2}`. The
    corners :math:`f_0 \dots f_{25}` are equally spaced from 0 to half the rate on the mel scale.

    Parameters
    ----------
    rate : int
        Samples per second.
    num_points : int
        Points of the Fourier transform.

    Returns
    -------
    ndarray of shape (24, num_points // 2 + 1)
        Weights in [0, 1].
    """
    corners = hertz(np.linspace(0, mel(np.array(rate / 2)), NUM_BANDS + 2))[:, None]
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    frequencies = rfftfreq(num_points, 1 / rate)
    weights: NDArray[np.float64] = np.maximum(0, np.minimum((frequencies - low) / (middle - low), (high - frequencies) / (high - middle)))
    return weights


def mel(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return frequencies in hertz on the mel scale, :math:`2595 \log_{10}(1 + f/700)` (O'Shaughnessy, 1987, Speech Communication)."""
    return 2595 * np.log10(1 + frequency / 700)


def hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frequencies in hertz of values on the mel scale."""
    return 700 * (10 ** (mels / 2595) - 1)
