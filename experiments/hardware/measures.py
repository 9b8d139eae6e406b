"""What is measured of a network on a device when it is trained: signal to noise of its contrast, and the bill."""

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
    """Measure what training took, and how far the contrast stands out of the errors of reading.

    Parameters
    ----------
    held : OnDevice
        As training left it.
    rule : Rule
        That trained it.
    splits : Splits
        What on.
    batch_size : int
        Of the batch on which the contrast is measured.
    history : sequence of mappings
        A record per epoch.
    costs : ConstantOptions
        Of operations.

    Returns
    -------
    dict
        Metrics of ``eqlab hardware``.
    """
    import torch

    from contrastive_core.data.batches import batches
    from contrastive_core.devices.accounting import account

    batch = next(batches(splits.train, batch_size))
    held.begin_use_()
    estimate = rule.estimate(held, batch, generator=torch.Generator().manual_seed(0))
    states = [relaxation.state for relaxation in estimate.relaxations.values()]
    first, last = (torch.cat([layer.double() for layer in state], 1) for state in (states[0 if len(states) < 3 else 1], states[-1]))
    read = torch.cat([layer.double() for layer in held.read(states[-1], "measured")], 1)
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
