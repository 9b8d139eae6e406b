"""``eqlab export``: trained networks leave as ONNX and NIR, and the command says how far the file is from the network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import Eqlab

from contrastive_core.costs import COSTS
from contrastive_core.data import DATASETS
from contrastive_core.devices.device import Device
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Setting
from contrastive_core.training.evaluation import evaluate
from experiments.hardware import export, learnt
from experiments.setup.tables import RULES

NETWORK = Layered((64, 8, 10), generator=0)
LEARNT = learnt.TrainedNetwork(
    "ep-centered #0", Layered((64, 8, 10), generator=1), {name: p.detach() for name, p in NETWORK.named_parameters()},
    ("weight_1", "weight_2"), Device(), RULES["ep-centered"](Setting("squared-error")), COSTS["squared-error"], DATASETS["digits"](None, 0),
)  # fmt: skip
"""Network of a run whose weights are those of ``NETWORK``; what it holds before is something else."""


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every name be a run of this network: how runs are read has tests of its own."""
    monkeypatch.setattr(export, "find_run", lambda name: SimpleNamespace(path=Path(name)))
    monkeypatch.setattr(learnt, "learnt_by", lambda path, trial, data_dir: LEARNT)


def test_a_run_leaves_as_the_graph_of_its_network(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, the file is of other weights than the run chose: after enough sweeps its answers are those of the run."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    result = eqlab("export", "run", "--write", tmp_path / "limit.onnx", "--json")
    assert result.exit_code == 0, result.output
    limit = json.loads(result.stdout)
    swept = json.loads(eqlab("export", "run", "--write", tmp_path / "swept.onnx", "--sweeps", "40", "--json").stdout)
    tested = evaluate(NETWORK, LEARNT.rule, LEARNT.cost, LEARNT.splits.test).error
    assert limit["network_error"] == swept["network_error"] == pytest.approx(tested, abs=1e-12)
    assert swept["file_error"] == pytest.approx(tested, abs=1 / 350)  # the run stops at its tolerance, which may turn one sample
    assert swept["largest_difference"] < 0.01 < limit["largest_difference"]


def test_a_run_leaves_as_leaky_integrators(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, NIR gets another network, or no word of what it loses."""
    nir = pytest.importorskip("nir", reason="nir is not installed")
    result = eqlab("export", "run", "--write", tmp_path / "network.nir", "--time-constant", "0.5")
    assert (result.exit_code, "NIR has no analogue activation" in result.stdout) == (0, True), result.output
    graph = nir.read(tmp_path / "network.nir")
    assert graph.nodes["layer_1"].tau[0] == 0.5
    assert graph.metadata["inputs"] == LEARNT.splits.source


def test_feedback_that_training_did_not_have_is_a_warning(eqlab: Eqlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a network of backprop leaves as another one; that of equilibrium propagation is the control."""
    pytest.importorskip("nir", reason="nir is not installed")
    assert "without feedback" not in eqlab("export", "run", "--write", tmp_path / "a.nir").stderr
    monkeypatch.setattr(learnt, "learnt_by", lambda *_: LEARNT._replace(rule=RULES["backprop"](Setting("squared-error"))))
    assert "trained without feedback" in eqlab("export", "run", "--write", tmp_path / "b.nir").stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--write", "a.txt"), "end it in one of: .onnx, .nir"),
        (("--write", "a.nir", "--sweeps", "3"), "--sweeps is for files that end in .onnx"),
        (("--write", "a.onnx", "--time-constant", "3"), "--time-constant is for files that end in .nir"),
        ((), "which run, and to which file?"),
        (("--write", "a.nir"), r"needs the library nir; install it with pip install 'eqlab[nir]'"),
    ],
)
def test_bad_lines_are_refused(eqlab: Eqlab, words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an option is without effect, or a missing library is a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "nir", None)
    result = eqlab("export", "run", *words)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output
    assert not list(tmp_path.iterdir())
