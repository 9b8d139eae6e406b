"""Data sets of one's own, whatever kind of file or source they come from."""

from __future__ import annotations

import os
from collections.abc import Sequence

from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.own.kinds import FOLDER, MAPPED, READERS, TABLES, ChosenColumns, kind_of
from contrastive_core.data.splits import Splits
from contrastive_core.data.standardise import standardise
from contrastive_core.errors import InputError
from contrastive_core.expect import shown
from contrastive_core.guards.typed import typed
from contrastive_core.registry import unknown_name

_TASKS = ("auto", "classification", "regression")


@typed()
def read_own(
    name: str | os.PathLike[str],
    *,
    target: Sequence[str] | str = (),
    features: Sequence[str] = (),
    group: str = "",
    task: str = "auto",
    deviation: float | None = None,
    size: Sequence[int] = (),
    memory_mapped: bool | None = None,
) -> Splits:
    """Read a data set of one's own.

    Parameters
    ----------
    name : str or path
        An ``.npz`` file of named arrays; inputs and labels as ``inputs.npy,labels.npy``; a table in a ``.csv`` or ``.parquet`` file, or of
        OpenML as ``openml:NAME``; or a folder with a folder of pictures, or of WAV recordings, for each class.
    target : str or sequence of str
        Columns of a table that are learnt: one of classes, or numbers or tags.
    features : sequence of str
        Columns of a table that are inputs; empty for all that are nothing else.
    group : str
        Column of a table whose equal entries stay in one split; empty for none.
    task : str
        ``classification`` or ``regression``, for whole numbers that could be both; ``auto`` tells by the entries.
    deviation : float, optional
        Standard deviation to which each channel of the inputs is scaled by the training split, such as 1; None leaves them as they are.
    size : sequence of int
        Height and width to which pictures of a folder are scaled, without regard to their shape; empty for pictures of one size.
    memory_mapped : bool, optional
        Whether the inputs of NPY and NPZ files stay there and are read in batches, and training shuffles blocks of rows. None leaves them
        there if, as numbers of 4 bytes, they would take more than a quarter of the memory.

    Returns
    -------
    Splits
        Data set, as :func:`~contrastive_core.data.named.arrays.own_data` makes it of the arrays.

    Raises
    ------
    DataError
        If there is no such file or folder, or it is damaged.
    InputError
        If what it holds makes no data set, or columns are named of what has none.
    """
    name = os.fspath(name)
    kind = kind_of(name)
    if not kind:
        raise InputError(
            f"{name!r} is neither a file of {', '.join(key for key in READERS if key.startswith('.'))}, nor a folder, nor openml:NAME; "
            "give one of them"
        )
    columns = ChosenColumns(
        (target,) if isinstance(target, str) and target else tuple(target), tuple(features), group, task, tuple(size), memory_mapped
    )
    if task not in _TASKS:
        raise unknown_name("task", task, list(_TASKS))
    if size and (kind != FOLDER or len(columns.size) != 2 or min(columns.size) < 1):
        raise InputError(
            f"size is the height and width of pictures in a folder, got {shown(columns.size)} for {name}; give two numbers, such as 32,32"
        )
    if memory_mapped and kind not in MAPPED:
        raise InputError(f"only the inputs of NPY and NPZ files can stay on the disk, and {name} is another kind; write it with numpy.save")
    if kind not in TABLES and (columns.target or columns.features or group):
        raise InputError(f"target, features and group are columns of a table, and {name} has none; leave them out")
    found = READERS[kind](name, columns)
    try:
        splits = own_data(found.arrays, source=found.source, names=found.targets)
        tags = found.targets if splits.task == "multi-label" else found.classes
        splits = splits._replace(classes=splits.classes or tags, features=found.features)
        return splits if deviation is None else standardise(splits, deviation)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
