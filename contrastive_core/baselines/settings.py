"""Settings that belong to one exact rule."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt

from contrastive_core.guards.typed import typed
from contrastive_core.options import option


@typed()
@dataclass(frozen=True)
class Unrolling:
    """Depth of backpropagation through the relaxation.

    Attributes
    ----------
    unroll : int, optional
        Number of steps; None is the whole relaxation.
    """

    unroll: Annotated[int, Gt(0)] | None = option(
        None, "Number of relaxation steps that the unrolled rule goes back through; none: all of them."
    )
