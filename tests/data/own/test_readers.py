"""Own data of every kind: what a file or folder holds is what is learnt, and what it cannot be is refused in one sentence."""

from __future__ import annotations

import struct
import sys
import types
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Found, Refused
from documents import blocks
from numpy.typing import NDArray
from PIL import Image

from contrastive_core.data import DATASETS
from contrastive_core.data.formats.wav import read_wav
from contrastive_core.data.own.kinds import READERS, kind_of
from contrastive_core.data.own.reading import read_own
from contrastive_core.data.sound.mel import log_mel
from contrastive_core.data.splits import Splits
from contrastive_core.errors import InputError

N = 30


def rows(splits: Splits) -> NDArray[Any]:
    """Inputs of all samples in an order of their own."""
    whole = torch.cat([part.inputs for part in splits[:3]]).double().numpy()
    return whole[np.lexsort(whole.T)]


def table(path: Path, **changes: Any) -> Path:
    """Write a table of two measurements, a kind, an amount, a patient and a grade; a change to None leaves a column out."""
    draw = np.random.default_rng(0)
    columns: dict[str, Any] = {
        "width": draw.random(N).round(4),
        "height": draw.random(N).round(4),
        "kind": ["cat", "dog", "cow"] * (N // 3),
        "amount": draw.random(N).round(4),
        "patient": [f"p{index // 3}" for index in range(N)],
        "grade": [3, 5, 9] * (N // 3),
    }
    columns = {name: values for name, values in {**columns, **changes}.items() if values is not None}
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_columns_of_a_table_are_inputs_classes_numbers_and_groups(tmp_path: Path) -> None:
    """If this fails, a network is given its answer, or samples of one patient are on both sides of a split."""
    path = table(tmp_path / "t.csv")
    inputs = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 1))
    classes = read_own(path, target="kind", features=("width", "height"))
    assert (classes.task, classes.num_classes) == ("classification", 3)
    np.testing.assert_array_equal(rows(classes), inputs[np.lexsort(inputs.T)].astype(np.float32))
    numbers = read_own(path, target="amount", features=("width", "height"), group="patient")
    assert [target.name for target in numbers.targets] == ["amount"]
    groups = [set(part.given["groups"].tolist()) for part in numbers[:3]]
    assert sum(map(len, groups)) == len(set.union(*groups)) == N // 3
    assert read_own(path, target="grade", features=("width",), task="classification").num_classes == 3
    tags = read_own(table(tmp_path / "tags.csv", grade=[0, 1] * 15, kind=[0, 0, 1] * 10), target=("kind", "grade"), features=("width",))
    assert (tags.task, tags.num_classes) == ("multi-label", 2)
    told = table(tmp_path / "split.csv", kind=None, patient=None, grade=None, split=["train"] * 20 + ["validation"] * 4 + ["test"] * 6)
    parts = read_own(told, target="amount")
    assert [len(part.labels) for part in parts[:3]] == [20, 4, 6]
    assert parts.train.inputs.shape[1] == 2  # all columns that are nothing else


@pytest.mark.parametrize(
    ("changes", "settings", "words"),
    [
        ({}, {}, "which column of t.csv is the target? name it with --target; the columns are width, height, kind"),
        ({}, {"target": "kindd"}, "unknown column 'kindd'; did you mean 'kind'"),
        ({}, {"target": "amount"}, "column 'kind' holds text such as 'cat', and inputs are numbers"),
        ({}, {"target": "grade", "features": ("width",)}, "whole numbers from 3 to 9, which can be classes or numbers; say --task"),
        ({}, {"target": "kind", "features": ("kind",)}, "column 'kind' is an input and the target, group or split too"),
        ({}, {"target": "amount", "features": ("width",), "task": "classification"}, "holds fractions, which are no classes"),
        ({}, {"target": "kind", "features": ("width",), "task": "regression"}, "holds text, and targets must be numbers"),
        ({"width": ["", *range(N - 1)]}, {"target": "kind", "features": ("width",)}, "1 missing values, the first in row 1 of 30; fill"),
        ({"kind": ["cat"] * N}, {"target": "kind", "features": ("width",)}, "all 30 samples are of one class"),
        ({"kind": None}, {"target": ("amount", "patient"), "features": ("width",)}, "must all hold numbers"),
    ],
)
def test_tables_that_make_no_data_set_are_refused(changes: dict[str, Any], settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    """If this fails, a gap is filled, a text is counted, or a column is guessed."""
    with pytest.raises(InputError) as caught:
        read_own(table(tmp_path / "t.csv", **changes), **settings)
    assert words in str(caught.value)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text("1,2\n3,4\n")
    for name, words in (("numbers.csv", "begins with a row of names"), ("none.csv", "there is no file")):
        with pytest.raises(InputError, match=words):
            read_own(tmp_path / name, target="a")
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n1,2,3,4\n")
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_own(tmp_path / "odd.csv", target="a")


def test_parquet_says_which_library_it_needs_or_is_what_the_csv_file_is(tmp_path: Path) -> None:
    """If this fails, a missing optional library is a traceback."""
    path = table(tmp_path / "t.csv")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match=r"needs the library pyarrow; install it with pip install 'eqlab\[parquet\]'"):
            read_own(tmp_path / "t.parquet", target="kind")
        return
    import pandas

    pandas.read_csv(path).to_parquet(tmp_path / "t.parquet")
    settings: dict[str, Any] = {"target": "kind", "features": ("width",)}
    assert read_own(tmp_path / "t.parquet", **settings).digest == read_own(path, **settings).digest


