"""Small sets of colour pictures as binary records, archives of them, and MAT files."""

import gzip
import io
import tarfile
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

SIDE = 32
BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))


def drawn(count: int, seed: int) -> NDArray[np.uint8]:
    """Draw pictures of shape (count, channel, row, column)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8)


def record(labels: tuple[int, ...], picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture of shape (3, 32, 32) straight from the format's definition: labels, then red, green and blue, row by row."""
    return bytes(labels) + b"".join(bytes(row.tolist()) for plane in picture for row in plane)


def cifar10(count: int = 4) -> dict[str, bytes]:
    """Return the six files of CIFAR-10 with ``count`` records each; record i of file f has the label (f + i) mod 10."""
    return {
        name: b"".join(record(((number + i) % 10,), picture) for i, picture in enumerate(drawn(count, number)))
        for number, name in enumerate((*BATCHES, "test_batch.bin"))
    }


def cifar100(count: int = 12) -> dict[str, bytes]:
    """Return the two files of CIFAR-100; record i has the coarse label i mod 20 and the fine label 99 - i."""
    return {
        name: b"".join(record((i % 20, 99 - i), picture) for i, picture in enumerate(drawn(count, seed)))
        for seed, name in enumerate(("train.bin", "test.bin"))
    }


def svhn(count: int = 12) -> dict[str, bytes]:
    """Return the two files of SVHN; label i is i mod 10, with 10 for 0, as published."""
    labels = np.arange(count, dtype=np.uint8)[:, None] % 10
    return {
        name: mat({"X": np.transpose(drawn(count, seed), (2, 3, 1, 0)), "y": np.where(labels == 0, 10, labels).astype(np.uint8)})
        for seed, name in enumerate(("train_32x32.mat", "test_32x32.mat"))
    }


def mat(arrays: Mapping[str, NDArray[np.generic]], compressed: bool = True) -> bytes:
    """Encode arrays as a MAT file of version 5."""
    stream = io.BytesIO()
    savemat(stream, dict(arrays), do_compression=compressed)
    return stream.getvalue()


def archive(files: Mapping[str, bytes], folder: str) -> bytes:
    """Pack files into a .tar.gz, in a folder and with another file beside them, as the published archives have it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as packed:
        for name, content in {"readme.html": b"<html>", **files}.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)
