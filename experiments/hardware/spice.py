"""``eqlab spice``: a resistive network as a netlist, with its operating point and gradient measured inside ngspice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from contrastive_core.errors import InputError
from contrastive_core.progress.share import counted, part
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import without_effect
from experiments.commandline.output import format_table, write_text
from experiments.commandline.quantities import Positive, PositiveFloat
from experiments.commandline.sections import COMPUTATION
from experiments.learning.gradient_cases import prepare_case, remember_checkpoint
from experiments.report.ending import finish
from experiments.runs.forms import NUMBER, TEXT, list_of, mapping_of, record_of
from experiments.setup.options import NetworkName, TrainOptions
from experiments.setup.own_options import network_options
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import check_engine
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.types import Batch
    from eqprop.resistive import Resistive


class SpiceCase(NamedTuple):
    """Circuit and its inputs.

    Attributes
    ----------
    network : Resistive
        Circuit with initial or trained conductances, in float64.
    batch : Batch
        First training samples.
    """

    network: Resistive
    batch: Batch


class SpiceTrialOptions(TrainOptions):
    """A resistive network, and what is asked of the circuit.

    Attributes
    ----------
    network, hidden, gain, strength
        Options of training, with defaults for a circuit.
    samples, checkpoint
        Number of inputs, and trained parameters.
    emissions
        Diodes that stand for ideal ones.
    edges, step
        Measurement of the gradient in the circuit.
    """

    network: NetworkName = Field("resistive", description="Network to draw, which must be resistive.")
    hidden: tuple[Positive, ...] = Field((16,))
    gain: PositiveFloat = Field(
        1.0, description="Size of the initial conductances, which are uniform in +-gain/sqrt(fan-in) and moved into their bounds."
    )
    strength: PositiveFloat = Field(1e-4, description="Conductance of the nudges, in siemens.")
    samples: Positive = Field(4, description="Number of training samples whose operating points are compared.")
    checkpoint: Path | None = Field(
        None, exclude=True, description="Checkpoint of a trained network, whose parameters are drawn; none: initial parameters."
    )
    emissions: tuple[PositiveFloat, ...] = Field(
        (1e-2, 1e-3, 1e-4), min_length=1, description="Emission coefficients of nearly ideal diodes, dimensionless."
    )
    edges: Annotated[int, Field(ge=0)] = Field(
        3, description="Number of conductances per layer whose gradient is measured; 0: compare operating points only."
    )
    step: PositiveFloat = Field(1e-4, description="Relative change of a conductance in finite differences.")


class SpiceOptions(SpiceTrialOptions):
    """A comparison with ngspice, as a command.

    Attributes
    ----------
    netlist_only
        Whether to leave ngspice out.
    engine
        Engine that computes the trial.
    """

    netlist_only: bool = Field(False, description="Write the netlist without running ngspice.")
    engine: Annotated[str, COMPUTATION] = Field(
        "serial",
        exclude=True,
        description="Engine that computes the trial: serial, process:1, dask:1, tcp://HOST:PORT or a scheduler file.",
    )


_GRADIENT = record_of(**{"conductance": TEXT, "nudged": NUMBER, "finite difference": NUMBER, "relative difference": NUMBER})

METRICS = {
    "operating_points": Metric(
        "by emission coefficient: largest difference to block descent and largest voltage", "volt", form=list_of(mapping_of(NUMBER))
    ),
    "gradients": Metric(
        "of some conductances: gradient by nudging in the circuit, finite difference of the cost there, their difference",
        form=list_of(_GRADIENT),
    ),
}


def case_of(options: SpiceTrialOptions, seed: int) -> SpiceCase:
    """Build the circuit and its inputs, in float64.

    Raises
    ------
    InputError
        If the network is no circuit, the data has fewer samples, or the checkpoint does not fit.
    """
    from eqprop.resistive import Resistive

    if options.network != "resistive":
        raise InputError(f"a {options.network} network is no circuit; give --network resistive")
    if options.device_file is not None:
        raise InputError("a netlist is drawn of the conductances alone, without the errors of devices; leave --device-file out")
    _, network, batch = prepare_case(options.model_copy(update={"dtype": "float64"}), options.samples, options.checkpoint, seed)
    assert isinstance(network, Resistive)
    return SpiceCase(network, batch)


def trial(options: SpiceTrialOptions, seed: int, *, prepared: SpiceCase | None = None) -> Outcome:
    """Compare ngspice's operating points and gradients with those of block descent.

    Parameters
    ----------
    options : SpiceTrialOptions
        All options but the seed.
    seed : int
        Seed of the initial conductances, and of the choice of those whose gradient is measured.
    prepared : SpiceCase, optional
        Circuit and inputs, if they are built already.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    network, batch = prepared or case_of(options, seed)
    with part(0.0, 0.5, "operating points"):
        points = _points(options, network, batch)
    with part(0.5, 1.0, "gradients"):
        return Outcome({"operating_points": points, "gradients": _gradients(options, network, batch, seed)})


EXPERIMENT = Experiment(SpiceTrialOptions, trial, METRICS, headline=())


def tables(result: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...], list[tuple[Any, ...]]]]:
    """Return title, header and rows of the operating points and, if any was measured, of the gradients."""
    points, gradients = result["operating_points"], result["gradients"]
    header = ("emission", "largest difference V", "largest voltage V")
    found = [("Operating points", header, [tuple(row.values()) for row in points])]
    return found + ([("Gradients", tuple(gradients[0]), [tuple(row.values()) for row in gradients])] if gradients else [])


