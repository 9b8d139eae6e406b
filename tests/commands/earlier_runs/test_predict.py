"""``eqlab predict``: new samples are answered as the test split is, whatever file they come in, and bad ones are refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Eqlab, Found, Refused
from PIL import Image

N = 60
FEATURES = ("--features", "width,height", "--standardise", "1")
SMALL = ("--hidden", "4", "--epochs", "3", "--quiet")


def table(path: Path) -> list[dict[str, str]]:
    """Write a table of samples that are all apart, and return its rows; a target is called as a column of predictions is."""
    draw = np.random.default_rng(0)
    width, height = np.round(draw.uniform(0, 50, N), 3), np.round(draw.uniform(0, 1, N), 5)
    rows = zip(width, height, 100 + 2 * width + height, np.where(width > 25, "wide", "narrow"), width > 20, height > 0.5, strict=True)
    path.write_text("\n".join(["width,height,steps,kind,long,tall", *(f"{w},{h},{p:.5f},{k},{a:d},{b:d}" for w, h, p, k, a, b in rows)]))
    return read(path)


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as lines:
        return list(csv.DictReader(lines))


def test_a_table_is_answered_as_the_test_split_is(found: Found, eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, new rows are scaled otherwise than those of training, or a prediction has another sample's name or unit."""
    rows = table(tmp_path / "t.csv")
    for target in ("steps", "kind", "long,tall"):
        run = tmp_path / target
        trained = found("train", "--data", tmp_path / "t.csv", "--target", target, *FEATURES, *SMALL, "--out", run)
        test, every = tmp_path / f"{target}-test.csv", tmp_path / f"{target}-every.csv"
        assert found("predict", run, "--write", test)["converged"] == 1
        assert eqlab("predict", run, "--inputs", tmp_path / "t.csv", "--write", every).exit_code == 0
        if target == "steps":
            shown, asked = read(test), [float(row["output steps"]) for row in read(every)]
            labels = [float(row["label steps"]) for row in shown]
            by_label = {round(float(row["steps"]), 2): value for row, value in zip(rows, asked, strict=True)}
            answers = [float(row["output steps"]) for row in shown]
            assert np.sqrt(np.mean(np.subtract(answers, labels) ** 2)) == pytest.approx(trained["test_rmse"], rel=1e-5)
            assert answers == pytest.approx([by_label[round(label, 2)] for label in labels], rel=1e-5)
            continue
        truth = [row["kind"] if target == "kind" else " ".join(one for one in ("long", "tall") if row[one] == "1") for row in rows]
        shown = read(test)
        assert np.mean([row["prediction"] != row["label"] for row in shown]) == pytest.approx(trained["test_error"], abs=1e-9)
        # The test split is a part of the table: every answer to it is there again, beside the same label.
        said = {tuple(_outputs(row)): label for row, label in zip(read(every), truth, strict=True)}
        assert [said[tuple(_outputs(row))] for row in shown] == [row["label"] for row in shown]


def _outputs(row: dict[str, Any]) -> list[float]:
    return [round(float(value), 3) for name, value in row.items() if name.startswith("output ")]


def half(side: str, size: int, bright: int) -> Image.Image:
    """Return a picture that is bright on one side."""
    pixels = np.zeros((size, size), np.uint8)
    pixels[:, : size // 2] = bright
    return Image.fromarray(pixels if side == "left" else pixels[:, ::-1].copy())


def test_pictures_are_answered_by_name(found: Found, refused: Refused, eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, a picture is taken in another size or scale than those of training, or gets another picture's class."""
    for side in ("left", "right"):
        (tmp_path / "p" / side).mkdir(parents=True)
        for index in range(10):
            half(side, 6, 240 + index).save(tmp_path / "p" / side / f"{index}.png")
    run = tmp_path / "run"
    assert found("train", "--data", tmp_path / "p", "--hidden", "6", "--epochs", "30", "--quiet", "--out", run)["test_error"] == 0
    said = {one["sample"]: one["prediction"] for one in found("predict", run, "--inputs", tmp_path / "p")["predictions"]}
    assert said == {f"{side}/{index}.png": side for side in ("left", "right") for index in range(10)}

    half("right", 12, 245).save(tmp_path / "large.png")
    assert "scale it, as by --picture-size 6,6" in refused("predict", run, "--inputs", tmp_path / "large.png")
    (one,) = found("predict", run, "--inputs", tmp_path / "large.png", "--picture-size", "6,6")["predictions"]
    assert (one["sample"], one["prediction"]) == ("large.png", "right")

    rows = np.stack([np.asarray(half(side, 6, 255)) for side in ("right", "left")])
    np.save(tmp_path / "rows.npy", rows / 255)
    result = eqlab("predict", run, "--inputs", tmp_path / "rows.npy", "--write", tmp_path / "rows.csv")
    assert ([row["prediction"] for row in read(tmp_path / "rows.csv")], result.stderr) == (["right", "left"], "")
    np.save(tmp_path / "bytes.npy", rows)
    assert "inputs lie between 0 and 255, and those of training" in eqlab("predict", run, "--inputs", tmp_path / "bytes.npy").stderr

    for name, values, message in (("nan", np.full((1, 36), np.nan), "NaN or infinite"), ("narrow", np.ones((3, 35)), "takes (N, 36)")):
        np.save(tmp_path / f"{name}.npy", values)
        assert message in refused("predict", run, "--inputs", tmp_path / f"{name}.npy")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    assert "has learnt from no table" in refused("predict", run, "--inputs", tmp_path / "t.csv")
    assert "no reader takes" in refused("predict", run, "--inputs", run / "config.toml")
    assert "ends in .csv" in refused("predict", run, "--write", "p.txt")
    half("left", 6, 9).save(tmp_path / "p" / "left" / "new.png")
    assert "the file has changed" in refused("predict", run, "--inputs", tmp_path / "large.png")
