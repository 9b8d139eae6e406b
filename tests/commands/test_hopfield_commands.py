"""The commands recall, phase and learn: what they find and leave behind, and how they answer wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command_line import Eqlab, Found

from contrastive_core.errors import ConvergenceError
from experiments.benchmarks import spin_rivals
from experiments.figures.hopfield.phases import phase_picture
from experiments.hopfield.learn import crossing
from experiments.hopfield.phase import PointOptions, cell_of, tables, trial
from experiments.hopfield.sampling import judge, softest

QUICK = ("--size", "3000", "--sweeps", "300", "--burn-in", "50", "--chains", "4", "--quiet")


pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize("convention", ["raw", "normalized"])
def test_recall_puts_theory_beside_monte_carlo(found: Found, convention: str) -> None:
    """A row of the reference table, in both conventions."""
    unit = 1 if convention == "raw" else 2
    record = found(
        "recall", "--patterns", 3, "--dilution", 0.5, "--temperature", 0.1 * unit, "--convention", convention, "--stratified", *QUICK
    )
    assert record["theory"]["branch"] == "hierarchical"
    assert record["theory"]["overlaps"] == pytest.approx([0.49527, 0.24396, 0.11441], abs=0.6e-5)
    assert record["theory"]["free_energy"] == pytest.approx(-0.17464298 * unit, abs=0.6e-8 * unit)
    assert record["theory"]["min_eigenvalue"] == pytest.approx(0.319, abs=0.6e-3)
    assert record["verdict"]["agrees"] is True
    # 3000 spins have type counts rounded by one part in 3000, which moves m by about as much.
    assert record["monte_carlo"]["overlaps"] == pytest.approx(record["theory"]["overlaps"], abs=0.004)
    assert all(time >= 1 for time in record["monte_carlo"]["autocorrelation_time"])
    energy, losses = record["flow"]["energy"], np.array(record["flow"]["losses"])
    assert energy[-1] < energy[0]
    assert (losses[-1] < losses[0]).all()


@pytest.mark.parametrize("dynamics", ["fixed-order", "parallel"])
def test_recall_follows_the_flow_and_draws_it(found: Found, dynamics: str, tmp_path: Path) -> None:
    """The picture shows the measured overlaps against the predicted ones."""
    out = tmp_path / "out"
    record = found("recall", "--patterns", 2, "--temperature", 0.14, "--dynamics", dynamics, "--out", out, *QUICK, "--size", 20000)
    assert record["flow"]["largest_difference"] < 0.02  # sd of one chain's m is below sqrt(.3/20000) = .004 times 4.5
    assert (out / "figures" / "recall.svg").read_text().startswith("<?xml")
    assert json.loads((out / "figures" / "recall.json").read_text())["measured"] == record["flow"]["measured"]


def test_recall_of_patterns_from_a_file(found: Found, tmp_path: Path) -> None:
    """Images and other real patterns have an instance theory."""
    path = tmp_path / "patterns.npy"
    np.save(path, np.random.default_rng(0).choice([-1, 1], size=(2, 3000)))
    record = found("recall", "--pattern-file", path, "--temperature", 0.3, *QUICK)
    assert record["theory"]["branch"] in ("pure", "mixed", "hierarchical")  # undiluted patterns overlap by 1/sqrt(N)
    assert record["verdict"]["agrees"] is True


@pytest.mark.parametrize(
    ("entries", "words"),
    [((0, 1), "no entry is -1, and 0 is a blank"), ((-1, 0), "no entry is 1, and 0 is a blank"), ((-1, 0, 1), ""), ((-1, 1), "")],
)
def test_patterns_of_zeros_and_ones_are_warned_of(eqlab: Eqlab, entries: tuple[int, ...], words: str, tmp_path: Path) -> None:
    """If this fails, patterns in the other usual coding are stored as blanks, as another memory, without a word."""
    path = tmp_path / "patterns.npy"
    np.save(path, np.random.default_rng(0).choice(entries, size=(3, 300)))
    small = ("--sweeps", "20", "--burn-in", "5", "--chains", "2", "--flow-sweeps", "2", "--quiet")
    result = eqlab("recall", "--pattern-file", path, *small, "--out", tmp_path / "out")
    assert result.exit_code in (0, 3), result.output
    assert ("is a blank" in result.stderr) == bool(words)
    assert words in result.stderr


def test_recall_is_a_run_that_is_not_computed_twice(eqlab: Eqlab, found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An equal call reads the journal; another setting in the same place is refused."""
    call = ("recall", "--patterns", 2, "--temperature", 0.14, "--engine", "serial", "--out", tmp_path / "run", *QUICK)
    first = found(*call)
    assert (tmp_path / "run" / "figures" / "recall.svg").is_file()
    monkeypatch.delattr("hebbian.montecarlo.simulate")
    assert found(*call) == first
    assert eqlab(*call, "--cue", 0.7).exit_code == 2


