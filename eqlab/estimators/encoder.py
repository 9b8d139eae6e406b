"""Transformer of scikit-learn whose features are read from a network at equilibrium, trained by a contrastive objective."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from contrastive_core.data.views import VIEWS
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.errors import InputError
from contrastive_core.networks.layered import Layered
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.needs import Labels
from contrastive_core.rule import Settling
from contrastive_core.training.views_of_samples import Contrasting, contrasting
from eqlab.estimators.learner import Certificate, Numbers, begin, fit, require_several


class EquilibriumEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features that are read from a layered network at equilibrium, trained by a learning rule on a contrastive objective of views.

    Inputs are clamped as they are; put a ``StandardScaler`` before it. It computes in float64.

    Parameters
    ----------
    n_components : int
        Number of outputs.
    objective : str
        Name in ``OBJECTIVES``.
    views : tuple of str
        Names in ``VIEWS``: augmentations of vectors by which the views of a sample differ.
    hidden_layer_sizes : int or tuple of int
        Units of each hidden layer.
    rule : str
        Name in ``RULES``: a rule of equilibrium propagation, of coupled learning, or a baseline such as ``backprop``.
    strength : float
        Strength of the nudge, or the fraction of coupled learning.
    energy_scale : float
        Ratio of feedback to forward coupling, in (0, 1].
    learning_rate : float
        Rate of Adam.
    batch_size : int
        Samples that are contrasted with each other in a step.
    max_iter : int
        Epochs of a fit.
    settling : Settling, optional
        Dynamics, tolerances and budgets of the phases.
    random_state : int, RandomState or None
        Source of initial weights, order and draws.

    Attributes
    ----------
    network_ : Layered
        Trained network.
    n_iter_ : int
        Epochs of the last fit, or of all partial fits.
    loss_curve_ : list of float
        Mean cost of each epoch.
    certificate_ : Certificate
        Certificate of the free phases of the training samples after training.
    """

    def __init__(
        self,
        *,
        n_components: int = 16,
        objective: str = "nt-xent",
        views: tuple[str, ...] = ("noise",),
        hidden_layer_sizes: int | tuple[int, ...] = (64,),
        rule: str = "ep-centered",
        strength: float = 0.1,
        energy_scale: float = 0.1,
        learning_rate: float = 0.01,
        batch_size: int = 64,
        max_iter: int = 50,
        settling: Settling | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.objective = objective
        self.views = views
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rule = rule
        self.strength = strength
        self.energy_scale = energy_scale
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.settling = settling
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train from the beginning.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Inputs.
        y : array of shape (n_samples,), optional
            Labels, for objectives that need them; others do not look at them.

        Raises
        ------
        ValueError
            If a value is missing or not finite, there are fewer than 2 samples, or the objective needs labels and has none.
        DivergenceError
            If training diverges.
        """
        inputs, labels = self._accept(X, y, reset=True)
        self._begin(inputs)
        self.loss_curve_ = fit(self.learner_, inputs, labels, self.max_iter)
        return self._trained(inputs)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Take one pass over samples, from where the last one ended."""
        first = not hasattr(self, "learner_")
        inputs, labels = self._accept(X, y, reset=first)
        if first:
            self._begin(inputs)
            self.loss_curve_ = []
        self.loss_curve_.append(self.learner_.epoch(inputs, labels))
        return self._trained(inputs)

    def transform(self, X: Any) -> Numbers:
        """Return the features of each sample, of shape (n_samples, n_components)."""
        check_is_fitted(self)
        return self.learner_.outputs(validate_data(self, X, reset=False, dtype=np.float64))

    def certify(self, X: Any) -> Certificate:
        """Return the certificate of the free phases of samples."""
        check_is_fitted(self)
        return self.learner_.certificate(validate_data(self, X, reset=False, dtype=np.float64))

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the features."""
        check_is_fitted(self)
        return np.array([f"equilibriumencoder{index}" for index in range(self.n_components)], dtype=object)

    def _accept(self, X: Any, y: Any, *, reset: bool) -> tuple[Numbers, Any]:
        needed = OBJECTIVES[self.objective]().needs.labels
        if needed is Labels.NONE:
            inputs = validate_data(self, X, reset=reset, dtype=np.float64)
            labels = np.full(len(inputs), -1)
        elif y is None:
            raise InputError(f"requires y to be passed, but the target y is None: the objective {self.objective} needs labels")
        else:
            inputs, labels = validate_data(self, X, y, reset=reset, dtype=np.float64)
            if needed is Labels.CLASSES:
                classes, labels = np.unique(labels, return_inverse=True)
                require_several(len(classes), f"the objective {self.objective}")
        if len(inputs) < 2:
            raise InputError(f"a contrast needs at least 2 samples, got n_samples = {len(inputs)}; give more")
        return inputs, labels

    def _begin(self, inputs: Numbers) -> None:
        objective = OBJECTIVES[self.objective]()
        shown = MultiView(tuple(VIEWS[name]() for name in self.views), count=max(objective.needs.fewest, 2))

        def contrasted(network: Layered, generator: torch.Generator) -> Contrasting:
            return contrasting(objective, shown, self.batch_size, self.n_components, len(inputs), generator, torch.float64)

        self.learner_ = begin(self.get_params(deep=False), inputs.shape[1], self.n_components, objective, contrasted)

    def _trained(self, inputs: Numbers) -> Self:
        self.network_, self.n_iter_ = self.learner_.network, self.learner_.epochs
        self.certificate_ = self.learner_.certificate(inputs)
        return self
