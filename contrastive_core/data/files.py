"""Files of a data set: finding, downloading and verifying."""

import sys
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

import pooch

from contrastive_core.data.catalog import CATALOG, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, Entry, PublishedFile, describe
from contrastive_core.data.idx import IdxFile, check_counts, locate, open_idx, parse_images, parse_labels
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


def find(name: str, data_dir: Path) -> dict[str, Path]:
    """Find all files of a data set in a folder.

    Parameters
    ----------
    name : str
        Name in ``DATASETS``.
    data_dir : Path
        Folder with the files, or with a subfolder called ``name`` that has them.

    Returns
    -------
    dict of str to Path
        Path of each file, by its published name without ``.gz``; empty for a data set without files.

    Raises
    ------
    DataError
        If the folder does not exist, or a file is missing in it.
    """
    entry = describe(name)
    folder = _folder(entry, data_dir)
    found = {file.name: locate(folder, file.name) for file in entry.files}
    missing = [file_name for file_name, path in found.items() if path is None]
    if missing:
        what = f"{folder}: no {', '.join(missing)}" if folder.is_dir() else f"{folder}: no such folder"
        raise DataError(f"{what}; data set {name!r} needs {_list_files(entry)} there, or no --data-dir to download them")
    return {file_name: path for file_name, path in found.items() if path is not None}


def fetch(name: str, data_dir: Path | None = None) -> dict[str, Path]:
    """Download the missing files of a data set, and check that all files are the published ones.

    Parameters
    ----------
    name : str
        Name in ``DATASETS``.
    data_dir : Path, optional
        Folder to download to, created if needed; existing files are never overwritten. None takes the download cache in the user's
        cache folder, where damaged files are replaced.

    Returns
    -------
    dict of str to Path
        Path of each file, by its published name without ``.gz``; empty for a data set without files.

    Raises
    ------
    DataError
        If a download fails, its SHA-256 is not the published one, or ``data_dir`` has another file of that name.
    """
    entry = describe(name)
    folder = _folder(entry, data_dir)
    return {file.name: _fetch_file(entry, file, folder, keep=data_dir is not None) for file in entry.files}


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
        One report per file, in the order of the catalog; empty for a data set without files.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    """
    entry = describe(name)
    folder = _folder(entry, data_dir)
    reports: dict[str, FileReport] = {}
    for file in entry.files:
        reports[file.name] = _verify_file(entry, file, folder, reports)
    return tuple(reports.values())


def is_published(published: PublishedFile, file: IdxFile) -> bool | None:
    """Compare a file with the published one.

    Parameters
    ----------
    published : PublishedFile
        File with its published digests.
    file : IdxFile
        File that was read.

    Returns
    -------
    bool or None
        Whether the content is the published one. None if only the digest of the archive is known and differs, because the same content
        compressed in another way has another archive.
    """
    if file.archive == published.archive:
        return True
    return None if published.content is None else file.content == published.content


def check_name(name: str, file_name: str, file: IdxFile) -> None:
    """Refuse a published file of another data set, or another file of the same one.

    Parameters
    ----------
    name : str
        Data set that the file is used for.
    file_name : str
        Published name that the file is used as.
    file : IdxFile
        File that was read.

    Raises
    ------
    DataError
        If it is recognised as another file.
    """
    for entry in CATALOG.values():
        for published in entry.files:
            if (entry.name, published.name) != (name, file_name) and is_published(published, file):
                raise DataError(
                    f"{file.path}: this is {published.name} of {entry.name!r}, expected {file_name} of {name!r}; "
                    "choose the other data set or another folder"
                )


def _folder(entry: Entry, data_dir: Path | None) -> Path:
    """Return the folder with the files of a data set."""
    if data_dir is None:
        return Path(pooch.os_cache("eqlab")) / entry.name
    named = data_dir / entry.name
    return named if named.is_dir() else data_dir


def _list_files(entry: Entry) -> str:
    """List the files that a data set needs, for messages."""
    return f"{', '.join(file.name for file in entry.files)} (.gz or not)"


def _fetch_file(entry: Entry, published: PublishedFile, folder: Path, *, keep: bool) -> Path:
    """Return the path of one file, after downloading it if it is missing."""
    present = locate(folder, published.name) if keep else None
    if present is not None:
        if is_published(published, open_idx(present)):
            return present
        raise DataError(f"{present}: not the published file of {entry.name!r}, and existing files are not overwritten; move it away")
    url = f"{entry.mirror}{published.name}.gz"
    try:
        path = pooch.retrieve(
            url, f"sha256:{published.archive}", fname=f"{published.name}.gz", path=folder, progressbar=sys.stderr.isatty()
        )
    # Errors of the network and of the disk are OSErrors; pooch raises ValueError for a wrong digest.
    except (OSError, ValueError) as error:
        raise DataError(
            f"{url}: download failed ({shorten(f'{type(error).__name__}: {error}', 100)}); "
            f"get {_list_files(entry)} by other means and give their folder with --data-dir"
        ) from error
    return Path(path)


def _verify_file(entry: Entry, published: PublishedFile, folder: Path, reports: dict[str, FileReport]) -> FileReport:
    """Examine one file; the number of labels must be that of the images, which are examined first."""
    path = locate(folder, published.name)
    if path is None:
        return FileReport(published.name, problem=f"no {published.name} (.gz or not) in {folder}; download or copy it there")
    report = FileReport(published.name, path)
    try:
        file = open_idx(path)
        report = report._replace(num_bytes=file.num_bytes, digest=file.content, published=is_published(published, file))
        check_name(entry.name, published.name, file)
        if published.name not in _IMAGES_OF:
            return report._replace(num_samples=len(parse_images(file)))
        num_labels = len(parse_labels(file, entry.num_classes))
        report = report._replace(num_samples=num_labels)
        images = reports[_IMAGES_OF[published.name]]
        if images.path is not None and images.num_samples is not None:
            check_counts(images.path, path, images.num_samples, num_labels)
    except DataError as error:
        return report._replace(problem=str(error))
    return report
