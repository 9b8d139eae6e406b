"""Settings of the training of a joint model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.joint.attack import require_attack


@typed()
@dataclass(frozen=True)
class JointPlan:
    """Settings of the training of a joint model.

    Attributes
    ----------
    epochs, batch_size : int
        Passes over the training split, and samples per update.
    warmup : int
        Epochs of adversarial training with which dual adversarial training begins.
    learning_rate, weight_decay : float
        Rate of Adam, the same for all epochs, and decay of the parameters.
    average : float
        Share that the averaged parameters keep at each update, in [0, 1).
    radius, attack_rate : float
        Euclidean radius of the attacks to train on, and length of a step.
    attack_steps : int
        Steps of such an attack.
    ascent_rate : float
        Length of a step towards a sample.
    most_steps : int
        Largest number of steps towards a sample.
    raise_at : float
        Area of detection of samples among data from which on samples take one more step.
    window : int
        Samples over which that area is averaged.
    langevin_steps : int
        Steps of a chain per update.
    langevin_rate, langevin_noise : float
        Factor of the gradient and standard deviation of the noise in a step of a chain.
    chains : int
        Number of chains that are kept between updates.
    restart : float
        Chance that a chain starts anew from noise, at each use.
    """

    epochs: int = 40
    batch_size: int = 64
    warmup: int = 10
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    average: float = 0.99
    radius: float = 0.5
    attack_rate: float = 0.1
    attack_steps: int = 10
    ascent_rate: float = 0.2
    most_steps: int = 40
    raise_at: float = 0.8
    window: int = 1000
    langevin_steps: int = 20
    langevin_rate: float = 1.0
    langevin_noise: float = 0.01
    chains: int = 1000
    restart: float = 0.05

    def __post_init__(self) -> None:
        require_attack(self.radius, self.attack_steps, self.attack_rate)
        counts = ("epochs", "batch_size", "most_steps", "window", "langevin_steps", "chains")
        if wrong := [name for name in counts if getattr(self, name) < 1]:
            raise InputError(f"{wrong[0]} must be at least 1, got {getattr(self, wrong[0])}")
        if not 0 <= self.warmup < self.epochs:
            raise InputError(f"warmup must be at least 0 and below the {self.epochs} epochs, got {self.warmup}; lower it, or train longer")
        rates = ("learning_rate", "ascent_rate", "langevin_rate")
        if wrong := [name for name in rates if not 0 < getattr(self, name) < math.inf]:
            raise InputError(f"{wrong[0]} must be positive, got {getattr(self, wrong[0]):g}")
        if not (0 <= self.average < 1 and 0.5 <= self.raise_at <= 1 and 0 <= self.restart <= 1 and self.langevin_noise >= 0):
            raise InputError(
                "averages keep a share in [0, 1), samples step on from an area in [0.5, 1], chains restart with a chance in [0, 1], and "
                f"noise is at least 0, got {self.average:g}, {self.raise_at:g}, {self.restart:g} and {self.langevin_noise:g}"
            )
