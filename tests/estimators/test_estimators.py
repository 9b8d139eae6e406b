"""Estimators of scikit-learn: they pass its own checks, and work where its estimators do."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import eqlab
from eqlab.estimators.classifier import EquilibriumClassifier
from eqlab.estimators.encoder import EquilibriumEncoder
from eqlab.estimators.machine import RestrictedBoltzmannMachine as BoltzmannMachine
from eqlab.estimators.regressor import EquilibriumRegressor

NOISE = eqlab.NoiseTolerances(1.0)
QUICK: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 12, "random_state": 0}
DIGITS, CLASSES = load_digits(return_X_y=True)

ESTIMATORS = {
    "classifier": EquilibriumClassifier(**QUICK),
    "regressor": EquilibriumRegressor(**QUICK, learning_rate=0.03),
    "encoder": EquilibriumEncoder(n_components=3, **{**QUICK, "max_iter": 1}),
    "machine": BoltzmannMachine(n_components=4, max_iter=2, random_state=0),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_the_checks_of_scikit_learn_pass(kind: str) -> None:
    """If this fails, an estimator breaks a promise that pipelines and searches of scikit-learn rely on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks provoke warnings of scikit-learn's own
        results = check_estimator(ESTIMATORS[kind], on_fail=None, on_skip=None)
    failed = [(result["check_name"], str(result["exception"])) for result in results if result["status"] not in ("passed", "skipped")]
    assert not failed
    assert sum(result["status"] == "passed" for result in results) > 35


def test_a_search_over_the_strength_runs_in_a_pipeline() -> None:
    """If this fails, the strength cannot be chosen as any other setting is; the control is that a strength of nearly 0 is no worse."""
    pipeline = make_pipeline(StandardScaler(), EquilibriumClassifier(hidden_layer_sizes=(16,), max_iter=8, random_state=0))
    search = GridSearchCV(pipeline, {"equilibriumclassifier__strength": [0.01, 0.5]}, cv=2)
    search.fit(DIGITS[:300], CLASSES[:300])
    # Chance is 10 %; 150 samples and 8 epochs are few.
    assert search.best_score_ > 0.7
    assert search.predict(DIGITS[300:400]).shape == (100,)
    assert cross_val_score(pipeline, DIGITS[:200], CLASSES[:200], cv=2).min() > 0.5


def test_tolerances_follow_the_noise_over_partial_fits_as_in_a_fit() -> None:
    """If this fails, an estimator forgets its tolerances between passes, or takes the option without a use of it."""
    inputs, settings = StandardScaler().fit_transform(DIGITS[:320]), {**QUICK, "settling": eqlab.NoiseTolerances(0.5), "max_iter": 8}
    whole = EquilibriumClassifier(**settings).fit(inputs, CLASSES[:320])
    parts = EquilibriumClassifier(**settings)
    for _ in range(8):
        parts.partial_fit(inputs, CLASSES[:320])
    assert parts.tolerances_ == whole.tolerances_ != (1e-3, 1e-3)
    assert np.array_equal(parts.predict_proba(inputs), whole.predict_proba(inputs))
    plain = EquilibriumClassifier(**{**settings, "settling": None}).fit(inputs, CLASSES[:320])
    assert plain.tolerances_ is None
    regressor = EquilibriumRegressor(**settings).fit(inputs, CLASSES[:320].astype(float))
    assert regressor.tolerances_ != (1e-3, 1e-3)


def test_predictions_are_read_from_certified_equilibria() -> None:
    """If this fails, the certificate is that of other samples, or of none."""
    inputs = StandardScaler().fit_transform(DIGITS[:200])
    tight = eqlab.Settling(free=eqlab.Stop(1e-9, 500), second=eqlab.Stop(1e-6, 500))
    fitted = EquilibriumClassifier(hidden_layer_sizes=(8,), max_iter=3, settling=tight, random_state=0).fit(inputs, CLASSES[:200])
    assert 0 < fitted.certificate_.residual <= 1e-9
    assert fitted.certificate_.unconverged == 0
    assert fitted.certify(inputs[:5]).sweeps > 1
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 3
    assert fitted.predict_proba(inputs).sum(1) == pytest.approx(1)
    short = fitted.set_params(settling=eqlab.Settling(free=eqlab.Stop(1e-12, 1))).fit(inputs, CLASSES[:200])
    assert short.certificate_.unconverged == 1  # a control: one sweep reaches no equilibrium


def test_passes_one_by_one_are_a_fit() -> None:
    """If this fails, partial_fit forgets the optimiser, or draws another order, and is another way to learn; a pickle forgets neither."""
    inputs = StandardScaler().fit_transform(DIGITS[:120])
    whole = EquilibriumClassifier(**{**QUICK, "max_iter": 3}).fit(inputs, CLASSES[:120])
    parts = EquilibriumClassifier(**QUICK)
    for _ in range(3):
        parts = pickle.loads(pickle.dumps(parts.partial_fit(inputs, CLASSES[:120], classes=np.unique(CLASSES))))
    np.testing.assert_allclose(parts.predict_proba(inputs), whole.predict_proba(inputs), rtol=1e-10)
    assert parts.n_iter_ == 3