def test_recall_of_images_names_overlaps_by_image(found: Found) -> None:
    """Images have no symmetry between patterns: sorting their overlaps would compare one image's theory with another's chains."""
    record = found("recall", "--images", "digits", "--patterns", 3, "--temperature", 0.2, *QUICK)
    assert record["theory"]["overlaps"] == pytest.approx(record["instance"]["overlaps"], abs=1e-8)
    # 64 spins, m known to 1/64 by the finite-size correction; the images' overlaps differ by .03 to .15.
    assert record["monte_carlo"]["overlaps"] == pytest.approx(record["theory"]["overlaps"], abs=0.01)
    assert record["verdict"]["agrees"] is not False


def test_learning_of_images_reaches_them(found: Found) -> None:
    """Enough good examples of a digit retrieve it, and theories of independent patterns stay out of it."""
    record = found("learn", "--images", "digits", "--qualities", "0.8", "--examples", "21", "--engine", "serial", *QUICK)
    point = record["points"]["r0.8-M21"]
    assert point["gaussian"] is None
    assert point["signal_to_noise"] is None
    assert point["supervised"][0] > 0.95


def test_phase_reports_critical_points_as_marginal(found: Found, tmp_path: Path) -> None:
    """At T_c the state is m = 0, neither stable nor unstable: no failure, and no verdict."""
    record = found("phase", "--dilutions", "0.3,0.5", "--ratios", "1", "--engine", "serial", "--out", tmp_path / "run", *QUICK)
    for cell in record["points"]["3"]:
        assert cell["branch"] == "disordered"
        assert cell["marginal"] is True
        assert cell["agrees"] is None
        assert cell["overlaps"] == [0, 0, 0]
    assert (tmp_path / "run" / "figures" / "dilution-3.svg").is_file()


def test_measured_threshold_is_where_the_overlap_crosses_its_level() -> None:
    """Interpolated in log M: overlaps of .6 at 2 and .7 at 8 reach .6827 at 2 * 4^.827."""
    cells = [{"quality": 0.5, "examples": m, "supervised": v} for m, v in ((8, 0.7), (2, 0.6), (1, 0.1))]
    assert crossing(cells, 0.5, "supervised", 1.0) == pytest.approx(2 * 4 ** ((0.6826894921370859 - 0.6) / 0.1))
    assert crossing(cells, 0.5, "supervised", 1.2) is None


def test_phase_resumes_and_draws_every_number_of_patterns(found: Found, tmp_path: Path) -> None:
    """A grid that was computed once is not computed again."""
    axes = ("--patterns", "1,2", "--dilutions", "0.3,0.9", "--ratios", "0.15,0.5")
    grid = ("phase", *axes, "--engine", "serial", "--out", tmp_path / "run", *QUICK)
    first = found(*grid)
    assert [cell["branch"] for cell in first["points"]["2"]] == ["hierarchical", "pure", "symmetric", "symmetric"]
    assert all(cell["agrees"] is not False for cell in first["points"]["2"])
    assert found(*grid) == first
    assert (tmp_path / "run" / "figures" / "phase-2.svg").is_file()


