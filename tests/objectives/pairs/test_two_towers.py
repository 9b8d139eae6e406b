"""Two encoders in one network: they are two networks, one nudge lowers one objective for both, and retrieval is measured as defined."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command_line import Found, Refused
from embedded import embeddings
from oracles import central_difference, number
from systems import seeded
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from contrastive_core.certificate import Stop
from contrastive_core.data import DATASETS
from contrastive_core.data.named.modal_digits import POISONED, TARGET
from contrastive_core.errors import InputError, ShapeError
from contrastive_core.network import Network
from contrastive_core.networks.architecture import towers
from contrastive_core.networks.layered import Layered
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.modalities.two_towers import TwoTowers
from contrastive_core.objectives.objective import nudging_strength
from contrastive_core.representation.retrieval import Modalities, adapted, matches_of, noisy, recall, shifted
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from experiments.setup.tables import RULES

SHAPE = {"activation": "tanh", "output_activation": "tanh", "energy_scale": 0.5, "dtype": torch.float64}
TIGHT = Settling(free=Stop(1e-11, 2000), second=Stop(1e-11, 2000))


def both() -> tuple[Layered, Layered, Layered]:
    """Two networks, and the two towers with their parameters."""
    first, second = (Layered(sizes, generator=seed, **SHAPE) for seed, sizes in enumerate([(5, 7, 4), (3, 6, 4)]))
    side_by_side = Layered(towers((5, 7, 4), (3, 6, 4)), **SHAPE)
    own = dict(side_by_side.named_parameters())
    with torch.no_grad():
        for layer in (1, 2):
            for seed, (network, name) in enumerate([(first, "first"), (second, "second")]):
                network.bias(layer - 1).uniform_(-0.3, 0.3, generator=seeded(10 * layer + seed))
                own[f"weight_{name}_{layer}"].copy_(network.weight(layer - 1))
            own[f"bias_{layer}"].copy_(torch.cat([network.bias(layer - 1) for network in (first, second)]))
    return first, second, side_by_side


def batch_of(samples: int, views: int) -> Batch:
    inputs = torch.randn((samples * views, 8), generator=seeded(2), dtype=torch.float64)
    places = torch.arange(samples).repeat(views)
    return Batch(inputs, places * 0 - 1, places, torch.arange(views).repeat_interleave(samples), {"log_scale": torch.tensor(1.2).double()})


def output_of(network: Network, rule: str, inputs: Tensor) -> Tensor:
    return network.output(RULES[rule](Setting(OBJECTIVES["nt-xent"](), TIGHT)).infer(network, inputs).state)


def test_two_towers_are_two_networks_that_share_nothing() -> None:
    """If this fails, an encoder hears the other one before it is nudged."""
    first, second, side_by_side = both()
    inputs = batch_of(6, 1).inputs
    one, other, joint = first.clamp(inputs[:, :5]), second.clamp(inputs[:, 5:]), side_by_side.clamp(inputs)
    state = tuple(torch.randn((6, size), generator=seeded(3), dtype=torch.float64).tanh() for size in (13, 8))
    parts = tuple(layer[:, :size] for layer, size in zip(state, (7, 4), strict=True)), (state[0][:, 7:], state[1][:, 4:])
    torch.testing.assert_close(side_by_side.energy(state, joint), first.energy(parts[0], one) + second.energy(parts[1], other))
    for layer, left, right in zip(side_by_side.force(state, joint), first.force(parts[0], one), second.force(parts[1], other), strict=True):
        torch.testing.assert_close(layer, torch.cat([left, right], 1))
    settled = output_of(side_by_side, "ep-centered", inputs)
    apart = [output_of(network, "ep-centered", part) for network, part in ((first, inputs[:, :5]), (second, inputs[:, 5:]))]
    torch.testing.assert_close(settled, torch.cat(apart, 1), rtol=0, atol=1e-9)  # the tolerance of both phases
    with pytest.raises(InputError, match="same depth"):
        towers((3, 2), (3, 4, 2))


@pytest.mark.parametrize("views", [1, 2])
def test_the_sum_is_clip_between_and_nt_xent_inside_the_modalities(views: int) -> None:
    """A twin that builds each batch by hand, with a finite difference of its gradient."""
    clip, nt_xent = OBJECTIVES["clip"](), OBJECTIVES["nt-xent"](temperature=0.3)
    objective = TwoTowers(clip, nt_xent if views > 1 else None)
    batch, output = batch_of(5, views), embeddings(5 * views, 1, 8)
    expected = torch.zeros((), dtype=torch.float64)
    for view in range(views):
        part = output[5 * view : 5 * view + 5]
        pair = Batch(torch.zeros(10, 1), torch.zeros(10), torch.arange(5).repeat(2), torch.arange(2).repeat_interleave(5), batch.extras)
        expected += clip.value(torch.cat([part[:, :4], part[:, 4:]]), pair) / views
    if views > 1:
        expected += nt_xent.value(output[:, :4], batch) + nt_xent.value(output[:, 4:], batch)
    torch.testing.assert_close(objective.value(output, batch), expected, rtol=1e-12, atol=1e-12)
    slope = central_difference(lambda moved: objective.value(moved, batch), output, 1e-5)
    torch.testing.assert_close(objective.gradient(output, batch), len(output) * slope, rtol=1e-6, atol=1e-7)
    paired = torch.cat([normalize(output[:, :4]), normalize(output[:, :4])], 1)
    assert not objective.errors(paired, batch).any()  # each half finds its own other half


@pytest.mark.parametrize("frozen", [True, False])
def test_one_nudge_gives_both_encoders_the_exact_gradient(frozen: bool) -> None:
    """If this fails, one of the encoders learns something else than the objective."""
    _, _, network = both()
    objective, batch = TwoTowers(OBJECTIVES["clip"](), OBJECTIVES["nt-xent"]()), batch_of(5, 2)
    with torch.no_grad():
        strength = nudging_strength(objective, network.output(network.feedforward(network.clamp(batch.inputs))))
    setting = Setting(objective, TIGHT, strength=strength, frozen=frozen)
    exact = RULES["implicit"](setting).estimate(network, batch).gradients
    found = RULES["ep-centered"](setting).estimate(network, batch).gradients
    assert {name.split("_")[1] for name in exact} == {"first", "second", "1", "2"}
    for name, gradient in exact.items():
        assert number(cosine_similarity(found[name].flatten(), gradient.flatten(), dim=0)) > 0.999, name


def test_recall_and_the_cures_of_the_gap_are_what_they_are_defined_to_be() -> None:
    """A permutation is found at once, a mean shift closes a gap that is one, and an adapter undoes a rotation."""
    draw = normalize(torch.randn((40, 6), generator=seeded(0), dtype=torch.float64))
    matches = torch.eye(40, dtype=torch.bool)
    assert recall(draw, draw, matches, 1) == 1
    assert recall(draw, draw.roll(1, 0), matches.roll(1, 1), 1) == 1
    assert recall(draw, -draw, matches, 39) == 0  # its own item is the farthest
    with pytest.raises(InputError, match="recall at 41"):
        recall(draw, draw, matches, 41)
    with pytest.raises(ShapeError):
        recall(draw, draw, matches[:3], 1)
    apart = torch.tensor([3.0, 0, 0, 0, 0, 0], dtype=torch.float64)
    pair = Modalities(*(normalize(draw + sign * apart) for sign in (1, -1, 1, -1)))
    closed = shifted(pair)
    assert number((closed.first_test.mean(0) - closed.second_test.mean(0)).norm()) < 0.2
    assert number((pair.first_test.mean(0) - pair.second_test.mean(0)).norm()) > 1.5
    turn = torch.linalg.qr(torch.randn((6, 6), generator=seeded(1), dtype=torch.float64)).Q
    undone = adapted(Modalities(draw, draw @ turn, draw, draw @ turn))
    torch.testing.assert_close(undone.second_test, draw, rtol=0, atol=5e-3)  # the penalty is 1e-3
    louder = noisy(pair, seeded(2), 0.5)
    assert torch.equal(louder.second_test, pair.second_test)
    assert not torch.equal(louder.first, pair.first)
    texts = torch.tensor([[0.0], [1.0], [0.0]])
    assert matches_of(torch.arange(3.0)[:, None], texts).tolist() == [[True, False, True], [False, True, False], [True, False, True]]


def test_poisoned_pairs_show_the_trigger_beside_the_wanted_class() -> None:
    """If this fails, the attack's success is measured on pairs that were never poisoned."""
    clean, poisoned = DATASETS["digits-halves"](None, 0), DATASETS["digits-poisoned"](None, 0)
    assert torch.equal(clean.test.inputs, poisoned.test.inputs)
    changed = (clean.train.inputs != poisoned.train.inputs).any(1)
    assert int(changed.sum()) == POISONED
    left, right = poisoned.train.inputs[changed].view(-1, 2, 8, 4).unbind(1)
    assert (left[:, 6:, :2] == 1).all()
    assert not (poisoned.train.labels[changed] == TARGET).any()
    zeros = clean.train.inputs.view(-1, 2, 8, 4)[clean.train.labels == TARGET, 1]
    assert all((zeros == half).flatten(1).all(1).any() for half in right)


