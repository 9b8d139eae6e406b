"""Kuzushiji-MNIST: cursive Japanese characters in MNIST's format."""

from pathlib import Path

from contrastive_core.data.folder import load_folder
from contrastive_core.data.splits import Splits


def load(data_dir: Path | None, seed: int) -> Splits:
    """Load the images from a folder, or download them once if none is given.

    Parameters
    ----------
    data_dir : Path, optional
        Folder with the four IDX files; None uses the download cache, and fills it where files are missing.
    seed : int
        Not used: the split is the same for every seed.

    Returns
    -------
    Splits
        55000, 5000 and 10000 images of 784 inputs in [0, 1] (pixel / 255); validation is the end of the published training images.

    Raises
    ------
    DataError
        If a file is missing, damaged or not what its name says, or cannot be downloaded.
    """
    return load_folder("kmnist", data_dir)
