"""History of a training in a file beside its checkpoint: a line per epoch, appended, so that an epoch costs what the first one did.

The last epoch stands in the checkpoint itself: who is told of it after the checkpoint was written may still add to its record.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from contrastive_core.errors import CheckpointError
from contrastive_core.files.bounded import read_bytes
from contrastive_core.files.writing import write_bytes


def history_of(checkpoint: Path) -> Path:
    """Return the file with the history of a checkpoint."""
    return checkpoint.with_name(f"{checkpoint.name}.history")


class HistoryFile:
    """Writer of a history, which knows what it wrote already."""

    def __init__(self) -> None:
        self._file: Path | None = None
        self._epochs = self._bytes = 0
        self._digest = sha256()

    def write(self, checkpoint: Path, history: Sequence[dict[str, float]]) -> dict[str, Any]:
        """Write the epochs that are not in the file yet, before the checkpoint that counts them.

        Parameters
        ----------
        checkpoint : Path
            File of the checkpoint.
        history : sequence of dict
            One record per epoch so far.

        Returns
        -------
        dict
            Number of epochs before the last and digest of their lines, and the record of the last, for the checkpoint. A kill between
            both files leaves a line too many, which reading passes over.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        file = history_of(checkpoint)
        if file != self._file or not file.is_file() or file.stat().st_size != self._bytes:  # begun anew, resumed, or changed by others
            self._file, self._epochs, self._bytes, self._digest = file, 0, 0, sha256()
        before = history[:-1]
        lines = "".join(f"{json.dumps(epoch)}\n" for epoch in before[self._epochs :]).encode()
        if self._epochs:
            with file.open("ab") as stream:
                stream.write(lines)
                stream.flush()
                os.fsync(stream.fileno())
        else:
            write_bytes(file, lines)
        self._digest.update(lines)
        self._epochs, self._bytes = len(before), self._bytes + len(lines)
        return {"epochs": self._epochs, "sha256": self._digest.hexdigest(), "last": list(history[-1:])}


def read_history(checkpoint: Path, stated: Any) -> Any:
    """Read the history that a checkpoint counts.

    Parameters
    ----------
    checkpoint : Path
        File of the checkpoint.
    stated : object
        Statement of the checkpoint: the result of ``write``, or the history itself in checkpoints of earlier versions.

    Returns
    -------
    object
        One record per epoch; whether they are records is for the caller to check.

    Raises
    ------
    CheckpointError
        If the file is missing, or is not that of the checkpoint.
    """
    if not isinstance(stated, dict):
        return stated
    file, epochs = history_of(checkpoint), stated.get("epochs")
    try:
        lines = read_bytes(file).splitlines(keepends=True)[: epochs if isinstance(epochs, int) else 0]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"cannot read {file} ({reason}); restore it, or delete {checkpoint} to train from the beginning") from error
    last = stated.get("last")
    if len(lines) != epochs or not isinstance(last, list) or sha256(b"".join(lines)).hexdigest() != stated.get("sha256"):
        problem = f"{file} is damaged, or not the history of {checkpoint.name}"
        raise CheckpointError(f"{problem}; restore both files, or delete {checkpoint} to train from the beginning")
    return [*(json.loads(line) for line in lines), *last]
