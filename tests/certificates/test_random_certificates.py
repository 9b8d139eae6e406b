"""Certificates of random networks of every kind, judged in float64 by code that shares nothing with the package's."""

from __future__ import annotations

from collections import Counter

import pytest
from random_certificates import KINDS, NAMES, Outcome, examined

from contrastive_core.dynamics import DYNAMICS
from contrastive_core.networks import NETWORKS as CORE_NETWORKS
from eqprop import DYNAMICS as PHYSICAL_DYNAMICS
from eqprop import NETWORKS as PHYSICAL_NETWORKS


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """Two relaxations of each of 50 networks, ten kinds."""
    return [outcome for number in range(50) for outcome in examined(number)]


def test_no_certificate_is_false(outcomes: list[Outcome]) -> None:
    """If this fails, samples are reported as converged that a sweep in float64 moves by more than their tolerance."""
    assert [sentence for one in outcomes for sentence in one.false] == []


def test_samples_of_every_kind_converge(outcomes: list[Outcome]) -> None:
    """Without converged samples there would be no certificate to judge."""
    converged: Counter[str] = Counter()
    for one in outcomes:
        converged[one.kind] += one.converged
    assert min(converged[kind] for kind in KINDS) >= 4, converged


def test_every_network_and_dynamics_of_the_tables_is_drawn() -> None:
    """A kind that is added to the tables has to be judged, too."""
    # Two towers are two layered networks side by side, which test_two_towers.py takes apart.
    assert (set(CORE_NETWORKS) | set(PHYSICAL_NETWORKS)) - {"towers"} <= set(KINDS)
    assert set(DYNAMICS) | set(PHYSICAL_DYNAMICS) <= set(NAMES)
