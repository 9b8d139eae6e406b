"""Response of a device to pulses, one at a time."""

import torch
from torch import Tensor

from contrastive_core.devices.conductance import Pairing
from contrastive_core.devices.device import Device
from contrastive_core.errors import InputError


def pulse_response(device: Device, pulses: int, samples: int) -> Tensor:
    """Send pulses up, and then as many down, to devices that start at their smallest conductance.

    Each pulse is a write of its own, with the device's variation, and each read has its noise. Of a pair the first device is
    shown; pulses down do not reach it where devices can only grow.

    Parameters
    ----------
    device : Device
        Device that answers.
    pulses : int
        Number of pulses in each direction.
    samples : int
        Number of devices, each with its own draws.

    Returns
    -------
    Tensor of shape (2 pulses + 1, samples)
        Conductances as they are seen, in siemens.
    """
    if pulses < 1 or samples < 1:
        raise InputError(f"a pulse response needs at least 1 pulse and 1 device, got {pulses} and {samples}")
    arrays = 2 if device.conductance.pairing is Pairing.DIFFERENTIAL else 1
    level = torch.zeros(arrays, samples, dtype=torch.float64)
    pulse = torch.zeros_like(level)
    pulse[0] = device.pulse()
    seen = [device.seen(level, "response", 0)[0]]
    for use in range(1, 2 * pulses + 1):
        sign = 1.0 if use <= pulses else -1.0
        level = device.write(level, sign * pulse, "response", use).level
        seen.append(device.seen(level, "response", use)[0])
    return device.conductance.siemens(torch.stack(seen))
