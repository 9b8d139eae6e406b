"""Cases on which ``eqlab tune`` tries settings: a network before and after a warm-up, mini-batches, the curvature of its energy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from contrastive_core.errors import ConvergenceError, InputError
from experiments.commandline.quantities import PositiveFloat, distinct
from experiments.setup.build import build_network, build_setting, load_data, plan_of
from experiments.setup.options import TrainOptions
from experiments.setup.own_options import rule_named
from experiments.setup.tables import RULES

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from contrastive_core.types import Batch

_SAFE = 0.9
"""Share of the longest stable Euler step, 2 over the largest curvature, and at most of the time constant."""


class TuneOptions(TrainOptions):
    """Network to train, settings to try, and the bound on the error of the gradient.

    Attributes
    ----------
    batches, warmup, strengths, tolerances, nudged_tolerances
        Settings to try, and mini-batches to try them on.
    noise_share, cosine
        Bound on the error of the gradient.
    """

    batches: Annotated[int, Field(ge=2)] = Field(4, description="Number of mini-batches to tune on; as many others check the choice.")
    warmup: Annotated[int, Field(ge=0)] = Field(
        200, description="Number of careful training steps after which the network is tuned for as well; 0: only for the initial network."
    )
    strengths: Annotated[tuple[PositiveFloat, ...], AfterValidator(distinct)] = Field(
        (0.5, 0.2, 0.1, 0.05, 0.02, 0.01), min_length=1, description="Nudging strengths to try, in units of the output layer's stiffness."
    )
    tolerances: Annotated[tuple[PositiveFloat, ...], AfterValidator(distinct)] = Field(
        (1e-2, 3e-3, 1e-3, 1e-4), min_length=1, description="Tolerances of the free phase to try."
    )
    nudged_tolerances: Annotated[tuple[PositiveFloat, ...], AfterValidator(distinct)] = Field(
        (1e-1, 1e-2, 1e-3), min_length=1, description="Tolerances of the nudged phase to try, relative to the contrast."
    )
    noise_share: PositiveFloat = Field(
        0.2, description="Largest relative error of the gradient, as a fraction of the mini-batch's relative noise."
    )
    cosine: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Smallest cosine to the exact gradient, such as 0.999, in place of --noise-share; none: use --noise-share."
    )


def check_material(options: TuneOptions) -> Splits:
    """Refuse what cannot be tuned, and return the data.

    Raises
    ------
    InputError
        If the rule is none of equilibrium propagation, or the data has too few samples.
    """
    if rule_named(options.rule).scale != "strength":
        able = ", ".join(name for name in RULES if rule_named(name).scale == "strength")
        raise InputError(f"tune finds a nudging strength, and {options.rule} has none; choose one of: {able}")
    splits = load_data(options, any_task=True)
    needed, there = 2 * options.batches * options.batch_size, len(splits.train.labels)
    if needed > there:
        most = there // (2 * options.batch_size)
        advice = f"--batches {most}" if most else f"--batches 1 --batch-size {max(1, there // 2)}" if there > 1 else "a larger --train-size"
        raise InputError(
            f"2 x {options.batches} batches of {options.batch_size} need {needed} samples, and there are {there}; give {advice} at most"
        )
    return splits


def material(options: TuneOptions, seed: int) -> tuple[list[Network], list[Batch], list[Batch]]:
    """Build the networks and batches on which settings are tried.

    Parameters
    ----------
    options : TuneOptions
        Options of network and data, and the numbers of batches and warm-up steps.
    seed : int
        Seed of the initial weights and of the order of the data.

    Returns
    -------
    networks : list of Network
        Initial network and, with a warm-up, the network after it.
    tuned_on, checked_on : list of Batch
        First mini-batches that training would take, and those that follow.

    Raises
    ------
    InputError
        As ``check_material``.
    """
    from contrastive_core.data.batches import batches
    from contrastive_core.generators import generator_of

    splits = check_material(options)
    source = batches(splits.train, options.batch_size, generator_of(seed, 1))
    drawn = [next(source) for _ in range(2 * options.batches)]
    networks = [build_network(options, splits, seed)]
    if options.warmup:
        networks.append(_trained(options, splits, seed))
    return networks, drawn[: options.batches], drawn[options.batches :]


def _trained(options: TuneOptions, splits: Splits, seed: int) -> Network:
    """Return the network after some steps with the smallest strength and tolerances of all that are tried."""
    from contrastive_core.analysis.tuning import with_tolerances
    from contrastive_core.data.splits import limit
    from contrastive_core.training.loop import train

    network, setting = build_network(options, splits, seed), build_setting(options)
    careful = with_tolerances(setting, min(options.strengths), min(options.tolerances), min(options.nudged_tolerances))
    few = limit(splits, train=min(options.warmup * options.batch_size, len(splits.train.labels)))
    steps = -(-len(few.train.labels) // options.batch_size)
    plan = plan_of(options.model_copy(update={"epochs": -(-options.warmup // steps), "patience": None}))
    train(network, RULES[options.rule](careful), setting.cost, few, plan, seed)
    return network


def curvature(options: TuneOptions, networks: Sequence[Network], batch: Batch) -> tuple[dict[str, float | None], float | None]:
    """Measure the curvature at free states, and the step of a gradient flow that follows from it.

    Parameters
    ----------
    options : TuneOptions
        Options with the dynamics, which may need the size of a step.
    networks : sequence of Network
        Networks from ``material``.
    batch : Batch
        Batch whose free states are examined.

    Returns
    -------
    extremes : dict of str to float or None
        The ``smallest`` and the ``largest`` eigenvalue over all networks; None where no unit can move.
    step : float or None
        Size of a step; None if the dynamics needs none, or if the options give one.

    Raises
    ------
    ConvergenceError
        If a free state is no minimum of the energy.
    """
    from copy import deepcopy

    import torch

    from contrastive_core.certificate import Stop
    from contrastive_core.dynamics.block_descent import BlockDescent
    from contrastive_core.dynamics.momentum import largest_curvature
    from contrastive_core.networks.curvature import extreme_eigenvalues
    from contrastive_core.relaxation.relax import relax

    extremes, steepest = [], 0.0
    for network in networks:
        precise = deepcopy(network).double()
        with torch.no_grad():
            clamped = precise.clamp(batch.inputs)
            free = relax(clamped, precise.initial_state(clamped), BlockDescent(), Stop(1e-9, 20_000))
        steepest = max(steepest, float(largest_curvature(free.state, clamped).max()))
        try:
            extremes.append(extreme_eigenvalues(clamped, free.state, relative=True))
        except ConvergenceError:  # where all units are held by their bounds there is none to measure; the choice does not need it
            continue
    step = _SAFE / max(steepest / 2, 1.0) if options.dynamics == "gradient-flow" and options.step is None else None
    if not extremes:
        return {"smallest": None, "largest": None}, step
    smallest, largest = min(low for low, _ in extremes), max(high for _, high in extremes)
    if smallest <= 0:
        raise ConvergenceError(
            f"the free states are no minimum of the energy (curvature {smallest:.2g}), so there is no gradient to tune towards: the "
            "network is beyond its critical point; lower the gain or give --energy-scale below 1"
        )
    return {"smallest": smallest, "largest": largest}, step
