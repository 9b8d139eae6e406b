"""The command ``gradients --vary``: cosine and error of rules at several values of a setting, over several draws of the weights."""

import csv
from pathlib import Path

import pytest
from command_line import Eqlab, Found

pytestmark = pytest.mark.usefixtures("here")

TINY = ("gradients", "--data", "teacher", "--hidden", "5", "--samples", "4", "--threads", "1", "--quiet")


def test_each_value_is_the_mean_over_comparisons_of_single_seeds(found: Found, tmp_path: Path) -> None:
    """If this fails, a table over angles says something else than the comparisons that it stands for."""
    shared = (*TINY, "--network", "untied", "--rules", "ep-centered,ep-asymmetric")
    table = found(*shared, "--vary", "untied-angle=0,80", "--seeds", "2", "--seed", "3", "--out", tmp_path / "table")
    single = [
        found(*shared, "--untied-angle", "80", "--seed", seed, "--out", tmp_path / f"{seed}")["rules"]["ep-centered"] for seed in ("3", "4")
    ]
    record = table["rules"]["ep-centered"]
    assert table["values"] == [0.0, 80.0]
    for mean, least, key in (("mean_cosine", "lowest_cosine", "alignment"), ("mean_error", "least_error", "relative_error")):
        values = [one[key] for one in single]
        assert values[0] != values[1]
        assert record[mean][1] == pytest.approx(sum(values) / 2, rel=1e-12)  # a rounding of the mean
        assert record[least][1] == min(values)
    # Asymmetric EP is exact at every angle up to its bias of order beta^2, where the plain rule is not.
    assert table["rules"]["ep-asymmetric"]["lowest_cosine"][1] > 0.9999 > record["mean_cosine"][1]
    with (tmp_path / "table" / "figures" / "varied.csv").open() as file:
        drawn = {(row["untied_angle"], row["rule"]): float(row["mean_cosine"]) for row in csv.DictReader(file)}
    assert drawn["80.0", "ep-centered"] == record["mean_cosine"][1]
    assert "Cosine and relative error by untied-angle" in (tmp_path / "table" / "report.html").read_text("utf-8")


def test_the_order_is_the_slope_of_the_error(found: Found, tmp_path: Path) -> None:
    """The bias of one-sided EP is of order 1 in the strength, and that of centered EP of order 2; names have no order."""
    rules = ("--rules", "ep-positive,ep-centered")
    varied = found(*TINY, *rules, "--vary", "strength=0.04,0.02,0.01", "--out", tmp_path / "strength")["rules"]
    assert varied["ep-positive"]["order"] == pytest.approx(1, abs=0.1)
    assert varied["ep-centered"]["order"] == pytest.approx(2, abs=0.1)
    named = found(*TINY, *rules, "--vary", "activation=tanh,logistic", "--out", tmp_path / "names")["rules"]
    assert named["ep-centered"]["order"] is None


def test_seeds_alone_give_the_spread_over_draws(found: Found, tmp_path: Path) -> None:
    """If this fails, nobody can tell whether an error in a document is that of one draw of the weights."""
    record = found(*TINY, "--rules", "ep-positive", "--seeds", "3", "--out", tmp_path / "seeds")["rules"]["ep-positive"]
    assert record["least_error"][0] < record["mean_error"][0] < record["largest_error"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--vary", "untied-angel=0,1"), "did you mean 'untied-angle'"),
        (("--vary", "untied-angle=45"), "two or more values"),
        (("--vary", "untied-angle=0,0"), "values that differ"),
        (("--vary", "untied-angle=0,200"), "less than or equal to 180"),
        (("--vary", "untied-angle=0,x"), "must be a valid number"),
        (("--vary", "seed=0,1"), "give --seeds N"),
        (("--vary", "samples=4,100000"), "samples=100000: --samples is 100000"),
        (("--seeds", "2", "--cost", "all"), "name one cost"),
        (("--seeds", "0"), "greater than 0"),
    ],
)
def test_wrong_variations_are_refused_in_a_sentence(eqlab: Eqlab, arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """If this fails, a user gets a traceback, or a run that means something else."""
    refused = eqlab(*TINY, "--rules", "ep-centered", *arguments, "--out", str(tmp_path / "run"))
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_midpoint_trace_is_the_contrast_after_every_sweep(eqlab: Eqlab, found: Found, tmp_path: Path) -> None:
    """If this fails, the figure of the spike-timing form shows another sum than the contrast that it is said to equal."""
    arguments = (*TINY, "--rules", "ep-stdp,ep-centered", "--nudged-tolerance", "none", "--nudged-budget", "5", "--out", tmp_path / "run")
    trace = found(*arguments)["rules"]["ep-stdp"]["trace"]
    off = {name: one["difference"] for name, one in trace["pairings"].items()}
    assert list(off) == ["midpoint", "left", "one-sided"]
    assert {len(one) for one in off.values()} == {6}  # 5 sweeps and the start
    # Some units of rounding of states of order 1, over displacements of order .02.
    assert max(off["midpoint"]) < 1e-12
    assert trace["pairings"]["midpoint"]["trace"] == pytest.approx(trace["contrast"], abs=1e-12)
    assert min(off["left"][1:]) > 1e-4  # the curvature of the path: 2 % at a strength of .1
    assert min(off["one-sided"][1:]) > 1e-3
    with (tmp_path / "run" / "figures" / "synaptic-trace.csv").open() as file:
        drawn = [float(row["trace"]) for row in csv.DictReader(file) if row["pairing"] == "left"]
    assert drawn == trace["pairings"]["left"]["trace"]
    assert "midpoint" in eqlab(*map(str, arguments)).stdout.partition("sum of the traces")[2]
