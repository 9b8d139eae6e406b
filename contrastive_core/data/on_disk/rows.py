"""Inputs of a split that stay in their file: a tensor that can be indexed by rows, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.files.stored import Stored

CHUNK = 2**23
"""Bytes of a chunk, if its entries are taken as numbers of 8 bytes."""
_ALIKE = ("aten::detach", "aten::alias")
"""Operations that give the rows themselves."""


@final
class MappedRows(Tensor):
    """Rows of an array in a file, of shape (N, n_in) and dtype float32, which are read when they are indexed.

    A slice, an index or a tensor of indices of the first axis gives an ordinary tensor. Every other operation would need all rows at
    once and is refused.

    Parameters
    ----------
    stored : Stored
        Array of shape (M, ...), whose last axes are flattened.
    digest : str
        SHA-256 of the entries.
    rows : ndarray of shape (N,), optional
        Rows of the file that these are, in this order; None for all.
    scale : pair of Tensor of shape (n_in,), optional
        Mean and factor: inputs are the entries minus the mean, times the factor.
    device : torch.device, optional
        Device of the tensors that are read.
    """

    @staticmethod
    def __new__(
        cls: type[MappedRows],
        stored: Stored,
        digest: str,
        rows: NDArray[np.intp] | None = None,
        scale: tuple[Tensor, Tensor] | None = None,
        device: torch.device | None = None,
    ) -> MappedRows:
        """Make a tensor without memory of its own."""
        count = stored.shape[0] if rows is None else len(rows)
        shape = (count, int(np.prod(stored.shape[1:])))
        make: Callable[..., MappedRows] = torch.Tensor._make_wrapper_subclass
        return make(cls, shape, dtype=torch.float32, device=device or torch.device("cpu"))

    def __init__(
        self,
        stored: Stored,
        digest: str,
        rows: NDArray[np.intp] | None = None,
        scale: tuple[Tensor, Tensor] | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.stored = stored
        self.digest = digest
        self.places = np.arange(stored.shape[0]) if rows is None else rows
        self.scale = scale

    def only(self, rows: NDArray[np.intp]) -> MappedRows:
        """Return some of the rows, which stay in the file."""
        return MappedRows(self.stored, self.digest, self.places[rows], self.scale, self.device)

    def scaled(self, mean: Tensor, factor: Tensor) -> MappedRows:
        """Return the inputs minus a mean and times a factor, each of shape (n_in,)."""
        if self.scale is not None:
            before, times = self.scale
            mean, factor = before + mean / times, times * factor
        return MappedRows(self.stored, self.digest, self.places, (mean, factor), self.device)

    def chunks(self) -> Iterator[Tensor]:
        """Read all rows, in chunks of shape (M, n_in) that take some megabytes."""
        many = max(1, CHUNK // (8 * self.shape[1]))
        for start in range(0, len(self), many):
            yield self.inputs(self.held(np.arange(start, min(start + many, len(self)))))

    def identity(self) -> bytes:
        """Return bytes that are equal for equal inputs: the digest of the file, the rows, and the scale."""
        scale = () if self.scale is None else (one.numpy().tobytes() for one in self.scale)
        return b"".join((self.digest.encode(), self.places.tobytes(), *scale))

    def held(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Read some rows in the type of the file, of shape (M, ...)."""
        return self.stored.rows(self.places[rows])

    def inputs(self, entries: NDArray[Any]) -> Tensor:
        """Return entries of the file as inputs, of shape (M, n_in) on the device."""
        found = torch.from_numpy(entries.reshape(len(entries), self.shape[1]).astype(np.float32))
        if self.scale is not None:
            mean, factor = self.scale
            found = (found - mean) * factor
        return found.to(self.device)

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Refuse conversions that torch itself would refuse in words of its own; all else goes to ``__torch_dispatch__``."""
        if func in (Tensor.numpy, Tensor.tolist, Tensor.__array__):
            raise _whole(func.__name__)
        if func is Tensor.__repr__:
            return f"<{args[0].shape[0]} rows of {args[0].shape[1]} inputs in {args[0].stored.path}>"
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Read rows where they are indexed, and refuse what needs all of them."""
        name = func._schema.name
        self = args[0]
        if not isinstance(self, MappedRows):
            raise _whole(name)
        if name in _ALIKE:
            return self
        if name == "aten::_to_copy" and (kwargs or {}).get("dtype") in (None, self.dtype):
            return MappedRows(self.stored, self.digest, self.places, self.scale, (kwargs or {}).get("device"))
        rows = _rows(name, args, len(self))
        if rows is None:
            raise _whole(name)
        found = self.inputs(self.held(rows))
        return found[0] if name == "aten::select" else found


def chunks_of(inputs: Tensor) -> Iterator[Tensor]:
    """Give all inputs: those of a file in chunks, others at once."""
    return inputs.chunks() if isinstance(inputs, MappedRows) else iter((inputs,))


def _rows(name: str, args: Sequence[Any], count: int) -> NDArray[np.intp] | None:
    """Return the rows that an operation takes; None if it does anything else."""
    if name == "aten::index" and len(args[1]) == 1:
        chosen = args[1][0]
        if chosen.dim() == 1:
            places: NDArray[np.intp] = (chosen.nonzero()[:, 0] if chosen.dtype is torch.bool else chosen % count).cpu().numpy()
            return places
    if name == "aten::slice":
        told = [*args[1:], *(0, None, None, 1)[len(args) - 1 :]]  # dimension, start, end and step; torch leaves out defaults
        return np.arange(count)[slice(*told[1:])] if told[0] == 0 else None
    if name == "aten::select" and args[1] == 0:
        return np.arange(count)[args[2] : args[2] + 1 or None]
    return None


def _whole(name: str) -> InputError:
    operation = name.rpartition("::")[2].strip("_")
    return InputError(
        f"{operation} needs all inputs at once, and these stay in their file (memory-mapped); train, compare, gradients and tune take "
        "batches; give --no-memory-mapped to load them"
    )
