"""Ground states followed over dilutions: the places at which they jump, and no jumps where they change continuously."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.hopfield.ground_states import JUMP, followed, ground_line
from hebbian.theory.boundaries import pure_temperature


@pytest.mark.parametrize(("count", "place"), [(3, 0.546918), (4, 0.518680)])
def test_the_hierarchical_ground_state_ends_in_a_jump_at_zero_temperature(count: int, place: float) -> None:
    """If this fails, the figure puts the end of the hierarchy where its energy is not that of its successor.

    For three patterns the two energies are -|m|^2 / 2 for m = q (1, d, d^2) and m = q (d^2 + 2 d q + q^2 / 2, d^2 + d q + q^2 / 2,
    d^2 + q^2 / 2), where q = 1 - d; they are equal at .546918. For four patterns the place is that of exact enumeration.
    """
    line = ground_line(count, place - 0.02, place + 0.02, 0.0)
    assert line.jumps == pytest.approx([place], abs=2e-6)
    assert len(line.dilutions) == len(line.overlaps) > 43
    assert np.all(np.diff(line.dilutions) >= 0)
    if count == 3:
        d, q = place, 1 - place
        after = q * np.array([d**2 + 2 * d * q + q**2 / 2, d**2 + d * q + q**2 / 2, d**2 + q**2 / 2])
        assert 0.5 * (after @ after) == pytest.approx(0.5 * q**2 * (1 + d**2 + d**4), abs=1e-6)
        where = int(np.searchsorted(line.dilutions, line.jumps[0]))
        assert line.overlaps[where - 1] == pytest.approx([q, q * d, q * d**2], abs=1e-4)
        assert line.overlaps[where] == pytest.approx(after.tolist(), abs=1e-4)


def test_a_state_that_grows_from_nothing_is_no_jump() -> None:
    """A second pattern comes in as a root, whose slope is infinite; if this fails, a continuous transition is called one of first order."""
    ratio = 0.25
    line = ground_line(2, 0.02, 0.5, ratio)
    assert line.jumps == []
    second = np.array([overlaps[1] for overlaps in line.overlaps])
    onset = line.dilutions[int(np.argmax(second > 1e-3))]
    assert pure_temperature(onset - 0.01) / (1 - onset + 0.01) < ratio < pure_temperature(onset) / (1 - onset)
    assert np.abs(np.diff(line.overlaps, axis=0)).max() <= JUMP


@pytest.mark.parametrize("height", [0.5 * JUMP, 2 * JUMP])
def test_every_jump_above_the_bound_is_found_at_its_place(height: float) -> None:
    """If this fails, a small jump passes, or the steep lines beside it are taken for one."""
    line = followed(lambda d: np.array([1.0 - 3 * d, height * (d > 0.337)]), [0.1 * index for index in range(8)])
    assert line.jumps == ([pytest.approx(0.337, abs=1e-6)] if height > JUMP else [])
