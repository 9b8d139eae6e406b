"""Resistive networks as SPICE netlists, and their operating points by ngspice: an independent check of block descent."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.errors import ConvergenceError, InputError
from contrastive_core.types import State
from eqprop.diodes import ShockleyDiode
from eqprop.resistive import Resistive

THERMAL_VOLTAGE = 1.380649e-23 * 300.15 / 1.602176634e-19
"""kT/e in volt at ngspice's nominal temperature of 27 degrees Celsius."""

_OPTIONS = ".options reltol=1e-9 abstol=1e-18 vntol=1e-12 gmin=1e-18 itl1=1000"
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "SPICE_LIB_DIR", "SPICE_SCRIPTS", "TMPDIR")
_VALUE = re.compile(r"^v\((l\d+_\d+)\)\s*=\s*(\S+)\s*$", re.MULTILINE | re.IGNORECASE)


class Drawn(NamedTuple):
    r"""Parts of the netlist that the network leaves open.

    Attributes
    ----------
    emission : float
        Emission coefficient N of the diodes that stand for ideal ones; the operating point's error is proportional to it.
    saturation_current : float
        Their saturation current in ampere.
    nudge : float
        Conductance in siemens between each output and a source at its target, of either sign; 0 for the free circuit. It is the
        rule's strength: the nudge's :math:`\beta` over the stiffness of the outputs.
    """

    emission: float = 2e-5
    saturation_current: float = 1e-12
    nudge: float = 0.0


def netlist(network: Resistive, inputs: Tensor, targets: Tensor | None = None, drawn: Drawn = Drawn()) -> str:  # noqa: B008
    """Return a netlist that prints the operating point for each of some inputs.

    Node ``l2_7`` is node 7 of layer 2, both counted from 0 and inputs left out; ``a2_7`` is the output of its amplifier. Resistors of
    infinite resistance are left out.

    Parameters
    ----------
    network : Resistive
        Network with ideal or Shockley diodes.
    inputs : Tensor of shape (B, n_in)
        Inputs that the sources are set to, one row after the other.
    targets : Tensor of shape (B, n_out), optional
        Voltages that the nudge pulls the outputs to; needed for one.
    drawn : Drawn
        Diodes and nudge.

    Returns
    -------
    str
        Netlist for ``ngspice -b``.

    Raises
    ------
    InputError
        If there is a nudge and no target, or diodes that no model is known for.
    """
    if (targets is None) != (drawn.nudge == 0):
        raise InputError("a nudge needs both a conductance that is not 0 and targets; give both, or neither")
    with torch.no_grad():
        sources = network.sources(inputs.double()).tolist()
    wanted = [[] for _ in sources] if targets is None else targets.double().tolist()
    lines = ["* deep resistive network, nodes lLAYER_NODE", _model(network, drawn), _OPTIONS]
    lines += [f"VS{i} s{i} 0 {value:.17g}" for i, value in enumerate(sources[0])]
    lines += [f"VT{k} t{k} 0 {value:.17g}" for k, value in enumerate(wanted[0])]
    for index in range(len(network.sizes)):
        lines += _layer(network, index)
    last = len(network.sizes) - 1
    # A controlled source, because it may have either sign: an active circuit for the negative phase.
    lines += [f"GN{k} l{last}_{k} t{k} l{last}_{k} t{k} {drawn.nudge:.17g}" for k in range(len(wanted[0]))]
    lines += [".control", "set numdgt=15", *_script(network, sources, wanted), "quit 0", ".endc", ".end", ""]
    return "\n".join(lines)


def _model(network: Resistive, drawn: Drawn) -> str:
    diode = network.parts.diode
    if diode.ideal:
        return f".model DM D(IS={drawn.saturation_current:.17g} N={drawn.emission:.17g})"
    if isinstance(diode, ShockleyDiode):
        return f".model DM D(IS={diode.saturation_current:.17g} N={diode.scale / THERMAL_VOLTAGE:.17g})"
    raise InputError(f"no SPICE model is known for a {type(diode).__name__}; use ideal or Shockley diodes")


