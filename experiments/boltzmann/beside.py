"""Layered networks that other rules train beside a supervised machine, on the values that its units see and from its first weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from experiments.boltzmann.options import MachineOptions

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from experiments.boltzmann.parts import MachineParts
    from experiments.setup.build import Prepared
    from experiments.setup.options import TrialOptions


class Beside(NamedTuple):
    """Training of a layered network by another rule.

    Attributes
    ----------
    options : TrialOptions
        Options of ``eqlab train``.
    prepared : Prepared
        Data, network with its first weights, and setting.
    """

    options: TrialOptions
    prepared: Prepared


def prepare_beside(options: MachineOptions, seed: int, parts: MachineParts) -> list[Beside]:
    """Build a layered network with the hidden layers of the machine for each rule, before the machine learns.

    A network of one hidden layer starts from the weights of a restricted machine, between inputs and hidden units and between these and
    the label units. Others draw theirs. Each rule estimates a gradient once, so that one that cannot is refused before any training.

    Parameters
    ----------
    options : MachineOptions
        Options of the trial; its rules are those of ``beside``.
    seed : int
        Seed of the data order, and of initial weights where the machine gives none.
    parts : MachineParts
        Data, and the machine with its first weights.

    Raises
    ------
    InputError
        If a rule cannot train such a network.
    """
    import torch

    from contrastive_core.generators import generator_of
    from experiments.setup.build import Prepared, build_network, build_setting
    from experiments.setup.options import TrialOptions
    from experiments.setup.tables import RULES

    given = {"data": options.data, "data_dir": options.data_dir, "train_size": options.train_size, "hidden": options.hidden}
    splits, machine, found = values_seen(options, parts), parts.machine, []
    inputs = splits.train.inputs.shape[1]
    for rule in options.beside:
        settings = TrialOptions.model_validate({**given, "rule": rule, "epochs": options.epochs, "seed": seed})
        network, setting = build_network(settings, splits, seed), build_setting(settings)
        if machine.restricted:
            with torch.no_grad():
                network.get_parameter("weight_1").copy_(machine.weight(1)[:inputs])
                network.get_parameter("weight_2").copy_(machine.weight(1)[inputs:].T)
        RULES[rule](setting).estimate(network, splits.train.take(slice(0, 2)), generator=generator_of(seed, 2))
        found.append(Beside(settings, Prepared(splits, network, setting)))
    return found


def errors_of(trainings: list[Beside]) -> dict[str, float]:
    """Train each network in place, and return the share of test samples that it misclassifies, by rule."""
    from experiments.learning.train import trial

    return {
        str(one.options.rule): float(trial(one.options, one.options.seed, prepared=one.prepared).metrics["test_error"]) for one in trainings
    }


def values_seen(options: MachineOptions, parts: MachineParts) -> Splits:
    """Return the data with the values of the machine's input units as inputs; pixels that it draws anew stand for their means."""
    from contrastive_core.data.splits import Split

    splits = parts.splits
    if options.pixels == "sampled":
        return splits
    seen = [values[:, : -splits.num_classes] for values in (parts.train, parts.validation, parts.test)]
    named = zip((splits.train, splits.validation, splits.test), seen, strict=True)
    train, validation, test = (Split(inputs, split.labels, split.given) for split, inputs in named)
    return splits._replace(train=train, validation=validation, test=test)
