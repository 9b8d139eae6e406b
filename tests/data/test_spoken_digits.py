"""Folders of spoken digits: which recording is in which split, and one sentence for every file that is none."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from contrastive_core.data import DATASETS
from contrastive_core.data.files import fetch
from contrastive_core.data.formats.wav import read_wav
from contrastive_core.data.sound.mel import log_mel
from contrastive_core.data.sound.spoken_digits import load
from contrastive_core.data.splits import Splits
from contrastive_core.data.verification import verify
from contrastive_core.errors import DataError, InputError

SPEAKERS = ("ada", "kurt_g", "emmy")
NUM_RECORDINGS = 12


def wav(samples: NDArray[np.int16], rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return stream.getvalue()


def spoken(digit: int, speaker: str, index: int) -> NDArray[np.int16]:
    """Return a tone whose frequency names the recording, so that every spectrogram is another."""
    number = (SPEAKERS.index(speaker) * 10 + digit) * NUM_RECORDINGS + index
    return np.round(9000 * np.sin(2 * np.pi * (200 + 9.7 * number) * np.arange(400) / 8000)).astype(np.int16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of three speakers; ``digits`` 0 and 1 and 7 only, which are enough."""
    folder = tmp_path_factory.mktemp("spoken")
    for speaker in SPEAKERS:
        for digit in (0, 1, 7):
            for index in range(NUM_RECORDINGS):
                (folder / f"{digit}_{speaker}_{index}.wav").write_bytes(wav(spoken(digit, speaker, index)))
    (folder / "README.md").write_text("not a recording")
    return folder


def named(splits: Splits) -> list[set[tuple[int, str, int]]]:
    """Recognise the recordings of each split by their spectrograms, and check their labels."""
    names = {
        log_mel(spoken(digit, speaker, index) / 32768, 8000).tobytes(): (digit, speaker, index)
        for speaker in SPEAKERS
        for digit in (0, 1, 7)
        for index in range(NUM_RECORDINGS)
    }
    parts = []
    for split in splits[:3]:
        found = [names[row.numpy().tobytes()] for row in split.inputs]
        assert [digit for digit, _, _ in found] == split.labels.tolist()
        assert len(set(found)) == len(found)
        parts.append(set(found))
    return parts


def test_the_published_split_is_by_index(folder: Path) -> None:
    """If this fails, an error cannot be laid beside those of others, or a recording is trained on and tested on."""
    splits = DATASETS["spoken-digits"](folder, 0)
    assert splits.shape == (1, 24, 32)
    train, validation, test = named(splits)
    assert {index for _, _, index in test} == {0, 1, 2, 3, 4}
    assert {index for _, _, index in validation} == {5, 6, 7, 8, 9}
    assert {index for _, _, index in train} == {10, 11}
    assert (len(train), len(validation), len(test)) == (18, 45, 45)
    assert DATASETS["spoken-digits"](folder, 1).digest == splits.digest
    assert len(set(splits.train.labels[:9].tolist())) == 3  # the first samples, which --train-size keeps, are not of one class


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_a_speaker_left_out_is_tested_on_and_never_trained_on(speaker: str, folder: Path) -> None:
    """If this fails, a network that knows the speaker is said to understand a stranger."""
    train, validation, test = named(load(folder, 0, left_out=speaker))
    assert {name for _, name, _ in test} == {speaker}
    assert len(test) == 36
    assert {name for _, name, _ in train | validation} == set(SPEAKERS) - {speaker}
    assert {index for _, _, index in validation} == {0, 1, 2, 3, 4}
    assert {index for _, _, index in train} == set(range(5, 12))


def test_samples_are_those_of_the_file(tmp_path: Path) -> None:
    """If this fails, the sound is read with the wrong width or sign."""
    (tmp_path / "one.wav").write_bytes(wav(np.array([0, 1, -1, 32767, -32768], np.int16), 16000))
    rate, samples, _ = read_wav(tmp_path / "one.wav")
    assert rate == 16000
    assert samples.tolist() == [0, 2**-15, -(2**-15), 1 - 2**-15, -1]


def test_a_folder_beside_others_is_found(folder: Path, tmp_path: Path) -> None:
    """If this fails, a clone of the published repository has to be searched by hand."""
    (tmp_path / "recordings").symlink_to(folder)
    assert DATASETS["spoken-digits"](tmp_path, 0).digest == DATASETS["spoken-digits"](folder, 0).digest


