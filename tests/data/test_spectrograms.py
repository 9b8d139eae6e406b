"""Log-mel spectrograms: triangles of the filterbank, tones in their bands, clicks in their frames, and levels in decibels."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from contrastive_core.data.sound.mel import NUM_BANDS, NUM_FRAMES, filterbank, hertz, log_mel, mel

RATE = 8000


def corners(rate: int) -> list[float]:
    """Return the 26 corners of the bands from the definition of the mel scale."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    return [700 * (10 ** (top * i / 25 / 2595) - 1) for i in range(26)]


def tone(frequency: float, seconds: float, rate: int = RATE) -> NDArray[np.float64]:
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def test_a_thousand_mels_are_a_thousand_hertz() -> None:
    """If this fails, the scale is another one than its formula's; 1000 Hz are 999.99 mel by it."""
    assert float(mel(np.array(1000.0))) == pytest.approx(1000, abs=0.02)
    frequencies = np.linspace(0, 4000, 17)
    assert np.allclose(hertz(mel(frequencies)), frequencies, atol=1e-9)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_rows_of_the_filterbank_are_triangles(rate: int) -> None:
    """If this fails, bands have gaps or count some frequencies twice."""
    ends, bank = corners(rate), filterbank(rate, rate)  # a frequency per hertz
    assert bank.shape == (NUM_BANDS, rate // 2 + 1)
    for band in range(NUM_BANDS):
        low, middle, high = ends[band : band + 3]
        for frequency in range(0, rate // 2 + 1, 7):
            rising, falling = (frequency - low) / (middle - low), (high - frequency) / (high - middle)
            expected = rising if low <= frequency <= middle else falling if middle <= frequency <= high else 0.0
            assert bank[band, frequency] == pytest.approx(expected, abs=1e-9)
        # Half base times height; the sum over whole hertz is off by at most the slope's change at three corners, about 1/base each.
        assert bank[band].sum() == pytest.approx((high - low) / 2, abs=0.2)
    inside = bank[:, math.ceil(ends[1]) : math.floor(ends[24])]
    assert np.allclose(inside.sum(0), 1)  # neighbouring triangles add up to 1


@pytest.mark.parametrize("seconds", [0.15, 0.5, 2.3])
@pytest.mark.parametrize("rate", [8000, 22050])
def test_a_pure_tone_lights_its_band(seconds: float, rate: int) -> None:
    """If this fails, the axis of a spectrogram is not the frequency, or depends on how long somebody speaks."""
    ends = corners(rate)
    for band in range(1, NUM_BANDS):
        shown = log_mel(tone(ends[band + 1], seconds, rate), rate)
        assert shown.shape == (NUM_BANDS, NUM_FRAMES)
        assert shown.dtype == np.float32
        assert (shown[:, 1:-1].argmax(0) == band).all()


def test_no_band_is_empty_for_the_shortest_recording() -> None:
    """If this fails, a row of every spectrogram is silent, whatever is said: noise has power in every band."""
    noise = np.random.default_rng(0).standard_normal(400)
    assert float(log_mel(noise, RATE)[:, 2:-2].min()) > 0.3


def test_levels_are_decibels_below_the_loudest_whatever_the_volume() -> None:
    """If this fails, a whispered digit is another digit than a shouted one."""
    samples = tone(1000, 1.6)
    samples[len(samples) // 2 :] *= 10 ** (-20 / 20)  # 20 decibels less
    shown = log_mel(samples, RATE)
    band = int(shown[:, 4].argmax())
    loud, soft = shown[band, 2:14], shown[band, 18:30]
    # 80 decibels are 1; windows see the tone at another phase, which changes its power by parts in a thousand.
    assert np.allclose(loud - soft, 20 / 80, atol=1e-3)
    assert float(shown.max()) == 1.0
    assert float(shown.min()) >= 0.0
    assert np.allclose(log_mel(0.01 * samples, RATE), shown, atol=1e-6)
    assert not log_mel(np.zeros(1000), RATE).any()


@pytest.mark.parametrize("frame", [3, 16, 30])
def test_a_click_is_heard_in_its_frame_and_the_next(frame: int) -> None:
    """If this fails, time is stretched, reversed or cut off. A window is twice as long as the distance of frames."""
    samples = np.zeros(16000)
    samples[round((frame + 0.5) * 500)] = 1.0
    shown = log_mel(samples, RATE)
    assert int(shown.mean(0).argmax()) == frame
    heard = np.flatnonzero(shown.max(0) > 0)
    assert set(heard) <= {frame - 1, frame, frame + 1}


@pytest.mark.parametrize("count", [1, 2, 31, 300])
def test_short_recordings_have_spectrograms_too(count: int) -> None:
    """If this fails, a cut recording ends the loading of 3000 others."""
    shown = log_mel(np.ones(count), RATE)
    assert shown.shape == (NUM_BANDS, NUM_FRAMES)
    assert np.isfinite(shown).all()
