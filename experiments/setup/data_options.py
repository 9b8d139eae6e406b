"""Options of the data that a command reads."""

import operator
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from contrastive_core.data import DATASETS
from contrastive_core.data.own.kinds import kind_of
from experiments.commandline.markers import OneOf
from experiments.commandline.options import CommandOptions
from experiments.commandline.quantities import Positive, PositiveFloat, distinct
from experiments.commandline.sections import COMPUTATION, DATA


class DataOptions(CommandOptions, section=DATA):
    """A data set, or data of one's own.

    Attributes
    ----------
    data
        Name of the data set, or of own data.
    target, features, group, task, picture_size
        Columns of a table, what whole numbers mean, and the size of pictures.
    memory_mapped
        Whether inputs stay in their file.
    data_dir, data_seed, train_size, left_out, standardise
        Files, draws, number and scale of the samples.
    """

    data: Annotated[str, OneOf("data set", DATASETS, files=kind_of)] = Field(
        "digits",
        description="Data set to learn, or own data: the path of a CSV, Parquet or NPZ file, inputs.npy,labels.npy, a folder of pictures "
        "or WAV files by class, openml:NAME, or module:function.",
    )
    # Recorded only where they are set, like every option that is younger than recorded runs, which must still resume.
    target: Annotated[tuple[str, ...], AfterValidator(distinct)] = Field(
        (), exclude_if=operator.not_, description="Columns of a table that are learnt: one of classes, or one or more of numbers or tags."
    )
    features: Annotated[tuple[str, ...], AfterValidator(distinct)] = Field(
        (), exclude_if=operator.not_, description="Columns of a table that are the inputs; none: all that are nothing else."
    )
    group: str | None = Field(
        None,
        exclude_if=operator.not_,
        description="Column of a table, such as a patient, whose equal entries stay in one split; none: no groups.",
    )
    task: Literal["auto", "classification", "regression"] = Field(
        "auto",
        exclude_if=partial(operator.eq, "auto"),
        description="Meaning of whole numbers that could be classes or numbers (classification, regression); auto: by the entries.",
    )
    picture_size: tuple[Positive, ...] = Field(
        (),
        exclude_if=operator.not_,
        description="Height and width to which pictures of a folder are scaled, such as 32,32; none: as they are, all of one size.",
    )
    memory_mapped: Annotated[bool | None, COMPUTATION] = Field(
        None,
        exclude_if=partial(operator.is_, None),
        description="Whether the inputs of an NPY or NPZ file stay there, are read in batches and are shuffled in blocks; none: if they "
        "would take more than a quarter of the memory.",
    )
    data_dir: Path | None = Field(
        None, exclude=True, description="Directory with the files of the data set; none: download them once and cache them."
    )
    data_seed: Annotated[int, Field(ge=0)] = Field(
        0, description="Seed of generated data (two-moons, teacher) and of the random split of digits-shuffled."
    )
    train_size: Positive | None = Field(None, description="Number of training samples to use, such as 500; none: all of them.")
    # Recorded only where it is set, like every option that is younger than recorded runs, which must still resume.
    left_out: str | None = Field(
        None,
        exclude_if=operator.not_,
        description="Speaker of spoken-digits to test on, who is left out of training; none: the published division.",
    )
    standardise: PositiveFloat | None = Field(
        None,
        exclude_if=operator.not_,
        description="Standard deviation to which each channel of the inputs is scaled, with mean 0, by the training samples, such as 1; "
        "none: inputs as they are.",
    )
