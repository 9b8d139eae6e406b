"""Limits of a nudge beyond which a circuit no longer settles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def margin(totals: Sequence[Tensor], couplings: Sequence[Tensor]) -> float:
    r"""Return the smallest eigenvalue of a conductance matrix as it is seen from its last layer.

    The matrix is the Schur complement on the outputs, computed layer by layer from the inputs up: :math:`S_1 = D_1`,
    :math:`S_l = D_l - K_l^T S_{l-1}^{-1} K_l`. Adding more than minus this to every output leaves the matrix positive definite.

    Parameters
    ----------
    totals : sequence of Tensor of shape (n_l,)
        The diagonal :math:`D_l` of each layer.
    couplings : sequence of Tensor of shape (n_{l-1}, n_l)
        :math:`K_l` of every layer but the first; the matrix has their negatives.

    Returns
    -------
    float
        In siemens, positive for a circuit whose outputs are connected to its sources.
    """
    seen = torch.diag(totals[0].double())
    for total, coupling in zip(totals[1:], couplings, strict=True):
        seen = torch.diag(total.double()) - coupling.double().T @ torch.linalg.solve(seen, coupling.double())
    return float(torch.linalg.eigvalsh(seen)[0])


def margin_at_least(totals: Sequence[Tensor], couplings: Sequence[Tensor], voltage_gain: float) -> float:
    """Return a cheap lower bound of :func:`margin`: exact rows instead of eigenvalues, one sweep instead of a solution.

    The matrix seen from the outputs has no positive element off its diagonal, so its smallest eigenvalue is at least the smallest
    current that holds one output at 1 V while all others are there too (Gershgorin). Hidden voltages above the true ones make that
    current smaller; the gains of the amplifiers alone are above them, and stay so over a sweep.

    Parameters
    ----------
    totals, couplings
        Arguments of :func:`margin`.
    voltage_gain : float
        Voltage gain of the amplifiers between layers.

    Returns
    -------
    float
        In siemens.
    """
    last = len(totals) - 1
    if last == 0:
        return float(totals[0].min())
    voltages = [total.new_full(total.shape, voltage_gain ** (index - last)) for index, total in enumerate(totals)]
    for index in reversed(range(last)):
        current = couplings[index] @ voltages[index + 1]
        if index:
            current = current + voltages[index - 1] @ couplings[index - 1]
        voltages[index] = current / totals[index]
    return float((totals[last] - voltages[last - 1] @ couplings[last - 1]).min())
