"""Markers in the annotation of an option: a name out of a table, the source of the option, or its place on the command line."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from contrastive_core.errors import UnknownNameError
from contrastive_core.objectives.expression import is_sum, read_sum
from contrastive_core.registry import Table, unknown_name


class OneOf:
    """Restricts a text to the names of a table: ``Annotated[str, OneOf("rule", RULES)]``.

    ``--help`` lists the names, and a wrong one gets the table's own message with the closest name.

    Parameters
    ----------
    kind : str
        Thing that is named, in the singular, for the message.
    names : iterable of str
        Names, such as a ``Table``; listing a table imports nothing. A table's plug-ins are allowed too.
    *also : str
        Further names.
    terms : Table, optional
        Names of the terms of a weighted sum, such as ``clip + 0.5 nt-xent``, which may stand in place of a name; None takes no sums.
    files : callable, optional
        Returns the kind of file or source that a text may name in place of a name, or an empty text; None takes no files.
    listed_by : str
        Command that lists the names, for messages, where they are too many for one.
    brings : callable, optional
        Maps a name to the options that belong to what it names: annotation and field by name. They are options of a command where
        the name is given.
    """

    def __init__(
        self,
        kind: str,
        names: Iterable[str],
        *also: str,
        terms: Table[Any] | None = None,
        files: Callable[[str], str] | None = None,
        listed_by: str = "",
        brings: Callable[[str], Mapping[str, Any]] | None = None,
    ) -> None:
        self.kind = kind
        self.names = (*names, *also)
        self._table = names if isinstance(names, Table) else None
        self._also = also
        self._terms, self._files = terms, files
        self._listed_by = listed_by
        self._brings = brings

    @property
    def table(self) -> Table[Any] | None:
        """Table of the names, if they are those of one."""
        return self._table

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def check(self, name: str) -> str:
        """Let a known name pass.

        Parameters
        ----------
        name : str
            Name to look up.

        Returns
        -------
        str
            Name, unchanged; for a plug-in, the name under which any process finds it. A sum in its canonical text.

        Raises
        ------
        UnknownNameError
            If there is no such name.
        InputError
            If a sum cannot be read.
        """
        if self._terms is not None and is_sum(name):
            return " + ".join(term._replace(name=self._terms.canonical(term.name)).text for term in read_sum(name))
        if self._files is not None and name not in self.names and self._files(name):
            return name
        if self._table is not None and name not in self._also:
            return self._table.canonical(name)
        if name not in self.names:
            raise unknown_name(self.kind, name, list(self.names), self._listed_by)
        return name

    def brought(self, name: str) -> Mapping[str, Any]:
        """Return the options that belong to what a name stands for; none for a name that is unknown.

        Parameters
        ----------
        name : str
            Name as it was given.

        Returns
        -------
        mapping
            Annotation and field of each option.
        """
        if self._brings is None or not isinstance(name, str):
            return {}
        try:
            known = self.check(name)
        except UnknownNameError:  # the model refuses it, together with whatever else is wrong
            return {}
        return self._brings(known)


@dataclass(frozen=True)
class Brought:
    """Marks an option that belongs to what another option names, and says which dataclass declares it.

    Attributes
    ----------
    source : type
        The dataclass.
    """

    source: type


@dataclass(frozen=True)
class FromFile:
    """Makes a table an option that is given as the path of a file: ``Annotated[dict[str, Any] | None, FromFile(read)]``.

    The file is read once, when the options are made, and they hold its content. A run, its checkpoints, its sweep and its workers then
    have the same settings whatever becomes of the file, and on another machine, where the path leads nowhere. With a path and a digest
    a changed file could only be refused, and nobody could tell what it had said. The recorded table may be given in place of the path.

    Attributes
    ----------
    read : callable
        Maps a path to the content, and recorded content to itself, or raises ``InputError`` where it makes no sense.
    """

    read: Callable[[str | Mapping[str, Any]], dict[str, Any]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(lambda given: None if given is None else self.read(given), handler(source))


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
