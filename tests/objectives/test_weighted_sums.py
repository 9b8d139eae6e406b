"""Weighted sums of objectives and costs: their text, gradient, nudge, extras and what they refuse."""

from __future__ import annotations

import math

import pytest
import torch
from command_line import found
from embedded import WIDTH, build, embeddings, floated, presented
from oracles import central_difference, number
from pairs_of_objectives import lowest_cosine
from torch.nn.functional import cross_entropy

from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.data.views.noise import Noise
from contrastive_core.data.views.replace import Replace
from contrastive_core.errors import InputError, ShapeError
from contrastive_core.generators import generator_of
from contrastive_core.mixing.hard_pairs import HardPairMixing, classes_of, hard_pairs
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.expression import is_sum, read_sum
from contrastive_core.objectives.instances.alignment_uniformity import Uniformity
from contrastive_core.objectives.instances.nt_xent import NTXent
from contrastive_core.objectives.labelled.regression import ConR
from contrastive_core.objectives.labelled.supervised import SupCon
from contrastive_core.objectives.needs import Labels
from contrastive_core.objectives.reconstruction import Reconstruction
from contrastive_core.objectives.replaced import ReplacedDetection, replaced
from contrastive_core.objectives.weighted_sum import PROGRESS, Term, WeightedSum
from contrastive_core.training.views_of_samples import contrasting
from contrastive_core.types import Batch
from experiments.setup.objectives import objective_of_text

NAMES = list(OBJECTIVES)


def test_text_of_a_sum_is_read_term_by_term_and_written_back() -> None:
    """The text is what journals keep, so that it must stand for the same sum again."""
    terms = read_sum("clip+0.5 * nt-xent( temperature=0.1,other = 2) + 1e-3..2e+1 uniformity")
    assert [(term.name, term.first, term.last, term.settings) for term in terms] == [
        ("clip", 1.0, 1.0, {}),
        ("nt-xent", 0.5, 0.5, {"temperature": "0.1", "other": "2"}),
        ("uniformity", 1e-3, 20.0, {}),
    ]
    written = " + ".join(term.text for term in terms)
    assert written == "clip + 0.5 nt-xent(temperature=0.1, other=2) + 0.001..20 uniformity"
    assert read_sum(written) == terms
    assert not is_sum("nt-xent")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("clip + + supcon", "cannot be read from '+ supcon'"),
        ("clip + 0.5", "cannot be read from '0.5'"),
        ("clip nt-xent", "cannot be read"),
        ("clip +", "no term behind its last +"),
        ("clip(temperature=1, temperature=2)", "temperature twice, as 1 and 2"),
        ("0.5 nt-xent(temperature)", "NAME=VALUE"),
        ("clip + nan nt-xent", "the weight of nt-xent is nan"),
        ("clip + 0..inf nt-xent", "the weight of nt-xent is inf"),
        ("clip + -1 nt-xent", "the weight of nt-xent is -1"),
        ("clip + 0 nt-xent", "leave the term out"),
    ],
)
def test_texts_that_are_no_sum_are_refused_in_a_sentence(text: str, problem: str) -> None:
    """A weight of NaN would make every gradient NaN, and a negative one would raise a cost."""
    with pytest.raises(InputError, match=problem.replace("+", "\\+").replace("(", "\\(")):
        read_sum(text)


def test_value_and_gradient_are_the_weighted_sums_of_the_terms() -> None:
    """One nudge for the sum lowers what the report lists."""
    batch = presented(build("nt-xent"))
    output = embeddings(len(batch.labels), 1)
    first, second = NTXent(), Uniformity()
    total = WeightedSum((Term("a", first, 0.3, 0.3), Term("b", second, 2.0, 2.0)))
    assert number(total.value(output, batch)) == pytest.approx(
        0.3 * number(first.value(output, batch)) + 2 * number(second.value(output, batch)), abs=1e-13
    )
    expected = 0.3 * first.gradient(output, batch) + 2 * second.gradient(output, batch)
    torch.testing.assert_close(total.gradient(output, batch), expected, rtol=1e-12, atol=1e-13)
    assert total.strength == pytest.approx(1 / (0.3 / first.strength + 2 / second.strength))
    assert total.parts(output, batch) == {"a": number(first.value(output, batch)), "b": number(second.value(output, batch))}


