"""The benchmark measures what it says, and everything it measures computes the same gradients."""

import json

import pytest
import torch
from click.testing import CliRunner

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.rule import Settling
from contrastive_core.types import Batch
from eqprop.rule import EquilibriumPropagation
from experiments.benchmarks import objectives
from experiments.benchmarks.accuracy import cosine
from experiments.benchmarks.settling import sizes_of
from experiments.benchmarks.settling_cases import cases, matched
from experiments.benchmarks.settling_networks import network_of, samples
from experiments.cli import cli
from experiments.setup.options import LearningOptions

FIELDS = {"case", "network", "batch", "threads", "backend", "samples_per_cpu_second", "sweeps", "peak_memory_mb"}


def test_bench_settle_reports_every_case_of_every_size() -> None:
    arguments = ["bench", "settle", "--networks", "6-5-3,6-5-4-3", "--batches", "1,4", "--repeats", "1", "--json", "--quiet"]
    result = CliRunner().invoke(cli, [*arguments, "--backends", "torch,numba"])
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)["rows"]
    assert len(rows) == 2 * 2 * 10
    for row in rows:
        assert set(row) >= FIELDS
        assert row["samples_per_cpu_second"] > 0
    assert {row["sweeps"] for row in rows if row["case"] == "ep-textbook"} == {45}


def test_bench_settle_prints_a_table_and_where_kernels_lose() -> None:
    result = CliRunner().invoke(cli, ["bench", "settle", "--networks", "6-5-3", "--batches", "2", "--repeats", "1", "--quiet"])
    assert result.exit_code == 0, result.stderr
    assert "x textbook" in result.stdout
    assert "to torch at" in result.stdout


@pytest.mark.parametrize("network", ["784", "784-0-10", "784-a", "784,10", "784-256x0-10", "784-x4-10", "784-256x-10"])
def test_bench_settle_refuses_what_is_no_network(network: str) -> None:
    result = CliRunner().invoke(cli, ["bench", "settle", "--networks", network])
    assert result.exit_code == 2
    assert "joined by dashes" in result.stderr


def test_a_factor_stands_for_equal_layers() -> None:
    assert sizes_of("784-256x3-32-10") == (784, 256, 256, 256, 32, 10)


@pytest.mark.parametrize("depth", [2, 4])
def test_a_truncated_schedule_is_exact_where_there_is_little_feedback(depth: int) -> None:
    """Error of a few sweeps: of the order of the energy scale squared, in float32 and whatever the depth. That of the nudge is its size."""
    data = samples(20, 4, None, 0)
    batch = Batch(data.inputs[:32], data.labels[:32])
    timed = cases(network_of((20, *[32] * depth, 4), 0.01, False, None, 0), batch, ["auto"])
    for name in ("ep-one-sided", "ep-truncated"):
        # One minus the cosine is half the square of an error: of the strength, 1e-4, with some kinks crossed, and of the scale squared.
        assert next(case.cosine() or 0.0 for case in timed if case.name == name) > 1 - 1e-5


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_all_cases_compute_the_gradient_they_claim(scale: float, trained: bool) -> None:
    """A ratio to a baseline that computes something else would mean nothing."""
    data = samples(20, 4, None, 0)
    batch = Batch(data.inputs[:8], data.labels[:8])
    found = {case.name: case for case in cases(network_of((20, 12, 9, 4), scale, trained, None, 0), batch, ["auto"])}
    # The bias of the nudge is what keeps the cosine below 1; the two share it, and agree much better with each other.
    for name in ("ep-centered", "ep-textbook"):
        assert (found[name].cosine() or 0.0) > (0.9 if trained else 0.95)
    distances = {name: 1 - (found[name].cosine() or 0.0) for name in ("ep-matched", "ep-textbook", "ep-centered")}
    assert distances["ep-matched"] <= max(1.05 * distances["ep-textbook"], distances["ep-centered"])
    assert found["ep-matched"].sweeps() <= found["ep-centered"].sweeps()
    # A weaker nudge on one side is another estimate; train's strength is that of both sides.
    train = LearningOptions.model_fields["strength"].default
    assert {name: case.strength for name, case in found.items() if name.startswith("ep-")} == {
        **dict.fromkeys(("ep-centered", "ep-matched", "ep-textbook"), train),
        **dict.fromkeys(("ep-one-sided", "ep-loose", "ep-truncated"), 1e-4),
    }
    # The loosest tolerance that is good enough, and the tightest of the ladder, that of train, where none is.
    assert (found["ep-loose"].cosine() or 0.0) >= min(0.9999, found["ep-one-sided"].cosine() or 0.0)
    assert found["ep-loose"].sweeps() <= found["ep-one-sided"].sweeps()
    assert (found["ep-one-sided"].cosine() or 0.0) > 1 - 1e-4  # settled, and its bias is that of a small nudge
    assert found["ep-truncated"].sweeps() == 3
    for mine, textbook in zip(found["ep-centered"].run(), found["ep-textbook"].run(), strict=True):
        assert float((mine - textbook).norm()) < 0.02 * float(textbook.norm())
    for manual, autograd in zip(found["backprop-manual"].run(), found["backprop-autograd"].run(), strict=True):
        assert torch.allclose(manual, autograd, rtol=1e-4, atol=1e-6)
    assert found["floor"].run()[0].shape == found["backprop-manual"].run()[0].shape


