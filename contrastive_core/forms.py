"""Forms in which some networks give their energy or its heat: a ladder of layers, and the dissipation of a circuit."""

from typing import NamedTuple

from torch import Tensor


class Ladder(NamedTuple):
    r"""Quadratic energy whose layers act on their neighbours, with bounds for each unit.

    .. math:: E = \sum_l \left[ \tfrac12\, d_l \cdot s_l^2 - b_l \cdot s_l - s_{l-1} K_l s_l \right] + \mathrm{const},
        \qquad low_l \le s_l \le high_l.

    Attributes
    ----------
    drives : tuple of Tensor
        :math:`b_l`, of shape (B, n_1) for the first layer, with the contribution of the inputs, and (n_l,) for the others.
    curvatures : tuple of Tensor of shape (n_l,)
        :math:`d_l`, positive.
    couplings : tuple of Tensor of shape (n_{l-1}, n_l)
        :math:`K_l` of every free layer but the first.
    lows, highs : tuple of Tensor of shape (n_l,)
        Bounds of the boxes, infinite where there is none.
    """

    drives: tuple[Tensor, ...]
    curvatures: tuple[Tensor, ...]
    couplings: tuple[Tensor, ...]
    lows: tuple[Tensor, ...]
    highs: tuple[Tensor, ...]


class Dissipation(NamedTuple):
    """Heat of a circuit and conductance of its nodes, by the parameter that holds the conductances.

    Sources, amplifiers and nudges deliver the power and are not counted.

    Attributes
    ----------
    heat : dict of str to Tensor of shape (B,)
        Watts in the resistors, and in the diodes of the nodes above them.
    nodes : dict of str to Tensor of shape (n,)
        Siemens of all resistors that each node above them sees, through amplifiers too.
    """

    heat: dict[str, Tensor]
    nodes: dict[str, Tensor]
