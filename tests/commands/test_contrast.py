"""Training on views: the command contrast, what it leaves behind, what no rule sees, and how it answers wrong input."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Eqlab, Found, Refused
from systems import SimilarityCost, seeded
from torch import Tensor

from contrastive_core.data.batches import batches
from contrastive_core.data.splits import Split, Splits, assemble
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.data.views.noise import Noise
from contrastive_core.data.views.resized_crop import SmallCrop
from contrastive_core.errors import InputError
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.representation.collapse import collapsed_value
from contrastive_core.rule import Setting, Settling
from contrastive_core.training.loop import train
from contrastive_core.training.plan import Plan
from contrastive_core.training.views_of_samples import Contrasting, contrasting
from contrastive_core.types import Batch
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import read_config, resolve
from experiments.figures.representations import curves, embeddings, spectra
from experiments.representations.build import build_contrasting, build_embedding, build_objective
from experiments.representations.contrast import check_contrast
from experiments.representations.options import ContrastiveTrialOptions, ContrastOptions
from experiments.representations.trial import trial
from experiments.runs.directory import RunDirectory
from experiments.setup.build import load_data
from experiments.setup.tables import BASELINE, RULES

TINY = ("--train-size", "96", "--hidden", "16", "--embedding", "8", "--epochs", "2", "--batch-size", "24", "--threads", "1")
SHOWN = MultiView((Noise(0.05),))
COMMAND = ("contrast", *TINY, "--quiet", "--engine", "serial")


@pytest.fixture(scope="module")
def contrast(found: Found) -> Found:
    """The command on little data: returns the JSON that it prints."""
    return partial(found, *COMMAND)


@pytest.fixture
def contrast_refused(refused: Refused) -> Refused:
    """The command with arguments that it refuses: returns the one line of its error."""
    return partial(refused, *COMMAND)


@pytest.fixture(scope="module")
def contrasted(contrast: Found, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("contrast") / "run"
    return contrast("--seeds", "2", "--out", out), out


def test_the_default_learns_something_that_the_untrained_network_lacks() -> None:
    """A probe of the outputs gains ten of a hundred test samples, five standard errors of 350, after a fifth of the epochs."""
    metrics = trial(ContrastiveTrialOptions(rule=BASELINE, epochs=4), 0).metrics
    assert metrics["lift_output"] > 0.1
    assert metrics["neighbours_output"] > metrics["untrained"]["neighbours_output"] + 0.05


def test_every_rule_starts_from_the_untrained_network_of_its_seed(contrasted: tuple[dict[str, Any], Path]) -> None:
    """If this fails, what training added is measured from another network."""
    result, out = contrasted
    assert list(result["rules"]) == ["ep-centered", "backprop"]
    with RunDirectory(out).journal(readonly=True) as journal:
        for rule, record in result["rules"].items():
            trials = [journal.trial(f"{rule}-{seed}") for seed in (0, 1)]
            for layer in ("hidden", "output"):
                lifts = [t.metrics[f"probe_{layer}"] - t.metrics["untrained"][f"probe_{layer}"] for t in trials if t and t.metrics]
                assert record["lift"][layer]["seeds"] == pytest.approx(lifts)
    ours, theirs = (result["rules"][rule]["probe"]["output"]["seeds"] for rule in ("ep-centered", "backprop"))
    differences = result["rules"]["ep-centered"]["paired_difference"]["output"]["seeds"]
    assert differences == pytest.approx([a - b for a, b in zip(ours, theirs, strict=True)])
    assert result["rules"]["backprop"]["paired_difference"] is None


def test_a_run_leaves_figures_report_checkpoints_and_points(contrasted: tuple[dict[str, Any], Path]) -> None:
    """If this fails, a published table cannot be looked into."""
    _, out = contrasted
    assert {path.name for path in (out / "figures").iterdir()} == {
        f"{n}.{e}" for n in ("curves", "embedding", "scores", "spectrum") for e in ("csv", "json", "svg")
    }
    assert {path.stem for path in (out / "checkpoints").glob("*.safetensors")} == {
        f"{r}-{s}" for r in ("ep-centered", "backprop") for s in (0, 1)
    }
    assert "minus untrained" in (out / "report.html").read_text("utf-8")
    with np.load(out / "trajectories" / "ep-centered-0.npz", allow_pickle=False) as stored:
        assert stored["embedding"].shape == (350, 2)
        assert stored["spectrum_output"].shape == (8,)


def test_scores_few_shots_and_layers_are_told(contrasted: tuple[dict[str, Any], Path]) -> None:
    """If this fails, the measures in detail are missing, or another layer is probed than the one that is named."""
    result, out = contrasted
    for record in result["rules"].values():
        hidden, output = record["layers"]
        assert hidden["probe"] == pytest.approx(record["probe"]["hidden"]["mean"])
        assert output["probe"] == pytest.approx(record["probe"]["output"]["mean"])
        assert 0.5 < record["auc"] <= 1
        assert 0.2 < record["few_shot"] < record["few_shot_aligned"] + 0.1  # chance is 0.2
        assert record["halves"] == {}
        assert record["augmentation_complexity"] is None
    with np.load(out / "trajectories" / "ep-centered-0.npz", allow_pickle=False) as stored:
        for side in ("positive", "negative"):
            assert stored[f"scores_{side}"].mean() == pytest.approx(0.5)  # a density on an interval of length 2
    assert "1-shot aligned" in (out / "report.html").read_text("utf-8")


def test_halves_and_the_kernel_of_an_augmentation_are_told(contrast: Found, tmp_path: Path) -> None:
    """If this fails, common and salient codes are not probed apart, or nothing tells what the augmentation alone can teach."""
    told = contrast(
        "--cost", "sepclr", "--views", "noise", "--view-strength", "6", "--seeds", "1", "--rules", "backprop", "--out", tmp_path
    )
    record = told["rules"]["backprop"]
    assert set(record["halves"]) == set(record["untrained_halves"]) == {"common", "salient"}
    assert 1 < record["augmentation_complexity"] < 296  # between one view for all and a view for each of 96 + 200 samples
    assert record["augmentation_probe"] > 0.6


def test_a_complete_run_is_resumed_to_the_same_result(contrast: Found, contrasted: tuple[dict[str, Any], Path]) -> None:
    """If this fails, asking twice costs twice, or answers differently."""
    result, out = contrasted
    assert contrast("--seeds", "2", "--out", out) == result


def test_the_collapsed_value_of_nt_xent_is_its_closed_form(contrasted: tuple[dict[str, Any], Path]) -> None:
    """If this fails, collapse is looked for at the wrong value."""
    result, _ = contrasted
    for record in result["rules"].values():
        assert record["collapsed"] == pytest.approx(np.log(2 * 24 - 1), abs=1e-6)
        assert record["objective"] < record["collapsed"]


@pytest.mark.parametrize(
    ("name", "expected"), [("nt-xent", np.log(2 * 6 - 1)), ("dcl", np.log(2 * 6 - 2)), ("mv-infonce", np.log(2 * 6 - 1))]
)
def test_collapse_has_its_closed_form(name: str, expected: float) -> None:
    """If this fails, a collapsed network is not recognised."""
    batch = SHOWN.present(Batch(torch.rand(6, 4), torch.arange(6)), seeded(0))
    assert collapsed_value(OBJECTIVES[name](), batch, 5) == pytest.approx(float(expected), abs=1e-10)


def tiny_splits() -> Splits:
    inputs = torch.rand(40, 9, generator=seeded(0))
    parts = [Split(inputs[part], torch.arange(40)[part] % 4) for part in (slice(0, 24), slice(24, 32), slice(32, 40))]
    return assemble(*parts, num_classes=4, source="test")


def tiny_network(gain: float = 0.7) -> Layered:
    tanh = ACTIVATIONS["tanh"]
    return Layered((9, 12, 6), activation=tanh, output_activation=tanh, energy_scale=0.1, gain=gain, generator=seeded(1))


def made(name: str, **settings: Any) -> Contrasting:
    return contrasting(OBJECTIVES[name](**settings), SHOWN, 8, 6, 24, seeded(2), torch.float32)


@pytest.mark.parametrize("name", ["nt-xent", "vicreg", "swav"])
def test_no_label_reaches_an_objective_that_needs_none(name: str) -> None:
    """If this fails, a representation learned with labels is published as one learned without."""
    settings = {"num_prototypes": 4} if name == "swav" else {}
    trained = []
    for turn in (0, 1):
        splits = tiny_splits()
        labels = splits.train.labels if turn == 0 else splits.train.labels.flip(0)
        shuffled = splits._replace(train=Split(splits.train.inputs, labels))
        network, parts = tiny_network(), made(name, **settings)
        rule = RULES["backprop"](Setting(parts.objective))
        train(network, rule, parts.objective, shuffled, Plan(epochs=1, batch_size=8, keep_last=True), 0, contrasting=parts)
        trained.append(network.weight(0).detach().clone())
    assert torch.equal(*trained)


@pytest.mark.parametrize("rule", ["ep-centered", "coupled-centered", "implicit", "recurrent-backprop", "unrolled", "backprop"])
@pytest.mark.parametrize("frozen", [True, False])
def test_every_kind_of_rule_lowers_the_objective_from_one_configuration(rule: str, frozen: bool) -> None:
    """If this fails, a rule cannot train with an objective, or climbs it."""
    # The curvature of the objective is about 1 / (temperature |o|²): a live nudge has a fixed point where outputs are not too short.
    splits, network, parts = tiny_splits(), tiny_network(gain=3.0), made("nt-xent")
    setting = Setting(parts.objective, Settling(), parts.objective.strength, frozen=frozen)
    plan = Plan(epochs=8, batch_size=8, optimiser="adam", learning_rates=(0.01,), keep_last=True)
    result = train(network, RULES[rule](setting), parts.objective, splits, plan, 0, contrasting=parts)
    # From 2.6 to below 2.0 by every rule that was tried; a rule that does not follow the objective stays.
    assert result.history[-1]["train_cost"] < result.history[0]["train_cost"] - 0.2
    assert result.best_epoch == 8


def test_prototypes_are_learned_beside_the_network_and_survive_an_interruption(tmp_path: Path) -> None:
    """If this fails, a resumed run of SwAV has forgotten what its clusters are, and differs from one that was not stopped."""

    class Stopped(Exception):  # noqa: N818
        pass

    def run(epochs_before_stop: int | None) -> tuple[Tensor, Tensor]:
        network, parts = tiny_network(), made("swav", num_prototypes=4)
        before = parts.extras["prototypes"].clone()
        rule = RULES["backprop"](Setting(parts.objective))
        plan = Plan(epochs=3, batch_size=8, optimiser="adam", learning_rates=(0.01,), keep_last=True)

        def watch(record: dict[str, float]) -> None:
            if record["epoch"] == epochs_before_stop:
                raise Stopped

        train(network, rule, parts.objective, tiny_splits(), plan, 0, contrasting=parts, checkpoint=tmp_path / "c", on_epoch=watch)
        assert not torch.equal(before, parts.extras["prototypes"])
        return network.weight(0).detach(), parts.extras["prototypes"]

    whole = run(None)
    (tmp_path / "c").unlink()
    with pytest.raises(Stopped):
        run(2)
    resumed = run(None)
    assert torch.equal(whole[0], resumed[0])
    assert torch.equal(whole[1], resumed[1])


def test_growing_views_start_from_the_samples_themselves() -> None:
    """If this fails, the share of the training that is done does not reach the views."""
    seen: list[float] = []

    class Watching:
        def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
            seen.append(strength)
            return inputs + 0.1 * torch.randn(inputs.shape, generator=generator)

    parts = contrasting(OBJECTIVES["nt-xent"](), MultiView((Watching(),), growth=0.5), 8, 6, 24, seeded(0), torch.float32)  # type: ignore[arg-type]
    rule = RULES["backprop"](Setting(parts.objective))
    train(tiny_network(), rule, parts.objective, tiny_splits(), Plan(epochs=4, batch_size=12), 0, contrasting=parts)
    training = [seen[index] for index in (0, 1, 3, 4, 6, 7, 9, 10)]  # after each epoch the validation split is seen once
    assert training == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1, 1, 1])


def test_bad_input_is_one_sentence(contrast_refused: Refused) -> None:
    """If this fails, a user's mistake ends in a traceback, or in a run of something else."""
    assert "greater than 0" in contrast_refused("--temperature", "0")
    assert "greater than 0" in contrast_refused("--temperature", "-0.1")
    assert "unknown setting of nt-xent 'tau'" in contrast_refused("--set", "objective.tau=1")
    assert "given twice" in contrast_refused("--temperature", "0.3", "--set", "objective.temperature=0.5")
    assert "tell nothing apart; raise --probe-train" in contrast_refused("--probe-train", "1")
    assert "must be a valid number, got 'warm'" in contrast_refused("--set", "objective.temperature=warm")
    assert "must be a valid number, got True" in contrast_refused("--set", "objective.temperature=true")
    assert "iterations must be a valid integer, got 1.5" in contrast_refused("--cost", "swav", "--set", "objective.iterations=1.5")
    assert "--temperature none is rgcl's own" in contrast_refused("--cost", "rgcl")
    assert "views do not pair up" in contrast_refused("--num-views", "3")
    assert "greater than or equal to 2" in contrast_refused("--batch-size", "1")
    assert "would have 1 sample" in contrast_refused("--train-size", "97")
    assert "needs labels" in contrast_refused("--cost", "supcon", "--no-labels")
    assert "not a square" in contrast_refused("--data", "two-moons")
    assert "did you mean 'nt-xent'" in contrast_refused("--cost", "nt-xnt")
    assert "did you mean 'affine'" in contrast_refused("--views", "afine")
    assert "--hidden needs at least 1" in contrast_refused("--hidden", "")
    assert "on the CPU" in contrast_refused("--device", "cuda")
    assert "cannot keep 5000" in contrast_refused("--train-size", "5000")
    assert "ep-thermal averages over states at a temperature" in contrast_refused("--rules", "ep-thermal")
    assert "coupled-positive holds the outputs" in contrast_refused("--rules", "coupled-positive", "--readout")


