"""Spoken digits: a folder of recordings named as in the Free Spoken Digit Dataset, as log-mel spectrograms."""

from pathlib import Path

import numpy as np
import torch

from contrastive_core.data.catalog import describe
from contrastive_core.data.division import fixed_order
from contrastive_core.data.formats.wav import read_wav
from contrastive_core.data.sound.mel import NUM_BANDS, NUM_FRAMES, log_mel
from contrastive_core.data.sound.recordings import NAME, find_recordings
from contrastive_core.data.splits import Split, Splits, assemble
from contrastive_core.errors import DataError, InputError

# Recordings 0 to 4 of each speaker and digit are the published test split; the next five are as many for validation.
_NUM_TEST, _NUM_HELD_OUT = 5, 10


def load(data_dir: Path | None, seed: int, *, left_out: str | None = None) -> Splits:
    """Load the recordings as spectrograms of 24 bands and 32 frames.

    Parameters
    ----------
    data_dir : Path, optional
        Folder of files ``digit_speaker_index.wav``, or one with a subfolder ``recordings`` or ``spoken-digits`` that has them. It has to be
        given: recordings are not downloaded.
    seed : int
        Not used: the split is the same for every seed.
    left_out : str, optional
        Speaker whose recordings are the test split; recordings 0 to 4 of the others, of each digit, are validation. None takes recordings
        0 to 4 of all speakers as the test split, as published, and 5 to 9 as validation.

    Returns
    -------
    Splits
        Inputs of shape (N, 768) in [0, 1]; 2400, 300 and 300 samples of the published 3000 recordings.

    Raises
    ------
    DataError
        If no folder is given, a file is damaged or has another name, or a split would be empty.
    InputError
        If there is no such speaker.
    """
    entry, found = describe(NAME), find_recordings(data_dir)
    if left_out is not None and left_out not in found.speakers:
        raise InputError(f"nobody called {left_out!r} speaks in {found.folder}; the speakers are {', '.join(sorted(set(found.speakers)))}")
    inputs = np.stack([log_mel(sound.samples, sound.rate).ravel() for sound in map(read_wav, found.paths)])
    samples = Split(torch.from_numpy(inputs), torch.tensor(found.digits))
    indices, speakers = np.array(found.indices), np.array(found.speakers)
    if left_out is None:
        test, validation = indices < _NUM_TEST, (indices >= _NUM_TEST) & (indices < _NUM_HELD_OUT)
        division = "recordings 0 to 4 of each speaker and digit for testing, 5 to 9 as validation"
    else:
        test = speakers == left_out
        validation = ~test & (indices < _NUM_TEST)
        division = f"{left_out} for testing, recordings 0 to 4 of the other speakers as validation"
    order = fixed_order(len(indices))
    parts = [order[chosen[order]] for chosen in (~test & ~validation, validation, test)]
    if not all(map(len, parts)):
        sizes = ", ".join(str(len(part)) for part in parts)
        raise DataError(
            f"{found.folder}: {sizes} recordings for training, validation and testing, expected at least 1 each; "
            "add recordings, or leave no speaker out"
        )
    train, validation_split, test_split = (Split(samples.inputs[part], samples.labels[part]) for part in map(torch.from_numpy, parts))
    return assemble(
        train,
        validation_split,
        test_split,
        num_classes=entry.num_classes,
        source=f"{NAME}: {len(indices)} recordings, log-mel spectrograms of {NUM_BANDS} bands and {NUM_FRAMES} frames, {division}",
        shape=(1, NUM_BANDS, NUM_FRAMES),
    )