def test_weights_move_linearly_with_the_progress_of_the_training() -> None:
    """A quarter of the way from 2 to 0 is 1.5; evaluations see the last weights."""
    batch = presented(build("nt-xent"))
    output = embeddings(len(batch.labels), 1)
    total = WeightedSum((Term("a", NTXent()), Term("b", Uniformity(), 2.0, 0.0)))
    started = total.start(WIDTH, 8, generator_of(0, 4))
    assert number(started[PROGRESS.name]) == 1
    for progress in (0.0, 0.25, 1.0):
        shown = batch._replace(extras={PROGRESS.name: torch.tensor(progress)})
        expected = number(NTXent().value(output, batch)) + (2 - 2 * progress) * number(Uniformity().value(output, batch))
        assert number(total.value(output, shown)) == pytest.approx(expected, abs=1e-12)


def test_costs_of_samples_have_outputs_of_their_own_behind_the_embedding() -> None:
    """Layout: the embedding, one output for each class, one for each input."""
    generator = generator_of(3, 0)
    batch = presented(build("supcon"))
    count, inputs = len(batch.labels), torch.randn(len(batch.labels), 5, generator=generator, dtype=torch.float64)
    batch = batch._replace(inputs=inputs)
    output = torch.randn(count, 4 + 3 + 5, generator=generator, dtype=torch.float64)
    terms = (Term("s", SupCon()), Term("x", CrossEntropy(), 0.5, 0.5), Term("r", Reconstruction(), 0.1, 0.1))
    total = WeightedSum(terms, embedding=4)
    assert total.width(3, 5) == 12
    expected = (
        SupCon().value(output[:, :4], batch)
        + 0.5 * cross_entropy(output[:, 4:7], batch.labels)
        + 0.1 * 0.5 * (output[:, 7:] - inputs).square().sum(1).mean()
    )
    torch.testing.assert_close(total.value(output, batch), expected, rtol=1e-12, atol=1e-12)
    slope = central_difference(lambda o: total.value(o, batch._replace(held=output)), output, 1e-5)
    torch.testing.assert_close(total.gradient(output, batch), count * slope, rtol=1e-6, atol=1e-7)
    wrong = total.wrong_classes(output, batch)
    assert wrong is not None
    assert torch.equal(wrong, output[:, 4:7].argmax(1) != batch.labels)
    with pytest.raises(ShapeError, match="too few"):
        total.value(output[:, :8], batch)


def test_reconstruction_is_its_own_gradient() -> None:
    """Half the squared distance has the distance as its slope."""
    inputs = torch.rand(3, 4, dtype=torch.float64)
    output, batch = torch.rand(3, 4, dtype=torch.float64), Batch(inputs, torch.zeros(3, dtype=torch.int64))
    torch.testing.assert_close(
        3 * central_difference(lambda o: Reconstruction().value(o, batch).mean(), output, 1e-6), output - inputs, rtol=1e-8, atol=1e-8
    )
    assert not bool(Reconstruction().errors(output, batch).any())


def test_a_denoising_reconstruction_compares_with_the_sample_behind_the_view() -> None:
    """If this fails, an autoencoder learns to repeat the noise that its code should forget."""
    total = WeightedSum((Term("n", build("nt-xent"), 1e-9, 1e-9), Term("r", Reconstruction(clean=True))), embedding=2)
    samples = Batch(torch.rand(3, 4, dtype=torch.float64), torch.zeros(3, dtype=torch.int64))
    made = contrasting(total, MultiView((Noise(0.5),)), 3, 6, 3, torch.Generator(), torch.float64)
    batch = made.present(samples, torch.Generator().manual_seed(0))
    output = torch.randn(6, 6, dtype=torch.float64)
    expected = 0.5 * (output[:, 2:] - samples.inputs.repeat(2, 1)).square().sum(1).mean()
    torch.testing.assert_close(total.value(output, batch), expected, rtol=1e-7, atol=0)  # the other term has a weight of 1e-9
    assert not torch.allclose(batch.inputs, samples.inputs.repeat(2, 1))
    with pytest.raises(InputError, match="needs them beside their views"):
        total.value(output, batch._replace(extras={}))


