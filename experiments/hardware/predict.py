"""``eqlab predict``: the answers of a trained network to new samples."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.commandline.quantities import Positive
from experiments.runs.directory import find_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from contrastive_core.data.splits import Split, Splits
    from contrastive_core.network import Network
    from contrastive_core.rule import Rule
    from experiments.setup.options import LearningOptions

_SHOWN = 20
"""Samples in the table for people."""
_CHUNK = 500
"""Samples settled together, so that memory stays small."""
_LOOKED_AT = 1000
"""Training samples whose range new inputs are compared with."""
_SCORES = 5
"""Most outputs in the table for people."""


class PredictOptions(CommandOptions):
    """A trained network, and samples for it.

    Attributes
    ----------
    run, trial
        Run that holds the network.
    inputs, picture_size
        New samples.
    write
        File of the predictions.
    data_dir
        Directory with the files of the run's data set.
    """

    run: Annotated[str, Positional()] = Field("", exclude=True, description="Name or path of a run of train, compare or contrast.")
    inputs: str | None = Field(
        None,
        exclude=True,
        description="New samples: a CSV, Parquet, NPY or NPZ file of inputs, a picture or WAV recording, or a folder of either; none: the "
        "test split of the run.",
    )
    picture_size: tuple[Positive, ...] = Field(
        (), exclude=True, description="Height and width to which pictures are scaled, such as 28,28; none: as the run scaled its own."
    )
    trial: str | None = Field(None, exclude=True, description="Key of the trial, as 'eqlab runs show' lists it; none: the only one.")
    write: Path | None = Field(None, exclude=True, description="CSV file of the predictions, outputs and residuals; none: print the first.")
    data_dir: Path | None = Field(
        None, exclude=True, description="Directory with the files of the run's data set; none: the download cache."
    )


class Predictions(NamedTuple):
    """Answers to samples.

    Attributes
    ----------
    names : tuple of str
        Name of each sample.
    outputs : Tensor of shape (N, n_out)
        Outputs at rest, in the unit of the targets for numbers.
    steps, residual, converged : Tensor of shape (N,)
        Certificate of each sample.
    """

    names: tuple[str, ...]
    outputs: Tensor
    steps: Tensor
    residual: Tensor
    converged: Tensor


@command(PredictOptions, "predict", without=("config", "set", "seed", "threads", "out"))
def predict_command(options: PredictOptions, invocation: Invocation) -> None:
    """Predict classes, numbers or tags of new samples by a trained network.

    RUN is a run of train or compare; one of contrast gives embeddings. --inputs names files as they are given to training, without what is
    learnt: a table has the columns that were inputs then, and others are passed over. Inputs are standardised as those of the run. Without
    --inputs the test split is predicted, with its labels beside. Each sample has its outputs, and the residual of the relaxation that they
    were read from.

    \b
    Examples:
      eqlab predict RUN --inputs new.csv --write predictions.csv
      eqlab predict RUN --inputs photo.png --picture-size 28,28
      eqlab predict RUN --trial ep-centered-0 --inputs pictures --write predictions.csv
      eqlab predict RUN --write test.csv

    Parameters
    ----------
    options : PredictOptions
        Network and samples.
    invocation : Invocation
        Start of the command, for output.

    Raises
    ------
    InputError
        If no run is named, the samples have other inputs than those of the run, or the file cannot be written.
    """  # noqa: D301
    from contrastive_core.files.writing import write_named

    if not options.run:
        raise InputError("which run? give: eqlab predict RUN --inputs FILE")
    if options.write is not None and options.write.suffix.lower() != ".csv":
        raise InputError(f"--write is a file that ends in .csv, got {options.write}; give one")
    if options.picture_size and (options.inputs is None or len(options.picture_size) != 2):
        raise InputError("--picture-size is the height and width of pictures of --inputs, such as 28,28; give two numbers, or leave it out")
    run = find_run(options.run).path
    trained = _trained(run, options)
    names, samples = _samples(trained, options, invocation)
    found = _settled(trained, names, samples, invocation)
    labels = samples.labels if options.inputs is None else None
    header, table = _table(trained.splits, found, labels, embedding=trained.embedding)
    if options.write is not None:
        text = StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *table])
        try:
            write_named({options.write: text.getvalue().encode(errors="surrogateescape")}, "file")
        except OSError as error:
            raise InputError(f"cannot write {options.write} ({error.strerror}); choose another place") from error
    share = float(found.converged.double().mean())
    if share < 1:
        invocation.warn(f"{100 * (1 - share):.3g} % of the samples did not reach the run's tolerance; their outputs are no equilibrium")
    summary = {"trial": trained.key, "samples": len(table), "residual": float(found.residual.max()), "converged": share}
    data = summary | (
        {"file": str(options.write)} if options.write else {"predictions": [dict(zip(header, row, strict=True)) for row in table]}
    )
    invocation.result(data, _text(header, table, summary, options.write))


class _Trained(NamedTuple):
    """Network of a run with the data that it learnt from, before they were standardised and after."""

    key: str
    network: Network
    rule: Rule
    options: LearningOptions
    raw: Splits
    splits: Splits
    embedding: bool


def _trained(run: Path, options: PredictOptions) -> _Trained:
    from contrastive_core.data.standardise import standardise
    from experiments.hardware.learnt import choose_trial
    from experiments.representations.options import ContrastiveOptions
    from experiments.representations.trained import finished, load_trained
    from experiments.setup.build import load_data

    learning, done = finished(run, options.data_dir)
    by_key = {one.key: one for one in done}
    key = choose_trial(run, options.trial, list(by_key))
    raw = load_data(learning.model_copy(update={"standardise": None}), any_task=True)
    splits = raw if learning.standardise is None else standardise(raw, learning.standardise)
    if splits.digest != by_key[key].data:
        raise InputError(
            f"the data of {run} are not those that it was trained on: the file has changed, or its inputs stayed there then and are loaded "
            "now; give its own data, on a machine with as much memory"
        )
    found = load_trained(run, learning, by_key[key], splits)
    return _Trained(key, found.network, found.answer, learning, raw, splits, isinstance(learning, ContrastiveOptions))


def _samples(trained: _Trained, options: PredictOptions, invocation: Invocation) -> tuple[tuple[str, ...], Split]:
    """Return the names of the samples, and their inputs with labels, which are blank for new ones."""
    from contrastive_core.data.own.new_inputs import read_new_inputs
    from contrastive_core.data.splits import Split
    from contrastive_core.data.standardise import standardise

    if options.inputs is None:
        return tuple(map(str, range(len(trained.splits.test.labels)))), trained.splits.test
    raw, deviation = trained.raw, trained.options.standardise
    new = read_new_inputs(options.inputs, raw, options.picture_size or trained.options.picture_size)
    rows = new.rows.to(raw.test.labels.device)
    low, high = (float(one) for one in raw.train.inputs[:_LOOKED_AT].aminmax())
    if float(rows.min()) < 2 * low - high or float(rows.max()) > 2 * high - low:
        invocation.warn(
            f"inputs lie between {float(rows.min()):.4g} and {float(rows.max()):.4g}, and those of training between {low:.4g} and "
            f"{high:.4g}; give them in the unit of the training"
        )
    samples = Split(rows, raw.test.labels.new_zeros((len(rows), *raw.test.labels.shape[1:])))
    if deviation is not None:
        samples = standardise(raw.with_parts(raw.train, raw.validation, samples, raw.source), deviation).test
    return new.names, samples


def _settled(trained: _Trained, names: tuple[str, ...], samples: Split, invocation: Invocation) -> Predictions:
    import torch

    from contrastive_core.certificate import Status
    from contrastive_core.data.batches import batches

    network, splits = trained.network, trained.splits
    kept: list[tuple[Tensor, ...]] = []
    dtype = next(network.parameters()).dtype
    with torch.no_grad(), invocation.progress(-(-len(names) // _CHUNK), "settling") as bar:
        for batch in batches(samples, _CHUNK):
            network.begin_use_()
            ends = trained.rule.infer(network, batch.inputs.to(dtype))
            kept.append((network.output(ends.state), ends.steps, ends.residual, ends.status == int(Status.CONVERGED)))
            bar.update()
    outputs, steps, residual, converged = (torch.cat(one).cpu() for one in zip(*kept, strict=True))
    if splits.targets and not trained.embedding:
        mean, deviation = (outputs.new_tensor([getattr(one, name) for one in splits.targets]) for name in ("mean", "deviation"))
        outputs = mean + deviation * outputs
    return Predictions(names, outputs, steps, residual, converged)


def _table(splits: Splits, found: Predictions, labels: Tensor | None, *, embedding: bool) -> tuple[list[str], list[list[Any]]]:
    """Return the header and a row for each sample: its name, what is predicted, the label if it is known, outputs and certificate."""
    number = found.outputs.shape[1]
    names = list(splits.classes) or [target.name for target in splits.targets] or [str(place) for place in range(number)]
    columns: dict[str, Sequence[Any]] = {"sample": found.names}
    if embedding:
        names = [str(place) for place in range(number)]
    elif number != splits.num_classes:
        raise InputError(f"the network has {number} outputs for {splits.num_classes} classes, of which none can be read; give another run")
    elif splits.task == "classification":
        columns["prediction"] = [names[place] for place in found.outputs.argmax(1).tolist()]
        if labels is not None:
            columns["label"] = [names[place] for place in labels.tolist()]
    elif splits.task == "multi-label":
        columns["prediction"] = [_tags(names, row) for row in (found.outputs > 0.5).tolist()]
        if labels is not None:
            columns["label"] = [_tags(names, row) for row in (labels > 0.5).tolist()]
    elif labels is not None:
        for place, target in enumerate(splits.targets):
            columns[f"label {target.name}"] = _written(target.mean + target.deviation * labels[:, place].double())
    columns |= {f"output {name}": _written(found.outputs[:, place]) for place, name in enumerate(names)}
    columns |= {"steps": found.steps.tolist(), "residual": _written(found.residual), "converged": found.converged.int().tolist()}
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def _tags(names: Sequence[str], row: Sequence[bool]) -> str:
    return " ".join(name for name, there in zip(names, row, strict=True) if there)


def _written(values: Tensor) -> list[float]:
    """Return numbers with the digits that float32 has."""
    return [float(f"{value:.9g}") for value in values.tolist()]


def _text(header: list[str], table: list[list[Any]], summary: dict[str, Any], file: Path | None) -> str:
    outputs = [place for place, name in enumerate(header) if name.startswith("output ")]
    left_out = set(outputs[_SCORES:] if len(outputs) > _SCORES else ())
    shown = [place for place in range(len(header)) if place not in left_out]
    lines = format_table([header[place] for place in shown], [[row[place] for place in shown] for row in table[:_SHOWN]])
    more = f"\n... and {len(table) - _SHOWN} more" if len(table) > _SHOWN else ""
    fewer = f"\n{len(left_out)} further outputs are not shown" if left_out else ""
    end = f"{summary['trial']}: {summary['samples']} samples, largest residual {summary['residual']:.2g}"
    return f"{lines}{more}{fewer}\n\n{end}{f'; {file}' if file else '; give --write FILE.csv to keep them all'}"
