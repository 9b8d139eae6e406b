"""Plan of a training run."""

from dataclasses import dataclass, field

from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.rule import Settling


@typed()
@dataclass(frozen=True)
class Plan:
    """Plan of a training run: epochs, optimiser, schedule and stopping, the same for every rule.

    Attributes
    ----------
    epochs, batch_size : int
        Passes over the training split, and samples per step.
    optimiser, schedule : str
        Names in ``OPTIMISERS`` and ``SCHEDULES``; schedules step once per epoch.
    learning_rates : tuple of float
        One rate for all layers, or one per layer from the input side.
    momentum, weight_decay : float
        Momentum of the optimiser (first-moment decay for adaptive ones) and its weight decay.
    decay : float
        Factor per epoch of the exponential schedule.
    clip_norm : float, optional
        Largest norm of the whole gradient.
    patience : int, optional
        Epochs without a better validation error after which training stops.
    keep_last : bool
        Whether to keep the network of the last epoch instead of the epoch with the smallest validation error.
    warm_start : bool
        Whether the free phase of a sample starts from its last free state instead of rest. Evaluation starts at rest.
    augment : tuple of str
        Names in ``VIEWS``: training samples are shown through these augmentations at full strength, drawn anew in every epoch. None
        shows the samples as they are, as evaluation always does.
    follow_noise : float, optional
        Share of the mini-batches' noise below which tolerances keep the error of the gradient, estimated anew during training
        (:mod:`contrastive_core.training.following`). None keeps the tolerances of the rule.
    noise_horizon : int, optional
        Number of updates over which error and noise add up before they are compared; None is those of an epoch.
    """

    epochs: int = 10
    batch_size: int = 32
    optimiser: str = "sgd"
    schedule: str = "cosine"
    learning_rates: tuple[float, ...] = (0.02,)
    momentum: float = 0.9
    weight_decay: float = 0.0
    decay: float = 0.99
    clip_norm: float | None = None
    patience: int | None = None
    keep_last: bool = False
    warm_start: bool = False
    augment: tuple[str, ...] = ()
    follow_noise: float | None = None
    noise_horizon: int | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise InputError(f"training needs at least 1 epoch and 1 sample per batch, got {self.epochs} and {self.batch_size}")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience must be at least 1 epoch, got {self.patience}; None never stops early")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise InputError(f"clip_norm must be positive, got {self.clip_norm}; None does not clip")
        if self.follow_noise is not None and not 0 < self.follow_noise < float("inf"):
            raise InputError(f"follow_noise must be a positive share of the noise, got {self.follow_noise}; None keeps the tolerances")
        if self.noise_horizon is not None and self.noise_horizon < 1:
            raise InputError(f"noise_horizon must be at least 1 update, got {self.noise_horizon}; None is those of an epoch")


@typed()
@dataclass(frozen=True)
class NoiseTolerances:
    """Settling of an estimator whose tolerances follow the noise of mini-batches, from the given ones on.

    Attributes
    ----------
    share : float
        Share of the noise that the error may have, as ``follow_noise`` of a plan.
    horizon : int, optional
        Number of updates over which both add up, as ``noise_horizon`` of a plan.
    settling : Settling
        Dynamics, budgets, and the tolerances of the beginning.
    """

    share: float = 0.1
    horizon: int | None = None
    settling: Settling = field(default_factory=Settling)

    def __post_init__(self) -> None:
        Plan(follow_noise=self.share, noise_horizon=self.horizon)  # refuses what a plan refuses
