"""Samplers and mixings in training: what is listed trains under EP and backprop, from seeds alone, and does what its formula says."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Eqlab
from systems import seeded
from torch import Tensor
from torch.nn.functional import normalize

import experiments.representations.contrast as contrast_module
from contrastive_core.data.splits import Split, Splits, assemble
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.data.views.noise import Noise
from contrastive_core.errors import InputError
from contrastive_core.mixing import MIXINGS
from contrastive_core.mixing.hallucination import hallucinate
from contrastive_core.mixing.mixed_negatives import mix_hard_negatives
from contrastive_core.mixing.mixing import Mixing, drawing, mixed
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.objective import Objective
from contrastive_core.objectives.weighted_sum import Term, WeightedSum
from contrastive_core.rule import Rule, Setting
from contrastive_core.sampling import SAMPLERS
from contrastive_core.training.loop import train
from contrastive_core.training.momentum_encoder import follower
from contrastive_core.training.plan import Plan
from contrastive_core.training.views_of_samples import Contrasting, contrasting
from contrastive_core.types import Batch
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import resolve
from experiments.setup.tables import RULES

VIEWS = MultiView((Noise(0.05),))
FITTING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("nt-xent", {}),
    ("infonce-queue", {"length": 64}),
    ("supcon", {}),
    ("supremix", {}),
)
"""Objectives of which every mixing fits one."""
WIDTH, BATCH, RULE_NAMES = 6, 12, ("ep-centered", "backprop")


def splits_of(labels: Tensor) -> Splits:
    images = torch.arange(len(labels)) // 4  # groups of four samples, three of which fill a batch
    inputs = torch.rand(len(labels), 9, generator=seeded(0))
    held_out = Split(torch.rand(8, 9, generator=seeded(1)), torch.arange(8) % 4)
    return assemble(Split(inputs, labels, given={"images": images}), held_out, held_out, num_classes=4, source="test")


SPLITS = splits_of(torch.arange(60) % 4)


def fitting(mixing: Mixing) -> Objective:
    return next(objective for name, settings in FITTING if mixing.refusal(objective := OBJECTIVES[name](**settings)) is None)


def network_of(dtype: torch.dtype = torch.float32) -> Layered:
    tanh = ACTIVATIONS["tanh"]
    return Layered((9, 12, WIDTH), activation=tanh, output_activation=tanh, energy_scale=0.1, generator=seeded(1)).to(dtype)


def parts(objective: Objective, network: Layered, rule: Rule, sampling: str = "shuffled") -> Contrasting:
    leader = follower(network, rule, 0.9)
    return contrasting(
        objective, VIEWS, BATCH, WIDTH, 60, seeded(2), torch.float32, sampler=SAMPLERS[sampling](), follower=leader
    )  # fmt: skip


def trained(objective: Objective, rule_name: str, splits: Splits = SPLITS, sampling: str = "shuffled", **options: Any) -> Contrasting:
    """Train for an epoch with a judge that needs nothing, and return what was kept, the weights as an extra."""
    network = network_of()
    rule = RULES[rule_name](Setting(objective, strength=objective.strength, frozen=True))
    contrast = parts(objective, network, rule, sampling)
    plan = Plan(epochs=options.pop("epochs", 1), batch_size=BATCH, optimiser="adam", learning_rates=(0.01,), keep_last=True)
    train(network, rule, OBJECTIVES["uniformity"](), splits, plan, 0, contrasting=contrast, **options)
    contrast.extras["weights"] = network.weight(0).detach().clone()
    return contrast


def a_batch(objective: Objective, draws: int = 5) -> tuple[Tensor, Batch]:
    """Return outputs and a batch of views with everything that the objective asks for, in float64."""
    shown = VIEWS.present(Batch(torch.rand(BATCH, 9, generator=seeded(3)), torch.arange(BATCH) % 4), seeded(4))
    extras = {name: value.double() if value.is_floating_point() else value for name, value in objective.start(WIDTH, 60, seeded(5)).items()}
    extras["keys"] = torch.randn(2 * BATCH, WIDTH, generator=seeded(6), dtype=torch.float64)
    extras["draws"] = torch.tensor(draws)
    extras["teacher"] = torch.randn(2 * BATCH, WIDTH, generator=seeded(9), dtype=torch.float64)
    labels = shown.labels.double() if "NUMBERS" in str(objective.needs.labels) else shown.labels
    output = torch.randn(2 * BATCH, WIDTH, generator=seeded(7), dtype=torch.float64)
    return output, shown._replace(extras=extras, labels=labels, inputs=shown.inputs.double())


@pytest.mark.parametrize("name", SAMPLERS)
def test_batches_hold_at_least_two_different_samples_and_follow_from_the_seed(name: str) -> None:
    """If this fails, a sample is contrasted with itself, or a run cannot be repeated."""
    sampler = SAMPLERS[name]()

    def epoch(seed: int) -> list[list[int]]:
        return [batch.tolist() for batch in sampler(SPLITS.train, lambda: SPLITS.train.inputs, BATCH, seeded(seed))]

    made = epoch(0)
    assert all(2 <= len(batch) <= BATCH and len(set(batch)) == len(batch) for batch in made)
    assert made == epoch(0) != epoch(1)
    assert sum(map(len, made)) >= 36  # most samples are shown: what is left out is at most a rest of each cluster


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampling_trains_under_both_rules_and_from_the_seed_alone(name: str, rule: str) -> None:
    """If this fails, a listed sampling cannot be trained with, has no effect, or its run cannot be repeated."""
    objective = OBJECTIVES["nt-xent"]()
    weights = trained(objective, rule, sampling=name).extras["weights"]
    assert torch.equal(weights, trained(objective, rule, sampling=name).extras["weights"])
    if name != "shuffled":
        assert not torch.equal(weights, trained(objective, rule).extras["weights"])


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", MIXINGS)
def test_every_mixing_trains_under_both_rules_and_from_the_seed_alone(name: str, rule: str) -> None:
    """If this fails, a listed mixing cannot be trained with, has no effect, or its run cannot be repeated."""
    mixing = MIXINGS[name]()
    plain = fitting(mixing)
    objective = mixed(plain, mixing, name)
    once, twice = (trained(objective, rule) for _ in range(2))
    assert all(torch.equal(once.extras[key], twice.extras[key]) for key in once.extras)
    if name != "mixed-regression":  # without which its objective cannot be trained
        assert not torch.equal(once.extras["weights"], trained(plain, rule).extras["weights"])
    fresh = parts(objective, network_of(), RULES[rule](Setting(objective)))
    assert all(not torch.equal(once.extras[key], fresh.extras[key]) for key in fresh.learnt)
    assert int(once.extras["draws"]) == int(fresh.extras["draws"]) + 5  # each of the batches has mixtures of its own


@pytest.mark.parametrize("name", MIXINGS)
def test_the_force_of_a_mixed_objective_is_the_gradient_through_the_mixture(name: str) -> None:
    """If this fails, nudged networks and backprop lower something else than the objective of mixtures."""
    mixing = MIXINGS[name]()
    objective = mixed(fitting(mixing), mixing, name)
    output, batch = a_batch(objective)
    force, held = objective.gradient(output, batch), batch._replace(held=output)
    direction = torch.randn(output.shape, generator=seeded(8), dtype=torch.float64)
    step = 1e-5  # central differences err by step² times a third derivative of order 1/temperature³, and by rounding over the step
    ends = [float(objective.value(output + sign * step * direction, held)) for sign in (1, -1)]
    slope = len(output) * (ends[0] - ends[1]) / (2 * step)
    assert slope == pytest.approx(float((force * direction).sum()), rel=1e-5)
    assert abs(slope) > 1e-3
    assert float(objective.value(output, batch)) == float(objective.value(output, batch))
    drawn = float(objective.value(output, batch)) != float(objective.value(output, a_batch(objective, draws=6)[1]))
    assert drawn == (name not in ("clustered-positives", "fixed-reweighting", "meta-augmented"))  # all others draw their mixtures


@pytest.mark.parametrize("name", MIXINGS)
def test_a_mixing_refuses_objectives_that_it_cannot_serve_with_a_reason(name: str) -> None:
    """If this fails, a mixture is ignored, or a user is told nothing."""
    mixing, refused = MIXINGS[name](), 0
    for objective in (OBJECTIVES[other]() for other in OBJECTIVES):
        if mixing.refusal(objective) is not None:
            with pytest.raises(InputError, match=f"mixing {name} cannot be applied to {type(objective).__name__}: .+"):
                mixed(objective, mixing, name)
            refused += 1
    assert 0 < refused < len(OBJECTIVES)


def test_mixed_negatives_join_the_denominator_of_infonce() -> None:
    """If this fails, synthetic negatives repel otherwise than real ones (Kalantidis et al., 2020)."""
    mixing = MIXINGS["mixed-negatives"](hardest=8, pairs=5, with_query=3)  # type: ignore[call-arg]
    objective = OBJECTIVES["infonce-queue"](length=64, temperature=0.3)  # type: ignore[call-arg]
    output, batch = a_batch(mixed(objective, mixing, "mixed-negatives"))
    assert batch.extras is not None
    queue, keys = batch.extras["queue"], normalize(batch.extras["keys"])
    made = mix_hard_negatives(output, queue, drawing(5), hardest=8, pairs=5, with_query=3)
    terms = []
    for row, query in enumerate(normalize(output)):
        scores = torch.cat([(query @ keys[row])[None], queue @ query, made[row] @ query]) / 0.3
        terms.append(scores.logsumexp(0) - scores[0])
    expected = float(torch.stack(terms).mean())
    assert float(mixed(objective, mixing, "mixed-negatives").value(output, batch)) == pytest.approx(expected, abs=1e-12)


def test_equal_gates_leave_a_contrast_of_random_pairs_without_rows_of_their_classes() -> None:
    """If this fails, the partner of a sample is seen through another gate, or rows that are alike by their class are repelled."""
    mixing, plain = MIXINGS["gated-pairs"](), OBJECTIVES["nt-xent"]()
    output, batch = a_batch(mixed(plain, mixing, "gated-pairs"))
    assert batch.extras is not None
    batch.extras["gate_map"].zero_()  # type: ignore[attr-defined]
    order = torch.randperm(BATCH, generator=drawing(5))
    rows = normalize(torch.cat([output[:BATCH], output[BATCH:][order]]))
    classes = torch.cat([batch.labels[:BATCH], batch.labels[BATCH:][order]])
    terms = []
    for a in range(2 * BATCH):
        p = (a + BATCH) % (2 * BATCH)
        kept = (classes != classes[a]) & (classes != classes[p])
        kept[p] = True
        scores = rows @ rows[a] / plain.temperature  # type: ignore[attr-defined]
        terms.append(scores[kept].logsumexp(0) - scores[p])
    expected = float(torch.stack(terms).mean())
    assert float(mixed(plain, mixing, "gated-pairs").value(output, batch)) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(InputError, match=r"raise mixer\.classes"):
        mixed(plain, MIXINGS["gated-pairs"](classes=3), "gated-pairs").value(output, batch)  # type: ignore[call-arg]


def test_a_hallucination_without_weights_is_the_extrapolation_of_the_second_view() -> None:
    """If this fails, the hallucinated positive moves towards the other view, and is easier instead of harder."""
    first, second = (normalize(torch.randn(20, WIDTH, generator=seeded(s), dtype=torch.float64)) for s in (0, 1))
    nothing = (torch.zeros(WIDTH, 3, dtype=torch.float64), torch.zeros(3, WIDTH, dtype=torch.float64))
    made = hallucinate(first, second, nothing, torch.full((20,), 0.5, dtype=torch.float64))
    assert torch.allclose(made, 1.5 * second - 0.5 * first, atol=1e-12)
    cosine = (normalize(made) * first).sum(1)
    assert bool((cosine < (second * first).sum(1)).all())


def test_a_follower_is_the_moving_average_of_the_network() -> None:
    """If this fails, keys come from the network that is trained."""
    network = network_of()
    rule = RULES["ep-centered"](Setting(OBJECTIVES["nt-xent"]()))
    second = follower(network, rule, 0.75)
    first = network.weight(0).detach().clone()
    with torch.no_grad():
        network.weight(0).add_(1.0)
    for _ in range(3):
        second.follow()
    assert torch.allclose(second.copy.weight(0), first + 1 - 0.75**3, atol=1e-6)  # float32
    batch = VIEWS.present(Batch(torch.rand(5, 9, generator=seeded(0)), torch.arange(5)), seeded(1))
    assert torch.equal(second.outputs(batch), second.copy.output(rule.infer(second.copy, batch.inputs).state))
    with pytest.raises(InputError, match="below 1"):
        follower(network, rule, 1.0)


@pytest.mark.parametrize(("name", "count", "ahead"), [("infonce-queue", 2, 5), ("infonce-queue", 3, 5), ("adaptive-triplet", 2, 0)])
def test_keys_are_of_the_next_view_in_a_contrast_and_of_the_row_itself_in_an_anchor_branch(name: str, count: int, ahead: int) -> None:
    """If this fails, a row is its own positive, or a margin is that of other pairs than are judged."""
    objective = OBJECTIVES[name](**({"length": 64} if name == "infonce-queue" else {}))
    network, rule = network_of(), RULES["backprop"](Setting(objective))
    views = MultiView((Noise(0.1),), count=count)
    made = contrasting(
        objective, views, BATCH, WIDTH, 60, seeded(2), torch.float32, sampler=SAMPLERS["shuffled"](), follower=follower(network, rule, 0.0)
    )
    batch = made.present(Batch(torch.rand(5, 9, generator=seeded(0)), torch.tensor([0, 0, 1, 1, 2]), torch.arange(5)), seeded(1))
    own = network.output(rule.infer(network, batch.inputs).state).detach()
    assert batch.extras is not None
    assert torch.equal(batch.extras["keys"], torch.cat([own[ahead:], own[:ahead]]))
    if name == "adaptive-triplet":
        assert float(objective.value(own, batch)) == pytest.approx(0.2, abs=1e-6)  # float32; every margin is the gain that is asked for


def test_terms_of_a_sum_get_the_keys_that_each_asks_for() -> None:
    """If this fails, an anchor branch of one term judges the next views that another term contrasts."""
    terms = (Term("a", OBJECTIVES["adaptive-triplet"]()), Term("q", OBJECTIVES["infonce-queue"](length=64)))
    for order in (terms, terms[::-1]):
        objective, network = WeightedSum(order), network_of()
        rule = RULES["backprop"](Setting(objective))
        made = contrasting(
            objective, VIEWS, BATCH, WIDTH, 60, seeded(2), torch.float32,
            sampler=SAMPLERS["shuffled"](), follower=follower(network, rule, 0.0),
        )  # fmt: skip
        batch = made.present(Batch(torch.rand(4, 9, generator=seeded(0)), torch.tensor([0, 0, 1, 1]), torch.arange(4)), seeded(1))
        own = network.output(rule.infer(network, batch.inputs).state).detach()
        assert objective.parts(own, batch)["a"] == pytest.approx(0.2, abs=1e-6)  # float32
        contrast = terms[1].cost.value(
            own, batch._replace(extras={"keys": own.roll(4, 0), "queue": made.extras[f"{order.index(terms[1]) + 1}.queue"]})
        )
        assert objective.parts(own, batch)["q"] == pytest.approx(float(contrast), abs=1e-6)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", ["infonce-queue", "momentum-queue", "adaptive-triplet"])
def test_objectives_of_keys_train_and_go_on_from_a_checkpoint_to_the_same_bits(name: str, rule: str, tmp_path: Path) -> None:
    """If this fails, a resumed run has another second network or queue than one that was not stopped."""
    objective = OBJECTIVES[name](**({} if name == "adaptive-triplet" else {"length": 64}))

    class Stopped(Exception):  # noqa: N818
        pass

    def watch(record: dict[str, float]) -> None:
        if record["epoch"] == 1:
            raise Stopped

    whole = trained(objective, rule, epochs=2)
    with pytest.raises(Stopped):
        trained(objective, rule, epochs=2, checkpoint=tmp_path / "c", on_epoch=watch)
    resumed = trained(objective, rule, epochs=2, checkpoint=tmp_path / "c")
    for key, value in whole.kept.items():
        assert torch.equal(value, resumed.kept[key])
    assert not torch.equal(whole.kept["follower.weight_1"], network_of().weight(0))


def test_batches_of_one_class_are_left_out_where_classes_are_contrasted() -> None:
    """If this fails, a rest of two samples of one class ends a long run, or is learned from."""
    supcon, splits = OBJECTIVES["supcon"](), splits_of(torch.zeros(60, dtype=torch.int64))
    with pytest.raises(InputError, match="no batch of epoch 1 has samples of two classes"):
        trained(supcon, "backprop", splits)
    steps: list[int] = []
    labels = torch.cat([torch.arange(24) % 4, torch.zeros(36, dtype=torch.int64)])
    half = splits_of(labels)

    class InOrder:
        def __call__(self, split: Split, features: object, batch_size: int, generator: torch.Generator) -> list[Tensor]:
            return list(torch.split(torch.arange(60), batch_size))

    network = network_of()
    rule = RULES["backprop"](Setting(supcon))
    contrast = contrasting(supcon, VIEWS, BATCH, WIDTH, 60, seeded(2), torch.float32, sampler=InOrder())  # type: ignore[arg-type]
    train(network, rule, supcon, half, Plan(epochs=1, batch_size=BATCH), 0, contrasting=contrast, on_step=lambda p: steps.append(p.step))
    assert steps == [1, 2]  # of five batches, the last three are of one class


@pytest.fixture
def contrast(eqlab: Eqlab) -> Eqlab:
    """The command on little data."""
    tiny = ("--train-size", "72", "--hidden", "8", "--embedding", "4", "--epochs", "1", "--batch-size", "24", "--seeds", "1", "--quiet")
    probes = ("--probe-train", "72", "--probe-test", "60", "--rules", "ep-centered", "--engine", "serial", "--threads", "1")
    return partial(eqlab, "contrast", *tiny, *probes)


def test_the_command_samples_and_mixes_with_settings(contrast: Eqlab, tmp_path: Path) -> None:
    """If this fails, techniques cannot be used without writing a training loop."""
    options = ("--cost", "supremix", "--mixing", "mixed-regression", "--set", "mixer.shape=1.5")
    result = contrast(*options, "--sampling", "inside-clusters", "--set", "sampler.clusters=2", "--out", tmp_path / "run", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rules"]["ep-centered"]["status"] == "done"


def test_classes_are_contrasted_in_small_batches_and_not_where_there_is_one_class(contrast: Eqlab, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, small batches of labelled data end with a failed trial, or hours of training in nothing."""
    whole, invocation = contrast_module.load_data, Invocation("contrast", (), None, json=False, quiet=True, threads=1)
    small = resolve(contrast_module.ContrastOptions, flags={"cost": "supcon", "batch_size": 2, "train_size": 72, "hidden": (8,)})
    monkeypatch.setattr(contrast_module, "load_data", lambda options: twins_first(whole(options)))
    contrast_module.check_contrast(small, invocation)
    monkeypatch.setattr(contrast_module, "load_data", lambda options: alike(whole(options)))
    result = contrast("--cost", "supcon")
    assert result.exit_code == 2
    assert "all 72 training samples are of one class, and supcon contrasts classes" in result.stderr