def test_a_pair_of_arrays_is_inputs_and_labels(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", draw.random((N, 4)))
    np.save(tmp_path / "y.npy", np.arange(N) % 3)
    np.save(tmp_path / "z.npy", draw.random(N))
    assert read_own(f"{tmp_path}/x.npy,{tmp_path}/y.npy").num_classes == 3
    assert read_own(f"{tmp_path}/x.npy,{tmp_path}/z.npy").task == "regression"
    for name, words in ((f"{tmp_path}/x.npy", "two NPY files, got 1"), (f"{tmp_path}/x.npy,{tmp_path}/q.npy", "there is no file")):
        with pytest.raises(InputError, match=words):
            read_own(name)


def pictures(root: Path, mode: str = "L", size: tuple[int, int] = (5, 4), parts: tuple[str, ...] = ("",)) -> dict[str, NDArray[np.uint8]]:
    """Write five pictures of each of two classes, each class darker than the other, and return their pixels."""
    draw, made = np.random.default_rng(0), {}
    for part in parts:
        for place, label in enumerate(("dark", "light")):
            (root / part / label).mkdir(parents=True)
            for index in range(5):
                shape = (*size[::-1], 3) if mode == "RGB" else size[::-1]
                pixels = draw.integers(120 * place, 120 * place + 100, shape).astype(np.uint8)
                Image.fromarray(pixels).save(root / part / label / f"{index}.png")
                made[f"{part}{label}{index}"] = pixels
    return made


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_of_a_folder_are_their_pixels_channel_by_channel(mode: str, tmp_path: Path) -> None:
    """If this fails, rows and columns are exchanged, or channels are mixed, and filters see another picture."""
    made = pictures(tmp_path / "photos", mode)
    splits = read_own(tmp_path / "photos")
    assert splits.shape == (3 if mode == "RGB" else 1, 4, 5)
    wanted = np.stack([np.moveaxis(one.reshape(4, 5, -1), 2, 0).ravel() for one in made.values()]).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(rows(splits), wanted[np.lexsort(wanted.T)])
    for part in splits[:3]:
        assert torch.equal(part.labels, (part.inputs.mean(1) > 110 / 255).long())  # light is the second name


def test_folders_of_splits_divide_and_other_folders_are_refused(tmp_path: Path) -> None:
    """If this fails, test pictures are trained on."""
    pictures(tmp_path / "told", parts=("train", "validation", "test"))
    assert "divided as given" in read_own(tmp_path / "told").source
    made = pictures(tmp_path / "photos")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "photos" / "light" / "odd.png")
    with pytest.raises(InputError, match=r"odd\.png has 9x9 pixels, and .*0\.png 5x4; scale"):
        read_own(tmp_path / "photos")
    scaled = read_own(tmp_path / "photos", size=(4, 5))  # which changes the odd one alone, and that is black
    wanted = np.stack([np.zeros(20), *(one.ravel() / np.float32(255) for one in made.values())])
    np.testing.assert_array_equal(rows(scaled), wanted[np.lexsort(wanted.T)].astype(np.float32))
    assert read_own(tmp_path / "photos", size=(2, 3)).shape == (1, 2, 3)
    with pytest.raises(InputError, match="height and width of pictures in a folder"):
        read_own(tmp_path / "photos", size=(2,))
    (tmp_path / "photos" / "light" / "odd.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"odd\.png cannot be read as a picture"):
        read_own(tmp_path / "photos")
    (tmp_path / "photos" / "light" / "odd.png").rename(tmp_path / "photos" / "light" / "odd.txt")
    with pytest.raises(InputError, match=r"odd\.txt is neither a picture"):
        read_own(tmp_path / "photos")
    (tmp_path / "told" / "test").rename(tmp_path / "told" / "cats")
    with pytest.raises(InputError, match="give a folder for each class, or for each of train, validation, test"):
        read_own(tmp_path / "told")
    with pytest.raises(InputError, match="there is no folder"):
        read_own(tmp_path / "nowhere")


def tone(path: Path, pitch: float) -> None:
    """Write a second of a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (8000 * np.sin(2 * np.pi * pitch * np.arange(4000) / 4000)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 4000, 0, "NONE", ""))
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def test_recordings_of_a_folder_are_spectrograms(tmp_path: Path) -> None:
    """If this fails, one's own recordings are heard by another ear than the spoken digits."""
    for index in range(5):
        tone(tmp_path / "tones" / "low" / f"{index}.wav", 200 + 10 * index)
        tone(tmp_path / "tones" / "high" / f"{index}.wav", 1200 + 10 * index)
    splits = read_own(tmp_path / "tones")
    assert splits.shape == (1, 24, 32)
    sound = read_wav(tmp_path / "tones" / "low" / "0.wav")
    assert any((row == log_mel(sound.samples, sound.rate).ravel()).all() for row in rows(splits).astype(np.float32))
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "tones" / "low" / "odd.png")
    with pytest.raises(InputError, match="has pictures and recordings"):
        read_own(tmp_path / "tones")


