"""Diluted patterns and noisy examples of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contrastive_core.errors import DataError, InputError
from contrastive_core.expect import expect_whole
from contrastive_core.files.arrays import load_array
from contrastive_core.guards.memory import require_memory
from contrastive_core.guards.typed import typed
from hebbian.arrays import Entries
from hebbian.theory.ensemble import check_dilutions, check_examples_asked, diluted_ensemble

Seed = int | np.random.Generator


def draws_of(seed: Seed) -> np.random.Generator:
    """Return a generator as it is, or that of a seed of at least 0."""
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng(expect_whole(seed, "seed", "0 is usual", least=0))


"""Source of random draws; equal integers give equal draws."""


@typed()
def draw_patterns(num_patterns: int, num_spins: int, dilution: float | Sequence[float], seed: Seed) -> Entries:
    r"""Draw patterns with independent entries, :math:`P(\pm1) = (1-d)/2` and :math:`P(0) = d`.

    Parameters
    ----------
    num_patterns, num_spins : int
        K and N.
    dilution : float or sequence of float
        d, for all patterns or for each.
    seed : int or Generator
        Source of the draws.

    Returns
    -------
    ndarray of int8, shape (K, N)
        The patterns.

    Raises
    ------
    InputError
        If a dilution is outside [0, 1], a count is not positive, or the patterns need more than the memory of the machine.
    """
    values = check_dilutions(dilution, num_patterns)
    _check_spins(num_spins)
    size = f"{num_patterns} patterns of {num_spins} spins need"
    require_memory(num_spins * (num_patterns + 10), size, "take fewer")  # a byte per entry, and a row of draws
    generator = draws_of(seed)
    patterns = generator.integers(0, 2, size=(num_patterns, num_spins), dtype=np.int8)
    patterns *= np.int8(2)  # in place, and row by row: patterns may fill most of the memory
    patterns -= np.int8(1)
    for row, fraction in zip(patterns, values, strict=True):
        row *= generator.random(num_spins) >= fraction
    return patterns


def stratified_patterns(num_patterns: int, num_spins: int, dilution: float | Sequence[float], seed: Seed) -> Entries:
    """Return patterns whose joint entries occur exactly as often as expected, in random places.

    Each of the up to 3^K types of a site occurs N times its probability, rounded by largest remainders. Only rounding is left of the
    quenched noise, so that the theory of the infinite network applies to one instance.

    Parameters
    ----------
    num_patterns, num_spins : int
        K and N; there must be at least as many spins as types.
    dilution : float or sequence of float
        d, for all patterns or for each.
    seed : int or Generator
        Seed of the order of sites.

    Returns
    -------
    ndarray of int8, shape (K, N)
        The patterns.

    Raises
    ------
    InputError
        If a dilution is outside [0, 1] or there are more types than spins.
    """
    _check_spins(num_spins)
    ensemble = diluted_ensemble(num_patterns, dilution)
    if len(ensemble.weights) > num_spins:
        raise InputError(
            f"{num_patterns} patterns have {len(ensemble.weights)} types of site, more than the {num_spins} spins; "
            "use fewer patterns or more spins; only stratified patterns need as many"
        )
    ideal = ensemble.weights * num_spins
    counts = np.floor(ideal).astype(np.int64)
    missing = num_spins - int(counts.sum())
    counts[np.argsort(counts - ideal, kind="stable")[:missing]] += 1
    sites = np.repeat(ensemble.types.astype(np.int8), counts, axis=0)  # (N, K)
    return np.ascontiguousarray(draws_of(seed).permutation(sites).T)


@typed()
def draw_examples(patterns: ArrayLike, quality: float, num_examples: int, seed: Seed) -> Entries:
    r"""Draw noisy examples :math:`\eta = \chi \xi` with :math:`P(\chi = \pm1) = (1 \pm r)/2`; blank entries stay blank.

    Parameters
    ----------
    patterns : array of shape (K, N)
        The archetypes, with entries in {-1, 0, 1}.
    quality : float
        r in (0, 1]: the mean overlap of an example with its pattern, relative to the pattern's own.
    num_examples : int
        Number M of examples of each pattern, positive.
    seed : int or Generator
        Source of the draws.

    Returns
    -------
    ndarray of int8, shape (K, M, N)
        The examples.

    Raises
    ------
    InputError
        If the patterns are malformed, r is outside (0, 1] or M is not positive.
    """
    archetypes = check_patterns(patterns)
    check_examples_asked(quality, num_examples)
    generator = draws_of(seed)
    shape = (archetypes.shape[0], num_examples, archetypes.shape[1])
    kept = generator.random(shape, dtype=np.float32) < (1 + quality) / 2
    return np.where(kept, archetypes[:, None, :], -archetypes[:, None, :])


def binarise_images(images: ArrayLike, threshold: float = 0.5) -> Entries:
    """Turn grey images into undiluted patterns: 1 above the threshold, -1 elsewhere.

    Parameters
    ----------
    images : array of shape (K, ...)
        Grey values, in any units.
    threshold : float
        Threshold as a fraction of the range between the darkest and the brightest value of all images.

    Returns
    -------
    ndarray of int8, shape (K, N)
        One pattern per image, its pixels in a row.

    Raises
    ------
    InputError
        If there is no image, values are not finite or all equal, or the threshold is outside (0, 1).
    """
    values = np.asarray(images, dtype=np.float64)
    if values.ndim < 2 or values.size == 0:
        raise InputError(f"images must have shape (number, height, width) or (number, pixels), got {values.shape}")
    if not 0 < threshold < 1:
        raise InputError(f"threshold must lie in (0, 1), got {threshold}; it is a fraction of the images' range")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError("images must be finite and not all of one grey, or no threshold divides them")
    bright = values.reshape(len(values), -1) > low + threshold * (high - low)
    return np.where(bright, 1, -1).astype(np.int8)


def check_patterns(patterns: ArrayLike) -> Entries:
    """Return patterns as int8 after checking them.

    Parameters
    ----------
    patterns : array of shape (K, N)
        Candidate patterns.

    Returns
    -------
    ndarray of int8, shape (K, N)
        Patterns with the same values; the array itself, if it is int8.

    Raises
    ------
    InputError
        If the shape is not (K, N) or an entry is not -1, 0 or 1.
    """
    values = np.asarray(patterns)
    if values.ndim != 2 or values.size == 0:
        raise InputError(f"patterns must have shape (patterns, spins) and not be empty, got {values.shape}")
    _check_entries(values, "patterns")
    return values.astype(np.int8, copy=False)


def check_examples(examples: ArrayLike) -> Entries:
    """Return examples, of shape (K, M, N), as int8 after checking them.

    Raises
    ------
    InputError
        If the shape is not (K, M, N) or an entry is not -1, 0 or 1.
    """
    values = np.asarray(examples)
    if values.ndim != 3 or values.size == 0:
        raise InputError(f"examples must have shape (patterns, examples, spins) and not be empty, got {values.shape}")
    _check_entries(values, "examples")
    return values.astype(np.int8)


def load_patterns(path: str | Path) -> Entries:
    """Read patterns from an ``.npy`` file of shape (K, N) with entries in {-1, 0, 1}.

    Raises
    ------
    DataError
        If the file is missing, is no array of numbers, or does not hold patterns.
    """
    try:
        values = load_array(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} is not an .npy array of numbers ({error}); write one with numpy.save") from error
    try:
        return check_patterns(values)
    except InputError as error:
        raise DataError(f"{path}: {error}") from error


def _check_entries(values: NDArray[np.generic], what: str) -> None:
    for row in values.reshape(-1, values.shape[-1]):  # masks of all of them at once could be as large as what is left of the memory
        wrong = ~np.isin(row, (-1, 0, 1))
        if bool(wrong.any()):
            raise InputError(f"{what} must have entries -1, 0 and 1 only, got {row[wrong][0]}; threshold the data first")


def _check_spins(num_spins: int) -> None:
    if num_spins < 1:
        raise InputError(f"the number of spins must be at least 1, got {num_spins}")