@command(SpiceOptions, "spice", draws=True)
def spice_command(options: SpiceOptions, invocation: Invocation) -> None:
    """Draw a resistive network as a SPICE netlist and compare ngspice's operating points with those of block descent.

    \b
    Examples:
      eqlab spice --out runs/circuit
      eqlab spice --config drn-digits --checkpoint runs/NAME/checkpoints/train.safetensors
      eqlab spice --circuit-diode-current 1e-6 --circuit-diode-scale 0.05

    The gradient of equilibrium propagation is measured inside ngspice, from two nudged circuits, beside finite differences of the cost
    there. Their difference is given relative to the slope or, where that is larger, to the root mean square of its layer's gradient: the
    slope of a node that a diode blocks is far below what operating points resolve. With --edges 0 no gradient is measured, and only
    operating points are compared. The run's directory keeps the netlist as circuit.cir.
    """  # noqa: D301
    from eqprop.spice import Drawn, netlist

    check_engine(options.engine)
    prepared = case_of(options, options.seed)
    text = netlist(prepared.network, prepared.batch.inputs, drawn=Drawn(emission=min(options.emissions)))
    for warning in without_effect(options, ("strength", "step"), "--edges 0 measures no gradient") if not options.edges else ():
        invocation.warn(warning)
    with computation(options, invocation, options.engine) as opened:
        remember_checkpoint(options.checkpoint, opened)
        file = opened.run.path / "circuit.cir"
        write_text(file, text)
        if options.netlist_only:
            if opened.run.resumed:
                invocation.note(f"{opened.run.path} is complete; this is its netlist")
            invocation.result({"run": str(opened.run.path), "netlist": str(file)}, f"netlist: {file}")
            return
        result = compute_one(study_of("spice", options), opened, Given(options, {"prepared": prepared}))
    shown = [format_table(header, rows) for _, header, rows in tables(result)]
    if result["gradients"]:
        worst = max(row["relative difference"] or 0.0 for row in result["gradients"])
        shown.append(f"largest difference of a gradient: {worst:.1e} of the slope, or of the layer's root mean square where that is larger")
    else:
        shown.append("no gradient was measured, as --edges is 0: only operating points were compared")
    finish(opened.run, invocation, {"netlist": str(file), **result}, "\n\n".join([*shown, f"netlist: {file}"]))


def _points(options: SpiceTrialOptions, network: Resistive, batch: Batch) -> list[dict[str, float]]:
    """Compare operating points, with ever more ideal diodes where they are to be ideal."""
    import torch

    from contrastive_core.certificate import Stop
    from contrastive_core.dynamics.block_descent import BlockDescent
    from contrastive_core.relaxation.relax import relax
    from eqprop.spice import THERMAL_VOLTAGE, Drawn, operating_points

    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        settled = torch.cat(relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(1e-12, 100_000)).state, 1)
    rows = []
    scale = network_options(options, "resistive").diode_scale / THERMAL_VOLTAGE
    for emission in counted(options.emissions if network.parts.diode.ideal else (scale,)):
        found = torch.cat(operating_points(network, batch.inputs, drawn=Drawn(emission=emission)), 1)
        rows.append({"emission": emission, "difference": float((found - settled).abs().max()), "voltage": float(settled.abs().max())})
    return rows


def _gradients(options: SpiceTrialOptions, network: Resistive, batch: Batch, seed: int) -> list[dict[str, Any]]:
    """Measure the gradient of the mean cost with respect to some conductances, by nudging and by changing them."""
    import torch

    from contrastive_core.costs.labels import targets
    from contrastive_core.generators import generator_of
    from contrastive_core.relaxation.relax import advised_strength
    from eqprop.spice import Drawn, operating_points

    if not options.edges:
        return []
    wanted = targets(torch.zeros(len(batch.labels), network.sizes[-1], dtype=torch.float64), batch)
    if not network.has_minimum(-options.strength * network.stiffness[-1]):
        raise InputError(f"nudged by -{options.strength:g} S the circuit does not settle; {advised_strength(network)}")
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        plus, minus = (
            operating_points(network, batch.inputs, wanted, Drawn(min(options.emissions), nudge=sign * options.strength))
            for sign in (1, -1)
        )
        estimate = network.energy_gradient(plus, clamped, minus, 1 / (2 * options.strength * network.stiffness[-1]))

    def cost() -> float:
        output = operating_points(network, batch.inputs, drawn=Drawn(min(options.emissions)))[-1]
        return float(0.5 * (output - wanted).square().sum(1).mean())

    rows = []
    generator = generator_of(seed, 2)
    for index in counted(range(len(network.sizes))):
        values, measured = network.conductance(index).data, estimate[f"conductance_{index + 1}"]
        typical = float(measured.square().mean().sqrt())
        # Largest first: a conductance at its lower bound has no two sides.
        candidates = values.flatten().topk(min(values.numel(), 4 * options.edges)).indices
        for chosen in counted(candidates[torch.randperm(len(candidates), generator=generator)[: options.edges]].tolist()):
            i, j = divmod(chosen, values.shape[1])
            nudged, slope = float(measured[i, j]), _slope(cost, values, i, j, options.step)
            size = max(abs(slope), typical)
            rows.append(
                {
                    "conductance": f"{index + 1}: {i}, {j}",
                    "nudged": nudged,
                    "finite difference": slope,
                    "relative difference": abs(nudged - slope) / size if size else None,
                }
            )
    return rows


def _slope(cost: Callable[[], float], values: Tensor, i: int, j: int, step: float) -> float:
    """Return the central difference of the cost in one conductance, which is put back."""
    original = float(values[i, j])
    found = []
    for sign in (1, -1):
        values[i, j] = original * (1 + sign * step)
        found.append(cost())
    values[i, j] = original
    return (found[0] - found[1]) / (2 * step * original)
