"""Cases on which rules are compared: a network with initial or trained parameters, and a batch."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from contrastive_core.errors import InputError
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.expression import is_sum
from experiments.learning.gradient_options import GradientsOptions
from experiments.learning.objective_batches import present
from experiments.setup.build import build_network, load_data
from experiments.setup.objectives import between_towers, objective_of_text, outputs_for
from experiments.setup.options import LearningOptions
from experiments.setup.parameters import take_over
from experiments.sweeps.compute import Computation, remember_input

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from contrastive_core.objectives.objective import Objective
    from contrastive_core.types import Batch

STRENGTH = 0.02
"""Strength at which costs of samples are compared."""
FACTORS = (2.0, 1.0, 0.5, 0.25)
"""Multiples of the strength at which the bias is measured."""


def objective_of(options: GradientsOptions) -> Objective | None:
    """Return the objective, or the sum of costs, that the options name; None for a cost of samples."""
    if options.cost not in OBJECTIVES and not is_sum(options.cost):
        return None
    objective = objective_of_text(options.cost, {}, None, options.outputs)
    return between_towers(objective) if options.network == "towers" else objective


def concrete(options: GradientsOptions, network: Network, batch: Batch) -> GradientsOptions:
    """Return the options with numbers for the strengths that were left open, for an objective those that fit the outputs."""
    import torch

    from contrastive_core.objectives.objective import nudging_strength

    objective, strength = objective_of(options), options.strength or STRENGTH
    if objective and options.strength is None:
        with torch.no_grad():
            strength = nudging_strength(objective, network.output(network.feedforward(network.clamp(batch.inputs))))
    strengths = options.strengths or tuple(factor * strength for factor in FACTORS)
    return options.model_copy(update={"strength": strength, "strengths": strengths})


class SharedCase(NamedTuple):
    """Network and batch on which gradients are compared.

    Attributes
    ----------
    splits : Splits
        All data, with as many classes as the network has output units.
    network : Network
        Network with initial or trained parameters.
    batch : Batch
        First training samples; for an objective, noisy views of them.
    """

    splits: Splits
    network: Network
    batch: Batch


def case_of(options: GradientsOptions, seed: int) -> SharedCase:
    """Build the case of a comparison of gradients; raises as ``prepare_case`` does."""
    return prepare_case(options, options.samples, options.checkpoint, seed, objective_of(options), options.outputs)


def prepare_case(
    options: LearningOptions,
    samples: int,
    checkpoint: Path | None,
    seed: int,
    objective: Objective | None = None,
    outputs: int | None = None,
) -> SharedCase:
    """Build the data, the network and the batch on which rules are compared.

    Parameters
    ----------
    options : LearningOptions
        Options of network and data.
    samples : int
        Number of training samples in the batch.
    checkpoint : Path, optional
        File of a trained network's parameters; None keeps the initial ones.
    seed : int
        Seed of the initial weights.
    objective : Objective, optional
        Objective that the batch is made for; None for a cost of samples.
    outputs : int, optional
        Number of output units; None for one per class.

    Returns
    -------
    SharedCase
        Data, network and batch.

    Raises
    ------
    InputError
        If the data has fewer samples, or the batch does not fit the objective.
    CheckpointError
        If the checkpoint is of another network.
    """
    import torch

    from contrastive_core.types import Batch

    splits = load_data(options, any_task=True)
    if samples > len(splits.train.labels):
        raise InputError(f"--samples is {samples}, but {options.data} has {len(splits.train.labels)} training samples")
    if objective and outputs:
        splits = splits._replace(num_classes=outputs_for(objective, outputs, splits))
    network = build_network(options, splits, seed)
    if checkpoint is not None:
        take_over(network, options, checkpoint, seed)
    if objective:
        batch = present(objective, splits.train, samples, network, seed)
        with torch.no_grad():
            objective.value(network.output(network.feedforward(network.clamp(batch.inputs))), batch)  # says what does not fit it
        return SharedCase(splits, network, batch)
    dtype = next(network.parameters()).dtype
    return SharedCase(splits, network, Batch(splits.train.inputs[:samples].to(dtype), splits.train.labels[:samples]))


def remember_checkpoint(checkpoint: Path | None, opened: Computation) -> None:
    """Refuse to show the result of one checkpoint as that of another."""
    # The configuration cannot tell them apart: the path is of this machine, and is not stored.
    digest = sha256(checkpoint.read_bytes()).hexdigest() if checkpoint else None
    remember_input(opened, "checkpoint", digest, "parameters than --checkpoint has")
