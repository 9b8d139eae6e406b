"""Gradients of Boltzmann learning: the posterior at data against chains of the machine, exact sums, or the pseudo-likelihood."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from contrastive_core.types import Gradients, State
from hebbian.boltzmann import chains as negative
from hebbian.boltzmann.chains import CHAINS, ChainPlan, Chains
from hebbian.boltzmann.exact import exact_gradient
from hebbian.boltzmann.labels import conditional_gradient
from hebbian.boltzmann.machine import BoltzmannMachine
from hebbian.boltzmann.posterior import posterior_means
from hebbian.boltzmann.pseudo import pseudo_likelihood_gradient

LEARNING = ("exact", *CHAINS, "pseudo-likelihood", "conditional")
"""Ways to learn: exact maximum likelihood by enumeration, a negative phase of ``CHAINS``, maximum pseudo-likelihood, or maximum
likelihood of labels given inputs."""


@dataclass(frozen=True)
class Learning:
    """A way to learn, and its settings.

    Attributes
    ----------
    name : str
        Name in ``LEARNING``.
    plan : ChainPlan
        Settings of the chains.
    posterior_sweeps : int
        Mean-field sweeps over the hidden units at data, where these act on each other; a restricted machine needs none.
    sites : int
        Visible units per batch that the pseudo-likelihood is estimated from.
    num_classes : int
        Label units at the end of the visible layer, for conditional learning.
    """

    name: str = "pcd"
    plan: ChainPlan = field(default_factory=ChainPlan)
    posterior_sweeps: int = 10
    sites: int = 32
    num_classes: int = 0

    def __post_init__(self) -> None:
        if self.name not in LEARNING:
            raise unknown_name("way to learn", self.name, list(LEARNING))
        if self.posterior_sweeps < 1 or self.sites < 1:
            raise InputError(f"posterior sweeps and sites must be at least 1, got {self.posterior_sweeps} and {self.sites}")
        if self.name == "conditional" and self.num_classes < 2:
            raise InputError("conditional learning needs label units for 2 classes or more; give their number")

    def start(self, machine: BoltzmannMachine, generator: torch.Generator, base: Tensor | None = None) -> Chains:
        """Return the chains before the first update."""
        return negative.start(machine, self.plan, self.name, generator, base)

    def estimate(self, machine: BoltzmannMachine, visible: Tensor, chains: Chains, generator: torch.Generator) -> tuple[Gradients, Chains]:
        r"""Estimate the gradient of the mean of :math:`-\log p(v)` over a batch, and advance the chains.

        Parameters
        ----------
        machine : BoltzmannMachine
            Machine that learns; not modified.
        visible : Tensor of shape (B, n_0)
            Batch of data, in the values of the visible units or means of them.
        chains : Chains
            Chains of the last update.
        generator : torch.Generator
            Source of the draws.

        Returns
        -------
        gradients : Gradients
            Gradient of every parameter, to be descended.
        chains : Chains
            Chains for the next update.

        Raises
        ------
        InputError
            If the way to learn does not suit the machine.
        """
        if self.name == "exact":
            gradients = exact_gradient(machine, visible)
        elif self.name == "pseudo-likelihood":
            sites = torch.randperm(machine.sizes[0], generator=generator)[: self.sites]
            gradients = pseudo_likelihood_gradient(machine, visible, sites)
        elif self.name == "conditional":
            gradients = conditional_gradient(machine, visible, self.num_classes)
        else:
            plus, minus, chains = self.phases(machine, visible, chains, generator)
            gradients = machine.contrast(plus, minus)
        return gradients, chains

    @property
    def contrasts(self) -> bool:
        """Whether the gradient is the contrast of two phases, as :meth:`phases` gives them."""
        return self.name in CHAINS

    def phases(self, machine: BoltzmannMachine, visible: Tensor, chains: Chains, generator: torch.Generator) -> tuple[State, State, Chains]:
        """Return the posterior at a batch, the negative phase, and the chains for the next update.

        Raises
        ------
        InputError
            If this way to learn has no phases.
        """
        if not self.contrasts:
            raise InputError(f"{self.name} has no phases; call estimate for its gradient")
        with torch.no_grad():
            posterior = posterior_means(machine, visible, self.posterior_sweeps)
            second, chains = CHAINS[self.name](machine, posterior, chains, self.plan, generator)
        return posterior, second, chains
