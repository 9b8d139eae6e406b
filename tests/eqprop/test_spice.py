"""Circuits in ngspice: operating points beside block descent, the gradient measured inside the circuit, and behaviour without ngspice."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from command_line import Eqlab
from systems import seeded

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import ConvergenceError, InputError
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.relax import relax
from contrastive_core.types import Batch, State
from eqprop.circuit import Parts
from eqprop.diodes import Diode, IdealDiode, ShockleyDiode
from eqprop.resistive import Resistive
from eqprop.spice import Drawn, available, netlist, operating_points, run_ngspice
from experiments.cli import cli

needs_ngspice = pytest.mark.skipif(not available(), reason="ngspice is not installed (Debian: apt-get install ngspice)")
AMPLIFIERS = {"none": (1.0, None), "kendall": (4.0, None), "conserving": (2.0, 2.0)}
TARGETS = torch.eye(2, dtype=torch.float64)[torch.tensor([0, 1])]


def circuit(amplifier: str = "none", diode: Diode | None = None) -> tuple[Resistive, torch.Tensor]:
    generator = seeded(1)
    voltage, current = AMPLIFIERS[amplifier]
    parts = Parts(diode or IdealDiode(), voltage, current, rail=0.5, bounds=((0.02, 5.0),))
    network = Resistive((3, 4, 4, 2), parts, gain=2.0, generator=generator, dtype=torch.float64)
    for index in range(3):
        network.bias(index).data.uniform_(-0.1, 0.1, generator=generator)
    network.requires_grad_(False)
    return network, torch.rand((2, 3), generator=generator, dtype=torch.float64)


def settled(network: Resistive, inputs: torch.Tensor, nudge: float = 0.0) -> State:
    batch = Batch(inputs, TARGETS)
    phase = Nudge(SquaredError(), batch, nudge * network.stiffness[-1]) if nudge else None
    clamped = network.clamp(inputs)
    return relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(1e-14, 50_000), phase).state


def distance(first: State, second: State) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True))


@needs_ngspice
@pytest.mark.parametrize("nudge", [0.0, 0.05, -0.01])
@pytest.mark.parametrize("amplifier", AMPLIFIERS)
def test_operating_point_tends_to_block_descents_in_proportion_to_the_diodes_emission(amplifier: str, nudge: float) -> None:
    """Block descent claims to find where a real circuit with ever better diodes settles, nudged by active sources or not."""
    network, inputs = circuit(amplifier)
    exact, targets = settled(network, inputs, nudge), TARGETS if nudge else None
    errors = [distance(operating_points(network, inputs, targets, Drawn(n, nudge=nudge)), exact) for n in (1e-4, 1e-5, 1e-6)]
    # A conducting diode drops N kT/q ln(i/I_s), some 27 N kT/q = .7 N volt here, times the gains of what follows.
    assert errors[0] < 2e-3
    for wide, narrow in ((errors[0], errors[1]), (errors[1], errors[2])):
        assert wide / narrow == pytest.approx(10, rel=0.05)
    if amplifier == "none":
        assert errors[2] < 1e-5


@needs_ngspice
def test_exponential_diodes_agree_without_any_limit() -> None:
    """The solver by Lambert's function and SPICE's Newton iteration share no code and no idea."""
    network, inputs = circuit("kendall", ShockleyDiode(1e-6, 0.05))
    # SPICE's tolerance of 1e-9, its gmin, and the last digit of the thermal voltage; the diodes drop .3 V.
    assert distance(operating_points(network, inputs), settled(network, inputs)) < 1e-6
    assert distance(operating_points(network, inputs), settled(circuit("kendall")[0], inputs)) > 0.05


@needs_ngspice
def test_gradient_measured_inside_the_circuit_is_the_circuits_own_derivative() -> None:
    """Equilibrium propagation is exact on devices that are not ideal: nothing but voltages of two nudged circuits goes in."""
    network, inputs = circuit("kendall", ShockleyDiode(1e-6, 0.05))
    beta, step = 1e-4, 1e-3
    clamped = network.clamp(inputs)
    plus, minus = (operating_points(network, inputs, TARGETS, Drawn(nudge=sign * beta)) for sign in (1, -1))
    estimate = network.energy_gradient(plus, clamped, minus, 1 / (2 * beta * network.stiffness[-1]))

    def cost() -> float:
        return float(0.5 * (operating_points(network, inputs)[-1] - TARGETS).square().sum(1).mean())

    for name, i, j in (("conductance_1", 0, 1), ("conductance_2", 2, 3), ("conductance_3", 3, 0)):
        values = dict(network.named_parameters())[name].data
        original, found = float(values[i, j]), []
        for sign in (1, -1):
            values[i, j] = original + sign * step * original
            found.append(cost())
        values[i, j] = original
        slope = (found[0] - found[1]) / (2 * step * original)
        # Both are centered: errors of 1e-6 times third derivatives; SPICE's 1e-9 over a contrast of 1e-4.
        assert float(estimate[name][i, j]) == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_netlist_has_every_part_and_leaves_out_what_is_not_there() -> None:
    """A part that is missing or doubled makes another circuit than the one that is trained."""
    network, inputs = circuit("kendall")
    network.conductance(0)[0, 0] = 0.0
    lines = netlist(network, inputs, TARGETS, Drawn(nudge=0.1)).splitlines()
    counts = {
        letter: sum(line.startswith(letter) for line in lines) for letter in ("VS", "VT", "R", "I", "D", "E", "F", "VA", "GN", "alter")
    }
    # 8 sources; 8*4 - 1 + 4*4 + 4*2 resistors; 4 + 4 + 2 currents; 8 diodes and amplifiers; 2 outputs; 6 inputs and 2 targets change.
    assert counts == {"VS": 8, "VT": 2, "R": 55, "I": 10, "D": 8, "E": 8, "F": 8, "VA": 8, "GN": 2, "alter": 8}
    assert "D0_0 0 l0_0 DM" in lines
    assert "D0_3 l0_3 0 DM" in lines


def test_unconnected_node_is_held_at_ground_as_block_descent_has_it() -> None:
    """SPICE has no operating point for a node that floats."""
    network, inputs = circuit()
    network.conductance(2)[:, 1] = 0.0
    assert "RG2_1 l2_1 0 1" in netlist(network, inputs)


def test_without_ngspice_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing program must not look like a circuit that does not settle."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"ngspice is not on the PATH; install it .* or write netlists only"):
        operating_points(*circuit())
    result = CliRunner().invoke(cli, ["spice"])
    assert result.exit_code == 2
    assert "install it" in result.output


def test_nudge_without_targets_is_refused() -> None:
    """A nudge to nowhere would be a leak to ground."""
    with pytest.raises(InputError, match="both, or neither"):
        netlist(*circuit(), drawn=Drawn(nudge=0.1))


@needs_ngspice
def test_broken_netlist_is_an_error_not_an_empty_answer() -> None:
    """ngspice goes on after many errors, and prints nothing."""
    with pytest.raises(ConvergenceError, match="ngspice failed"):
        run_ngspice("* broken\nR1 a 0 nonsense\n.control\nop\nprint v(a)\nquit 0\n.endc\n.end\n")


@needs_ngspice
def test_command_compares_points_and_gradients_and_keeps_the_netlist(eqlab: Eqlab, tmp_path: Path) -> None:
    """The user must see the two measurements, not one of them twice."""
    circuit = ("--hidden", "12,8", "--circuit-voltage-gain", 4)
    result = eqlab("spice", *circuit, "--samples", 2, "--edges", 2, "--out", tmp_path / "fine", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    # 27 N kT/q, see above, times the gains of two amplifiers.
    assert [row["difference"] < 16 * row["emission"] for row in found["operating_points"]] == [True] * 3
    assert all(row["difference"] > 1e-7 for row in found["operating_points"])
    # The nudge's bias, second order in the strength of 1e-4 over a bound of some .1; rounding of the voltages is below that.
    assert max(row["relative difference"] for row in found["gradients"]) < 1e-5
    rough = json.loads(
        eqlab("spice", *circuit, "--samples", 2, "--edges", 2, "--strength", 1e-2, "--out", tmp_path / "rough", "--json").stdout
    )
    for fine, coarse in zip(found["gradients"], rough["gradients"], strict=True):
        assert fine["finite difference"] == pytest.approx(coarse["finite difference"], rel=1e-12)
    assert max(row["relative difference"] for row in rough["gradients"]) > 1e-5
    assert "quit 0" in (tmp_path / "fine" / "circuit.cir").read_text()


@needs_ngspice
def test_command_without_edges_says_that_no_gradient_was_measured(eqlab: Eqlab) -> None:
    """Agreement of operating points alone must not pass for that of gradients."""
    result = eqlab("spice", "--hidden", 4, "--samples", 1, "--emissions", 1e-4, "--edges", 0, "--step", 1e-3)
    assert result.exit_code == 0, result.output
    assert "no gradient was measured, as --edges is 0" in result.stdout
    assert "largest difference of a gradient" not in result.stdout
    assert result.stderr.strip() == "eqlab: warning: --step has no effect: --edges 0 measures no gradient"
    assert "With --edges 0 no gradient is measured" in " ".join(eqlab("spice", "--help").stdout.split())


def test_command_writes_a_netlist_without_ngspice_and_refuses_what_is_no_circuit(
    eqlab: Eqlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The netlist is useful on its own, on another machine."""
    monkeypatch.setenv("PATH", "")
    assert eqlab("spice", "--netlist-only", "--out", tmp_path).exit_code == 0
    again = eqlab("spice", "--netlist-only", "--out", tmp_path)
    assert (again.exit_code, "is complete; this is its netlist" in again.stderr) == (0, True)
    assert (tmp_path / "circuit.cir").read_text().startswith("* deep resistive network")
    result = eqlab("spice", "--network", "layered", "--out", tmp_path / "other")
    assert (result.exit_code, "no circuit" in result.output) == (2, True), result.output
    assert not (tmp_path / "other").exists()  # refused before anything is written