def twins_first(splits: Splits) -> Splits:
    order = splits.train.labels.argsort(stable=True)
    return splits._replace(train=Split(splits.train.inputs[order], splits.train.labels[order]))


def alike(splits: Splits) -> Splits:
    return splits._replace(train=Split(splits.train.inputs, torch.zeros_like(splits.train.labels)))


def test_settings_of_techniques_that_make_no_sense_are_refused_with_a_sentence(contrast: Eqlab) -> None:
    """If this fails, a mistyped setting is ignored, or found only after a long run was started."""
    for arguments, words in (
        (("--mixing", "mixed-negatives"), "cannot be applied to NTXent: hard negatives are mixed from the queue"),
        (
            ("--cost", "infonce-queue", "--mixing", "mixed-negatives", "--set", "objective.length=40"),
            "its queue holds 40, fewer than the 64 hardest; lower mixer.hardest",
        ),
        (("--mixing", "hard-pair"), "did you mean 'hard-pairs'"),
        (("--sampling", "similar"), "did you mean 'similar-batches'"),
        (("--set", "mixer.shape=2"), "give --mixing"),
        (("--sampling", "replication", "--set", "sampler.times=0"), "times must be at least 1"),
        (("--sampling", "balanced-propensity", "--set", "sampler.sharpness=800"), "sharpness must be at most 300"),
        (("--sampling", "replication", "--set", "sampler.time=2"), "unknown setting of replication 'time'; did you mean 'times'?"),
        (("--mixing", "gated-pairs", "--no-labels"), "needs labels"),
        (("--cost", "infonce-queue", "--momentum-keys", "1"), "less than 1"),
    ):
        result = contrast(*arguments)
        assert result.exit_code == 2, result.output
        assert words in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_fixed_head_weighs_each_output_less_than_the_one_before() -> None:
    """If this fails, the objective sees other features than the head of the source shows it, or the held outputs as they are."""
    output, batch = (
        torch.randn(12, 5, generator=seeded(3), dtype=torch.float64),
        VIEWS.present(Batch(torch.rand(6, 9, generator=seeded(3)), torch.arange(6)), seeded(4)),
    )
    plain = OBJECTIVES["nt-xent"]()
    headed = mixed(plain, MIXINGS["fixed-reweighting"](decay=2.0), "fixed-reweighting")  # type: ignore[call-arg]
    weights = torch.tensor([1, 0.5, 0.25, 0.125, 0.0625], dtype=torch.float64)
    started = batch._replace(extras={**(batch.extras or {}), "draws": torch.tensor(0)})
    assert float(headed.value(output, started)) == pytest.approx(float(plain.value(output * weights, batch)), rel=1e-14)
    # By the chain rule the force on an output is its weight times that on what the objective sees.
    assert torch.allclose(headed.gradient(output, started), plain.gradient(output * weights, batch) * weights, atol=1e-12)
    with pytest.raises(InputError, match="keep their weights"):
        mixed(OBJECTIVES["infonce-queue"](), MIXINGS["fixed-reweighting"](), "fixed-reweighting")


def test_a_sampled_code_replaces_the_second_view_alone() -> None:
    """If this fails, cMIM without augmentation contrasts a code with itself, whose score is 1 whatever the network does."""
    output = torch.randn(6, 4, generator=seeded(3), dtype=torch.float64).repeat(2, 1)  # both views show the same
    batch = VIEWS.present(Batch(torch.rand(6, 9, generator=seeded(3)), torch.arange(6)), seeded(4))
    started = batch._replace(extras={**(batch.extras or {}), "draws": torch.tensor(7)})
    noise = torch.randn(6, 4, generator=drawing(7), dtype=torch.float64)
    drawn = output[6:] + 0.5 * output[6:].norm(dim=1, keepdim=True) / 2 * noise
    coded = mixed(OBJECTIVES["cmim"](), MIXINGS["sampled-codes"](width=0.5), "sampled-codes")  # type: ignore[call-arg]
    expected = OBJECTIVES["cmim"]().value(torch.cat([output[:6], drawn]), batch)
    assert float(coded.value(output, started)) == pytest.approx(float(expected), rel=1e-14)
