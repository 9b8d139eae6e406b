"""State of a training run, written to and read from a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contrastive_core.data.task import error_among
from contrastive_core.errors import CheckpointError
from contrastive_core.files.checkpoint import check_parameters, load_checkpoint, load_parameters, save_checkpoint
from contrastive_core.network import Network
from contrastive_core.training.following import Following
from contrastive_core.training.history_file import HistoryFile, read_history

_NUMBERS = ("epoch", "sweeps_per_sample", "unconverged", "seconds", "cpu_seconds")
"""Records of an epoch that training goes on from, or adds up."""


@dataclass
class Session:
    """Everything that changes during training, which is the content of a checkpoint.

    Attributes
    ----------
    network : Network
        Trained network.
    optimiser, schedule : Optimizer, LRScheduler
        Optimiser and learning-rate schedule, with their states.
    generators : dict of str to torch.Generator
        Generators by purpose.
    best : dict of str to Tensor
        Parameters and buffers of the best epoch so far.
    extras : dict of str to Tensor
        Tensors of the cost or of a warm start beside the network; changed in place.
    history : list of dict
        One record per finished epoch.
    best_epoch : int
        Best epoch, counted from 1; 0 before the first.
    following : Following, optional
        Rule whose tolerances follow the noise, in place of one with fixed tolerances; its numbers are among the extras.
    """

    network: Network
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generators: dict[str, torch.Generator]
    best: dict[str, Tensor]
    extras: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    following: Following | None = None
    _file: HistoryFile = field(default_factory=HistoryFile)

    def save(self, path: Path, identity: str) -> None:
        """Write the session to a checkpoint, and its new epochs to the file of the history beside it."""
        optimiser = self.optimiser.state_dict()
        tensors: dict[str, Tensor] = {f"parameter.{name}": p for name, p in self.network.named_parameters()}
        tensors |= {f"buffer.{name}": b for name, b in self.network.named_buffers()}
        tensors |= {f"best.{name}": p for name, p in self.best.items()}
        tensors |= {f"extra.{name}": value for name, value in self.extras.items()}
        tensors |= {f"generator.{name}": g.get_state() for name, g in self.generators.items()}
        scalars: dict[str, dict[str, Any]] = {}
        for index, state in optimiser["state"].items():
            for key, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"optimiser.{index}.{key}"] = value
                else:
                    scalars.setdefault(str(index), {})[key] = value
        record = {
            "identity": identity,
            "history": self._file.write(path, self.history),
            "best_epoch": self.best_epoch,
            "groups": optimiser["param_groups"],
            "scalars": scalars,
            "schedule": self.schedule.state_dict(),
        }
        save_checkpoint(path, tensors, record)

    def load(self, path: Path, identity: str) -> None:
        """Restore the session from a checkpoint.

        Raises
        ------
        CheckpointError
            If the checkpoint or its history is damaged, or belongs to another network or other settings. Nothing has been changed then.
        """
        tensors, record = load_checkpoint(path)
        names = {f"generator.{name}" for name in self.generators} | {f"best.{name}" for name in self.best}
        names |= {f"extra.{name}" for name in self.extras} | {f"buffer.{name}" for name, _ in self.network.named_buffers()}
        missing = ({"identity", "history", "best_epoch", "groups", "scalars", "schedule"} - record.keys()) | (names - tensors.keys())
        if missing:
            raise CheckpointError(f"{path} is not a checkpoint of a training run: it lacks {', '.join(sorted(missing))}; give another")
        check_parameters(self.network, tensors, "parameter.", path)
        if not _same(record["identity"], identity):
            raise CheckpointError(f"{path} was trained with other settings; use its own, or start in another directory")
        record["history"] = read_history(path, record["history"])
        _check_history(record, path)
        load_parameters(self.network, tensors, "parameter.", path)
        for name, buffer in self.network.named_buffers():
            buffer.copy_(tensors[f"buffer.{name}"])
        state: dict[int, dict[str, Any]] = {int(i): dict(values) for i, values in record["scalars"].items()}
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = tensor
        self.optimiser.load_state_dict({"state": state, "param_groups": record["groups"]})
        self.schedule.load_state_dict(record["schedule"])
        # Extras are copied in place, because the objective and the optimiser hold these tensors.
        for name, extra in self.extras.items():
            extra.copy_(tensors[f"extra.{name}"])
        for name, generator in self.generators.items():
            generator.set_state(tensors[f"generator.{name}"])
        self.best = {name.removeprefix("best."): t for name, t in tensors.items() if name.startswith("best.")}
        self.history, self.best_epoch = record["history"], record["best_epoch"]


def _check_history(saved: Mapping[str, Any], path: Path) -> None:
    """Refuse a history that was edited: the loop compares and shows its numbers."""
    history, best = saved["history"], saved["best_epoch"]
    if not isinstance(history, list) or not isinstance(best, int) or not 0 <= best <= len(history):
        raise CheckpointError(f"{path} is damaged: its best epoch is {best!r}; restore it, or delete it to train from the beginning")
    for place, epoch in enumerate(history, start=1):
        record = epoch if isinstance(epoch, dict) else {}
        error = error_among(record).name
        needed = (*_NUMBERS, f"train_{error}", f"validation_{error}")
        wrong = [name for name in needed if not isinstance(record.get(name), int | float)]
        if wrong:
            problem = f"epoch {place} has no number for {', '.join(wrong)}"
            raise CheckpointError(f"{path} is damaged: {problem}; restore it, or delete it to train from the beginning")


def _same(one: str, other: str) -> bool:
    """Compare identities, as JSON if they are that: the order of options changes between versions, and says nothing."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return one == other