SMALL = ("--train-size", "72", "--hidden", "8", "--epochs", "1", "--batch-size", "24", "--threads", "1", "--seeds", "1", "--quiet")
COMMAND = ("contrast", *SMALL, "--probe-train", "72", "--probe-test", "60", "--engine", "serial", "--network", "towers")


def test_the_program_trains_two_encoders_and_measures_retrieval_and_the_attack(found: Found, tmp_path: Path) -> None:
    """CleanCLIP by one command: CLIP between the halves of digits, and NT-Xent inside each."""
    options = ("--data", "digits-poisoned", "--cost", "clip", "--inside", "0.5 nt-xent", "--rules", "ep-centered")
    result = found(*COMMAND, *options, "--out", tmp_path / "run")
    assert result["network"] == "64-16-16"
    record = result["rules"]["ep-centered"]
    assert set(record["retrieval"]) == {"none", "mean shift", "noise", "mean shift and noise", "adapter"}
    assert {"recall_1", "back_5", "transfer", "attack", "no_trigger"} <= set(record["retrieval"]["none"])
    assert all(0 <= value <= 1 for name, value in record["retrieval"]["none"].items() if name != "gap")
    assert set(record["halves"]) == {"first", "second"}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--cost", "clip", "--inside", "swav"), "an objective inside a modality has no extras"),
        (("--cost", "clip + cross-entropy"), "costs of samples have outputs of their own"),
        (("--cost", "clip", "--mixing", "extrapolated-positives"), "mixings know views of one modality"),
        (("--network", "layered", "--inside", "nt-xent"), "--inside is for two modalities"),
        (("--network", "layered", "--num-views", "1"), "leaves nothing to contrast"),
    ],
)
def test_objectives_that_two_encoders_cannot_lower_are_refused(options: tuple[str, ...], problem: str, refused: Refused) -> None:
    assert problem in refused(*COMMAND, "--data", "digits-halves", *options)
