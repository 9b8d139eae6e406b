"""Measures of a trained network on a device: signal to noise of its contrast, and its energy and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.hardware.energy_bill import ConstantOptions, billed, by_phase

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.devices.on_device import OnDevice
    from contrastive_core.rule import Rule


def measure(
    held: OnDevice, rule: Rule, splits: Splits, batch_size: int, history: Sequence[Mapping[str, float]], costs: ConstantOptions
) -> dict[str, Any]:
    """Measure the costs of training, and the contrast relative to the errors of reading.

    Parameters
    ----------
    held : OnDevice
        Trained network on its device.
    rule : Rule
        Rule that trained the network.
    splits : Splits
        Data set of the training.
    batch_size : int
        Size of the batch on which the contrast is measured.
    history : sequence of mappings
        Record of each epoch.
    costs : ConstantOptions
        Costs of operations.

    Returns
    -------
    dict
        Metrics of ``eqlab hardware``.
    """
    import torch

    from contrastive_core.data.batches import batches
    from contrastive_core.devices.accounting import account
    from contrastive_core.per_sample import flatten

    batch = next(batches(splits.train, batch_size))
    held.begin_use_()
    estimate = rule.estimate(held, batch, generator=torch.Generator().manual_seed(0))
    states = [relaxation.state for relaxation in estimate.relaxations.values()]
    first, last = (flatten(state).double() for state in (states[0 if len(states) < 3 else 1], states[-1]))
    read = flatten(held.read(states[-1], "measured")).double()
    noise = float((read - last).square().mean().sqrt())
    signal = float((last - first).square().mean().sqrt())
    samples = len(splits.train.labels) * len(history)
    sweeps = sum(record["sweeps_per_sample"] for record in history) * len(splits.train.labels)
    relaxed = [(name, float(relaxation.steps.double().mean())) for name, relaxation in estimate.relaxations.items()]
    constants = costs.constants()
    with torch.no_grad():
        circuit = held.dissipation(estimate.relaxations["free"].state, held.clamp(batch.inputs))
    bill = account(held, by_phase(relaxed, sweeps), samples, constants, circuit)
    return {"signal_to_noise": signal / noise if noise > 0 else None, **billed(bill), "constants": constants.record()}
