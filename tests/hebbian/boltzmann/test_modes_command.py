"""``eqlab modes``: the bias of contrastive divergence, and what ways to learn reach on two modes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from command_line import Found, Refused

from contrastive_core.errors import InputError
from hebbian.boltzmann.two_modes import uneven_modes

GAP = math.log(2) + 0.8 * math.log(0.8) + 0.2 * math.log(0.2)
"""Log likelihood that equal shares of two modes lose to shares of .8 and .2, in nats: .193."""


def test_kept_and_tempered_chains_reach_exact_learning_on_two_modes_and_contrastive_divergence_does_not(
    found: Found, tmp_path: Path
) -> None:
    """Chains that restart at data never see how likely a mode is: CD moves the shares away from .8 and .2 and never learns of it.

    Kept chains of a finite number have shares that scatter, for which they may lose what equal shares lose; tempered ones a tenth of it.
    """
    result = found("modes", "--couplings", "0.5,2", "--sweeps", "1,10", "--out", tmp_path / "run")
    reached, exact = result["log_likelihood"], result["log_likelihood"]["exact"]
    assert result["gap"] == exact - reached["cd"] > 4 * GAP
    assert abs(exact - reached["pcd"]) < GAP
    for name in ("tempered", "parallel-tempering"):
        assert exact - reached[name] == pytest.approx(0, abs=GAP / 10), name
    assert result["share"]["exact"] == pytest.approx(result["data_share"], abs=0.04)
    assert result["share"]["cd"] < 0.5
    weak, strong = result["divergence"]
    assert weak["eigenvalue"] < 0.5 < 0.99 < strong["eigenvalue"] < 1
    assert weak["cosines"]["10"] > 0.9999 > strong["cosines"]["10"] > strong["cosines"]["1"]
    rows = (tmp_path / "run" / "figures" / "divergence.csv").read_text().splitlines()
    assert rows[0] == "coupling,second_eigenvalue,sweeps,cosine"
    assert len(rows) == 5
    assert "second eigenvalue" in (tmp_path / "run" / "report.html").read_text()


def test_uneven_modes_have_the_shares_they_are_asked_for() -> None:
    """If this fails, likelihoods are compared with the wrong shares."""
    data = uneven_modes(1000, 5, 0.7, 0.0, torch.Generator())
    assert (data.sum(1) == 5).sum() == 700
    assert (data.sum(1) == 0).sum() == 300
    turned = uneven_modes(4000, 5, 1.0, 0.1, torch.Generator().manual_seed(1))
    assert float(1 - turned.mean()) == pytest.approx(0.1, abs=4.5 * math.sqrt(0.09 / 20_000))
    with pytest.raises(InputError, match=r"lie between 0 and 1, got 1\.5"):
        uneven_modes(10, 5, 1.5, 0.1, torch.Generator())


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--visible", 12), "the kernel of 16 units is a matrix over all visible states, and at most 14"),
        (("--couplings", "1,1"), "named twice"),
        (("--sweeps", "0"), "greater than 0"),
        (("--share", 1.5), "less than or equal to 1"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(
    flags: tuple[object, ...], sentence: str, refused: Refused, tmp_path: Path
) -> None:
    """A mistake must not fill the memory, or measure something else in silence."""
    assert sentence in refused("modes", *flags, "--out", tmp_path / "run")
