"""Types of option values that many commands share."""

from typing import Annotated

from pydantic import Field

from contrastive_core.errors import InputError

Positive = Annotated[int, Field(gt=0)]
"""Whole number above 0."""

Units = Annotated[int, Field(gt=0, le=1_000_000)]
"""Number of units of a layer."""

PositiveFloat = Annotated[float, Field(gt=0)]
"""Number above 0."""

EnergyScale = Annotated[float, Field(gt=0, le=1)]
"""Ratio of feedback to forward coupling."""

NotNegative = Annotated[float, Field(ge=0)]
"""Number of at least 0."""


def distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return a list of names unchanged, or raise ``InputError`` if a name stands in it twice."""
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise InputError(f"{twice[0]!r} is named twice; name each once")
    return names