@pytest.mark.parametrize("config", ["contrast-mnist", "contrast-mnist-small"])
def test_every_objective_of_the_shipped_configuration_is_trained_with_its_settings(config: str) -> None:
    """If this fails, a table of objectives is made with the settings of one of them, or with none that can be built."""
    for name, case in read_config(config).values["when"]["cost"].items():
        options = resolve(ContrastOptions, config=config, flags={"cost": name})
        objective = vars(build_objective(options))
        assert {key: objective[key] for key in case["objective"]} == case["objective"]
        assert options.view_strength == case.get("view_strength", 1.0)
    assert resolve(ContrastOptions, config=config).objective == {}


def test_the_command_line_wins_over_the_settings_of_an_objective() -> None:
    """If this fails, a user who gives a temperature trains at another one."""
    assert resolve(ContrastOptions, config="contrast-mnist", flags={"cost": "swav", "temperature": 0.3}).temperature == 0.3


def test_probes_of_the_validation_split_never_see_the_test_split() -> None:
    """If this fails, settings are chosen on the samples that results are reported on."""
    from experiments.representations.measures import judging
    from experiments.representations.options import ContrastiveTrialOptions
    from experiments.representations.trial import trial
    from experiments.setup.build import load_data

    common = {"train_size": 48, "hidden": (8,), "embedding": 4, "epochs": 1, "batch_size": 24, "probe_train": 48, "rule": "backprop"}
    options = ContrastiveTrialOptions(**common, probe_split="validation")
    splits = load_data(options)
    assert judging(options, splits) is splits.validation
    assert judging(options.model_copy(update={"probe_split": "test"}), splits) is splits.test
    record = trial(options, 0)
    assert record.metrics["objective"] == record.history[-1]["validation_cost"]


