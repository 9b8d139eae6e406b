"""Grids and seeds: which trials a sweep has, from whichever source, and which it refuses."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from trials import ToyOptions

from contrastive_core.errors import InputError
from experiments.sweeps.axes import Axis, points, random_axes, read_axis
from experiments.sweeps.study import Study, declare, from_facts
from experiments.trials.seeds import child_seed, fraction

TOY = "trials:EXPERIMENT"


def test_points_are_the_product_with_the_last_axis_fastest() -> None:
    """If this fails, results are labelled with settings that they did not have."""
    axes = (Axis("a", ("a",), [[1], [2]]), Axis("zip", ("b", "c"), [[3, 4], [5, 6]]))
    assert list(points(axes)) == [{"a": a, "b": b, "c": c} for a in (1, 2) for b, c in ((3, 4), (5, 6))]
    assert list(points(())) == [{}]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x=1,2.5", [1, 2.5]),
        ("layers=3,5", [[3], [5]]),
        ("layers=[3,4],[5]", [[3, 4], [5]]),
        ("name=b,true", ["b", "true"]),
        ("x=", []),
    ],
)
def test_an_axis_is_read_as_its_setting_takes_values(text: str, values: list[object]) -> None:
    """If this fails, --grid means something else than --set."""
    assert read_axis(text, ToyOptions) == (text.partition("=")[0], values)


def test_seeds_are_those_of_the_seed_sequence() -> None:
    """If this fails, a published root seed no longer gives the published trials."""
    expected = np.random.SeedSequence(7, spawn_key=(3,)).generate_state(1, np.uint64)[0] >> np.uint64(1)
    assert child_seed(7, 3) == int(expected) < 2**63
    assert len({child_seed(7, place) for place in range(1000)}) == 1000
    assert 0 <= fraction(7, 1) < 1


def test_paired_seeds_depend_on_the_replicate_alone_and_independent_ones_on_the_trial() -> None:
    """If this fails, paired differences are between trials with other draws, or independent trials share theirs."""
    paired = list(declare(TOY, grid=["x=1,2"], given={"seeds": 3, "seed": 5}).tasks())
    assert [task.seed for task in paired] == [child_seed(5, replicate) for _ in range(2) for replicate in range(3)]
    assert [task.key for task in paired] == [str(number) for number in range(6)]
    independent = list(declare(TOY, grid=["x=1,2"], given={"seeds": 3, "seed": 5, "paired": False}).tasks())
    assert [task.seed for task in independent] == [child_seed(5, number) for number in range(6)]


def test_random_axes_have_the_distributions_asked_for() -> None:
    """If this fails, a random search does not search where it says. n = 20000; z = 4.5 standard errors."""
    count = 20_000
    (axis,) = random_axes({"count": count, "x": {"loguniform": [0.01, 1.0]}, "y": {"integers": [1, 3]}, "z": {"uniform": [-1, 1]}}, 0)
    assert axis.name == "draw"
    x, y, z = (np.array(column) for column in zip(*axis.values, strict=True))
    tenths = np.log10(x)  # uniform in [-2, 0]: mean -1, standard deviation 2/sqrt(12)
    assert abs(tenths.mean() + 1) < 4.5 * 2 / math.sqrt(12 * count)
    assert abs(z.mean()) < 4.5 * 2 / math.sqrt(12 * count)
    assert (x.min() >= 0.01) & (x.max() <= 1)
    for value in (1, 2, 3):  # a share of 1/3 has the standard deviation sqrt(2/9/n)
        assert abs((y == value).mean() - 1 / 3) < 4.5 * math.sqrt(2 / 9 / count)
    assert abs(np.corrcoef(tenths, z)[0, 1]) < 4.5 / math.sqrt(count)
    assert tenths.std() == pytest.approx(2 / math.sqrt(12), rel=0.02)  # a control: the values are spread as they should


def test_random_values_follow_from_the_root_seed() -> None:
    """If this fails, a sweep cannot be made again."""
    table = {"x": {"uniform": [0, 1], "count": 4}}
    assert random_axes(table, 1) == random_axes(table, 1)
    assert random_axes(table, 1) != random_axes(table, 2)


def write(folder: Path, text: str) -> str:
    path = folder / "sweep.toml"
    path.write_text(text)
    return str(path)


def test_a_file_has_grid_zip_and_random_axes(tmp_path: Path) -> None:
    """If this fails, a sweep cannot be kept in a file."""
    file = write(
        tmp_path,
        f'experiment = "{TOY}"\nseeds = 2\nseed = 9\n[set]\nepochs = 1\n[grid]\nname = ["a", "b"]\n'
        "[zip]\nx = [1.0, 2.0, 3.0]\nseconds = [0.0, 0.1, 0.2]\n[random]\nlayers = {choice = [[1], [2, 2]], count = 4}\n",
    )
    study = declare(None, file=file)
    assert study.shape == (2, 3, 4, 2)
    assert [axis.name for axis in study.axes] == ["name", "zip", "layers"]
    first = next(study.tasks())
    assert set(first.changes) == {"name", "x", "seconds", "layers"}
    assert study.settings["epochs"] == 1
    assert declare(None, file=file, grid=["name=c"]).shape == (1, 3, 4, 2)
    assert declare(None, file=file, given={"seeds": 5}).shape == (2, 3, 4, 5)


def test_a_study_survives_its_journal_and_its_own_file(tmp_path: Path) -> None:
    """If this fails, a resumed sweep is another one than was begun."""
    from experiments.commandline.output import to_toml

    study = declare(TOY, grid=["x=1,2", "layers=[1,2],[3]"], settings=["name=c"], given={"seeds": 3})
    assert from_facts(study.facts()) == study
    again = declare(None, file=write(tmp_path, to_toml(study.declared)))
    assert again == study


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "unknown axis": ({"grid": ["lyers=1"]}, r"unknown option lyers \(an axis\); did you mean 'layers'\?"),
    "no values": ({"grid": ["x="]}, "the axis x has no values"),
    "no axis": ({}, "the grid is empty"),
    "empty value": ({"grid": ["x=1,,2"]}, "has an empty value"),
    "open bracket": ({"grid": ["layers=[1,2"]}, "or a bracket without its other half"),
    "too many": ({"grid": ["x=1,2"], "given": {"seeds": 10**18}}, "would have 2000000000000000000 trials"),
    "no equals": ({"grid": ["x"]}, "--grid needs AXIS=VALUE"),
    "repeated": ({"grid": ["x=1,2,1"]}, "the axis x has the value 1.0 twice"),
    "given twice": ({"grid": ["x=1", "x=2"]}, "--grid gives x more than once; .* --grid x=V1,V2"),
    "given thrice": ({"grid": ["how=well", "x=1", "how=raise", "how=well"]}, "--grid gives how more than once"),
    "given again": ({"grid": ["x=1", "x=1"]}, "--grid gives x more than once"),
    "wrong value": ({"grid": ["x=1,b"]}, r"x \(an axis\) must be a valid number, got 'b'"),
    "set and axis": ({"grid": ["x=1"], "settings": ["x=2"]}, "x is both set and an axis"),
    "seed axis": ({"grid": ["seed=1,2"]}, "seed is no axis"),
    "seed set": ({"grid": ["x=1,2"], "settings": ["seed=1"]}, "seed is no setting of a sweep"),
    "unknown setting": ({"grid": ["x=1,2"], "settings": ["nme=b"]}, "unknown option nme .*did you mean 'name'"),
    "no seeds": ({"grid": ["x=1,2"], "given": {"seeds": 0}}, "--seeds must be greater than 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_sweep_is_refused(case: str) -> None:
    """If this fails, a sweep starts that is not what was meant."""
    arguments, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        declare(TOY, **arguments)  # type: ignore[arg-type]


FILES = {
    "unequal lengths": ("[zip]\nx = [1.0]\nseconds = [1.0, 2.0]", "equally many values"),
    "in two axes": ("[grid]\nx = [1.0]\n[zip]\nx = [1.0]", "x is in two axes"),
    "unknown table": ("[gird]\nx = [1.0]", "unknown option gird.*did you mean 'grid'"),
    "unknown distribution": ("[random]\nx = {unifrom = [0, 1], count = 2}", "unknown distribution 'unifrom'; did you mean 'uniform'"),
    "no count": ("[random]\nx = {uniform = [0, 1]}", "random.x needs a count"),
    "falling": ("[random]\ncount = 2\nx = {uniform = [1, 0]}", "two rising numbers"),
    "negative": ("[random]\ncount = 2\nx = {loguniform = [-1, 1]}", "needs positive numbers"),
    "no distribution": ("[random]\ncount = 2\nx = 3", "random.x must be a table"),
    "empty": ("[grid]\nx = []", "the axis x has no values"),
    "no TOML": ("[grid", "is not a TOML file"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_wrong_file_is_refused(case: str, tmp_path: Path) -> None:
    """If this fails, a mistake in a file goes unnoticed."""
    text, message = FILES[case]
    with pytest.raises(InputError, match=message):
        declare(TOY, file=write(tmp_path, text))


def test_a_million_trials_are_walked_without_being_kept() -> None:
    """If this fails, large sweeps need the memory of all their trials."""
    study = Study({"experiment": TOY, "seeds": 10**6, "seed": 0, "paired": False}, {}, ())
    assert len(list(islice(study.tasks(), 3))) == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:A", "the plug-in 'no_such_module' cannot be imported"),
        ("trials:ToyOptions", "(?i)experiment"),
        ("trials:none", "(?i)experiment"),
        (":", "':' is half the name of the experiment"),
        ("trials:", "'trials:' is half the name of the experiment"),
        ("relaxtion", "unknown experiment 'relaxtion'; did you mean 'relaxation'"),
    ],
)
def test_an_experiment_that_cannot_be_found_is_named(name: str, words: str) -> None:
    """If this fails, a typing error is a traceback."""
    with pytest.raises(InputError, match=words):
        declare(name, grid=["x=1,2"])
