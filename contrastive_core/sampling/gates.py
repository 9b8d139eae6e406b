"""Features seen through the gate of a pair of classes."""

from torch import Tensor

from contrastive_core.errors import InputError


def gate(features: Tensor, labels: Tensor, partners: Tensor, gates: Tensor) -> Tensor:
    r"""Return :math:`z_i \odot g_{\{y_i, y_j\}}`: pairs of any two classes are positives in the subspace of their gate (Hydra, 2024).

    Gates are learnt beside the network; a pair of classes has one gate whichever comes first.

    Parameters
    ----------
    features : Tensor of shape (B, n)
        Embeddings.
    labels, partners : Tensor of shape (B,)
        The classes of the rows and of the rows that they are paired with.
    gates : Tensor of shape (c, c, n)
        For each pair of classes; the upper triangle is used.

    Returns
    -------
    Tensor of shape (B, n)
        Differentiable in features and gates.
    """
    if gates.dim() != 3 or gates.shape[0] != gates.shape[1] or gates.shape[2] != features.shape[1]:
        raise InputError(f"gates must have shape (c, c, {features.shape[1]}), got {tuple(gates.shape)}")
    return features * gates[labels.minimum(partners), labels.maximum(partners)]