def test_detection_asks_which_values_are_not_the_samples() -> None:
    """If this fails, a network learns to tell other values than the replaced ones, or shares outputs with a reconstruction."""
    total = WeightedSum((Term("n", build("nt-xent"), 1e-9, 1e-9), Term("d", ReplacedDetection())), embedding=2)
    samples = Batch(torch.rand(3, 4, dtype=torch.float64), torch.zeros(3, dtype=torch.int64))
    made = contrasting(total, MultiView((Replace(0.5),)), 3, 6, 3, torch.Generator(), torch.float64)
    batch = made.present(samples, torch.Generator().manual_seed(0))
    output = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected, wrong = 0.0, []
    for view, sample, row in zip(batch.inputs.tolist(), samples.inputs.tolist() * 2, output[:, 2:].tolist(), strict=True):
        chances = [1 / (1 + math.exp(-logit)) for logit in row]
        truths = [value != original for value, original in zip(view, sample, strict=True)]
        expected -= sum(math.log(chance if truth else 1 - chance) for chance, truth in zip(chances, truths, strict=True)) / 6
        wrong.append(any((chance > 0.5) != truth for chance, truth in zip(chances, truths, strict=True)))
    assert float(total.value(output, batch)) == pytest.approx(expected, rel=1e-7)  # the other term has a weight of 1e-9
    assert 0 < int(replaced(batch).sum()) < 24
    cost = ReplacedDetection()
    assert cost.errors(output[:, 2:], batch).tolist() == wrong
    slope = 6 * central_difference(lambda o: cost.value(o, batch).mean(), output[:, 2:], 1e-6)
    torch.testing.assert_close(slope, cost.gradient(output[:, 2:], batch), rtol=1e-8, atol=1e-8)
    flat = Batch(samples.inputs, samples.labels, extras={"samples": samples.inputs})
    rise = (cost.gradient(torch.full((3, 4), 1e-4, dtype=torch.float64), flat) - 0.5) / 1e-4  # steepest at an even chance
    torch.testing.assert_close(rise, torch.full_like(rise, cost.curvature_bound), rtol=1e-6, atol=0)
    with pytest.raises(InputError, match="show views by contrast"):
        total.value(output, batch._replace(extras={}))
    with pytest.raises(InputError, match="share one output for each value"):
        WeightedSum((*total.terms, Term("r", Reconstruction())), 2)


def test_two_terms_with_extras_of_one_name_keep_their_own() -> None:
    """Two queues with different temperatures must not push into each other's."""
    one, two = build("infonce-queue"), build("infonce-queue")
    total = WeightedSum((Term("a", one), Term("b", two, 0.5, 0.5)))
    started = total.start(WIDTH, 8, generator_of(0, 4))
    names = [name for name in started if name.startswith("1.")]
    assert names
    assert {name.replace("1.", "2.", 1) for name in names} == set(started) - set(names)
    batch = presented(one)
    batch = batch._replace(extras={**(batch.extras or {}), **{name: floated(value) for name, value in started.items()}})
    output = embeddings(len(batch.labels), 1)
    carried = total.carry(output, batch)
    own = {name.removeprefix("2."): value for name, value in batch.extras.items() if name.startswith("2.")}  # type: ignore[union-attr]
    expected = two.carry(output, batch._replace(extras={**(batch.extras or {}), **own}))
    assert expected
    for name, value in expected.items():
        torch.testing.assert_close(carried[f"2.{name}"], value)


