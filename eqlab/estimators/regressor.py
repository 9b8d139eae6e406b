"""Regressor of scikit-learn whose predictions are read from a network at equilibrium."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.errors import InputError
from contrastive_core.rule import Settling
from contrastive_core.training.plan import NoiseTolerances
from eqlab.estimators.learner import Certificate, Numbers, begin, fit


class EquilibriumRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Regressor of one or several targets, read from a layered network at equilibrium, trained by a learning rule on the squared error.

    Inputs are clamped as they are; put a ``StandardScaler`` before it. Targets are standardised by mean and deviation of the first fit, so
    that strengths and rates do not depend on their unit. It computes in float64.

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
    target_mean_, target_scale_ : ndarray of shape (n_targets,)
        Mean and deviation of the targets of the first fit.
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
        y : array of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Raises
        ------
        ValueError
            If a value is missing or not finite.
        DivergenceError
            If training diverges.
        """
        inputs, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True, multi_output=True)
        self._begin(inputs, targets)
        self.loss_curve_ = fit(self.learner_, inputs, self._scaled(targets), self.max_iter)
        return self._trained(inputs)

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Take one pass over samples, from where the last one ended."""
        first = not hasattr(self, "learner_")
        inputs, targets = validate_data(self, X, y, reset=first, dtype=np.float64, y_numeric=True, multi_output=True)
        if first:
            self._begin(inputs, targets)
            self.loss_curve_ = []
        self.loss_curve_.append(self.learner_.epoch(inputs, self._scaled(targets)))
        return self._trained(inputs)

    def predict(self, X: Any) -> Numbers:
        """Return the targets of each sample, of the shape that ``y`` had."""
        check_is_fitted(self)
        outputs = self.learner_.outputs(validate_data(self, X, reset=False, dtype=np.float64))
        targets: Numbers = self.target_mean_ + self.target_scale_ * outputs
        return targets[:, 0] if self.flat_ else targets

    def certify(self, X: Any) -> Certificate:
        """Return the certificate of the free phases of samples."""
        check_is_fitted(self)
        return self.learner_.certificate(validate_data(self, X, reset=False, dtype=np.float64))

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of an estimator: this one takes several targets."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _begin(self, inputs: Numbers, targets: Numbers) -> None:
        columns = targets.reshape(len(targets), -1)
        spread = columns.std(0)
        self.flat_, self.target_mean_, self.target_scale_ = targets.ndim == 1, columns.mean(0), np.where(spread > 0, spread, 1.0)
        self.learner_ = begin(self.get_params(deep=False), inputs.shape[1], columns.shape[1], SquaredError())

    def _scaled(self, targets: Numbers) -> Numbers:
        columns = targets.reshape(len(targets), -1).astype(np.float64)
        if columns.shape[1] != len(self.target_mean_):
            raise InputError(f"y has {columns.shape[1]} targets, and the first fit had {len(self.target_mean_)}; give as many")
        return np.asarray((columns - self.target_mean_) / self.target_scale_)

    def _trained(self, inputs: Numbers) -> Self:
        self.network_, self.n_iter_ = self.learner_.network, self.learner_.epochs
        self.certificate_ = self.learner_.certificate(inputs)
        self.tolerances_ = self.learner_.tolerances
        return self
