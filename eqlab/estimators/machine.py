"""Transformer of scikit-learn whose features are the hidden units of a restricted Boltzmann machine."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_whole
from eqlab.estimators.learner import Certificate, Numbers
from hebbian.boltzmann import machine as machines
from hebbian.boltzmann.chains import ChainPlan
from hebbian.boltzmann.learning import Learning
from hebbian.boltzmann.marginals import log_weight, of_visible
from hebbian.boltzmann.posterior import posterior_means
from hebbian.boltzmann.training import MachinePlan, begin, train_epoch, train_machine


class RestrictedBoltzmannMachine(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Restricted Boltzmann machine, whose features are the means of its hidden units given a sample.

    Values in [0, 1] are chances of binary visible units; other values are those of Gaussian units of variance 1, for standardised data.

    Parameters
    ----------
    n_components : int
        Number of hidden units, binary.
    learning : str
        Way to learn: ``cd``, ``pcd``, ``tempered``, ``exact`` and others of ``LEARNING``.
    sweeps : int
        Gibbs sweeps of the negative phase for each update.
    visible : {"auto", "binary", "gaussian"}
        Kind of the visible units; "auto" takes binary ones if all values of the first fit lie in [0, 1].
    learning_rate, momentum, weight_decay : float
        Settings of the descent.
    batch_size : int
        Samples per update.
    max_iter : int
        Epochs of a fit, over which the rate falls to a tenth.
    random_state : int, RandomState or None
        Source of initial weights, order and draws.

    Attributes
    ----------
    machine_ : BoltzmannMachine
        Trained machine of the core.
    visible_ : str
        Kind of its visible units.
    n_iter_ : int
        Epochs of the last fit, or of all partial fits.
    certificate_ : Certificate
        Certificate of the hidden means of the training samples: hidden units do not act on each other, so that one sweep is exact. It does
        not say whether the chains of the negative phase have mixed.
    """

    def __init__(
        self,
        *,
        n_components: int = 64,
        learning: str = "pcd",
        sweeps: int = 1,
        visible: str = "auto",
        learning_rate: float = 0.05,
        momentum: float = 0.5,
        weight_decay: float = 0.0,
        batch_size: int = 32,
        max_iter: int = 20,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.learning = learning
        self.sweeps = sweeps
        self.visible = visible
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train from the beginning; labels are not looked at.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Values, or chances, of the visible units.
        y : object, optional
            Ignored.

        Raises
        ------
        ValueError
            If a value is missing, not finite, or outside [0, 1] for binary units.
        DivergenceError
            If training diverges.
        """
        values, seed = self._begin(X)
        self.session_ = train_machine(self.machine_, values, self._plan(), seed, measure=lambda _: {})
        self.n_iter_ = len(self.session_.history)
        return self._trained(values)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Take one pass over samples at the first rate, with the chains of the last one."""
        if not hasattr(self, "session_"):
            values, seed = self._begin(X)
            self.session_, self.n_iter_ = begin(self.machine_, values, self._plan(), seed), 0
        else:
            values = self._accept(X, reset=False)
        self.session_.history.clear()
        train_epoch(self.session_, values, self._plan())
        self.n_iter_ += 1
        return self._trained(values)

    def transform(self, X: Any) -> Numbers:
        """Return the means of the hidden units given each sample, of shape (n_samples, n_components)."""
        check_is_fitted(self)
        return posterior_means(self.machine_, self._accept(X, reset=False))[1].numpy().copy()

    def score_samples(self, X: Any) -> Numbers:
        r"""Return :math:`\log p(v) + \log Z` of each sample, minus its free energy, of shape (n_samples,)."""
        check_is_fitted(self)
        with torch.no_grad():
            return log_weight(self.machine_, of_visible(self.machine_, self._accept(X, reset=False))).numpy().copy()

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the hidden units."""
        check_is_fitted(self)
        return np.array([f"restrictedboltzmannmachine{index}" for index in range(self.n_components)], dtype=object)

    def _accept(self, X: Any, *, reset: bool) -> torch.Tensor:
        values = torch.tensor(validate_data(self, X, reset=reset, dtype=np.float64))
        if not reset and self.visible_ == "binary":
            _require_chances(values)
        return values

    def _begin(self, X: Any) -> tuple[torch.Tensor, int]:
        if self.visible not in ("auto", "binary", "gaussian"):
            raise InputError(f"visible must be 'auto', 'binary' or 'gaussian', got {self.visible!r}")
        values = self._accept(X, reset=True)
        chances = bool(((values >= 0) & (values <= 1)).all())
        self.visible_ = self.visible if self.visible != "auto" else "binary" if chances else "gaussian"
        if self.visible_ == "binary":
            _require_chances(values)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        sizes = values.shape[1], expect_whole(self.n_components, "n_components", "64 is the default", least=1)
        self.machine_ = machines.BoltzmannMachine(sizes, visible=self.visible_, generator=seed, dtype=torch.float64)
        return values, seed

    def _plan(self) -> MachinePlan:
        return MachinePlan(
            epochs=expect_whole(self.max_iter, "max_iter", "20 is the default", least=1),
            batch_size=expect_whole(self.batch_size, "batch_size", "32 is the default", least=1),
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            learning=Learning(self.learning, ChainPlan(sweeps=self.sweeps)),
            sampled=self.visible_ == "binary",
        )

    def _trained(self, values: torch.Tensor) -> Self:
        with torch.no_grad():
            means = posterior_means(self.machine_, values)
            again = self.machine_.units[1].mean(self.machine_.field(1, means))
        self.certificate_ = Certificate(float((again - means[1]).abs().max()), 0.0, 1.0)
        return self


def _require_chances(values: torch.Tensor) -> None:
    if not bool(((values >= 0) & (values <= 1)).all()):
        raise InputError("binary units need values in [0, 1]; scale the data, or take visible='gaussian'")