def test_learn_finds_the_same_with_and_without_a_teacher(found: Found, tmp_path: Path) -> None:
    """More examples help both alike, and the threshold is stated."""
    record = found("learn", "--qualities", "0.5", "--examples", "1,11", "--engine", "serial", "--out", tmp_path / "run", *QUICK)
    few, many = record["points"]["r0.5-M1"], record["points"]["r0.5-M11"]
    for rule in ("supervised", "unsupervised"):
        assert few[rule][0] < 0.6 < 0.9 < many[rule][0]
        assert many[rule] == pytest.approx(many["instance"], abs=0.01)
    assert record["thresholds"]["0.5"] == pytest.approx(3)
    assert (tmp_path / "run" / "figures" / "learning.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("recall", "--dilution", 1.5), "dilution"),
        (("recall", "--temperature", -1), "temperature"),
        (("recall", "--stratified", "--patterns", 6, "--size", 100), "729 types of site, more than the 100 spins"),
        (("recall", "--pattern-file", "missing.npy"), "missing.npy cannot be read: No such file"),
        (("recall", "--convention", "natural"), "convention"),
        (("recall", "--dilution", 1, "--convention", "normalized"), "blank"),
        (("learn", "--qualities", 0), "qualities"),
        (("learn", "--examples", 0), "examples"),
        (("phase", "--dilutions", 1), "dilutions"),
        (("phase", "--engine", "clowd"), "unknown engine"),
        (("phase", "--dilutions", "0.3,0.30000001", "--ratios", 0.2, "--size", 100), "two points of the grid are both K3-d0.3-T0.2"),
        (("phase", "--ratios", 1e-300), "temperature must be 0 or at least 1e-30"),
        (("recall", "--temperature", 1e-300), "temperature must be 0 or at least 1e-30"),
        (("learn", "--temperature", 1e-300), "temperature must be 0 or at least 1e-30"),
        (("learn", "--qualities", 1e-200), "must lie in [1e-06, 1]"),
        (("learn", "--qualities", "0.5,0.5"), "two points of the grid are both r0.5-M1"),
        (("learn", "--patterns", 12, "--dilution", 0.3), "at most 200000 are allowed"),
        (("learn", "--convention", "raw"), "must be 'normalized', got 'raw'"),
        (("phase", "--patterns", 8, "--size", 5000), "6561 types of site, more than the 5000 spins"),
        (("recall", "--engine", "clowd"), "unknown engine"),
        (("bench", "spins", "--size", 10**7), "the dense matrix of 10000000 spins needs 3.73e+05 GiB"),
        (("recall", "--images", "digit"), "did you mean 'digits'"),
        (("recall", "--images", "digits", "--patterns", 5000), "fewer than the 5000 patterns"),
        (("recall", "--images", "digits", "--pattern-file", "x.npy"), "not from both"),
        (("learn", "--images", "digits", "--patterns", 5000), "fewer than the 5000 patterns"),
    ],
)
def test_wrong_input_ends_with_one_sentence_and_code_2(
    eqlab: Eqlab, arguments: tuple[float | int | str, ...] | tuple[float | str, ...] | tuple[int | str, ...] | tuple[str, ...], message: str
) -> None:
    """Nothing else than what was asked may be simulated."""
    result = eqlab(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_wrong_item_of_a_list_is_the_only_complaint_about_it(eqlab: Eqlab) -> None:
    """Dropping the wrong item makes the list too short, which is no second mistake of the user's."""
    assert eqlab("phase", "--dilutions", 1).output.strip() == "eqlab: error: item 1 of --dilutions must be less than 1, got 1.0"


def test_options_that_the_patterns_overrule_are_named(eqlab: Eqlab, tmp_path: Path) -> None:
    """A setting that is given and not used would be read into the result."""
    np.save(tmp_path / "patterns.npy", np.sign(np.arange(300).reshape(3, 100) % 7 - 2.5))
    warned = eqlab("recall", "--pattern-file", "patterns.npy", "--size", 77, "--stratified", "--data-dir", ".", "--sweeps", 10).stderr
    for option in ("--size has no effect: the pattern file", "--stratified has no effect", "--data-dir has no effect: no images"):
        assert option in warned
    assert "--dilution has no effect" not in warned
    asked = "--images", "digits", "--dilution", 0.2, "--sweeps", 10, "--burn-in", 0, "--temperature", 0, "--sampler", "glauber"
    assert "--dilution has no effect: the images" in eqlab("recall", *asked).stderr
    warned = eqlab("learn", *asked, "--qualities", 0.9, "--examples", 3, "--engine", "serial").stderr
    assert "--dilution has no effect: the images" in warned
    assert "--sampler has no effect: at T = 0" in warned


def test_phase_says_that_there_is_no_stable_state() -> None:
    """With nearly blank patterns all overlaps are below what is told apart from 0, where the paramagnet is unstable."""
    with pytest.raises(ConvergenceError, match="no stable state was found"):
        trial(PointOptions(dilution=1 - 1e-12, ratio=0.2, size=100, sweeps=10, seed=0), 0)


def test_text_is_no_pattern_file_and_nobody_is_told_to_unpickle_it(eqlab: Eqlab, tmp_path: Path) -> None:
    """numpy's own words would advise to load it unsafely."""
    (tmp_path / "patterns.npy").write_text("hello")
    result = eqlab("recall", "--pattern-file", "patterns.npy")
    assert result.exit_code == 2
    assert "is not an .npy array of numbers" in result.output
    assert "write one with numpy.save" in result.output
    assert "pickle" not in result.output


@pytest.mark.parametrize(("values", "message"), [([[1, 3]], "got 3"), ([1, -1], "shape"), ([[1.0, float("nan")]], "got nan")])
def test_wrong_pattern_files_leave_no_run_behind(eqlab: Eqlab, values: list[Any], message: str, tmp_path: Path) -> None:
    """Patterns that cannot be stored are the user's mistake, said before a run is made."""
    np.save(tmp_path / "patterns.npy", np.array(values))
    result = eqlab("recall", "--pattern-file", tmp_path / "patterns.npy", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "run").exists()


def test_bench_spins_measures_kernels_that_end_in_the_same_state(found: Found) -> None:
    """A kernel that is fast because it samples something else must show it."""
    record = found("bench", "spins", "--size", 1500, "--patterns", 2, "--repeats", 1)
    rows = {row["kernel"]: row for row in record["rows"]}
    assert {"dense (textbook)", "overlap, random site", "block, Gaussian hidden layer"} < set(rows)
    overlaps = [row["overlap"] for row in rows.values()]
    # d = .3, T = .4 T_c: fluctuations of m are about sqrt(.28/1500 (1/.2 - 1)) = .027 in the soft direction, less along m.
    assert max(overlaps) - min(overlaps) < 0.03
    assert all(row["nanoseconds"] > 0 for row in rows.values())


def test_bench_spins_says_why_the_reference_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison that silently leaves out the competitor would look like one."""
    monkeypatch.setattr(spin_rivals, "missing", lambda: ["OpenJij"])
    assert "OpenJij: not installed and left out" in spin_rivals.rival_note(2000)
    assert "eqlab[bench]" in spin_rivals.rival_note(2000)
    monkeypatch.setattr(spin_rivals, "missing", list)
    assert "do not use that these have low rank" in spin_rivals.rival_note(2000)
    assert "up to 4000 spins" in spin_rivals.rival_note(10_000)


def test_the_bound_on_soft_states_follows_the_size_and_the_chains() -> None:
    """If this fails, no network and no length of chains decides on a soft state, or a small one decides wrongly.

    With a quartic well of unit coefficients the correction to the fluctuation is 3 / (N lambda^2), which the bound keeps at 3 %.
    """
    for num_spins in (10**2, 10**4, 10**6, 10**8):
        for num_sweeps in (100, 400, 20_000, 10**7):
            least = softest(num_spins, num_sweeps)
            assert least <= 0.1
            if least < 0.1:
                assert 1 / (num_spins * least**2) <= 0.01 * (1 + 1e-9)
                assert num_sweeps * least >= 20 * (1 - 1e-9)
    assert softest(10**6, 20_000) < 0.02
    assert softest(10**6, 400) == pytest.approx(0.05)
    assert softest(10**4, 10**7) == pytest.approx(0.1)


def test_a_soft_state_is_decided_by_a_larger_network_with_longer_chains() -> None:
    """One state and one set of chains that hold what theory says: only the size and the length differ."""
    field = SimpleNamespace(finite_size_shift=lambda overlaps, num_spins: np.zeros(len(overlaps)))
    state = SimpleNamespace(min_eigenvalue=0.05, overlaps=np.array([0.5, 0.3]))
    sampled = {"overlaps": [0.5, 0.3], "error": [1e-4, 0.0], "warnings": []}
    small = judge(sampled, field, state, 10_000, 20_000)  # type: ignore[arg-type]
    assert small["agrees"] is None
    assert "soft" in small["undecided"]
    large = judge(sampled, field, state, 10**6, 20_000)  # type: ignore[arg-type]
    assert (large["agrees"], large["undecided"]) == (True, None)
    assert large["standard_errors"] == [0.0, None]  # an overlap that never changes has none
    short = judge(sampled, field, state, 10**6, 100)  # type: ignore[arg-type]
    assert short["agrees"] is None
    hopping = judge({**sampled, "warnings": ["chains hop"]}, field, state, 10**6, 20_000)  # type: ignore[arg-type]
    assert (hopping["agrees"], hopping["undecided"]) == (None, "chains hop")
    wrong = judge({**sampled, "overlaps": [0.5, 0.31]}, field, state, 10**6, 20_000)  # type: ignore[arg-type]
    assert wrong["agrees"] is False


def test_the_verdict_adds_the_shift_of_a_finite_network_to_its_mean_field() -> None:
    """If this fails, theory of N spins is compared with the wrong side of the infinite network, or N counts twice in the tolerance."""
    shift = np.array([-0.04, 0.02])
    field = SimpleNamespace(finite_size_shift=lambda overlaps, num_spins: shift)
    state = SimpleNamespace(min_eigenvalue=0.5, overlaps=np.array([0.5, 0.3]))

    def verdict(*overlaps: float) -> dict[str, Any]:
        return judge({"overlaps": list(overlaps), "error": [0.001, 0.002], "warnings": []}, field, state, 1000, 20_000)  # type: ignore[arg-type]

    exact = verdict(0.46, 0.32)
    assert exact["deviation"] == pytest.approx(0, abs=1e-15)
    assert exact["finite_size"] == pytest.approx(0.04 / 2 + 1 / 1000)
    # Four errors, half the largest shift and 1/N: .004 + .021 for the first overlap.
    assert [verdict(0.46 + 0.0249, 0.32)["agrees"], verdict(0.46 + 0.0251, 0.32)["agrees"]] == [True, False]
    assert verdict(0.46 + 0.003, 0.32 - 0.004)["standard_errors"] == pytest.approx([3, 2])


def test_frozen_overlaps_have_no_sampling_error(found: Found, tmp_path: Path) -> None:
    """At T = 0 nothing moves: rounding of 1e-17 is no error, and no difference is 1e11 of it."""
    for dilution, seed in ((0.0, 0), (0.3, 1), (0.5, 2)):
        small = ("--size", 200, "--sweeps", 20, "--burn-in", 5, "--chains", 2, "--temperature", 0, "--seed", seed, "--dilution", dilution)
        result = found("recall", *small, "--out", tmp_path / f"r{seed}")
        still = [error < 1e-12 for error in result["monte_carlo"]["error"]]
        assert any(still)
        for frozen, error, score in zip(still, result["monte_carlo"]["error"], result["verdict"]["standard_errors"], strict=True):
            if frozen:
                assert (error, score) == (0.0, None)


@pytest.mark.parametrize(
    ("verdict", "word", "counted"),
    [(None, "not sampled", 5), ({"agrees": None}, "undecided", 3), ({"agrees": False, "deviation": 0.1}, "disagrees", 4)],
)
def test_points_of_theory_alone_are_not_called_undecided(verdict: dict[str, Any] | None, word: str, counted: int) -> None:
    """If this fails, a diagram without sampling reads as one whose sampling decided nothing."""
    point = {"branch": "hierarchical", "overlaps": [0.8, 0.1], "monte_carlo": None, "verdict": verdict}
    cells = [cell_of(0.2, ratio, point) for ratio in (0.1, 0.2)] + [cell_of(0.2, 0.3, None)]
    (row,) = tables({2: cells})[0].rows
    assert [place for place, count in enumerate(row) if count == 2] == [0, counted]
    assert row[6] == 1
    picture = phase_picture(cells, {})
    assert [found["monte_carlo"] for found in picture.rows] == [word, word, "failed"]
    assert ("not sampled" in picture.svg) is (word == "not sampled")


def test_phase_at_zero_temperature_and_without_sampling_knows_the_hierarchical_overlaps(found: Found) -> None:
    """At T = 0 and low dilution m_k = (1 - d) d^(k - 1) exactly; if this fails, the row at T = 0 shows another state."""
    patterns = 4
    ask = ("phase", "--patterns", patterns, "--dilutions", 0.2, "--ratios", "0,0.1", "--engine", "serial", "--quiet")
    theory = found(*ask, "--theory-only")["points"][str(patterns)]
    assert theory[0]["overlaps"] == pytest.approx([0.8 * 0.2**k for k in range(patterns)], abs=1e-9)
    assert [point["monte_carlo"] for point in theory] == [None, None]
    sampled = found(*ask, *QUICK[:-1])["points"][str(patterns)]
    assert [point["overlaps"] for point in sampled] == [point["overlaps"] for point in theory]
    # 3000 spins have counts of types that are rounded by one part in 3000.
    assert sampled[0]["monte_carlo"]["overlaps"] == pytest.approx(theory[0]["overlaps"], abs=0.002)