def test_options_that_an_objective_leaves_without_effect_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a user compares settings of keys, labels or neighbours that changed nothing."""
    said: list[str] = []
    monkeypatch.setattr(Invocation, "warn", lambda self, text: said.append(text))
    invocation = Invocation("contrast", (), None, json=False, quiet=True, threads=1)

    def warned(**flags: Any) -> list[str]:
        said.clear()
        small = {"train_size": 48, "hidden": [8], "embedding": 4, "batch_size": 12}
        check_contrast(resolve(ContrastOptions, flags=small | flags), invocation)
        return [text.split(":")[0] for text in said]

    assert warned(momentum_keys=0.5) == ["--momentum-keys has no effect"]
    assert warned(labels=False) == ["--no-labels has no effect"]
    assert warned(neighbours=49) == ["--neighbours 49 is more than the 48 samples that probes learn from"]
    assert warned(unroll=3, fraction=0.4) == ["--fraction has no effect", "--unroll has no effect"]
    assert warned(unroll=3, rules=["unrolled"]) == []
    assert warned(cost="infonce-queue", momentum_keys=0.5, neighbours=48) == []
    detecting = {"cost": "nt-xent + replaced-detection", "output_activation": "linear", "embedding": 8}
    assert warned(**detecting) == [
        "replaced-detection asks which values were replaced, and --views affine,erase changes others; give --views replace"
    ]
    assert warned(**detecting, views=["replace"]) == []
    # 8 epochs of 48 samples give 768 keys, 24 of them in the last batch; the default waits for 1024.
    lasting = {"cost": "infonce-queue", "mixing": "clustered-positives", "epochs": 8}
    assert warned(**lasting) == ["--mixing clustered-positives has no effect"]
    assert "starts after 1024 keys, and the last batch is preceded by 744" in said[0]
    assert warned(**lasting, mixer={"warm_up": 745}) == ["--mixing clustered-positives has no effect"]
    assert warned(**lasting, mixer={"warm_up": 744}) == []
    assert warned(**lasting, objective={"length": 100}) == []  # a full queue is cut, however long the warm-up


def test_small_windows_are_further_views_of_the_command(contrast_refused: Refused) -> None:
    """If this fails, --crops changes nothing, or its windows are of another size than --crop-area."""
    small = {"train_size": 48, "hidden": (8,), "embedding": 4, "epochs": 1, "batch_size": 24, "probe_train": 48, "views": ()}
    swav = {"rule": "ep-centered", "cost": "swav", "objective": {"num_prototypes": 12}}
    options = ContrastiveTrialOptions(**small, **swav, crops=2, crop_area=(0.3, 0.4))
    splits, objective = load_data(options), build_objective(options)
    network = build_embedding(options, splits, 0)
    parts = build_contrasting(options, splits, objective, network, RULES["ep-centered"](Setting(objective)), 0)
    assert parts.views.crop == SmallCrop(0.3, 0.4)
    samples = next(batches(splits.train, 24))
    shown = parts.present(samples, seeded(0)).inputs.split(24)
    assert [torch.equal(rows, samples.inputs) for rows in shown] == [True, True, False, False]
    ends = [trial(options.model_copy(update={"crops": crops}), 0).metrics["objective"] for crops in (0, 2)]
    # Uniform scores give log 12; a window is told apart from the whole picture by its size, and so differs from two whole pictures.
    assert all(0 < end < 2 * np.log(12) for end in ends)
    assert ends[0] != ends[1]
    assert "views do not pair up: NTXent takes exactly 2 views of each sample, got 4" in contrast_refused("--crops", "2")
    assert "shares in order" in contrast_refused("--cost", "swav", "--crops", "2", "--crop-area", "0.5,0.2")


@pytest.mark.parametrize(
    ("sampling", "batch_size", "idle"),
    [
        ("balanced-propensity", 128, True), ("one-per-class", 128, True), ("one-per-class", 10, False), ("inside-clusters", 128, False),
        ("similar-batches", 128, False), ("shuffled", 128, False),
    ],
)  # fmt: skip
def test_a_sampling_that_hardly_changes_who_meets_whom_is_warned_of(
    sampling: str, batch_size: int, idle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a technique is compared that did nothing, or one that acts is called idle."""
    said: list[str] = []
    noted: list[str] = []
    monkeypatch.setattr(Invocation, "warn", lambda self, text: said.append(text))
    monkeypatch.setattr(Invocation, "note", lambda self, text: noted.append(text))
    flags = {"sampling": sampling, "batch_size": batch_size, "hidden": [8]}
    check_contrast(resolve(ContrastOptions, flags=flags), Invocation("contrast", (), None, json=False, quiet=True, threads=1))
    assert [text.split(":")[0] for text in said] == [f"--sampling {sampling} hardly changes who meets whom at --batch-size 128"] * idle
    acts = not idle and sampling != "shuffled"
    assert [text.split(":")[0] for text in noted] == [f"--sampling {sampling} changes who meets whom at --batch-size {batch_size}"] * acts


