"""Patterns and examples: their statistics, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrastive_core.errors import DataError, InputError
from hebbian.patterns import (
    binarise_images,
    check_examples,
    check_patterns,
    draw_examples,
    draw_patterns,
    load_patterns,
    stratified_patterns,
)
from hebbian.theory.ensemble import Convention, diluted_ensemble, empirical_ensemble


def test_independent_entries_have_the_stated_frequencies() -> None:
    """A wrong dilution would shift every overlap and critical temperature."""
    dilutions = [0.0, 0.3, 0.9]
    patterns = draw_patterns(3, 40_000, dilutions, seed=1)
    for row, dilution in zip(patterns, dilutions, strict=True):
        blank, mean = np.mean(row == 0), np.mean(row)
        # Binomial standard errors, z = 4.5: a chance of 7e-6 each; a dilution off by 0.012 would be seen.
        assert abs(blank - dilution) <= 4.5 * np.sqrt(dilution * (1 - dilution) / row.size)
        assert abs(mean) <= 4.5 * np.sqrt((1 - dilution) / row.size)


def test_stratified_patterns_have_the_ensemble_s_frequencies_up_to_rounding() -> None:
    """Quenched noise left in the instance would hide errors of the theory of order 0.01."""
    patterns = stratified_patterns(3, 10_000, 0.3, seed=0)
    found, exact = empirical_ensemble(patterns), diluted_ensemble(3, 0.3)
    frequency = {tuple(t): w for t, w in zip(found.types, found.weights, strict=True)}
    for kind, weight in zip(exact.types, exact.weights, strict=True):
        assert abs(frequency[tuple(kind)] - weight) < 1 / 10_000  # a largest remainder moves a count by less than one


def test_stratified_sites_are_shuffled_reproducibly() -> None:
    """Sites sorted by type would break the law of the fixed-order update, which needs an exchangeable order."""
    first, again, other = (stratified_patterns(2, 500, 0.3, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.count_nonzero(np.any(np.diff(first, axis=1) != 0, axis=0)) > 100


def test_extreme_dilutions_have_fewer_types() -> None:
    """Types of frequency 0 must not count against the number of spins."""
    assert stratified_patterns(4, 16, 0.0, seed=0).shape == (4, 16)
    assert not stratified_patterns(4, 3, 1.0, seed=0).any()


def test_examples_keep_blanks_and_have_the_stated_quality() -> None:
    """An example that fills blanks would leak across patterns."""
    patterns = draw_patterns(2, 20_000, 0.4, seed=0)
    examples = draw_examples(patterns, 0.3, 5, seed=1)
    assert examples.shape == (2, 5, 20_000)
    assert not examples[:, :, :][np.broadcast_to((patterns == 0)[:, None], examples.shape)].any()
    agreement = (examples * patterns[:, None]).sum() / (5 * np.count_nonzero(patterns))
    assert abs(agreement - 0.3) < 4.5 * np.sqrt((1 - 0.3**2) / (5 * np.count_nonzero(patterns)))  # standard error of a mean of signs
    assert np.array_equal(draw_examples(patterns, 1.0, 2, seed=0)[:, 0], patterns)


def test_images_are_binarised_at_the_threshold() -> None:
    """Pixels on the wrong side of the threshold would be other patterns."""
    assert binarise_images([[[0.0, 16.0], [7.0, 9.0]]]).tolist() == [[-1, 1, -1, 1]]


def test_convention_scales_by_the_activity() -> None:
    """The two conventions must differ by 1 - d and nothing else."""
    assert Convention.RAW.scale(0.3) == 1
    assert Convention.NORMALIZED.scale([0.2, 0.4]) == pytest.approx(1 / 0.7)
    with pytest.raises(InputError, match="blank"):
        Convention.NORMALIZED.scale(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw_patterns(2, 10, 1.5, 0), r"dilution must lie in \[0, 1\], got 1.5"),
        (lambda: draw_patterns(2, 10, float("nan"), 0), r"dilution must lie in \[0, 1\]"),
        (lambda: draw_patterns(2, 10, [0.1, 0.2, 0.3], 0), "one for each of the 2 patterns"),
        (lambda: draw_patterns(0, 10, 0.1, 0), "num_patterns must be a whole number of at least 1"),
        (lambda: draw_patterns(1, 0, 0.1, 0), "spins must be at least 1"),
        (lambda: stratified_patterns(3, 26, 0.3, 0), "27 types of site, more than the 26 spins"),
        (lambda: diluted_ensemble(20, 0.5), "at most 200000"),
        (lambda: draw_examples([[1, -1]], 0.0, 3, 0), r"quality of examples must lie in \[1e-06, 1\], got 0.0"),
        (lambda: draw_examples([[1, -1]], 0.5, 0, 0), "examples must be at least 1, got 0"),
        (lambda: check_patterns([1, -1]), "shape"),
        (lambda: check_patterns([[1, 2]]), "entries -1, 0 and 1 only, got 2"),
        (lambda: check_patterns([[1.0, float("nan")]]), "got nan"),
        (lambda: check_examples([[1, 2]]), "shape"),
        (lambda: binarise_images([[1.0, 1.0]]), "one grey"),
        (lambda: binarise_images([1.0, 2.0]), "number, height, width"),
        (lambda: binarise_images([[1.0, 2.0]], 1.0), "threshold"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call: Any, message: str) -> None:
    """A silent fallback would simulate something else than was asked."""
    with pytest.raises(InputError, match=message):
        call()


def test_pattern_files_are_checked(tmp_path: Path) -> None:
    """A file of the wrong shape or values must not be simulated."""
    path = tmp_path / "patterns.npy"
    with pytest.raises(DataError, match="cannot be read"):
        load_patterns(path)
    for wrong, message in (([[1, 3]], "got 3"), ([1, -1], "shape")):
        np.save(path, np.array(wrong))
        with pytest.raises(DataError, match=message):
            load_patterns(path)
    path.write_text("no array")
    with pytest.raises(DataError, match="is not an"):
        load_patterns(path)
    np.save(path, np.array([[1, 0, -1]]))
    assert load_patterns(path).tolist() == [[1, 0, -1]]
