"""Training on augmented samples: which views an epoch shows, that they follow from the seed, and that evaluation never sees one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from systems import build_rule
from torch import Tensor
from training_cases import COST, SETTING, Stopped, assert_same_bits, make_network, make_splits, parameters_of, run, without_times

from contrastive_core.data.splits import Splits
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.errors import InputError, UnknownNameError
from contrastive_core.network import Network
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.rule import Setting
from contrastive_core.training.loop import train
from contrastive_core.training.plan import Plan
from contrastive_core.training.views_of_samples import contrasting
from contrastive_core.types import Batch

PICTURES = make_splits()._replace(shape=(1, 2, 3))


def recorded(plan: Plan, seed: int = 7, splits: Splits = PICTURES) -> tuple[list[Batch], list[Tensor]]:
    """Train, and return the batches of training and the inputs of all inferences."""
    rule, shown, inferred = build_rule("ep-centered", SETTING), [], []
    estimate, infer = rule.estimate, rule.infer

    class Watched(type(rule)):  # type: ignore[misc]
        def estimate(self, network: Network, batch: Batch, **options: object) -> object:
            shown.append(batch)
            return estimate(network, batch, **options)

        def infer(self, network: Network, inputs: Tensor) -> object:
            inferred.append(inputs.clone())
            return infer(network, inputs)

    watched = object.__new__(Watched)
    watched.__dict__.update(rule.__dict__)
    train(make_network(), watched, COST, splits, plan, seed)
    return shown, inferred


def by_sample(batches: list[Batch]) -> Tensor:
    """Put the inputs of an epoch into the order of the split."""
    order = torch.cat([batch.instances for batch in batches if batch.instances is not None])
    return torch.cat([batch.inputs for batch in batches])[order.argsort()]


def test_views_are_windows_and_reflections_of_the_samples_and_differ_between_epochs() -> None:
    """If this fails, training sees the same views again and again, or views of other samples, or labels of others."""
    plan = Plan(epochs=2, batch_size=20, augment=("flip",))
    shown, _ = recorded(plan)
    epochs = [by_sample(shown[:5]), by_sample(shown[5:])]
    inputs = PICTURES.train.inputs
    mirrored = inputs.reshape(-1, 2, 3).flip(2).flatten(1)
    for epoch in epochs:
        kept, turned = (epoch == inputs).all(1), (epoch == mirrored).all(1)
        assert bool((kept ^ turned).all())
        assert 20 < int(turned.sum()) < 76  # of 96 fair coins: mean 48, standard deviation 4.9
    assert not torch.equal(*epochs)
    for batch in shown:
        assert torch.equal(batch.labels, PICTURES.train.labels[batch.instances])


def test_equal_seeds_give_equal_views_and_the_order_of_samples_stays_as_without() -> None:
    """If this fails, a run cannot be repeated, or augmentation also changes the data order that pairs it with a run without."""
    plan = Plan(epochs=2, batch_size=20, augment=("crop", "flip"))
    (first, _), (again, _), (other, _) = recorded(plan), recorded(plan), recorded(plan, seed=8)
    assert all(torch.equal(one.inputs, two.inputs) for one, two in zip(first, again, strict=True))
    assert not torch.equal(by_sample(first[:5]), by_sample(other[:5]))
    plain, _ = recorded(Plan(epochs=2, batch_size=20))
    for one, two in zip(first, plain, strict=True):
        assert one.instances is not None
        assert two.instances is not None
        assert torch.equal(one.instances, two.instances)


def test_validation_and_test_are_never_augmented() -> None:
    """If this fails, the errors of a run depend on draws, and are those of another data set."""
    _, inferred = recorded(Plan(epochs=2, batch_size=20, augment=("crop", "flip")))
    validation, test = PICTURES.validation.inputs, PICTURES.test.inputs
    expected = [validation, validation, validation, test]  # two epochs, then the chosen epoch
    assert len(inferred) == len(expected)
    assert all(torch.equal(one, two) for one, two in zip(inferred, expected, strict=True))


def test_an_augmented_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    """If this fails, the views after an interruption are not those of the run that was not stopped."""
    plan = Plan(epochs=4, batch_size=16, augment=("noise", "mask"))
    straight, whole = run(plan, tmp_path / "straight")
    with pytest.raises(Stopped):
        run(plan, tmp_path / "stopped", stop_after=2)
    resumed, rest = run(plan, tmp_path / "stopped")
    assert_same_bits(parameters_of(straight), parameters_of(resumed))
    assert without_times(whole.history) == without_times(rest.history)
    assert without_times(whole.history) != without_times(run(Plan(epochs=4, batch_size=16))[1].history)


def test_what_cannot_be_augmented_is_refused_in_a_sentence() -> None:
    """If this fails, an unknown augmentation is a traceback, or samples are changed twice."""
    with pytest.raises(UnknownNameError, match="unknown view 'corp'; did you mean 'crop'"):
        run(Plan(epochs=1, augment=("corp",)))
    with pytest.raises(InputError, match="samples that come back unchanged, but views are drawn anew"):
        run(Plan(epochs=1, augment=("noise",), warm_start=True), rule="ep-centered")
    objective = OBJECTIVES["nt-xent"]()
    parts = contrasting(objective, MultiView(()), 8, 3, 96, torch.Generator(), torch.float32)
    rule = build_rule("backprop", Setting(objective))
    with pytest.raises(InputError, match="views are contrasted already, and the plan augments samples by flip"):
        train(make_network(), rule, objective, PICTURES, Plan(epochs=1, augment=("flip",)), 0, contrasting=parts)