GOOD = wav(np.arange(400, dtype=np.int16))
BAD = {
    "no WAV": (b"<!DOCTYPE html>", "cannot be read as a WAV file (file does not start with RIFF id); copy"),
    "empty": (b"", "cannot be read as a WAV file (it ends too early); copy"),
    "header only": (GOOD[:30], "cannot be read as a WAV file ("),
    "cut short": (GOOD[:-100], "truncated or empty, 700 bytes of sound, expected 800 and at least 2; copy"),
    "no sound": (wav(np.zeros(0, np.int16)), "truncated or empty, 0 bytes of sound, expected 0 and at least 2; copy"),
    "two channels": (wav(np.zeros(4, np.int16), channels=2), "2 channels of 16 bits, expected 1 channel of 16 bits; convert"),
    "eight bits": (wav(np.zeros(4, np.int16), width=1), "1 channels of 8 bits, expected 1 channel of 16 bits; convert"),
    "too slow": (wav(np.zeros(4, np.int16), rate=10), "10 samples per second, expected 1000 to 192000; convert"),
    "too fast": (wav(np.zeros(4, np.int16), rate=2**28), "268435456 samples per second, expected 1000 to 192000; convert"),
    "too long": (GOOD + bytes(2**22), "is no recording of a word, because it has more than 4194304 bytes; check the path"),
}


@pytest.mark.parametrize("case", BAD)
def test_each_damage_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    """The sentence names the file, what was found and what was expected; damaged data must never become an experiment."""
    content, sentence = BAD[case]
    for index in range(12):
        (tmp_path / f"3_ada_{index}.wav").write_bytes(GOOD)
    path = tmp_path / "3_ada_7.wav"
    path.write_bytes(content)
    with pytest.raises(DataError) as refusal:
        DATASETS["spoken-digits"](tmp_path, 0)
    assert str(refusal.value).startswith(f"{path}: {sentence}")
    assert "\n" not in str(refusal.value)
    assert verify("spoken-digits", tmp_path)[0].problem == str(refusal.value)


def test_a_wav_file_with_any_damaged_byte_is_read_or_refused(tmp_path: Path) -> None:
    """If this fails, one flipped bit on a disk is a traceback of somebody else's code."""
    draw, refused = np.random.default_rng(0), 0
    for place in (*range(44), *draw.integers(0, len(GOOD), 20).tolist()):
        for value in (0, 255, int(draw.integers(0, 256))):
            damaged = bytearray(GOOD)
            damaged[place] = value
            (tmp_path / "a.wav").write_bytes(damaged)
            try:
                assert np.isfinite(log_mel(read_wav(tmp_path / "a.wav").samples, 8000)).all()
            except DataError:
                refused += 1
    assert refused > 40


def test_folders_that_are_none_are_refused(folder: Path, tmp_path: Path) -> None:
    """If this fails, a slip in a path is a traceback, or an empty split is divided by."""
    read = DATASETS["spoken-digits"]
    with pytest.raises(DataError, match=r"spoken-digits is not downloaded; give --data-dir with files digit_speaker_index.wav"):
        read(None, 0)
    with pytest.raises(DataError, match="spoken-digits is not downloaded"):
        fetch("spoken-digits")
    with pytest.raises(DataError, match="absent: no such folder"):
        read(tmp_path / "absent", 0)
    with pytest.raises(DataError, match="0 WAV files, expected 1 to 100000"):
        read(tmp_path, 0)
    (tmp_path / "12_ada_0.wav").write_bytes(GOOD)
    with pytest.raises(DataError, match=r"12_ada_0.wav: expected a name digit_speaker_index.wav such as 7_jackson_32.wav; rename"):
        read(tmp_path, 0)
    (tmp_path / "12_ada_0.wav").rename(tmp_path / "1_ada_0.wav")
    with pytest.raises(DataError, match="0, 0, 1 recordings for training, validation and testing, expected at least 1 each"):
        read(tmp_path, 0)
    with pytest.raises(InputError, match=r"nobody called 'eve' speaks in .*; the speakers are ada, emmy, kurt_g"):
        load(folder, 0, left_out="eve")


def test_verify_reports_the_whole_folder(folder: Path) -> None:
    """If this fails, a damaged download of 3000 files is found by the training."""
    (report,) = verify("spoken-digits", folder)
    assert (report.name, report.path, report.num_samples, report.published, report.problem) == ("*.wav", folder, 108, None, None)
    assert report.num_bytes == 108 * len(wav(np.zeros(400, np.int16)))
    assert fetch("spoken-digits", folder) == {}
    assert torch.is_tensor(DATASETS["spoken-digits"](folder, 0).train.inputs)
