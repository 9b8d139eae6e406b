"""Short training runs that can be stopped at any epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from systems import build_rule, make_cost, make_system, seeded
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.data.splits import Split, Splits, assemble
from contrastive_core.network import Network
from contrastive_core.rule import Setting, Settling
from contrastive_core.training.loop import train
from contrastive_core.training.plan import Plan
from contrastive_core.training.results import Result

COST = make_cost("squared-error")

SETTING = Setting(COST, Settling(free=Stop(1e-3, 40), second=Stop(1e-3, 40)))


def make_splits(seed: int = 0, train_size: int = 96) -> Splits:
    """A small task in float32: which of two inputs is larger, and whether a third is."""
    generator = seeded(seed)

    def draw(count: int) -> Split:
        inputs = torch.rand((count, 6), generator=generator)
        return Split(inputs, (inputs[:, 0] > inputs[:, 1]).long() + (inputs[:, 2] > 0.5).long())

    return assemble(draw(train_size), draw(40), draw(40), num_classes=3, source="drawn for a test")


def make_network(seed: int = 0, sizes: tuple[int, ...] = (6, 8, 3)) -> Any:
    return make_system("hard-sigmoid", sizes=sizes, dtype=torch.float32, seed=seed).network


class Stopped(Exception):  # noqa: N818 - it is no error
    """Raised to interrupt a run in process."""


def run(
    plan: Plan, checkpoint: Path | None = None, *, rule: str = "ep-random", stop_after: int | None = None, **options: Any
) -> tuple[Network, Result]:
    network = options.pop("network", None) or make_network()

    def on_epoch(record: dict[str, float]) -> None:
        if record["epoch"] == stop_after:
            raise Stopped

    options = {"seed": 7, "identity": "a", "on_epoch": on_epoch} | options
    cost = options.pop("cost", COST)
    return network, train(network, build_rule(rule, SETTING), cost, make_splits(), plan, checkpoint=checkpoint, **options)


def parameters_of(network: Network) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def assert_same_bits(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def without_times(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: value for key, value in record.items() if "seconds" not in key} for record in history]
