"""``eqlab show``: an interactive page of a network that relaxes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.data.catalog import CATALOG
from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.kinds import flag_name
from experiments.commandline.options import Layer, resolve_layers
from experiments.commandline.output import format_table
from experiments.interactive.options import FLOW, PARTS, TEMPERATURES, PageOptions
from experiments.report.html import refuse_other_file, write_report
from experiments.setup.build import architecture, build_network, build_setting, load_data
from experiments.setup.own_options import network_kind
from experiments.setup.parameters import read_earlier, source_of, take_over
from experiments.setup.tables import ANNEAL, RULES

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from experiments.interactive.page import Shown
    from experiments.interactive.recorded import Thought

PAGE = "relaxation.html"
"""Name of the page in the current directory."""
LARGEST = 2_000_000
"""Largest page, in bytes."""
_RULE = "ep-centered"
"""Rule that trains a new network, and whose network of a run of several is shown."""
_RELAXING = (
    *("dynamics", "step", "over_relaxation", "tolerance", "budget", "nudged_tolerance", "nudged_budget", "unstable", "strength"),
    *("fraction", "frozen", "node_temperature", "node_capacitance", "anneal", "dtype", "train_size"),
)
"""Options of learning that a page has values of its own for, whatever the run was trained with."""


class Source(NamedTuple):
    """Network that is shown.

    Attributes
    ----------
    options : PageOptions
        Options, with those of the run.
    splits : Splits
        Data.
    network : Network
        Network with its parameters.
    checkpoint : Path, optional
        File of the parameters; None for a new network.
    """

    options: PageOptions
    splits: Splits
    network: Network
    checkpoint: Path | None


@command(PageOptions, "show", without=("out",))
def show_command(options: PageOptions, invocation: Invocation) -> None:
    """Write an interactive page of a network that relaxes: one HTML file that needs no server and no internet.

    The page plays the sweeps of the free phase and of the two nudged phases of a few test samples. It draws the units of every layer,
    the energy, the cost and the residual with its tolerance, and an energy landscape: the energy on the plane through the start, the free
    state and the direction of the nudged states, with the path of the relaxation. Sliders choose the nudging strength (beta), the energy
    scale (lambda) and the temperature of thermal noise; all of it is computed before, by the torch reference of the dynamics. RUN is a run
    of eqlab train or compare, or a checkpoint; without one, a small network is trained for a few epochs.

    \b
    Examples:
      eqlab show
      eqlab show --hidden 16,12 --energy-scales 1,0.3,0.1 --samples 4,7
      eqlab show --temperatures 0.0001,0.001,0.01 --strengths 0.1,0.8
      eqlab show --dynamics forward --epochs 0
      eqlab show RUN --samples 0,12,30 --out digits.html
    """  # noqa: D301
    _refuse_unshown(options)
    path = options.out or Path(PAGE)
    path = path if path.suffix or path.exists() else path.with_name(f"{path.name}.html")  # a browser shows other files as text
    refuse_other_file(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory; give --out a file, such as {path / PAGE}")
    source = _source(options, invocation)
    shown = compute(source, invocation)
    from experiments.interactive.page import render_page

    html = render_page(shown, source.splits)
    size = len(html.encode())
    if size > LARGEST:
        raise InputError(
            f"the page would have {size / 1e6:.1f} MB, and at most {LARGEST / 1e6:g} MB open quickly; give fewer --samples, --strengths, "
            "--energy-scales or --temperatures, or fewer --units"
        )
    write_report(path, html)
    rows = certificates(shown)
    if moving := [row for row in rows if row["converged"] < 1 and not row["temperature"]]:
        where = ", ".join(f"{row['phase']} at energy scale {row['energy_scale']:g}" for row in moving)
        invocation.warn(f"phases did not reach their tolerance ({where}); lower --step, raise --budget, or take other --strengths")
    data: dict[str, Any] = {"page": str(path), "bytes": size, "network": shown.network, "samples": list(shown.places), "phases": rows}
    cells = [[row["energy_scale"], row["temperature"], row["phase"], row["sweeps"], row["residual"], row["converged"]] for row in rows]
    header = ("energy scale", "temperature", "phase", "sweeps", "largest residual", "converged")
    invocation.result(data, f"{format_table(header, cells)}\n\n{path}: {size / 1000:.0f} kB, {shown.network}; open it in a browser")


def _refuse_unshown(options: PageOptions) -> None:
    """Refuse options that a page does not show, since it would show something else than was asked for."""
    if options.node_temperature:
        raise InputError("--node-temperature is one temperature, and the page has a slider of several; give --temperatures")
    if options.frozen:
        raise InputError("--frozen holds the force of the nudge, and the page draws energies whose nudge follows the outputs; leave it out")
    if ANNEAL in network_kind(options.network).dynamics:
        raise InputError(f"spins of an {options.network} network turn at once, and have no path down an energy; give another --network")
    if options.dynamics != FLOW and any(options.temperatures or ()):
        raise InputError(
            f"thermal noise shakes {FLOW}, and --dynamics is {options.dynamics}; give --temperatures 0, or leave --dynamics out"
        )


def _source(options: PageOptions, invocation: Invocation) -> Source:
    """Return the network of the run, or a new one that is trained for some epochs."""
    if options.run is None:
        splits = load_data(options, any_task=True)
        network = build_network(options, splits, options.seed)
        if options.epochs:
            invocation.note(f"training {architecture(network, splits)} on {options.data} for {options.epochs} epochs")
            _train(network, options, splits)
        return Source(options, splits, network, None)
    path = source_of(options.run, _RULE, options.seed)
    options = _with_settings_of(options, path)
    splits = load_data(options, any_task=True)
    network = build_network(options, splits, options.seed)
    take_over(network, options, path, options.seed)
    return Source(options, splits, network, path)


def _train(network: Network, options: PageOptions, splits: Splits) -> None:
    """Train a network in place, by sweeps where the network has them: equilibria do not depend on the way to them."""
    from contrastive_core.training.loop import train
    from contrastive_core.training.plan import Plan

    swept = options.model_copy(update={"dynamics": "forward", "step": None}) if options.dynamics == FLOW else options
    setting = build_setting(swept)
    train(network, RULES[_RULE](setting), setting.cost, splits, Plan(epochs=options.epochs, learning_rates=(0.05,)), options.seed)


def _with_settings_of(options: PageOptions, path: Path) -> PageOptions:
    """Return the options of the page with the network, the data and the cost of a training."""
    earlier = read_earlier(path)
    if (cost := earlier.options.get("cost", options.cost)) not in SAMPLE_COSTS:
        raise InputError(f"{path} was trained for {cost}, whose samples have no targets; give a run of train or compare")
    fields = set(PageOptions.model_fields) - set(_RELAXING) - {"epochs", "seed"}
    taken = {name: value for name, value in earlier.options.items() if name in fields}
    given = options.model_fields_set
    if swallowed := [name for name in (*taken, "epochs") if name in given]:
        raise InputError(f"{flag_name(swallowed[0])} says what a new network is, and {path} has one; leave one of them out")
    own = {name: value for name, value in options.settings().items() if name in given}
    seed = {} if "seed" in given or earlier.seed is None else {"seed": earlier.seed}
    return resolve_layers(type(options), [Layer(f"{{key}} (of {path})", taken | seed), Layer("{flag}", own)])


def compute(source: Source, invocation: Invocation) -> Shown:
    """Relax all that the page shows, the temperature 0 first."""
    import torch

    from contrastive_core.devices.on_device import held_by
    from contrastive_core.types import Batch
    from experiments.interactive.page import Shown
    from experiments.interactive.recorded import as_long_as, think

    options, splits, network, _ = source
    scales = _scales(options)
    warm = options.temperatures or (TEMPERATURES if options.dynamics == FLOW else ())
    temperatures = tuple(dict.fromkeys((0.0, *sorted(warm))))
    last = len(splits.test.labels) - 1
    if beyond := [place for place in options.samples if place > last]:
        raise InputError(f"there is no test sample {beyond[0]}: {options.data} has {last + 1}, counted from 0; give other --samples")
    rows = torch.tensor(options.samples)
    dtype = next(network.parameters()).dtype
    batch = Batch(splits.test.inputs[rows].to(dtype), splits.test.labels[rows])
    thoughts = []
    with invocation.progress(len(scales) * len(temperatures), "relaxing") as bar:
        for scale in scales:
            scaled = options.model_copy(update={"energy_scale": scale})
            same = build_network(scaled, splits, options.seed)
            same.load_state_dict(network.state_dict())
            row: list[Thought] = []
            for temperature in temperatures:
                setting = build_setting(scaled.model_copy(update={"node_temperature": temperature}))
                setting = as_long_as(setting, row[0]) if temperature else setting
                row.append(think(held_by(same), batch, setting, sorted(options.strengths), options.seed))
                bar.update()
            thoughts.append(row)
    sizes = architecture(network, splits)
    return Shown(
        title=f"{sizes} on {options.data}",
        network=sizes,
        origin=_origin(source),
        places=options.samples,
        batch=batch,
        cost=setting.cost,
        strengths=sorted(options.strengths),
        energy_scales=scales,
        temperatures=temperatures,
        thoughts=thoughts,
        dynamics=options.dynamics,
        units=options.units,
    )


def _scales(options: PageOptions) -> list[float]:
    """Return the energy scales, the smallest first; one that the network has no use for is refused."""
    if "energy_scale" in network_kind(options.network).uses:
        chosen = options.energy_scales or [options.energy_scale * part for part in PARTS]
        return sorted(chosen)
    if options.energy_scales is not None:
        raise InputError(f"--energy-scales has no effect on a {options.network} network, which has none; leave it out")
    return [options.energy_scale]


def _origin(source: Source) -> str:
    """Say where the weights are from."""
    options = source.options
    data = f"on {CATALOG[options.data].task}" if options.data in CATALOG else f"on {options.data}"
    if source.checkpoint is not None:
        return f"Weights of {source.checkpoint.name}, trained {data}."
    if not options.epochs:
        return f"Initial weights, no training; inputs {data}."
    return f"Weights after {options.epochs} epochs of {_RULE} {data}."


def certificates(shown: Shown) -> list[dict[str, Any]]:
    """Return sweeps, largest residual and share of converged samples of each phase, over all samples and strengths."""
    from contrastive_core.certificate import Status

    rows = []
    for scale, row in zip(shown.energy_scales, shown.thoughts, strict=True):
        for temperature, thought in zip(shown.temperatures, row, strict=True):
            for name, phases in (("free", [thought.free]), ("nudged", list(thought.nudged.values()))):
                ends = [one.relaxation for one in phases]
                done = [float((end.status == int(Status.CONVERGED)).double().mean()) for end in ends]
                rows.append(
                    {
                        "energy_scale": scale,
                        "temperature": temperature,
                        "phase": name,
                        "sweeps": max(int(end.steps.max()) for end in ends),
                        "residual": max(float(end.residual.max()) for end in ends),
                        "converged": sum(done) / len(done),
                    }
                )
    return rows