def test_openml_and_functions_give_the_same_data_sets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If this fails, the same table is another data set by another way; no network is used."""
    import pandas
    import sklearn.datasets

    frame = pandas.read_csv(table(tmp_path / "t.csv", patient=None, grade=None))
    asked = []

    def fetch(name: str, *, version: object, as_frame: bool) -> object:
        asked.append((name, version))
        if name == "none":
            raise ValueError("no dataset none found")
        return types.SimpleNamespace(frame=frame, target_names=["kind"])

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    assert read_own("openml:pets@2").digest == read_own(tmp_path / "t.csv", target="kind").digest
    assert asked == [("pets", 2)]
    assert read_own("openml:pets", target="amount", features=("width",)).task == "regression"
    with pytest.raises(InputError, match="cannot be fetched from OpenML"):
        read_own("openml:none")
    made = {"inputs": frame[["width", "height"]].to_numpy(), "targets": frame["amount"].to_numpy()}
    monkeypatch.setattr(sys.modules[__name__], "measured", lambda data_dir, seed: made, raising=False)
    assert DATASETS[f"{__name__}:measured"](None, 0).task == "regression"


def test_every_reader_has_a_kind_of_name() -> None:
    names = {
        ".npz": "a.npz",
        ".npy": "x.npy,y.npy",
        ".csv": "d/a.CSV",
        ".parquet": "a.parquet",
        "openml:": "openml:iris",
        "folder": "photos/",
    }
    assert {kind: kind_of(name) for kind, name in names.items()} == {kind: kind for kind in READERS}
    assert kind_of("digits") == kind_of("module:function") == kind_of("package.module:function") == ""


@pytest.mark.parametrize("name", ["table.xlsx", "reader.py", "photos/one.JPG"])
def test_a_file_that_no_reader_takes_is_no_unknown_data_set(name: str) -> None:
    """If this fails, who gives a spreadsheet is offered the names of thirty data sets."""
    with pytest.raises(InputError, match=r"no reader takes .*\.npz, \.npy, \.csv, \.parquet, a folder"):
        kind_of(name)


@pytest.mark.usefixtures("here")
def test_commands_take_columns_and_folders(found: Found, refused: Refused, tmp_path: Path) -> None:
    """If this fails, own data are learnt in Python alone."""
    table(tmp_path / "t.csv")
    tiny = ("--hidden", 4, "--epochs", 1, "--quiet")
    trained = found("train", "--data", "t.csv", "--target", "kind", "--features", "width,height", *tiny, "--out", "a")
    assert trained["network"] == "2-4-3"
    assert trained["test_balanced_error"] is not None
    pictures(tmp_path / "photos")
    assert found("train", "--data", "photos", *tiny, "--out", "b")["network"] == "20-4-2"
    assert "unknown column 'kid'" in refused("train", "--data", "t.csv", "--target", "kid", "--quiet")
    assert "--target chooses what is learnt of own data, and digits is whole" in refused("train", "--target", "kind", "--quiet")
    described = found("data", "describe", "t.csv", "--target", "amount", "--features", "width,height", "--group", "patient")
    assert described["task"] == "regression"
    assert described["targets"][0]["name"] == "amount"
    assert sum(part["samples"] for part in described["splits"].values()) == N


@pytest.mark.usefixtures("here")
def test_the_code_of_the_page_runs_in_ten_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """If this fails, what the page of own files shows is another interface."""
    written, shown = (block.text for block in blocks("own-files.md") if block.language == "python")
    exec(compile(written, "page", "exec"), {"__name__": "page"})
    assert len(shown.splitlines()) <= 10
    exec(compile(shown, "page", "exec"), {"__name__": "page"})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["price:", "regression,"],
        ["kind:", "classification,"],
        ["old,large:", "multi-label,"],
        ["photos:", "classification,"],
        ["tones:", "classification,"],
    ]


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    """If this fails, an empty table is a traceback."""
    (tmp_path / "t.csv").write_text("width,kind\n")
    with pytest.raises(InputError, match="no rows; add some"):
        read_own(tmp_path / "t.csv", target="kind")