def _layer(network: Resistive, index: int) -> Iterator[str]:
    """Give the lines of a layer: resistors to the layer below, bias currents, diodes and amplifiers."""
    conductances, bias = network.conductance(index).tolist(), network.bias(index).tolist()
    amplified = network.parts.voltage_gain != 1 or network.parts.ratio != 1
    below = "s" if index == 0 else f"a{index - 1}_" if amplified else f"l{index - 1}_"
    for i, row in enumerate(conductances):
        yield from (f"R{index}_{i}_{j} {below}{i} l{index}_{j} {1 / g:.17g}" for j, g in enumerate(row) if g)
    yield from (f"I{index}_{j} 0 l{index}_{j} {current:.17g}" for j, current in enumerate(bias) if current)
    upward = network.conductance(index + 1).sum(1) if index + 1 < len(network.sizes) else 0
    alone = (network.conductance(index).sum(0) + upward == 0).tolist()
    yield from (f"RG{index}_{j} l{index}_{j} 0 1" for j, floats in enumerate(alone) if floats)  # SPICE has no voltage for such a node
    if index + 1 == len(network.sizes):
        return
    for j, polarity in enumerate(network.polarity(index).tolist()):
        node = f"l{index}_{j}"
        yield f"D{index}_{j} 0 {node} DM" if polarity > 0 else f"D{index}_{j} {node} 0 DM"
        if amplified:
            gain = network.parts.voltage_gain
            yield f"E{index}_{j} e{index}_{j} 0 {node} 0 {gain:.17g}"
            yield f"VA{index}_{j} e{index}_{j} a{index}_{j} 0"  # an ammeter
            yield f"F{index}_{j} {node} 0 VA{index}_{j} {gain * network.parts.ratio:.17g}"


def _script(network: Resistive, sources: list[list[float]], wanted: list[list[float]]) -> Iterator[str]:
    names = [f"v(l{layer}_{node})" for layer, size in enumerate(network.sizes) for node in range(size)]
    for number, (voltages, targets) in enumerate(zip(sources, wanted, strict=True)):
        if number:
            yield from (f"alter VS{i} dc = {value:.17g}" for i, value in enumerate(voltages) if value != sources[number - 1][i])
            yield from (f"alter VT{k} dc = {value:.17g}" for k, value in enumerate(targets) if value != wanted[number - 1][k])
        yield "op"
        yield from ("print " + " ".join(names[start : start + 20]) for start in range(0, len(names), 20))


def available() -> bool:
    """Whether ngspice is installed here."""
    return shutil.which("ngspice") is not None


def run_ngspice(text: str, *, timeout: float = 600.0) -> str:
    """Run a netlist in batch mode.

    Parameters
    ----------
    text : str
        The netlist.
    timeout : float
        Seconds after which to give up.

    Returns
    -------
    str
        Text that ngspice printed.

    Raises
    ------
    InputError
        If ngspice is not installed.
    ConvergenceError
        If it fails, or takes too long.
    """
    program = shutil.which("ngspice")
    if program is None:
        raise InputError("ngspice is not on the PATH; install it (Debian: apt-get install ngspice), or write netlists only")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.cir"
        path.write_text(text, encoding="ascii")
        try:
            ended = _run_alone([str(Path(program).absolute()), "-n", "-b", str(path)], folder, timeout)
        except subprocess.TimeoutExpired as error:
            raise ConvergenceError(f"ngspice did not end within {timeout:g} s; give a smaller network or fewer samples") from error
    if ended.returncode or "Error" in ended.stdout + ended.stderr:
        reason = next((line for line in (ended.stderr + ended.stdout).splitlines() if "rror" in line), f"exit code {ended.returncode}")
        raise ConvergenceError(f"ngspice failed: {reason.strip()}")
    return ended.stdout


def _run_alone(command: Sequence[str], folder: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder that is also its home, with an empty input and the few variables that it needs.

    ngspice runs the start-up files of the current folder and of the home directory, which may hold commands for the shell.
    """
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | {"HOME": folder, "LC_ALL": "C"}
    nothing = subprocess.DEVNULL
    return subprocess.run(command, cwd=folder, env=environment, stdin=nothing, capture_output=True, text=True, timeout=timeout, check=False)


def operating_points(
    network: Resistive,
    inputs: Tensor,
    targets: Tensor | None = None,
    drawn: Drawn = Drawn(),  # noqa: B008
) -> State:
    """Return the operating point that ngspice finds for each of some inputs, as a state of the network in float64.

    Parameters
    ----------
    network, inputs, targets, drawn
        Arguments of :func:`netlist`.

    Raises
    ------
    InputError
        If ngspice is not installed.
    ConvergenceError
        If it finds no operating point.
    """
    found = _VALUE.findall(run_ngspice(netlist(network, inputs, targets, drawn)))
    expected = len(inputs) * sum(network.sizes)
    values = [float(value) for _, value in found]
    if len(values) != expected or not all(map(math.isfinite, values)):
        raise ConvergenceError(f"ngspice printed {len(values)} of {expected} voltages; it found no operating point")
    rows = torch.tensor(values, dtype=torch.float64).reshape(len(inputs), -1)
    return _split(rows, network.sizes)


def _split(rows: Tensor, sizes: Sequence[int]) -> State:
    return torch.split_with_sizes(rows, list(sizes), dim=1)
