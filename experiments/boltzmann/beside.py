"""Layered networks that other rules train beside a supervised machine, on the values that its units see and from its first weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.boltzmann.options import MachineOptions

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.data.splits import Splits
    from experiments.boltzmann.parts import MachineParts
    from hebbian.boltzmann.machine import BoltzmannMachine


def first_weights(machine: BoltzmannMachine) -> Tensor | None:
    """Return a copy of the weights around the only hidden layer, of shape (n_0, n_1); None for a deep or general machine."""
    return machine.weight(1).detach().clone() if machine.restricted else None


def errors_beside(options: MachineOptions, seed: int, parts: MachineParts, weights: Tensor | None) -> dict[str, float]:
    """Train a layered network with the same hidden layers by each rule, with the defaults of ``eqlab train`` otherwise.

    Parameters
    ----------
    options : MachineOptions
        Options of the trial; its rules are those of ``beside``.
    seed : int
        Seed of the data order, and of initial weights where the machine gives none.
    parts : MachineParts
        Data, and values of the visible units.
    weights : Tensor of shape (n + classes, n_1), optional
        Weights from inputs and label units to the hidden units, from which a network of one hidden layer starts.

    Returns
    -------
    dict
        Share of test samples misclassified, by rule.
    """
    import torch

    from experiments.learning.train import trial
    from experiments.setup.build import Prepared, build_network, build_setting
    from experiments.setup.options import TrialOptions

    given = {"data": options.data, "data_dir": options.data_dir, "train_size": options.train_size, "hidden": options.hidden}
    splits, found = values_seen(options, parts), {}
    for rule in options.beside:
        settings = TrialOptions.model_validate({**given, "rule": rule, "epochs": options.epochs, "seed": seed})
        network = build_network(settings, splits, seed)
        if weights is not None:
            inputs = splits.train.inputs.shape[1]
            with torch.no_grad():
                network.get_parameter("weight_1").copy_(weights[:inputs])
                network.get_parameter("weight_2").copy_(weights[inputs:].T)
        prepared = Prepared(splits, network, build_setting(settings))
        found[rule] = float(trial(settings, seed, prepared=prepared).metrics["test_error"])
    return found


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
