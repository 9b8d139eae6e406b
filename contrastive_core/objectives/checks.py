"""Checks of the settings that objectives share."""

from contrastive_core.errors import InputError


def require_positive(**settings: float) -> None:
    """Require settings to be positive and finite.

    Parameters
    ----------
    **settings : float
        Values by name.

    Raises
    ------
    InputError
        For the first setting that is not.
    """
    for name, value in settings.items():
        if not 0 < value < float("inf"):
            raise InputError(f"{name.replace('_', ' ')} must be positive and finite, got {value}; give a number above 0")


def require_at_least(bound: float, **settings: float) -> None:
    """Require settings to be finite and at least a bound.

    Parameters
    ----------
    bound : float
        The smallest allowed value.
    **settings : float
        Values by name.

    Raises
    ------
    InputError
        For the first setting that is not.
    """
    for name, value in settings.items():
        if not bound <= value < float("inf"):
            raise InputError(f"{name.replace('_', ' ')} must be at least {bound:g} and finite, got {value}")