@pytest.mark.parametrize(
    ("terms", "embedding", "problem"),
    [
        ((Term("supcon", SupCon()), Term("conr", ConR())), None, "supcon needs classes and conr needs numbers"),
        ((Term("cross-entropy", CrossEntropy()),), 4, "no objective"),
        ((Term("nt-xent", NTXent()), Term("squared-error", SquaredError())), None, "give the embedding's width"),
    ],
)
def test_terms_that_do_not_fit_together_are_refused(terms: tuple[Term, ...], embedding: int | None, problem: str) -> None:
    """A sum shares its labels, views and outputs."""
    with pytest.raises(InputError, match=problem):
        WeightedSum(terms, embedding)


@pytest.mark.parametrize("name", NAMES)
def test_nudging_by_a_sum_of_two_gives_its_exact_gradient(name: str) -> None:
    """Every objective beside another one; tests/objectives/pairs_of_objectives.py goes through all pairs."""
    kinds = {OBJECTIVES[name].needs.labels, Labels.NONE}
    fitting = [other for other in NAMES if OBJECTIVES[other].needs.labels in kinds]
    other = fitting[(NAMES.index(name) + 7) % len(fitting)]
    assert lowest_cosine(f"{name} + 0.7 {other}") > 0.999999


def test_contrast_reports_every_term_and_the_error_of_class_outputs() -> None:
    """A supervised term beside an objective must learn the classes, and each term is told."""
    words = ["contrast", "--cost", "nt-xent + 0..0.5 uniformity + cross-entropy + 0.01 reconstruction", "--output-activation", "linear"]
    words += ["--rules", "ep-centered", "--seeds", "1", "--epochs", "2", "--train-size", "512", "--engine", "serial"]
    record = found(*words)["rules"]["ep-centered"]
    assert list(record["terms"]) == ["nt-xent", "uniformity", "cross-entropy", "reconstruction"]
    assert record["untrained_terms"]["cross-entropy"] == pytest.approx(math.log(10), abs=0.2)
    for name in ("nt-xent", "cross-entropy", "reconstruction"):
        assert record["terms"][name] < record["untrained_terms"][name]
    assert record["class_error"] < 0.6 < record["untrained"]["class_error"]


def test_settings_of_a_sum_stand_behind_its_terms() -> None:
    """The temperature of the command is that of every term without its own; settings apart from a sum name no term."""
    total = objective_of_text("nt-xent + clip(temperature=0.5) + uniformity", {}, 0.3, 8)
    assert isinstance(total, WeightedSum)
    assert [getattr(term.cost, "temperature", None) for term in total.terms] == [0.3, 0.5, None]
    with pytest.raises(InputError, match="stand behind its terms"):
        objective_of_text("nt-xent + clip", {"temperature": 0.1}, None, 8)


def test_hard_pairs_teach_the_supervised_term_the_shares_of_their_classes() -> None:
    """If this fails, fine-tuning takes a mixture for a class of its own, or for one of its two: both terms written out, row by row."""
    objective = WeightedSum((Term("focal-supcon", OBJECTIVES["focal-supcon"]()), Term("cross-entropy", CrossEntropy(), 0.5, 0.5)), 4)
    mixing = HardPairMixing()
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    output = torch.randn((8, 4 + 3), generator=torch.Generator().manual_seed(11), dtype=torch.float64)
    batch = Batch(torch.zeros(8, 1), labels)
    made = hard_pairs(output, labels, 3, torch.Generator().manual_seed(9), 0.8, output[:, :4])
    rows = torch.cat([output, made.positives, made.negatives])
    shares = torch.cat([torch.nn.functional.one_hot(labels, 3).double(), made.positive_labels, made.negative_labels])
    taught = -torch.stack([(share * row[4:].log_softmax(0)).sum() for share, row in zip(shares, rows, strict=True)]).mean()
    contrast = OBJECTIVES["focal-supcon"]().value(rows[:, :4], Batch(torch.zeros(len(rows), 1), classes_of(shares)))
    found = mixing.loss(objective, output, output, batch, 9)
    assert float(found) == pytest.approx(float(contrast + 0.5 * taught), rel=1e-12)
    assert mixing.refusal(WeightedSum((*objective.terms, Term("r", Reconstruction())), 4)) is not None
