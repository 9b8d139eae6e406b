"""Classifier of scikit-learn whose probabilities are read from a network at equilibrium."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.errors import InputError
from contrastive_core.rule import Settling
from contrastive_core.training.plan import NoiseTolerances
from eqlab.estimators.learner import Certificate, Numbers, begin, fit, require_several


class EquilibriumClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier whose probabilities are read from a layered network at equilibrium, trained by a learning rule on cross-entropy.

    Inputs are clamped as they are; put a ``StandardScaler`` before it. It computes in float64.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int
        Units of each hidden layer.
    rule : str
        Name in ``RULES``: a rule of equilibrium propagation, of coupled learning, or a baseline such as ``backprop``.
    strength : float
        Strength of the nudge, or the fraction of coupled learning.
    activation : Activation or str
        Activation of the hidden layers.
    energy_scale : float
        Ratio of feedback to forward coupling, in (0, 1].
    optimiser : str
        Name in ``OPTIMISERS``.
    learning_rate, weight_decay : float
        Rate and weight decay of the optimiser.
    batch_size : int
        Samples per step.
    max_iter : int
        Epochs of a fit.
    settling : Settling or NoiseTolerances, optional
        Dynamics, tolerances and budgets of the phases; tolerances that follow the noise are estimated anew during training.
    random_state : int, RandomState or None
        Source of initial weights, order and draws.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes.
    network_ : Layered
        Trained network.
    n_iter_ : int
        Epochs of the last fit, or of all partial fits.
    loss_curve_ : list of float
        Mean cost of each epoch.
    certificate_ : Certificate
        Certificate of the free phases of the training samples after training.
    tolerances_ : tuple of float or None
        Tolerances of free and later phases in the last update; None if they do not follow the noise.
    """

    def __init__(
        self,
        *,
        hidden_layer_sizes: int | tuple[int, ...] = (64,),
        rule: str = "ep-centered",
        strength: float = 0.1,
        activation: Any = "tanh",
        energy_scale: float = 0.1,
        optimiser: str = "adam",
        learning_rate: float = 0.01,
        weight_decay: float = 0.0,
        batch_size: int = 32,
        max_iter: int = 50,
        settling: Settling | NoiseTolerances | None = None,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rule = rule
        self.strength = strength
        self.activation = activation
        self.energy_scale = energy_scale
        self.optimiser = optimiser
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.settling = settling
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Train from the beginning.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Inputs.
        y : array of shape (n_samples,)
            Labels, numbers or texts.

        Raises
        ------
        ValueError
            If a value is missing or not finite, or there is one class only.
        DivergenceError
            If training diverges.
        """
        inputs, labels = self._accept(X, y, reset=True)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        require_several(len(self.classes_), "EquilibriumClassifier")
        self.learner_ = begin(self.get_params(deep=False), inputs.shape[1], len(self.classes_), CrossEntropy())
        self.loss_curve_ = fit(self.learner_, inputs, codes, self.max_iter)
        return self._trained(inputs)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Take one pass over samples.

        Parameters
        ----------
        X, y
            Same as in :meth:`fit`.
        classes : array, optional
            All labels, needed in the first call if some are not in ``y``.

        Raises
        ------
        ValueError
            If a label is not among the classes.
        """
        first = not hasattr(self, "learner_")
        inputs, labels = self._accept(X, y, reset=first)
        if first:
            self.classes_ = np.unique(labels if classes is None else classes)
            require_several(len(self.classes_), "EquilibriumClassifier")
            self.learner_ = begin(self.get_params(deep=False), inputs.shape[1], len(self.classes_), CrossEntropy())
            self.loss_curve_ = []
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise InputError(
                f"classes are {list(self.classes_)} since the first partial_fit, got {list(classes)}; leave them out from now on"
            )
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise InputError(
                f"label {unknown.tolist()[0]!r} is not among the classes {self.classes_.tolist()}; name all in the first partial_fit"
            )
        self.loss_curve_.append(self.learner_.epoch(inputs, np.searchsorted(self.classes_, labels)))
        return self._trained(inputs)

    def predict_proba(self, X: Any) -> Numbers:
        """Return the probability of each class, of shape (n_samples, n_classes)."""
        check_is_fitted(self)
        outputs = self.learner_.outputs(validate_data(self, X, reset=False, dtype=np.float64))
        return np.asarray(softmax(outputs, axis=1))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label of the largest probability of each sample."""
        likeliest = self.predict_proba(X).argmax(1)
        return np.asarray(self.classes_[likeliest])

    def certify(self, X: Any) -> Certificate:
        """Return the certificate of the free phases of samples."""
        check_is_fitted(self)
        return self.learner_.certificate(validate_data(self, X, reset=False, dtype=np.float64))

    def _accept(self, X: Any, y: Any, *, reset: bool) -> tuple[Numbers, NDArray[Any]]:
        inputs, labels = validate_data(self, X, y, reset=reset, dtype=np.float64)
        check_classification_targets(labels)
        return inputs, labels

    def _trained(self, inputs: Numbers) -> Self:
        self.network_, self.n_iter_ = self.learner_.network, self.learner_.epochs
        self.certificate_ = self.learner_.certificate(inputs)
        self.tolerances_ = self.learner_.tolerances
        return self