def test_samplings_of_generated_samples_and_of_groups_ask_for_them(contrast_refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a sampling without its kind of data runs as a random order, or every trial fails of it."""
    said: list[str] = []
    monkeypatch.setattr(Invocation, "warn", lambda self, text: said.append(text))
    monkeypatch.setattr(Invocation, "note", lambda self, text: said.append(text))
    invocation = Invocation("contrast", (), None, json=False, quiet=True, threads=1)
    check_contrast(resolve(ContrastOptions, flags={"sampling": "replication", "hidden": [8]}), invocation)
    assert ["--sampling replication without --generated samples only makes an epoch longer" in text for text in said] == [True]
    assert "no groups by 'images'; they have none of groups, images" in contrast_refused("--sampling", "together")
    said.clear()
    check_contrast(resolve(ContrastOptions, flags={"sampling": "together", "data": "digits-regions", "hidden": [8]}), invocation)
    # Fourteen images of nine regions make a batch of 126: 8 of 125 others are of the own image, in a random order 8 of 10 772.
    assert "6.4 % of the pairs in a batch are of one group by images (shuffled 0.1 %)" in said[0]


def test_the_default_embedding_fits_heads_and_groups() -> None:
    """If this fails, defaults refuse each other, or a width that was given is not kept."""
    for flags, expected in (
        ({}, 8), ({"cost": "nt-xent"}, 8), ({"cost": "amcl"}, 9), ({"cost": "whitenedcse"}, 12),
        ({"cost": "amcl", "objective": {"heads": 5}}, 10), ({"cost": "amcl", "embedding": 8}, 8),
        ({"cost": "amcl + 0.5 whitenedcse(group_size=4)"}, 12), ({"cost": "clip + cross-entropy"}, 8),
    ):  # fmt: skip
        options = resolve(ContrastOptions, flags=flags)
        assert options.embedding == expected
        assert resolve(ContrastOptions, flags=options.model_dump()).embedding == expected


def test_live_nudges_that_cannot_settle_are_warned_of(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, phases end at their budget without a word."""
    arguments = ("--seeds", "1", "--rules", "backprop", "--out")
    for strength, warns in (("10", True), ("0.0001", False)):
        out = tmp_path / strength
        result = eqlab("contrast", *TINY, "--quiet", "--engine", "serial", "--no-frozen", "--strength", strength, *arguments, out)
        assert result.exit_code == 0, result.output
        assert ("largest curvature" in result.stderr) is warns


def test_objectives_that_need_what_views_do_not_have_are_refused() -> None:
    """If this fails, an objective trains on extras that nobody computed."""
    from contrastive_core.objectives.needs import Origin

    for name in OBJECTIVES:
        objective = OBJECTIVES[name]()
        if any(extra.origin is Origin.GIVEN for extra in objective.needs.extras):
            with pytest.raises(InputError, match="which views of these data do not have; choose another objective"):
                contrasting(objective, MultiView((), max(2, objective.needs.fewest)), 8, 6, 24, seeded(0), torch.float32)


def test_a_sweep_runs_the_experiment(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, contrastive training is no experiment that grids can be made of."""
    out = tmp_path / "sweep"
    settings = ("--set", "train_size=48", "--set", "hidden=8", "--set", "embedding=4", "--set", "epochs=1", "--set", "batch_size=16")
    settings += ("--set", "probe_train=48", "--set", "probe_test=32")
    result = eqlab("sweep", "new", str(out), "contrastive", "--grid", "temperature=0.1,0.5", *settings)
    assert result.exit_code == 0, result.output
    result = eqlab("sweep", "run", str(out), "--engine", "serial", "--quiet")
    assert result.exit_code == 0, result.output


def test_pictures_of_nothing_and_of_odd_numbers_are_no_error() -> None:
    """If this fails, a failed run has no report."""
    for picture in (embeddings({}), spectra({}), curves({}), curves({"a": [[{"epoch": 1, "validation_cost": float("nan")}]]}, None)):
        assert picture.svg.startswith("<?xml")


def test_a_cost_that_is_no_objective_still_trains_as_before() -> None:
    """If this fails, training without views has changed."""
    cost = SimilarityCost()
    rule = RULES["backprop"](Setting(cost))
    result = train(tiny_network(), rule, cost, tiny_splits(), Plan(epochs=2, batch_size=8), 0)
    assert len(result.history) == 2
