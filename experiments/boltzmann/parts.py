"""Parts of a training: data of the visible units, the machine and the plan, from options."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from contrastive_core.data import DATASETS
from contrastive_core.errors import InputError
from experiments.boltzmann.options import MachineOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from contrastive_core.data.splits import Split, Splits
    from hebbian.boltzmann.machine import BoltzmannMachine
    from hebbian.boltzmann.training import MachinePlan


class MachineParts(NamedTuple):
    """All that a training needs.

    Attributes
    ----------
    machine : BoltzmannMachine
        Machine with its initial weights.
    plan : MachinePlan
        Settings of the training.
    splits : Splits
        Data set.
    train, validation, test : Tensor of shape (N, n_0)
        Values of the visible units; chances of them in ``train`` if they are sampled.
    """

    machine: BoltzmannMachine
    plan: MachinePlan
    splits: Splits
    train: Tensor
    validation: Tensor
    test: Tensor


def prepare(options: MachineOptions, seed: int) -> MachineParts:
    """Read the data and build the machine.

    Parameters
    ----------
    options : MachineOptions
        Options of the trial.
    seed : int
        Seed of the initial weights, and of the pixels that are drawn once for measurements.

    Returns
    -------
    MachineParts
        Parts of the training.

    Raises
    ------
    InputError
        If the options contradict each other, or the data cannot be read.
    """
    from contrastive_core.data.splits import limit, require_classes
    from contrastive_core.generators import generator_of
    from hebbian.boltzmann.machine import BoltzmannMachine

    refuse_contradictions(options)
    splits = require_classes(DATASETS[options.data](options.data_dir, 0), options.data)
    if options.train_size is not None:
        splits = limit(splits, train=options.train_size)
    labels = splits.num_classes if options.labels else 0
    machine = BoltzmannMachine(
        (splits.train.inputs.shape[1] + labels, *options.hidden),
        visible=options.visible_units,
        hidden=options.hidden_units,
        lateral=options.lateral,
        gain=options.gain,
        generator=generator_of(seed, 0),
    )
    refuse_large(options, machine)
    draws = generator_of(seed, 4)
    parts = [_values(options, machine, splits, split, draws) for split in (splits.train, splits.validation, splits.test)]
    return MachineParts(machine, plan_of(options, labels), splits, *parts)


def plan_of(options: MachineOptions, num_classes: int) -> MachinePlan:
    """Return the settings of the training."""
    from hebbian.boltzmann.chains import ChainPlan
    from hebbian.boltzmann.learning import Learning
    from hebbian.boltzmann.training import MachinePlan

    chains = ChainPlan(options.sweeps, options.chains, options.replicas, options.hottest)
    learning = Learning(options.learning, chains, options.posterior_sweeps, options.sites, num_classes)
    rates = options.learning_rate, options.final_rate, options.momentum, options.weight_decay
    return MachinePlan(options.epochs, options.batch_size, *rates, learning, options.pixels == "sampled")


def refuse_contradictions(options: MachineOptions) -> None:
    """Refuse options that contradict each other, before data are read.

    Raises
    ------
    InputError
        If they do.
    """
    if options.learning == "conditional" and not options.labels:
        raise InputError("conditional learning raises the likelihood of labels; add --labels, or take another --learning")
    if options.beside and not options.labels:
        raise InputError("--beside compares test errors, which a machine has with --labels only; add it, or leave --beside out")
    if options.labels and options.visible_units == "gaussian":
        raise InputError("label units have two values, and all visible units are of one kind; take --visible-units binary or spin")
    if options.visible_units == "gaussian" and options.learning == "pseudo-likelihood":
        raise InputError("the pseudo-likelihood needs units of two values; take --visible-units binary or spin, or another --learning")
    if options.pixels == "grey" and options.learning == "pseudo-likelihood":
        raise InputError("the pseudo-likelihood needs values of units, and grey pixels are means; take --pixels threshold or sampled")
    if not options.hidden and not options.lateral:
        raise InputError("a machine without hidden units needs couplings between visible ones; add --lateral, or give --hidden")


def refuse_large(options: MachineOptions, machine: BoltzmannMachine) -> None:
    """Refuse exact learning of a machine that is too large for it, before any epoch.

    Raises
    ------
    InputError
        If more than 25 units would be enumerated.
    """
    from hebbian.boltzmann.exact import LARGEST, enumerated_units

    count = enumerated_units(machine)
    if options.learning == "exact" and count > LARGEST:
        raise InputError(
            f"exact learning would enumerate {count} units, and at most {LARGEST} are; "
            "take fewer --hidden units, or --learning pcd or parallel-tempering"
        )


def _values(options: MachineOptions, machine: BoltzmannMachine, splits: Splits, split: Split, draws: torch.Generator) -> Tensor:
    """Return the values of the visible units for a split; chances instead if training draws them anew."""
    from hebbian.boltzmann.labels import labelled
    from hebbian.boltzmann.training import drawn

    inputs = split.inputs
    if options.visible_units == "gaussian":
        # A pixel that never changes has no scale of its own; 1/100 of the range keeps it from growing without bound.
        centre, scale = splits.train.inputs.mean(0), splits.train.inputs.std(0).clamp_min(0.01)
        return (inputs - centre) / scale
    low, high = machine.units[0].values
    training = split is splits.train
    if options.pixels == "threshold":
        values = low + (high - low) * (inputs > 0.5).to(inputs)
    elif options.pixels == "grey":
        values = low + (high - low) * inputs
    else:
        values = inputs if training else drawn(machine, inputs, draws)
    if not options.labels:
        return values
    if options.pixels == "sampled" and training:
        import torch

        return torch.cat((values, torch.nn.functional.one_hot(split.labels, splits.num_classes).to(values)), 1)
    return labelled(machine, values, split.labels, splits.num_classes)
