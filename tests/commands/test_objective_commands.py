"""``eqlab objectives`` and ``eqlab gradients`` on objectives, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from contrastive_core.errors import DivergenceError
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.labelled.supervised import SupCon
from eqprop.rule import EquilibriumPropagation
from experiments.cli import cli

SMALL = ("--hidden", "6", "--rules", "ep-centered,implicit", "--strengths", "1e-4,5e-5")


def test_objectives_lists_every_objective_with_what_it_needs() -> None:
    """An objective that is not listed is not found, and a need that is not named is missed at run time."""
    result = CliRunner().invoke(cli, ["objectives", "--json"])
    assert result.exit_code == 0, result.output
    listed = json.loads(result.stdout)["objectives"]
    assert [item["name"] for item in listed] == list(OBJECTIVES)
    by_name = {item["name"]: item for item in listed}
    assert by_name["supcon"]["needs"]["labels"] == "classes"
    assert by_name["swav"]["needs"]["extras"][0]["origin"] == "learnt"
    assert by_name["nt-xent"]["defaults"] == {"temperature": 0.5}
    assert all(item["source"] and item["verified"] and item["strength"] > 0 for item in listed)
    shown = CliRunner().invoke(cli, ["objectives"])
    assert all(name in shown.stdout for name in OBJECTIVES)


@pytest.mark.parametrize("name", ["supcon", "conr"])
def test_gradients_of_objectives_are_compared_frozen_and_live(name: str, tmp_path: Path) -> None:
    """One of each kind of label and extra: the command makes the batch that the objective needs."""
    arguments = [
        "gradients",
        "--cost",
        name,
        *SMALL,
        "--samples",
        "5",
        "--outputs",
        "6",
        "--out",
        str(tmp_path / "run"),
        "--json",
        "--quiet",
    ]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    assert measured["views"] == 2
    assert measured["cost"] == name
    assert list(measured["rules"]) == ["ep-centered", "implicit", "ep-centered, frozen"]
    for rule in measured["rules"].values():
        assert min(cosine for cosine in rule["cosine"].values() if cosine is not None) >= 0.999


def test_all_objectives_are_compared_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of the documentation is one command, which does not begin where an objective cannot be."""
    monkeypatch.setattr("experiments.learning.gradients_of_objectives.OBJECTIVES", ("nt-xent", "whitenedcse"))
    arguments = ["gradients", "--cost", "all", *SMALL[:4], "--samples", "4", "--json", "--quiet"]
    result = CliRunner().invoke(cli, [*arguments, "--outputs", "6", "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    assert list(measured["objectives"]) == ["nt-xent", "whitenedcse"]
    assert measured["objectives"]["nt-xent"]["cost"] == "nt-xent"
    cosines = [c for m in measured["objectives"].values() for rule in m["rules"].values() for c in rule["cosine"].values() if c is not None]
    assert measured["lowest_cosine"] == min(cosines) >= 0.999
    shown = CliRunner().invoke(cli, [*arguments[:-2], "--outputs", "6", "--out", str(tmp_path / "run")])
    assert "ep-centered, frozen" in shown.stdout
    assert "lowest cosine: 1 - " in shown.stdout
    refused = CliRunner().invoke(cli, [*arguments, "--outputs", "5", "--out", str(tmp_path / "other")])
    assert refused.exit_code == 2, refused.output
    assert "whitenedcse: 5 outputs cannot be cut into groups of 6; take another number of outputs, or a group_size" in refused.output
    assert not (tmp_path / "other").exists()


def test_all_objectives_go_on_after_one_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure must neither hide the others' cosines nor pass for success."""
    monkeypatch.setattr("experiments.learning.gradients_of_objectives.OBJECTIVES", ("nt-xent", "supcon"))
    estimate = EquilibriumPropagation.estimate

    def fail(self: EquilibriumPropagation, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.cost, SupCon):
            raise DivergenceError("the phase diverged")
        return estimate(self, *args, **kwargs)

    monkeypatch.setattr(EquilibriumPropagation, "estimate", fail)
    arguments = ["gradients", "--cost", "all", *SMALL[:4], "--samples", "6", "--outputs", "6", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 3, result.output  # failed trials, as for other commands of many
    assert "1.00000" in result.stdout
    assert "supcon, ep-centered: the phase diverged" in result.output


def test_an_objective_that_cannot_be_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """A user's mistake ends with exit code 2 and no traceback."""
    for arguments, said in (
        (("--cost", "nt-xnet"), "did you mean 'nt-xent'?"),
        (("--cost", "nt-xent", "--samples", "1"), "at least 2 samples"),
        (("--cost", "amcl", "--outputs", "7"), "multiple of 3"),
        (("--cost", "whitenedcse", "--outputs", "7"), "a group_size that divides it"),
    ):
        result = CliRunner().invoke(cli, ["gradients", *SMALL, *arguments, "--out", str(tmp_path / "run")])
        assert result.exit_code == 2, (arguments, result.output)
        assert said in result.output


def test_outputs_beside_a_cost_that_is_no_objective_are_warned_of(tmp_path: Path) -> None:
    """If this fails, a user believes that a network had other outputs than it has."""
    arguments = ["gradients", *SMALL, "--samples", "2", "--quiet", "--out"]
    assert "--outputs has no effect" in CliRunner().invoke(cli, [*arguments, str(tmp_path / "one"), "--outputs", "6"]).stderr
    assert "--outputs" not in CliRunner().invoke(cli, [*arguments, str(tmp_path / "other")]).stderr
