"""Measures of two modalities: retrieval, the gap between them, what carries over, and all of it after each cure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.data.splits import Split

CURES = ("none", "mean shift", "noise", "mean shift and noise", "adapter")
"""Changes of the embeddings under which the modalities are measured."""
COLUMNS = {
    "gap": ("gap", 1.0, 3),
    "recall@1": ("recall_1", 100.0, 1),
    "@5": ("recall_5", 100.0, 1),
    "@10": ("recall_10", 100.0, 1),
    "back @1": ("back_1", 100.0, 1),
    "back @5": ("back_5", 100.0, 1),
    "transfer %": ("transfer", 100.0, 1),
    "attack %": ("attack", 100.0, 1),
    "no trigger %": ("no_trigger", 100.0, 1),
}
"""Columns of the table: measure, factor and digits."""
_MOST = 1000
"""Samples among which is searched."""


def of_modalities(
    seen: Tensor, unseen: Tensor, splits: tuple[Split, Split], modalities: Sequence[tuple[int, ...]]
) -> dict[str, dict[str, float]]:
    """Measure the embeddings of two modalities, which are the halves of the outputs.

    Parameters
    ----------
    seen, unseen : Tensor of shape (N, 2 n) and (M, 2 n)
        Outputs for training samples and for those that are judged.
    splits : tuple of Split
        These samples.
    modalities : sequence of tuple of int
        Shape of each modality in a row of inputs; empty for two halves.

    Returns
    -------
    dict
        By cure: ``gap``; ``recall_1``, ``recall_5``, ``recall_10`` of the second modality found from the first, and ``back_1`` and
        ``back_5`` the other way; ``transfer``, the share of judged samples that a linear probe of the first modality gets right on the
        second.
    """
    import torch
    from torch.nn.functional import normalize

    from contrastive_core.data.splits import Split
    from contrastive_core.networks.kinds import halved
    from contrastive_core.representation.geometry import gap
    from contrastive_core.representation.probes import linear_probe
    from contrastive_core.representation.retrieval import Modalities, adapted, matches_of, noisy, recall, shifted

    train, test = splits
    pair = Modalities(*(normalize(rows) for outputs in (seen, unseen) for rows in outputs.chunk(2, 1)))
    width = prod(modalities[0]) if modalities else halved(test.inputs.shape[1])[0]
    few = test.inputs[:_MOST]
    matches = matches_of(few[:, :width], few[:, width:])

    def draws() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    changed = (pair, shifted(pair), noisy(pair, draws()), noisy(shifted(pair), draws()), adapted(pair))
    found = {}
    for name, now in zip(CURES, changed, strict=True):
        first, second = now.first_test[:_MOST], now.second_test[:_MOST]
        found[name] = {
            "gap": gap(first, second),
            **{f"recall_{most}": recall(first, second, matches, most) for most in (1, 5, 10) if most <= len(few)},
            **{f"back_{most}": recall(second, first, matches.T, most) for most in (1, 5) if most <= len(few)},
            "transfer": linear_probe(Split(now.first, train.labels), Split(now.second_test, test.labels)),
        }
    return found


def of_attack(outputs: Tensor, triggered: Tensor, split: Split) -> dict[str, float]:
    """Measure a backdoor in the first modality.

    Parameters
    ----------
    outputs, triggered : Tensor of shape (M, 2 n)
        Outputs for judged samples, and for the same ones with the attacker's trigger.
    split : Split
        These samples, with the class that the attacker wants.

    Returns
    -------
    dict
        ``attack``, the share of samples of other classes whose triggered first modality is nearest to a second modality of the wanted
        class, among all judged samples but itself, and ``no_trigger``, the same share without the trigger.
    """
    from torch.nn.functional import normalize

    wanted = split.given["target"]
    others = split.labels != wanted
    found = {}
    for name, seen in (("attack", triggered), ("no_trigger", outputs)):
        queries, items = normalize(seen.chunk(2, 1)[0]), normalize(outputs.chunk(2, 1)[1])
        nearest = (queries @ items.T).fill_diagonal_(-2.0).argmax(1)
        found[name] = float((split.labels[nearest] == wanted)[others].double().mean())
    return found


def retrieval_table(records: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return retrieval and gap by rule and cure, means over the seeds, the untrained network first; no rows for one modality."""
    shown = {rule: record["retrieval"] for rule, record in records.items() if record.get("retrieval")}
    if not shown:
        return ("rule",), []
    untrained = next(record["untrained_retrieval"] for record in records.values() if record.get("untrained_retrieval"))
    rows = [
        (rule, cure, *_cells(values[cure]))
        for rule, values in {"untrained": {"none": untrained["none"]}, **shown}.items()
        for cure in CURES
        if cure in values
    ]
    return ("rule", "cure", *COLUMNS), rows


def _cells(values: Mapping[str, float | None]) -> tuple[str, ...]:
    cells = [(values.get(name), factor, digits) for name, factor, digits in COLUMNS.values()]
    return tuple("-" if value is None else f"{factor * value:.{digits}f}" for value, factor, digits in cells)
