"""Small image sets as IDX files."""

from pathlib import Path

import numpy as np

from contrastive_core.data.published import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS

NUM_TRAIN, NUM_TEST, HEIGHT, WIDTH = 24, 10, 3, 2


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    """Encode an array as an IDX file, straight from the format's definition."""
    return bytes([0, 0, code, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def small_arrays() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(3)
    return {
        TRAIN_IMAGES: draw.integers(0, 256, (NUM_TRAIN, HEIGHT, WIDTH), dtype=np.uint8),
        TRAIN_LABELS: np.arange(NUM_TRAIN, dtype=np.uint8) % 10,
        TEST_IMAGES: draw.integers(0, 256, (NUM_TEST, HEIGHT, WIDTH), dtype=np.uint8),
        TEST_LABELS: np.arange(NUM_TEST, dtype=np.uint8)[::-1].copy(),
    }


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder
