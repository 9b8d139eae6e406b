"""Tables of named objects, which are imported on first use, so that listing names imports nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Generic, TypeVar

from contrastive_core import plugins
from contrastive_core.errors import InputError, PluginError, UnknownNameError
from contrastive_core.expect import shown, with_article
from contrastive_core.familiar import translated
from contrastive_core.guards.foreign import foreign

T = TypeVar("T")


def unknown_name(kind: str, name: str, known: Mapping[str, object] | list[str], listed_by: str = "") -> UnknownNameError:
    """Build the error for a name that is not in a table, with the closest name and all existing ones.

    Parameters
    ----------
    kind : str
        Kind of the named objects, in the singular ("rule", "cost").
    name : str
        Name that was not found.
    known : mapping or list of str
        Existing names.
    listed_by : str
        Command that lists the names, which the error gives in their place where they are many.

    Returns
    -------
    UnknownNameError
        Error to raise.
    """
    ours, close = translated(kind, name, known), get_close_matches(name, list(known), n=1)
    hint = f"it is {ours!r} here; " if ours else f"did you mean {close[0]!r}? " if close else ""
    shown = f"'{listed_by}' lists all" if listed_by else f"choose one of: {', '.join(known)}"
    return UnknownNameError(f"unknown {kind} {name!r}; {hint}{shown}")


class Table(Mapping[str, T], Generic[T]):
    """Read-only mapping from a name to an object given as ``"module:attribute"``, imported on first use.

    The command line lists names without importing torch, and the contract tests cover all values. A missing name raises an error
    that lists the existing ones. Plug-ins are found by their names too. They are not listed, so that a table lists the same names in
    every installation.

    Parameters
    ----------
    kind : str
        Kind of the named objects, in the singular ("rule"), for messages and for plug-ins.
    entries : dict of str to str
        ``"module:attribute"`` by name.
    refine : str
        ``"module:function"`` of a function that returns the object to use, from its name in the table or of a plug-in and the object that
        was imported. It refuses objects of plug-ins that are of no use; empty for none.
    """

    def __init__(self, kind: str, entries: dict[str, str], refine: str = "") -> None:
        self.kind = kind
        self._entries = entries
        self._refine = refine
        self._imported: dict[str, T] = {}

    def canonical(self, name: str) -> str:
        """Check a name without importing its object.

        Parameters
        ----------
        name : str
            Name in the table, or of a plug-in.

        Returns
        -------
        str
            Name under which any process finds the same object.

        Raises
        ------
        UnknownNameError
            If there is no such name.
        PluginError
            If a module given with ``--plugin`` also has the name, or several plug-ins have it.
        """
        if name in self._entries:
            if (module := plugins.giving(self.kind, name)) is not None:
                raise PluginError(f"the {self.kind} {name!r} of the plug-in {module} has the name of a shipped one; rename it")
            return name
        found = plugins.canonical(self.kind, name)
        if found is None:
            raise unknown_name(self.kind, name, [*self._entries, *(plugins.names(self.kind) if self.kind in plugins.GROUPS else ())])
        plugins.note(self.kind, found)
        return found

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            return self._refined(name, plugins.load(self.kind, self.canonical(name)))
        if name not in self._imported:
            self._imported[name] = self._refined(name, _imported(self._entries[name]))
        return self._imported[name]

    def _refined(self, name: str, found: Any) -> T:
        refined: T = _imported(self._refine)(name, found) if self._refine else found
        return refined

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def made(self, given: object, kind: type[Any]) -> Any:
        """Return the object that a caller means: the entry of a name, or the object itself; classes are called without arguments.

        Parameters
        ----------
        given : object
            Name in the table, class, or object.
        kind : type
            Base class of the objects.

        Raises
        ------
        UnknownNameError
            If there is no such name.
        InputError
            If it is something else, or a class with settings that have no defaults.
        """
        entry = self[given] if isinstance(given, str) else given
        if isinstance(entry, kind):
            return entry
        if isinstance(given, str) or (isinstance(given, type) and issubclass(given, kind)):
            return self._called(given, entry, kind)
        raise InputError(f"{self.kind} must be {with_article(kind)} or a name such as {next(iter(self))!r}, got {shown(given)}")

    def _called(self, given: object, entry: Any, kind: type[Any]) -> Any:
        if isinstance(given, type) or given in self:
            try:
                return entry()
            except TypeError as error:
                raise InputError(f"{shown(given)} has settings without defaults; make it with them ({error})") from error
        with foreign(f"the {self.kind} {given!r} cannot be made without settings"):
            made = entry()
        if not isinstance(made, kind):
            raise PluginError(f"the {self.kind} {given!r} makes no {kind.__name__} but {shown(made)}; see docs/how-to/plugins.md")
        return made

    @property
    def entries(self) -> dict[str, str]:
        """``"module:attribute"`` by name, to build further tables from."""
        return dict(self._entries)

    def __or__(self, other: Table[T]) -> Table[T]:
        """Return a table with the entries of both."""
        return Table(self.kind, self._entries | other._entries, self._refine or other._refine)


def _imported(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(import_module(module), attribute)
