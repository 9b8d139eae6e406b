"""Data of a command, read as its options say."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from contrastive_core.data import DATASETS
from contrastive_core.data.catalog import CATALOG
from contrastive_core.data.own.kinds import kind_of
from contrastive_core.errors import InputError
from experiments.setup.data_options import DataOptions

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits


def read_data(options: DataOptions, *, any_task: bool = False, in_parts: bool = False) -> Splits:
    """Return the splits that the options ask for; what is drawn follows from a seed of its own, whatever the training seed.

    Parameters
    ----------
    options : DataOptions
        Data set and its options.
    any_task : bool
        Whether numbers and tags are taken beside classes; what takes them takes inputs in parts.
    in_parts : bool
        Whether inputs may stay in their file.

    Raises
    ------
    InputError
        If the data are none that the command can learn.
    """
    from contrastive_core.data.splits import limit, require_classes, require_loaded
    from contrastive_core.data.standardise import standardise

    check_data_seed(options)
    if is_own(options.data):
        from contrastive_core.data.own.reading import read_own

        # Each time anew: the file may have changed.
        splits = read_own(
            options.data,
            target=options.target,
            features=options.features,
            group=options.group or "",
            task=options.task,
            size=options.picture_size,
            memory_mapped=options.memory_mapped,
        )
    else:
        splits = _read(options.data, options.data_dir, options.data_seed, options.left_out)
    splits = splits if any_task else require_classes(splits, options.data)
    splits = splits if any_task or in_parts else require_loaded(splits, options.data)
    splits = splits if options.train_size is None else limit(splits, train=options.train_size)
    return splits if options.standardise is None else standardise(splits, options.standardise)


def check_data_seed(options: DataOptions) -> None:
    """Refuse a seed for data that are no random sample, and a speaker for a file; a plug-in may use a seed as it likes."""
    entry = CATALOG.get(options.data)
    own = is_own(options.data)
    columns = [f"--{name.replace('_', '-')}" for name in ("target", "features", "group", "picture_size") if getattr(options, name)]
    columns += ["--task"] if options.task != "auto" else []
    if options.memory_mapped is not None and not own:
        raise InputError(f"{options.data} is no file of your own, and --memory-mapped is for the inputs of one; leave it out")
    if columns and not own:
        raise InputError(f"{', '.join(columns)} chooses what is learnt of own data, and {options.data} is whole; leave it out")
    if own and (options.data_seed or options.left_out is not None):
        raise InputError(f"{options.data} is no random sample, and neither --data-seed nor --left-out has an effect on it; leave them out")
    if options.data_seed and entry is not None and not entry.seeded:
        seeded = ", ".join(name for name, entry in CATALOG.items() if entry.seeded)
        raise InputError(f"nothing of {options.data} follows from --data-seed, got {options.data_seed}; leave it out, or take {seeded}")


def is_own(name: str) -> bool:
    """Whether a text names a file, folder or source of own data, and no data set."""
    return name not in CATALOG and bool(kind_of(name))


@lru_cache(maxsize=1)
def _read(name: str, data_dir: Path | None, seed: int, left_out: str | None) -> Splits:
    if left_out is None:
        return DATASETS[name](data_dir, seed)
    from contrastive_core.data.sound.recordings import NAME
    from contrastive_core.data.sound.spoken_digits import load

    if name != NAME:
        raise InputError(f"--left-out names a speaker, and {name} has none; leave it out, or take --data {NAME}")
    return load(data_dir, seed, left_out=left_out)