def test_matched_takes_the_fewest_sweeps_that_are_good_enough() -> None:
    """A ratio at equal accuracy must be neither at less accuracy nor at more sweeps than that takes."""
    data, network = samples(20, 4, None, 0), network_of((20, 12, 9, 4), 1.0, False, None, 0)
    batch = Batch(data.inputs[:64], data.labels[:64])
    exact = tuple(
        Implicit(SquaredError(), Settling(free=Stop(1e-6, 1000), second=Stop(1e-6, 1000))).estimate(network, batch).gradients.values()
    )
    few: list[float] = []
    for allowed in (1.0, 1e-2, 1e-3, 0.0):
        settling = matched(network, batch, exact, allowed, "torch")
        estimate = EquilibriumPropagation(SquaredError(), settling, 0.1).estimate(network, batch)
        distance = 1 - cosine(tuple(estimate.gradients.values()), exact)
        assert distance <= allowed or settling == Settling(backend="torch")  # that of train, where nothing looser will do
        few.append(sum(float(relaxation.steps.double().mean()) for relaxation in estimate.relaxations.values()))
    assert few == sorted(few)
    assert few[0] < few[-1]


def test_bench_settle_refuses_more_threads_than_cores() -> None:
    result = CliRunner().invoke(cli, ["bench", "settle", "--thread-counts", "1,999"])
    assert result.exit_code == 2
    assert "999 threads would share" in result.stderr


def test_trained_weights_have_learned() -> None:
    """Otherwise rows for trained networks would be rows for others."""
    data = samples(20, 4, None, 0)
    batch = Batch(data.inputs, data.labels)
    errors = []
    for trained in (False, True):
        network = network_of((20, 30, 4), 1.0, trained, None, 0)
        with torch.no_grad():
            errors.append(float((network.feedforward(network.clamp(batch.inputs))[-1].argmax(1) != batch.labels).double().mean()))
    assert errors[1] < 0.7 * errors[0]


def test_bench_settle_refuses_files_that_do_not_fit(tmp_path: object) -> None:
    result = CliRunner().invoke(cli, ["bench", "settle", "--networks", "6-5-3", "--data-dir", str(tmp_path), "--quiet"])
    assert result.exit_code == 2
    assert "784 inputs" in result.stderr


def test_bench_objectives_times_the_batch_of_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, repeating a benchmark with other seeds repeats one batch."""
    drawn: list[bytes] = []
    random_rows = objectives.random_rows
    monkeypatch.setattr(objectives, "random_rows", lambda *sizes: drawn.append((rows := random_rows(*sizes)).numpy().tobytes()) or rows)
    for seed in ("1", "1", "2"):
        arguments = ["bench", "objectives", "--rows", "8", "--width", "4", "--large", "none", "--repeats", "1", "--quiet", "--seed", seed]
        assert CliRunner().invoke(cli, arguments).exit_code == 0
    assert drawn[0] == drawn[1] != drawn[2]


def test_bench_objectives_measures_speed_and_peak_memory_of_equal_gradients() -> None:
    """A ratio of times of two different losses, or the peak of another process, would say nothing."""
    arguments = ["bench", "objectives", "--rows", "8,16", "--width", "4", "--large", "64", "--repeats", "1", "--json", "--quiet"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    assert [case["rows"] for case in measured["cases"]] == [8, 16]
    for case in measured["cases"]:
        assert case["speed"] == pytest.approx(case["dense_s"] / case["streamed_s"])
        assert case["difference"] < 1e-5  # float32
    memory = measured["memory"]
    assert 0 < memory["base_bytes"] <= memory["peak_bytes"] < 2**31
    assert memory["dense_bytes"] == 4 * 64 * 64


def test_bench_boltzmann_reports_every_case_with_its_share_of_products() -> None:
    """If this fails, a case is missing, or ratios are not those of the times beside them."""
    sizes = ["--visible", "30", "--hidden", "8", "--batches", "4,6", "--repeats", "1"]
    result = CliRunner().invoke(cli, ["bench", "boltzmann", *sizes, "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert len(rows) == 2 * 2 * 5
    times = {(row["dtype"], row["batch"], row["case"]): row["microseconds"] for row in rows}
    for row in rows:
        of = row["dtype"], row["batch"]
        assert row["times_faster"] == pytest.approx(times[*of, "scikit-learn"] / row["microseconds"])
        assert row["products_share"] == pytest.approx(times[*of, "dense-products"] / row["microseconds"])


def test_machines_of_bench_boltzmann_have_the_shares_of_ones() -> None:
    """If this fails, the benchmark measures machines with other shares of ones than it says."""
    from experiments.benchmarks import boltzmann_cases

    machine = boltzmann_cases.machine_of(40, 30, (0.13, 0.15), torch.float64, 0)
    assert float(torch.sigmoid(machine.bias(0).detach()).mean()) == pytest.approx(0.13)
    assert float(torch.sigmoid(machine.bias(1).detach()).mean()) == pytest.approx(0.15)


@pytest.mark.parametrize("share", ["0", "1", "nan"])
def test_bench_boltzmann_refuses_shares_that_are_none(share: str) -> None:
    """If this fails, biases become infinite."""
    result = CliRunner().invoke(cli, ["bench", "boltzmann", "--hidden-share", share])
    assert result.exit_code == 2
    assert "--hidden-share" in result.output


def test_bench_settle_refuses_devices_that_are_not_there_and_batches_without_samples() -> None:
    """Half a batch timed as a whole one would be twice as fast."""
    small = ["bench", "settle", "--networks", "6-5-3", "--repeats", "1", "--batches"]
    result = CliRunner().invoke(cli, [*small, "4096"])
    assert result.exit_code == 2
    assert "at most 2048" in result.stderr
    if not torch.cuda.is_available():
        result = CliRunner().invoke(cli, [*small, "1", "--devices", "cpu,cuda"])
        assert result.exit_code == 2
        assert "use --devices cpu" in result.stderr
