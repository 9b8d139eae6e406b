"""Files of a data set: finding, downloading, opening and recognising."""

import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from textwrap import shorten

import pooch

from contrastive_core.data.catalog import CATALOG, describe
from contrastive_core.data.entry import Entry
from contrastive_core.data.formats.idx import open_idx
from contrastive_core.data.formats.opening import DataFile, open_members, open_plain, read_file
from contrastive_core.data.published import PublishedFile
from contrastive_core.data.sound.recordings import find_recordings
from contrastive_core.errors import DataError

_OPENERS: dict[str, Callable[[Path], DataFile]] = {"idx": open_idx, "records": open_plain, "mat": open_plain}


def locate(folder: Path, published: PublishedFile) -> Path | None:
    """Find a file of a data set under one of its common names.

    Parameters
    ----------
    folder : Path
        Folder to search, without subfolders.
    published : PublishedFile
        The file.

    Returns
    -------
    Path or None
        First existing file of: the published name, the download that it comes in, and for IDX files both with a dot before ``idx``.
    """
    dotted = published.name.replace("-idx", ".idx")
    names = (published.name, published.download, *(() if published.source else (dotted, f"{dotted}.gz")))
    return next((path for path in (folder / name for name in names) if path.is_file()), None)


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
    folder = folder_of(entry, data_dir)
    found = {file.name: locate(folder, file) for file in entry.files}
    missing = [file_name for file_name, path in found.items() if path is None]
    if missing:
        what = f"{folder}: no {', '.join(missing)}" if folder.is_dir() else f"{folder}: no such folder"
        raise DataError(f"{what}; data set {name!r} needs {list_files(entry)} there, or no --data-dir to download them")
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
        If a download fails, its SHA-256 is not the published one, or ``data_dir`` has another file of that name. If the data set is
        a folder of one's own and there is none.
    """
    entry = describe(name)
    if entry.kind == "folder":
        find_recordings(data_dir)
        return {}
    folder = folder_of(entry, data_dir)
    downloads: dict[str, Path] = {}  # one for all files of an archive
    found: dict[str, Path] = {}
    for file in entry.files:
        present = None if data_dir is None else locate(folder, file)
        if present is None or present.name == file.download:
            if file.download not in downloads:
                downloads[file.download] = _download(entry, file, folder, present)
            found[file.name] = downloads[file.download]
        else:
            _refuse_other(entry, file, present, is_published(file, _OPENERS[entry.format](present)))
            found[file.name] = present
    return found


def opened(entry: Entry, paths: Mapping[str, Path]) -> dict[str, DataFile | DataError]:
    """Read files of a data set, each archive once.

    Parameters
    ----------
    entry : Entry
        Description of the data set.
    paths : mapping of str to Path
        Path of each file, or of the archive that it is in, by its published name.

    Returns
    -------
    dict of str to DataFile or DataError
        The bytes, or the reason for which a file cannot be read, by published name.
    """
    packed = {file.name: paths[file.name] for file in entry.files if file.name in paths and _in_archive(file, paths[file.name])}
    found: dict[str, DataFile | DataError] = {}
    for path in dict.fromkeys(packed.values()):
        names = [name for name, archive in packed.items() if archive == path]
        try:
            found |= open_members(path, names)
        except DataError as error:
            found |= dict.fromkeys(names, error)
    for name, path in paths.items():
        if name not in packed:
            try:
                found[name] = _OPENERS[entry.format](path)
            except DataError as error:
                found[name] = error
    return {name: found[name] for name in paths}


def is_published(published: PublishedFile, file: DataFile) -> bool | None:
    """Compare a file with the published one.

    Parameters
    ----------
    published : PublishedFile
        File with its published digests.
    file : DataFile
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


def check_name(name: str, file_name: str, file: DataFile) -> None:
    """Refuse a published file of another data set, or another file of the same one.

    Parameters
    ----------
    name : str
        Data set that the file is used for.
    file_name : str
        Published name that the file is used as.
    file : DataFile
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


def folder_of(entry: Entry, data_dir: Path | None) -> Path:
    """Return the folder with the files of a data set: a subfolder of ``data_dir`` with its name or that of its archive, or ``data_dir``."""
    if data_dir is None:
        return Path(pooch.os_cache("eqlab")) / entry.name
    named = (data_dir / name for name in (entry.name, entry.folder) if name)
    return next((folder for folder in named if folder.is_dir()), data_dir)


def list_files(entry: Entry) -> str:
    """List the files that a data set needs, for messages."""
    names = ", ".join(file.name for file in entry.files)
    if entry.format == "idx":
        return f"{names} (.gz or not)"
    archives = {file.source for file in entry.files} - {file.name for file in entry.files}
    return f"{names} or {', '.join(sorted(archives))}" if archives else names


def _in_archive(published: PublishedFile, path: Path) -> bool:
    """Whether a path is that of an archive of several files."""
    return published.source not in ("", published.name) and path.name == published.source


def _refuse_other(entry: Entry, published: PublishedFile, present: Path, verdict: bool | None) -> None:
    """Refuse to take a file for the published one, or to write over it."""
    if not verdict:
        raise DataError(f"{present}: not the published file of {entry.name!r}, and existing files are not overwritten; move it away")


def _download(entry: Entry, published: PublishedFile, folder: Path, present: Path | None) -> Path:
    """Return the path of a download, after fetching it if it is missing; a file that is present must be it."""
    if present is not None:
        _refuse_other(entry, published, present, _is_download(entry, published, present))
        return present
    url = f"{entry.mirror}{published.download}"
    try:
        path = pooch.retrieve(url, f"sha256:{published.archive}", fname=published.download, path=folder, progressbar=sys.stderr.isatty())
    # Errors of the network and of the disk are OSErrors; pooch raises ValueError for a wrong digest.
    except (OSError, ValueError) as error:
        raise DataError(
            f"{url}: download failed ({shorten(f'{type(error).__name__}: {error}', 100)}); "
            f"get {list_files(entry)} by other means and give their folder with --data-dir"
        ) from error
    return Path(path)


def _is_download(entry: Entry, published: PublishedFile, present: Path) -> bool | None:
    """Whether a file is the published download, or has its content."""
    if _in_archive(published, present):
        return sha256(read_file(present)).hexdigest() == published.archive
    return is_published(published, _OPENERS[entry.format](present))
