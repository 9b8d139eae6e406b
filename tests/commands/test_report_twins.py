"""Numbers in the reports of memories and representations, each computed a second time in a slow and obvious way."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import naive_spin
import numpy as np
import pytest
from command_line import Found
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import erf
from scipy.stats import chi2
from sklearn.neighbors import KNeighborsClassifier

from contrastive_core.data.splits import Split
from experiments.representations.activities import activities
from experiments.representations.trained import trained_networks
from experiments.runs.directory import RunDirectory
from hebbian.patterns import draw_patterns, stratified_patterns

Floats = NDArray[np.float64]


def free_energy(overlaps: Floats, types: Floats, weights: Floats, temperature: float) -> float:
    """f = m²/2 - T E[ln 2 cosh(m·xi / T)], by a sum over the types of site."""
    return float(overlaps @ overlaps / 2 - temperature * weights @ np.log(2 * np.cosh(types @ overlaps / temperature)))


def solved(start: Floats, types: Floats, weights: Floats, temperature: float) -> Floats:
    """m = E[xi tanh(m·xi / T)], by iteration."""
    for _ in range(20_000):
        before, start = start, (weights * np.tanh(types @ start / temperature)) @ types
        if np.abs(start - before).max() < 1e-14:
            break
    return start


def curvature(overlaps: Floats, *field: Any) -> float:
    """The smallest eigenvalue of the second derivative of the free energy, by differences."""
    steps = 1e-4 * np.eye(len(overlaps))
    second = [
        [sum(a * b * free_energy(overlaps + a * one + b * other, *field) for a in (1, -1) for b in (1, -1)) / 4e-8 for other in steps]
        for one in steps
    ]
    return float(np.linalg.eigvalsh(second)[0])


def test_recall_s_numbers_follow_from_a_sum_over_types_and_spin_by_spin(found: Found, tmp_path: Path) -> None:
    """If this fails, theory, instance or samples of the table are those of another network, temperature or stretch of the chains."""
    count, size, dilution, temperature, seed, chains, burn_in, sweeps = 2, 60, 0.3, 0.3, 3, 2, 2, 10
    flags = ("--patterns", count, "--size", size, "--dilution", dilution, "--temperature", temperature, "--seed", seed)
    flags += ("--chains", chains, "--burn-in", burn_in, "--sweeps", sweeps, "--sampler", "glauber", "--quiet")
    result = found("recall", *flags, "--out", tmp_path / "r")
    types = np.array(list(product((-1.0, 0.0, 1.0), repeat=count)))
    weights = np.where(types == 0, dilution, (1 - dilution) / 2).prod(axis=1)
    theory = result["theory"]
    overlaps = solved(np.array(theory["overlaps"]) * 0.9, types, weights, temperature)
    assert overlaps == pytest.approx(theory["overlaps"], abs=1e-9)
    assert theory["free_energy"] == pytest.approx(free_energy(overlaps, types, weights, temperature), abs=1e-12)
    assert theory["min_eigenvalue"] == pytest.approx(curvature(overlaps, types, weights, temperature), abs=1e-4)  # error of differences
    # No random start reaches a lower state.
    starts = np.random.default_rng(0).random((20, count))
    lowest = min(free_energy(solved(one, types, weights, temperature), types, weights, temperature) for one in starts)
    assert theory["free_energy"] <= lowest + 1e-9
    patterns = draw_patterns(count, size, dilution, seed)
    own = solved(overlaps, patterns.T.astype(float), np.full(size, 1 / size), temperature)
    assert own == pytest.approx(result["instance"]["overlaps"], abs=1e-8)
    majority = np.sign(np.array(theory["overlaps"]) @ patterns)
    draws = np.random.default_rng(seed + 1).random((chains, size))
    spins = np.where(draws < (1 + majority) / 2, 1, -1).astype(np.int8)
    record = np.empty((burn_in + sweeps, chains, count))
    for step, chain in product(range(burn_in + sweeps), range(chains)):
        spins[chain] = naive_spin.sweep(patterns, 1.0, spins[chain], temperature, seed + 2, chain, step)
        record[step, chain] = patterns @ spins[chain] / size
    kept, sampled = record[burn_in:], result["monte_carlo"]
    assert sampled["overlaps"] == pytest.approx(kept.mean(axis=(0, 1)), abs=1e-12)
    # An error is the spread over the square root of the independent records, of which there is one in each autocorrelation time.
    expected = kept.std(axis=(0, 1)) / np.sqrt(sweeps * chains / np.array(sampled["autocorrelation_time"]))
    assert sampled["error"] == pytest.approx(expected, rel=1e-9, abs=0)
    energies = [-(size * (one @ one) - (np.abs(patterns).sum() / size)) / (2 * size) for one in kept.reshape(-1, count)]
    assert sampled["energy"]["mean"] == pytest.approx(np.mean(energies), abs=1e-9)
    flow = result["flow"]
    assert flow["largest_difference"] == pytest.approx(np.abs(np.subtract(flow["measured"], flow["predicted"])).max(), abs=0)


def test_a_diagram_s_verdicts_follow_from_its_points(found: Found, tmp_path: Path) -> None:
    """If this fails, the table counts points under the wrong verdict, or measures their difference to something else than the theory."""
    size, seed = 400, 1
    flags = ("--dilutions", "0.2,0.6", "--ratios", "0.2,0.5", "--size", size, "--sweeps", 60, "--burn-in", 10, "--patterns", 2)
    result = found("phase", *flags, "--seed", seed, "--engine", "serial", "--quiet", "--out", tmp_path / "r")
    for point in result["points"]["2"]:
        dilution, temperature = point["dilution"], point["ratio"] * (1 - point["dilution"])
        assert point["temperature"] == pytest.approx(temperature, rel=1e-12, abs=0)
        patterns = stratified_patterns(2, size, dilution, seed).T.astype(float)
        own = solved(np.array(point["overlaps"]), patterns, np.full(size, 1 / size), temperature)
        sampled, verdict = point["monte_carlo"], point["verdict"]
        # The shift of a finite network is of order 1/N and known to half of itself.
        least = np.abs(np.array(sampled["overlaps"]) - own)
        shift = 2 * (verdict["finite_size"] - 1 / size)
        assert np.all(least.max() - shift - 1e-9 <= verdict["deviation"])
        assert verdict["deviation"] <= least.max() + shift + 1e-9
        if point["agrees"] is not None:
            scores = [score for score in verdict["standard_errors"] if score is not None]
            errors = [error for error in sampled["error"] if error > 0]
            within = all(score * error <= 4 * error + verdict["finite_size"] for score, error in zip(scores, errors, strict=True))
            assert point["agrees"] is within


def wilson(successes: int, count: int) -> list[float]:
    """Both roots p of (p - successes/count)² = z² p (1 - p) / count."""
    z = 1.959963984540054
    share = successes / count
    roots = np.roots([1 + z * z / count, -2 * share - z * z / count, share * share])
    return sorted(np.clip(roots.real, 0, 1).tolist())


def test_basins_are_counted_network_by_network(found: Found, tmp_path: Path) -> None:
    """If this fails, a share is of other networks, cues or states than its row says."""
    size, count, dilution, networks, seed = 50, 2, 0.3, 4, 2
    flags = ("--size", size, "--patterns", count, "--dilution", dilution, "--temperature", 0.05, "--networks", networks, "--sweeps", 6)
    flags += ("--targets", "pure", "--qualities", "0.4,0.9", "--seed", seed, "--engine", "serial", "--quiet")
    result = found("basins", *flags, "--out", tmp_path / "r")
    for point in result["points"]:
        first, last, reached = [], [], 0
        for index in range(networks):
            patterns = draw_patterns(count, size, dilution, np.random.default_rng([seed, index]))
            draws = int(np.random.default_rng([seed, index, 1]).integers(2**62))
            majority = np.sign(patterns[0] * point["expected"][0])
            uniform = np.random.default_rng(draws).random((1, size))[0]
            spins = np.where(uniform < (1 + point["quality"] * majority) / 2, 1, -1).astype(np.int8)
            first.append(patterns[0] @ spins / size)
            seen = []
            for step in range(6):
                spins = naive_spin.sweep(patterns, 1.0, spins, 0.05, draws + 1, 0, step)
                seen.append(patterns @ spins / size)
            last.append(np.mean(seen[-5:], axis=0))
            state = solved(np.array([0.99, 0.3]) * (1 - dilution), patterns.T.astype(float), np.full(size, 1 / size), 0.05)
            reached += bool(last[-1][0] >= 0.9 * state[0])
        assert point["initial_overlap"] == pytest.approx(np.mean(first), abs=1e-12)
        assert point["final_overlap"] == pytest.approx(np.mean([one[0] for one in last]), abs=1e-12)
        assert point["successes"] == reached
        assert point["interval"] == pytest.approx(wilson(point["successes"], networks), abs=1e-9)


def descended(patterns: NDArray[np.int8], spins: NDArray[np.int8]) -> Floats:
    """The overlap at rest, with spins aligned one after the other."""
    start, spins = spins.copy(), spins.copy()
    couplings = naive_spin.couplings(patterns, 1.0)
    moved = True
    while moved:
        moved = False
        for site in range(len(spins)):
            field = couplings[site] @ spins
            if abs(field) > 1e-9 and np.sign(field) != spins[site]:
                spins[site], moved = -spins[site], True
    return start @ spins / len(spins)


def test_a_capacity_is_fitted_to_descents_that_a_loop_repeats(found: Found, tmp_path: Path) -> None:
    """If this fails, a capacity is fitted to other counts than those of the descents, or judged by another statistic than it says."""
    flags = ("--sizes", "100,200,400", "--loads", "0.14,0.18,0.22", "--spins", "12000", "--resamples", 20, "--seed", 0)
    result = found("capacity", *flags, "--engine", "serial", "--quiet", "--out", tmp_path / "r")
    with RunDirectory(tmp_path / "r").journal(readonly=True) as journal:
        trials = {trial.key: trial.metrics or {} for trial in journal.trials("done")}
    ends = np.array(trials["N100-a0.18"]["overlaps"])
    for network in (0, 5):
        patterns = draw_patterns(18, 100, 0.0, np.random.default_rng([0, network]))
        assert [descended(patterns, one) for one in patterns[:2]] == pytest.approx(ends[network, :2].tolist(), abs=1e-12)
    deviance, sizes = 0.0, {}
    for point, cell in zip(result["points"], trials.values(), strict=True):
        overlaps = np.array(cell["overlaps"])
        assert point["trials"] == overlaps.size
        assert point["networks"] == len(overlaps) == 12000 // point["size"]
        won, total, chance = int((overlaps > result["monte_carlo"]["threshold"]).sum()), overlaps.size, point["fitted"]
        assert point["retrieved"] == pytest.approx(won / total, abs=1e-12)
        for found_, expected in ((won, total * chance), (total - won, total * (1 - chance))):
            deviance += 2 * found_ * np.log(found_ / expected) if found_ else 0.0
        sizes[point["size"]] = None
        # The replica-symmetric overlap: m = erf(y), with y (sqrt(2 a) + 2 exp(-y²) / sqrt(pi)) = m.
        y = 2.0
        for _ in range(300):
            y = erf(y) / (np.sqrt(2 * point["load"]) + 2 / np.sqrt(np.pi) * np.exp(-y * y))
        theory = float(erf(y))
        assert point["theory_overlap"] == pytest.approx(theory if theory > 0.5 else 0.0, abs=1e-6)
    measured = result["monte_carlo"]
    assert measured["deviance"] == pytest.approx(deviance, rel=1e-6, abs=1e-9)
    assert measured["plausibility"] == pytest.approx(chi2.sf(deviance, measured["freedom"]), rel=1e-6, abs=1e-9)
    assert measured["descents"] == sum(np.size(cell["overlaps"]) for cell in trials.values())
    assert [row["size"] for row in result["midpoints"]] == sorted(sizes)
    assert (result["theory"]["load"], result["theory"]["overlap"]) == pytest.approx((0.1379, 0.9674), abs=1e-3)


TINY = ("--train-size", 96, "--hidden", 8, "--epochs", 1, "--batch-size", 24, "--threads", 1, "--engine", "serial", "--quiet")


def unit(rows: Floats) -> Floats:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_matched_units_are_those_of_correlations_by_hand(found: Found, tmp_path: Path) -> None:
    """If this fails, a column of the table is another measure, another layer or another pair than it says."""
    found("compare", *TINY, "--rules", "ep-centered,backprop", "--seeds", 1, "--out", tmp_path / "c")
    result = found("match", tmp_path / "c", "--no-more-seeds", "--samples", 120, "--quiet", "--out", tmp_path / "m")
    ours, theirs = sorted(trained_networks(tmp_path / "c", None), key=lambda one: one.rule != "ep-centered")
    inputs = ours.splits.test.inputs[:120]
    pair = result["pairs"]["ep-centered and backprop, same seed"][0]
    layers = zip(*(activities(one.network, one.answer, inputs) for one in (ours, theirs)), strict=True)
    for name, (first, second) in zip(("hidden", "output"), layers, strict=True):
        one, other = (layer.double().numpy() for layer in (first, second))
        with np.errstate(invalid="ignore", divide="ignore"):  # a unit that never changes correlates with none
            sizes = np.abs(np.nan_to_num(np.corrcoef(one.T, other.T)[: one.shape[1], one.shape[1] :]))
        rows, columns = linear_sum_assignment(-sizes)
        assert pair[name]["one_to_one"] == pytest.approx(sizes[rows, columns].mean(), abs=1e-6)
        assert pair[name]["correlations"] == pytest.approx(sorted(sizes[rows, columns], reverse=True), abs=1e-6)
        assert pair[name]["semi"] == pytest.approx(sizes.max(axis=1).mean(), abs=1e-6)
        x, y = one - one.mean(axis=0), other - other.mean(axis=0)
        aligned = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
        assert pair[name]["cka"] == pytest.approx(aligned, abs=1e-6)
        kinds = result["kinds"]["ep-centered and backprop, same seed"][name]
        assert all(kinds[measure] == pytest.approx(pair[name][measure], abs=1e-12) for measure in ("one_to_one", "semi", "cka", "mixed"))


def test_a_contrast_s_geometry_is_that_of_its_checkpoint(found: Found, tmp_path: Path) -> None:
    """If this fails, the table measures another layer, split or epoch than the network that is kept."""
    found("contrast", *TINY, "--embedding", 4, "--rules", "ep-centered", "--seeds", 1, "--out", tmp_path / "c")
    with RunDirectory(tmp_path / "c").journal(readonly=True) as journal:
        (trial,) = journal.trials("done")
    metrics = trial.metrics or {}
    (one,) = trained_networks(tmp_path / "c", None)
    test = Split(one.splits.test.inputs[:1000], one.splits.test.labels[:1000])
    train = one.splits.train
    hidden, output = (layer.double().numpy() for layer in activities(one.network, one.answer, test.inputs))
    seen = [layer.double().numpy() for layer in activities(one.network, one.answer, train.inputs)]
    for name, known, asked in zip(("hidden", "output"), seen, (hidden, output), strict=True):
        values = np.linalg.svd(asked - asked.mean(axis=0), compute_uv=False)
        shares = values / values.sum()
        assert metrics[f"rank_{name}"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-4, abs=0)
        vote = KNeighborsClassifier(5, metric="cosine", algorithm="brute").fit(known, train.labels.numpy())
        assert metrics[f"neighbours_{name}"] == pytest.approx(vote.score(asked, test.labels.numpy()), abs=0.01)
    cosines = unit(output) @ unit(output).T
    pairs = np.triu_indices(len(cosines), 1)
    assert metrics["uniformity"] == pytest.approx(np.log(np.exp(4 * (cosines[pairs] - 1)).mean()), abs=1e-5)
    assert metrics["isotropy"] == pytest.approx(1 - cosines[pairs].mean(), abs=1e-5)
    same = np.equal.outer(test.labels.numpy(), test.labels.numpy())[pairs]
    assert metrics["tolerance"] == pytest.approx(cosines[pairs][same].mean(), abs=1e-5)
    assert metrics["shortest"] == pytest.approx(np.linalg.norm(output, axis=1).min(), rel=1e-5, abs=0)
