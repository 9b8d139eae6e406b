"""Plug-ins: rules, networks, costs, data sets and experiments of packages other than these.

A plug-in is named in one of three ways:

- by the name of an entry point of an installed package, in one of ``GROUPS``;
- as ``MODULE:NAME``, where NAME is an attribute of the module, or a key of its table (``RULES``, ``NETWORKS``, ...);
- by a key of such a table, if the module is given with ``--plugin MODULE``; the name is then stored as ``MODULE:NAME``.

Nothing is imported before a name is used. A name that was read out of a run or a configuration is used in a block of ``only_told``,
because whoever sends the file chooses the names in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from contrastive_core.errors import PluginError
from contrastive_core.guards.foreign import foreign

GROUPS = {
    "rule": "eqlab.rules",
    "network": "eqlab.networks",
    "cost": "eqlab.costs",
    "data set": "eqlab.datasets",
    "experiment": "eqlab.experiments",
}
"""Entry-point group of each kind of plug-in."""

_TABLES = {kind: group.removeprefix("eqlab.").upper() for kind, group in GROUPS.items()}
_modules: list[str] = []
_used: dict[tuple[str, str], None] = {}
_told: set[str] = set()
_guarded: ContextVar[tuple[str, str] | None] = ContextVar("guarded", default=None)


class Plugin(NamedTuple):
    """Plug-in of an installed package.

    Attributes
    ----------
    kind : str
        Key of ``GROUPS``, such as "rule".
    name : str
        Name of its entry point.
    target : str
        ``"module:attribute"`` of the object.
    package, version : str
        Package that it comes with.
    """

    kind: str
    name: str
    target: str
    package: str
    version: str


@cache
def installed() -> tuple[Plugin, ...]:
    """List the plug-ins of all installed packages, without importing any."""
    from importlib.metadata import entry_points  # 50 ms that commands without plug-ins need not wait for

    found = entry_points()
    listed = ((kind, entry) for kind, group in GROUPS.items() for entry in found.select(group=group))
    return tuple(Plugin(kind, one.name, one.value, one.dist.name, one.dist.version) for kind, one in listed if one.dist is not None)


def use_modules(modules: Sequence[str]) -> None:
    """Import the modules whose tables give names to plug-ins, in place of those of an earlier call.

    Parameters
    ----------
    modules : sequence of str
        Dotted names, as ``--plugin`` gives them.

    Raises
    ------
    PluginError
        If one cannot be imported.
    """
    _modules.clear()
    for name in modules:
        if "/" in name or name.endswith(".py"):
            raise PluginError(f"--plugin takes a module, got the file {name!r}; go to its folder and give --plugin {Path(name).stem}")
        module = _import(name)
        if empty := [table for kind, table in _TABLES.items() if hasattr(module, table) and not _table(kind, module)]:
            raise PluginError(f"the table {empty[0]} of the plug-in {name} is empty; give it an entry, or leave it out")
        _modules.append(name)
    tell(modules)


def tell(modules: Iterable[str]) -> None:
    """Trust modules, because the user has named them."""
    _told.update(modules)


def told() -> list[str] | None:
    """Return the modules that may be imported in a block of ``only_told``; None outside of one, where every name is the user's own."""
    return sorted(_told) if _guarded.get() else None


@contextmanager
def only_told(advice: str = "add --plugin {module} if you trust it", source: str = "the run") -> Iterator[None]:
    """Refuse, inside the block, the names ``MODULE:NAME`` whose module the user has not named in this process.

    Parameters
    ----------
    advice : str
        Advice of the error, with ``{module}`` in place of the module's name.
    source : str
        Words for what gives the names.

    Yields
    ------
    None
        Inside the block, ``PluginError`` is raised for other names, before anything is imported.
    """
    token = _guarded.set((advice, source))
    try:
        yield
    finally:
        _guarded.reset(token)


@contextmanager
def looking() -> Iterator[None]:
    """Refuse, inside the block, all plug-ins that were not in use before, those of installed packages included."""
    with only_told("looking at a run imports no plug-in"):
        yield


def _refuse_untold(kind: str, name: str, target: str) -> None:
    module, (advice, source) = target.partition(":")[0], _guarded.get() or ("", "")
    if not advice:
        _told.add(module)
    elif not (module in _told or (":" not in name and "{module}" in advice)):
        raise PluginError(f"{source} names the {kind} {name!r}, which would run a program of its own; {advice.format(module=module)}")


def names(kind: str) -> list[str]:
    """List the names of plug-ins that need no module: those of ``--plugin`` modules and of installed packages."""
    given = [name for module in _modules for name in _table(kind, import_module(module))]
    return list(dict.fromkeys([*given, *(one.name for one in installed() if one.kind == kind)]))


def listed() -> list[tuple[str, str, str, str]]:
    """List kind, name, object and origin of the plug-ins of ``--plugin`` modules and of installed packages, importing no others."""
    given = [
        (kind, name, f"{module}:{name}", module) for module in _modules for kind in GROUPS for name in _table(kind, import_module(module))
    ]
    return given + [(one.kind, one.name, one.target, f"{one.package} {one.version}") for one in installed()]


