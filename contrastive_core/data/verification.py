"""Verification of the files of a data set."""

from pathlib import Path
from typing import NamedTuple

from contrastive_core.data.catalog import describe
from contrastive_core.data.entry import Entry
from contrastive_core.data.files import check_name, folder_of, is_published, locate, opened
from contrastive_core.data.formats.idx import check_counts, parse_images, parse_labels
from contrastive_core.data.formats.matlab import parse_mat
from contrastive_core.data.formats.opening import DataFile
from contrastive_core.data.formats.records import parse_records
from contrastive_core.data.published import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, PublishedFile
from contrastive_core.data.sound.recordings import examine
from contrastive_core.errors import DataError

_IMAGES_OF = {TRAIN_LABELS: TRAIN_IMAGES, TEST_LABELS: TEST_IMAGES}


class FileReport(NamedTuple):
    """Findings about one file of a data set.

    Attributes
    ----------
    name : str
        Published name without ``.gz``.
    path : Path or None
        Path of the file; None if it is missing.
    num_bytes : int or None
        Size on disk.
    digest : str or None
        SHA-256 of its uncompressed content.
    published : bool or None
        Whether it is the published file; None if unknown.
    num_samples : int or None
        Images or labels in it.
    problem : str or None
        Reason for which it cannot be used, in one sentence; None if it can.
    """

    name: str
    path: Path | None = None
    num_bytes: int | None = None
    digest: str | None = None
    published: bool | None = None
    num_samples: int | None = None
    problem: str | None = None


def verify(name: str, data_dir: Path | None = None) -> tuple[FileReport, ...]:
    """Examine the files of a data set without downloading or changing anything.

    Parameters
    ----------
    name : str
        Name in ``DATASETS``.
    data_dir : Path, optional
        Folder with the files, or with a subfolder ``name`` that has them; None takes the download cache.

    Returns
    -------
    tuple of FileReport
        One report per file, in the order of the catalog, or one for all recordings of a folder; empty for a data set without files.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    """
    entry = describe(name)
    if entry.kind == "folder":
        return (_examined_recordings(data_dir),)
    folder = folder_of(entry, data_dir)
    paths = {file.name: path for file in entry.files if (path := locate(folder, file)) is not None}
    files = opened(entry, paths)
    reports: dict[str, FileReport] = {}
    for file in entry.files:
        if file.name in paths:
            report = FileReport(file.name, paths[file.name])
            reports[file.name] = _examined(entry, file, report, files[file.name], reports)
        else:
            wanted = f"{file.name} (.gz or not)" if entry.format == "idx" else file.name
            reports[file.name] = FileReport(file.name, problem=f"no {wanted} in {folder}; download or copy it there")
    return tuple(reports.values())


def _examined_recordings(data_dir: Path | None) -> FileReport:
    """Examine the recordings of a folder, of which no digest is published."""
    try:
        found, num_bytes, digest = examine(data_dir)
    except DataError as error:
        return FileReport("*.wav", data_dir, problem=str(error))
    return FileReport("*.wav", found.folder, num_bytes, digest, num_samples=len(found.paths))


def _examined(
    entry: Entry, published: PublishedFile, report: FileReport, file: DataFile | DataError, reports: dict[str, FileReport]
) -> FileReport:
    """Examine one file; the number of labels must be that of the images, which are examined first."""
    if isinstance(file, DataError):
        return report._replace(problem=str(file))
    report = report._replace(num_bytes=file.num_bytes, digest=file.content, published=is_published(published, file))
    try:
        check_name(entry.name, published.name, file)
        if entry.format == "records":
            return report._replace(num_samples=len(parse_records(file, entry.num_classes)[1]))
        if entry.format == "mat":
            return report._replace(num_samples=len(parse_mat(file)[1]))
        if published.name not in _IMAGES_OF:
            return report._replace(num_samples=len(parse_images(file)))
        num_labels = len(parse_labels(file, entry.num_classes))
        report = report._replace(num_samples=num_labels)
        images = reports[_IMAGES_OF[published.name]]
        if images.path is not None and images.num_samples is not None:
            check_counts(images.path, file.path, images.num_samples, num_labels)
    except DataError as error:
        return report._replace(problem=str(error))
    return report
