"""Measures of a machine: likelihood over training, mixing of its chains, samples, filters and classification."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from experiments.boltzmann.options import MachineOptions
from experiments.boltzmann.parts import MachineParts

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hebbian.boltzmann.training import MachineSession

_SHOWN = 64
"""Filters that are kept for the figure."""
_LAGS = 200
"""Lags of the autocorrelation that are kept, at most."""


def measurer(options: MachineOptions, parts: MachineParts, seed: int) -> Callable[[MachineSession], dict[str, Any]]:
    """Return what measures a machine after each epoch: the likelihood every few epochs, and the reconstruction error always."""
    from contrastive_core.generators import generator_of

    def measure(session: MachineSession) -> dict[str, Any]:
        epoch = len(session.history) + 1
        record = {"reconstruction_error": reconstruction_error(parts)}
        if epoch % options.every == 0 or epoch in (1, options.epochs):
            # Draws of a measurement depend on the epoch alone, so that a resumed run has the same.
            source = generator_of(seed, 10 + epoch)
            record |= likelihoods(options, parts, session.chains.base, source, options.anneal_steps)
        return record

    return measure


def likelihoods(
    options: MachineOptions, parts: MachineParts, base: Tensor | None, generator: torch.Generator, steps: int
) -> dict[str, Any]:
    """Return mean log likelihoods of training and test samples in nats, with the error of log Z, and the test error with labels."""
    from hebbian.boltzmann.likelihood import find_log_partition, unnormalised
    from hebbian.boltzmann.training import drawn

    machine, train = parts.machine, parts.train[: options.test_size]
    if parts.plan.sampled:
        train = drawn(machine, train, generator)
    found = find_log_partition(machine, generator, runs=options.anneals, steps=steps, base=base, most=options.enumerate_most)
    record: dict[str, Any] = {
        "train_log_likelihood": float(unnormalised(machine, train).mean()) - found.value,
        "test_log_likelihood": float(unnormalised(machine, parts.test[: options.test_size]).mean()) - found.value,
        "log_partition": found.value,
        "log_partition_error": found.error,
        "method": found.method,
    }
    if options.labels:
        record["test_error"] = classification_error(parts)
    return record


def reconstruction_error(parts: MachineParts) -> float:
    """Return the mean squared error of one mean-field step up and down from validation samples, per visible unit."""
    from hebbian.boltzmann.posterior import posterior_means

    rows = parts.validation[:500]
    state = posterior_means(parts.machine, rows)
    mean = parts.machine.units[0].mean(parts.machine.field(0, state)).detach()
    return float((mean - rows).square().mean())


def classification_error(parts: MachineParts) -> float:
    """Return the share of test samples whose most likely class is not their label."""
    import torch

    from hebbian.boltzmann.labels import class_log_weights

    count = parts.splits.num_classes
    with torch.no_grad():
        scores = [class_log_weights(parts.machine, rows[:, :-count], count) for rows in torch.split(parts.test, 1000)]
    return float((torch.cat(scores).argmax(1) != parts.splits.test.labels).double().mean())


def mixing(options: MachineOptions, parts: MachineParts, seed: int) -> dict[str, Any]:
    """Return the autocorrelation of the energy in sweeps, of chains of the trained machine that start at data.

    Returns
    -------
    dict
        ``autocorrelation`` by lag, ``autocorrelation_time`` in sweeps, None if the energy never changes, and ``trusted``: whether the
        chains are fifty times longer.
    """
    import numpy as np
    import torch

    from contrastive_core.analysis.autocorrelation import autocorrelation_time
    from contrastive_core.generators import generator_of
    from hebbian.boltzmann.gibbs import sweep
    from hebbian.boltzmann.posterior import posterior_means
    from hebbian.observables import LONG_ENOUGH

    source = generator_of(seed, 6)
    state = sweep(parts.machine, posterior_means(parts.machine, parts.validation[:20]), source, held=(0,))
    energies = np.empty((options.mixing_sweeps, len(state[0])))
    with torch.no_grad():
        for step in range(options.mixing_sweeps):
            state = sweep(parts.machine, state, source)
            energies[step] = parts.machine.energy(state).numpy()
    time = autocorrelation_time(energies)
    centred = energies - energies.mean(0)
    power = (centred**2).mean()
    lags = min(_LAGS, options.mixing_sweeps // 2)
    curve = [float((centred[: len(centred) - lag] * centred[lag:]).mean() / power) for lag in range(lags)] if power > 0 else []
    return {
        "autocorrelation": curve,
        "autocorrelation_time": None if math.isnan(time) else time,
        "trusted": bool(time * LONG_ENOUGH <= options.mixing_sweeps),
    }


def pictures_of(options: MachineOptions, parts: MachineParts, session: MachineSession, seed: int) -> dict[str, Any]:
    """Return arrays of the figures: filters of the first hidden units, and means of the visible units of samples."""
    import torch

    from contrastive_core.generators import generator_of
    from hebbian.boltzmann import chains as negative
    from hebbian.boltzmann.chains import CHAINS, ChainPlan

    inputs, source = parts.splits.train.inputs.shape[1], generator_of(seed, 7)
    # Fresh replicas find all modes; kept chains of the training may have stayed in one.
    plan = ChainPlan(1, options.fantasies, 20)
    chains = negative.start(parts.machine, plan, "parallel-tempering", source, session.chains.base)
    with torch.no_grad():
        for _ in range(100):
            state, chains = CHAINS["parallel-tempering"](parts.machine, (), chains, plan, source)
        means = parts.machine.units[0].mean(parts.machine.field(0, state))
        found = {"samples": means[:, :inputs].float().numpy()}
        if len(parts.machine.sizes) > 1:
            found["filters"] = parts.machine.weight(1)[:inputs, :_SHOWN].T.float().contiguous().numpy()
    return found
