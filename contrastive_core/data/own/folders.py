"""Folders with a folder for each class, of pictures or of WAV recordings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.division import PARTS
from contrastive_core.data.formats.wav import read_wav
from contrastive_core.data.own.kinds import ChosenColumns, OwnArrays
from contrastive_core.data.sound.mel import NUM_BANDS, NUM_FRAMES, log_mel
from contrastive_core.errors import DataError, InputError
from contrastive_core.files.bounded import LARGEST

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
SOUNDS = (".wav",)
_GREY = ("1", "L")
_COLOUR = ("P", "RGB", "RGBA", "LA", "CMYK", "YCbCr")
_MOST = 1_000_000
"""Files of a folder."""
_PARTS = ", ".join(PARTS)


class _File(NamedTuple):
    """A file with its class, and its split where folders of splits are above those of classes."""

    path: Path
    label: str
    part: str


def read_folder(name: str, columns: ChosenColumns) -> OwnArrays:
    """Read a folder that has a folder for each class, or ``train``, ``validation`` and ``test`` with a folder for each class.

    Pictures must be of one size, or are scaled to one by bilinear interpolation over the pixels that fall together. They are grey if all
    files are, and have three channels otherwise, with values divided by 255. Recordings become log-mel spectrograms.

    Raises
    ------
    DataError
        If there is no such folder, it holds other files, or a file is damaged.
    InputError
        If pictures differ in size, or there are pictures and recordings.
    """
    if columns.task == "regression":
        raise InputError("a folder for each class is a classification, got --task regression; leave it out")
    root = Path(name)
    files = _files(root)
    inputs, what = read_media([file.path for file in files], columns.size)
    arrays: dict[str, Any] = {"inputs": inputs, "labels": np.array([file.label for file in files])}
    if files[0].part:
        arrays["split"] = np.array([file.part for file in files])
    return OwnArrays(arrays, f"{root.name}, {what} in folders of classes")


def read_media(paths: Sequence[Path], size: tuple[int, ...]) -> tuple[NDArray[np.float32], str]:
    """Read pictures or recordings.

    Parameters
    ----------
    paths : sequence of Path
        Files, at least one.
    size : tuple of int
        Height and width to which pictures are scaled; empty for pictures as they are.

    Returns
    -------
    tuple of ndarray of shape (N, C, H, W) and str
        Pixels in [0, 1] or spectrograms, and what they are in words.

    Raises
    ------
    DataError
        If a file is neither, or damaged.
    InputError
        If pictures differ in size, or there are pictures and recordings.
    """
    for path in paths:
        if path.suffix.lower() not in (*PICTURES, *SOUNDS) or not path.is_file():
            raise DataError(f"{path} is neither a picture ({', '.join(PICTURES)}) nor a WAV file; take it out of the folder")
    kinds = {path.suffix.lower() in SOUNDS for path in paths}
    if len(kinds) > 1:
        raise InputError(f"{paths[0].parent} has pictures and recordings; a data set is of either")
    if kinds == {True}:
        spectrograms = np.stack([_spectrogram(path) for path in paths])
        return spectrograms, f"log-mel spectrograms of {NUM_BANDS} bands and {NUM_FRAMES} frames"
    return _pictures(paths, size), "pictures"


def _files(root: Path) -> list[_File]:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; --data takes the name of a data set or the path of one's own")
    folders = _folders(root)
    divided = {folder.name for folder in folders} & {*PARTS}
    if divided and len(divided) < len(folders):
        others = next(folder.name for folder in folders if folder.name not in PARTS)
        raise InputError(f"{root} has the folders {sorted(divided)[0]} and {others}; give a folder for each class, or for each of {_PARTS}")
    if divided and len(divided) < len(PARTS):
        raise InputError(
            f"{root} has a folder for {', '.join(sorted(divided))} alone; give one for each of {_PARTS}, or one for each class"
        )
    parts = [(folder.name, one) for folder in folders for one in _folders(folder)] if divided else [("", folder) for folder in folders]
    found = []
    for part, folder in parts:
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        if not inside:
            raise DataError(f"{folder} is empty; give files of this class, or remove the folder")
        found += [_File(path, folder.name, part) for path in inside]
    if not found:
        raise DataError(f"{root} has no folders of classes; put pictures or WAV files into a folder for each class")
    if len(found) > _MOST:
        raise DataError(f"{root} has more than {_MOST} files; give fewer")
    return found


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _spectrogram(path: Path) -> NDArray[np.float32]:
    sound = read_wav(path)
    return log_mel(sound.samples, sound.rate)[None]


def _pictures(paths: Sequence[Path], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Return pictures of shape (N, C, H, W) in [0, 1]."""
    found = [_pixels(path, size) for path in paths]
    sizes = [one.shape[1::-1] for one in found]
    odd = next((place for place, size in enumerate(sizes) if size != sizes[0]), None)
    if odd is not None:
        first, other = ("x".join(map(str, sizes[place])) for place in (0, odd))
        raise InputError(f"{paths[odd]} has {other} pixels, and {paths[0]} {first}; scale all to one size, such as --picture-size 32,32")
    depth = max(one.shape[2] for one in found)
    if 4 * depth * found[0][..., 0].size * len(found) > LARGEST:
        raise DataError(
            f"{len(paths)} pictures of {'x'.join(map(str, sizes[0]))} take more than {LARGEST} bytes; give fewer or smaller ones"
        )
    whole = np.stack([np.broadcast_to(one, (*one.shape[:2], depth)) for one in found])
    return np.moveaxis(whole, 3, 1).astype(np.float32) / np.float32(255)


def _pixels(path: Path, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return a picture of shape (H, W, 1) or (H, W, 3)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a picture of absurd size is a warning first
            with Image.open(path) as picture:
                if picture.mode not in (*_GREY, *_COLOUR):
                    raise InputError(f"{path} has pixels of mode {picture.mode}; give 8 bits for each channel")
                grey = picture.mode in _GREY
                taken = picture.convert("L" if grey else "RGB")
                pixels = np.asarray(taken.resize((size[1], size[0]), Image.Resampling.BILINEAR) if size else taken)
    except InputError:
        raise
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as a picture ({str(error).strip():.120}); save it again, or take it out") from error
    return pixels[..., None] if grey else pixels
