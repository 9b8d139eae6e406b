"""Markers in annotations of options: a name out of a table, a place on the command line, a flag that is repeated."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from contrastive_core.registry import unknown_name


class OneOf:
    """Restricts a text to the names of a table: ``Annotated[str, OneOf("rule", RULES)]``.

    ``--help`` lists the names, and a wrong one gets the table's own message with the closest name.

    Parameters
    ----------
    kind : str
        Thing that is named, in the singular, for the message.
    names : iterable of str
        The names, such as a ``Table``; listing a table imports nothing.
    """

    def __init__(self, kind: str, names: Iterable[str]) -> None:
        self.kind = kind
        self.names = tuple(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def check(self, name: str) -> str:
        """Let a known name pass.

        Parameters
        ----------
        name : str
            The name to look up.

        Returns
        -------
        str
            Name, unchanged.

        Raises
        ------
        UnknownNameError
            If there is no such name.
        """
        if name not in self.names:
            raise unknown_name(self.kind, name, list(self.names))
        return name


@dataclass(frozen=True)
class Positional:
    """Makes an option a positional argument of its command: ``Annotated[tuple[str, ...], Positional()]``."""


@dataclass(frozen=True)
class Repeated:
    """Makes an option a flag that can be given many times, whose texts are taken as they are: ``Annotated[tuple[str, ...], Repeated()]``.

    Attributes
    ----------
    metavar : str
        Form of the value in the help.
    """

    metavar: str
