"""Options that a rule or a network declares for itself, as a frozen dataclass.

The command line makes a flag of every field: its annotation says which values are allowed (``Annotated[float, Gt(0)]``, of
``annotated_types``), its default and description come from :func:`option`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any


def option(default: Any, description: str) -> Any:
    """Declare a field of a dataclass of options.

    Parameters
    ----------
    default : object
        Value where none is given.
    description : str
        Help text of the flag, understood alone, with its unit.

    Returns
    -------
    object
        Field of a dataclass.
    """
    return field(default=default, metadata={"description": description})