@needs_ngspice
def test_nudge_beyond_the_bound_is_refused_before_ngspice_runs_away(eqlab: Eqlab) -> None:
    """An active circuit that does not settle still has an operating point, which SPICE finds and which is no minimum."""
    result = eqlab("spice", "--strength", 100)
    assert result.exit_code == 2
    assert "bring the strength nearer to 0 than" in result.output


FAKE = """#!/bin/sh
here=$(pwd)
{ echo "cwd=$here"; echo "args=$*"; echo "input=$(wc -c)"; env; } > "$0.told"
"""


def test_ngspice_meets_neither_start_up_files_nor_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a folder that somebody sent runs shell commands through the start-up file in it."""
    program = tmp_path / "bin" / "ngspice"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"bin:{os.environ['PATH']}")  # relative to a folder that the program does not see
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("API_TOKEN", "SPICE_USERINIT_DIR", "BASH_ENV", "LD_PRELOAD"):
        monkeypatch.setenv(name, "")
    run_ngspice("* nothing")
    told = dict(line.split("=", 1) for line in (tmp_path / "bin" / "ngspice.told").read_text().splitlines())
    assert told["args"].startswith("-n -b ")
    assert told["input"].strip() == "0"
    assert told["cwd"] == told["HOME"] != str(tmp_path)
    assert set(told) <= {"cwd", "args", "input", "PATH", "HOME", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_", "TMPDIR", "LD_LIBRARY_PATH"}