def canonical(kind: str, name: str) -> str | None:
    """Return the name under which any process finds a plug-in.

    Parameters
    ----------
    kind : str
        Key of ``GROUPS``; plug-ins of other kinds do not exist.
    name : str
        Any of the three ways to name it.

    Returns
    -------
    str or None
        ``MODULE:NAME``, or the name of an entry point; None if there is no such plug-in.

    Raises
    ------
    PluginError
        If several plug-ins have the name.
    """
    if kind not in GROUPS:
        return None
    if ":" in name:
        if not all(name.partition(":")[::2]):  # no module to import
            raise PluginError(f"{name!r} is half the name of the {kind}; give MODULE:NAME, or a name without a colon")
        _refuse_untold(kind, name, name)
        return name
    found = [f"{module}:{name}" for module in _modules if name in _table(kind, import_module(module))]
    others = (one for one in installed() if (one.kind, one.name) == (kind, name) and one.target.partition(":")[0] not in _modules)
    packages = sorted({one.package for one in others})
    if len(found) + len(packages) > 1:
        origins = ", ".join([*(one.partition(":")[0] for one in found), *packages])
        raise PluginError(f"several plug-ins have a {kind} {name!r} ({origins}); name the one you mean as MODULE:NAME")
    return found[0] if found else name if packages else None


def giving(kind: str, name: str) -> str | None:
    """Return the module given with ``--plugin`` whose table has the name, or None."""
    return next((module for module in _modules if kind in GROUPS and name in _table(kind, import_module(module))), None)


def note(kind: str, name: str) -> None:
    """Note that a run uses a plug-in, for ``used``."""
    _used[(kind, name)] = None


def forget() -> None:
    """Forget the plug-ins used so far, at the start of a command."""
    _used.clear()


def used() -> list[dict[str, str | None]]:
    """Describe the plug-ins that were used: name, origin, version and digest of the file, without importing them."""
    return [{"kind": kind, "name": name, **identify(kind, name)} for kind, name in _used]


def identify(kind: str, name: str) -> dict[str, str | None]:
    """Return the ``object``, ``package``, ``version`` and ``digest`` (SHA-256 of the module's file) of a plug-in."""
    one = next((one for one in installed() if (one.kind, one.name) == (kind, name)), None)
    target, package, version = (one.target, one.package, one.version) if one else (name, None, None)
    origin = _locate(target.partition(":")[0])
    digest = sha256(Path(origin).read_bytes()).hexdigest() if origin and Path(origin).is_file() else None
    return {"object": target, "package": package, "version": version, "digest": digest}


def load(kind: str, name: str) -> Any:
    """Import a plug-in.

    Parameters
    ----------
    kind : str
        Key of ``GROUPS``.
    name : str
        Result of ``canonical``.

    Returns
    -------
    object
        Builder of a rule, kind of a network, cost, loader or experiment.

    Raises
    ------
    PluginError
        If it cannot be imported, or the module has no such object.
    """
    target = name if ":" in name else next(one.target for one in installed() if (one.kind, one.name) == (kind, name))
    _refuse_untold(kind, name, target)
    path, _, attribute = target.partition(":")
    module = _import(path)
    table = _table(kind, module)
    if attribute in table:
        return table[attribute]
    found: Any = module
    with foreign(f"the {kind} {name!r} cannot be read"):  # a property, or the module's own __getattr__
        for part in attribute.split("."):
            found = getattr(found, part, None)
    if found is None:
        listed = f"its {_TABLES[kind]} are: {', '.join(table)}" if table else f"it has no table {_TABLES[kind]}"
        raise PluginError(f"the plug-in module {path} has no {kind} {attribute!r}, and {listed}; give a NAME that it has")
    return found


def _table(kind: str, module: ModuleType) -> Mapping[str, Any]:
    table = getattr(module, _TABLES[kind], {})
    if isinstance(table, Mapping) and all(isinstance(name, str) for name in table):
        return table
    what = "names that are no texts" if isinstance(table, Mapping) else f"the type {type(table).__name__}"
    raise PluginError(f"the table {_TABLES[kind]} of the plug-in {module.__name__} has {what}; make it a dict of objects by name")


def _locate(module: str) -> str | None:
    try:
        spec = find_spec(module)  # imports the parent packages, which using the plug-in has done already
    except (ImportError, ValueError):
        return None
    return spec.origin if spec else None


def _import(name: str) -> ModuleType:
    """Import a module, if necessary from the current folder, which the installed program does not search."""
    with foreign(f"the plug-in {name!r} cannot be imported", "mend it, or leave it out"):
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            folder = str(Path.cwd())
            if error.name != name.partition(".")[0] or folder in sys.path:
                raise
            sys.path.append(folder)  # last, so that no file there hides an installed module
        return import_module(name)