def test_a_regressor_does_not_depend_on_the_unit_of_its_target() -> None:
    """If this fails, a target of 150 saturates a network that one of 1 does not; the score of a mean is 0."""
    inputs, targets = load_diabetes(return_X_y=True)
    inputs = StandardScaler().fit_transform(inputs)
    one, other = (
        EquilibriumRegressor(hidden_layer_sizes=(8,), max_iter=10, random_state=0).fit(inputs, scale * targets) for scale in (1, 1e3)
    )
    assert one.score(inputs, targets) > 0.4
    np.testing.assert_allclose(other.predict(inputs), 1e3 * one.predict(inputs), rtol=1e-9)
    both = EquilibriumRegressor(hidden_layer_sizes=(8,), max_iter=10, random_state=0).fit(inputs, np.stack([targets, 1e4 - 9 * targets], 1))
    said = both.predict(inputs)
    assert said.shape == (442, 2)
    assert min(r2_score(targets, said[:, 0]), r2_score(1e4 - 9 * targets, said[:, 1])) > 0.4  # in their places and units
    with pytest.raises(ValueError, match="1 targets, and the first fit had 2"):
        both.partial_fit(inputs, targets)


def test_an_encoder_tells_classes_apart_that_it_was_not_told() -> None:
    """If this fails, its features are noise; with one seed they are the same features twice."""
    inputs = MinMaxScaler().fit_transform(DIGITS[:128])
    encoder = EquilibriumEncoder(n_components=8, hidden_layer_sizes=(16,), max_iter=2, random_state=0)
    features = encoder.fit_transform(inputs)
    assert features.shape == (128, 8)
    np.testing.assert_array_equal(features, EquilibriumEncoder(**encoder.get_params()).fit(inputs).transform(inputs))
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    same = CLASSES[:128, None] == CLASSES[None, :128]
    assert distances[same & (distances > 0)].mean() < 0.8 * distances[~same].mean()
    with pytest.raises(ValueError, match="requires y to be passed"):
        EquilibriumEncoder(objective="supcon").fit(inputs)


def test_a_machine_finds_bits_of_two_kinds() -> None:
    """If this fails, hidden units do not follow what the visible ones have in common; free energies tell data from noise."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(2, size=200)
    bits = (rng.random((200, 12)) < np.where(kinds[:, None] == (np.arange(12) < 6), 0.95, 0.05)).astype(float)
    machine = BoltzmannMachine(n_components=2, max_iter=30, learning_rate=0.2, random_state=0).fit(bits)
    assert machine.visible_ == "binary"
    means = machine.transform(bits)
    assert np.abs(means[kinds == 0].mean(0) - means[kinds == 1].mean(0)).max() > 0.8
    noise = (rng.random((200, 12)) < 0.5).astype(float)
    assert machine.score_samples(bits).mean() > machine.score_samples(noise).mean() + 1
    assert machine.certificate_.residual == 0
    assert BoltzmannMachine(n_components=2, max_iter=1).fit(StandardScaler().fit_transform(DIGITS[:50])).visible_ == "gaussian"


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (lambda: EquilibriumClassifier().fit(DIGITS[:5], [1] * 5), "at least 2 classes to tell apart, got 1 class"),
        (lambda: EquilibriumClassifier().fit(np.full((4, 2), np.nan), [0, 1, 0, 1]), "contains NaN"),
        (lambda: EquilibriumClassifier().fit(DIGITS[:5], CLASSES[:4]), "inconsistent numbers of samples"),
        (lambda: EquilibriumClassifier(rule="ep").fit(DIGITS[:5], CLASSES[:5]), "unknown rule 'ep'"),
        (lambda: EquilibriumClassifier(strength=0).fit(DIGITS[:5], CLASSES[:5]), "strength must be positive"),
        (
            lambda: EquilibriumClassifier(rule="backprop", settling=NOISE).fit(DIGITS[:80], CLASSES[:80]),
            "no relaxations whose tolerances",
        ),
        (lambda: EquilibriumClassifier(max_iter=0).fit(DIGITS[:5], CLASSES[:5]), "max_iter must be a whole number of at least 1"),
        (lambda: EquilibriumClassifier().partial_fit(DIGITS[:5], CLASSES[:5], classes=[0, 1]), "label 2 is not among the classes"),
        (lambda: BoltzmannMachine(visible="binary").fit(DIGITS[:5]), r"binary units need values in \[0, 1\]"),
        (lambda: BoltzmannMachine(visible="grey").fit(DIGITS[:5]), "visible must be 'auto', 'binary' or 'gaussian'"),
        (lambda: EquilibriumEncoder().fit(DIGITS[:1]), "at least 2 samples"),
        (lambda: EquilibriumEncoder(views=("nose",)).fit(DIGITS[:5]), "unknown view 'nose'"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(fit: Any, message: str) -> None:
    """If this fails, a user of a pipeline reads a traceback of the core."""
    with pytest.raises(ValueError, match=message):
        fit()
