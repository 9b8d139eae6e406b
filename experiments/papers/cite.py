"""``eqlab cite``: a bibliography of everything that runs used, as the docstrings of rules, networks, costs and data name it."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any, get_args

from pydantic import Field

from contrastive_core.data.catalog import CATALOG
from contrastive_core.errors import EqlabError, InputError
from contrastive_core.networks.kind import NetworkKind
from contrastive_core.registry import Table
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf, Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.parameters import leaves_of
from experiments.papers.references import REFERENCES, Reference
from experiments.report.run_reader import OpenedRun, open_for_reading
from experiments.runs.directory import find_run
from experiments.runs.provenance import package_version
from experiments.setup.tables import RULES

PROGRAM = "eqlab"


class CiteOptions(CommandOptions):
    """Runs to cite.

    Attributes
    ----------
    runs
        Names in the directory ``runs``, or paths.
    """

    runs: Annotated[tuple[str, ...], Positional()] = Field((), description="Names of runs in the directory runs, or paths.")


@command(CiteOptions, "cite", without=("config", "set", "seed", "threads", "out"))
def cite_command(options: CiteOptions, invocation: Invocation) -> None:
    """Write a bibliography of what RUNS used: rules, networks, costs, dynamics, data and the program itself, in BibTeX.

    The references are those that docstrings and sources name. Comments say which part of a run each one belongs to, and for which
    parts none is named. Some entries have surnames of authors only, or no authors: complete these before publication.

    \b
    Examples:
      eqlab cite demo
      eqlab cite demo other/runs/first --json
    """  # noqa: D301
    if not options.runs:
        raise InputError("which run? give at least one of those that 'eqlab runs list' shows")
    found: dict[str, list[Reference]] = {}
    for name in dict.fromkeys(options.runs):
        with open_for_reading(find_run(name)) as opened:
            if opened is None:
                raise InputError(f"the run {name} has no journal yet; start it first")
            found |= {part: references_of(text) for part, text in parts_of(opened)}
    used = [reference for reference in REFERENCES if any(reference in references for references in found.values())]
    notes = [f"% {part}: {', '.join(one.key for one in references) or 'no source is named'}" for part, references in found.items()]
    data = {
        "parts": {part: [one.key for one in references] for part, references in found.items()},
        "references": {one.key: {"authors": one.authors, "title": one.full_title, "year": int(one.year), "in": one.place} for one in used},
    }
    invocation.result(data, "\n".join([*notes, "", "\n\n".join([_program(), *(one.bibtex() for one in used)])]))


def parts_of(opened: OpenedRun) -> Iterator[tuple[str, str]]:
    """Return each part of a run that has a name in a table, such as ``rule ep-centered``, with the text that may name its sources."""
    declared = opened.facts.get("declared", {})
    values: dict[str, Any] = dict(_flat(declared.get("set", {})))
    for axis, varied in (declared.get("grid", {}) | declared.get("zip", {})).items():
        values[axis] = varied
    for key, (kind, table) in _named(opened.definition().options).items():
        text = " ".join(map(str, value)) if isinstance(value := values.get(key, ""), list | tuple) else str(value)
        for name in dict.fromkeys(re.findall(r"[a-z][\w-]*", text)):  # a cost may be a sum of objectives with their weights
            if name in table:
                yield f"{kind} {name}", text_of(name, table)


def references_of(text: str) -> list[Reference]:
    """Return the references that a text names."""
    plain = re.sub(r",? \(?((?:18|19|20)\d\d)\b\)?", r" \1", " ".join(text.split()))
    return [reference for reference in REFERENCES if re.search(rf"(?<![\w-]){re.escape(reference.cited)}\b", plain)]


def text_of(name: str, table: Table[Any]) -> str:
    """Return what is written about an entry of a table: its source or origin, and docstrings of its class or its builder's module."""
    try:
        entry = table[name]
    except EqlabError:  # a plug-in that is not installed here
        return ""
    builder = entry.build if isinstance(entry, NetworkKind) else entry
    made = builder if inspect.isclass(builder) or inspect.isfunction(builder) else type(builder)
    module = sys.modules[made.__module__]
    described: list[object] = [entry, made, module]
    if inspect.isfunction(made):
        # A builder stands in the module of its class, or imports the class that its annotation names.
        described += [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
        returned = made.__annotations__.get("return")
        imports = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.ImportFrom) and node.module]
        places = [str(node.module) for node in imports if any(alias.name == returned for alias in node.names)]
        described += [getattr(import_module(place), str(returned)) for place in places[:1]]
    sources = [getattr(entry, "source", ""), CATALOG[name].origin if name in CATALOG else ""]
    return " ".join([*(one for one in sources if isinstance(one, str)), *(inspect.getdoc(one) or "" for one in described)])


def _named(model: type[CommandOptions]) -> dict[str, tuple[str, Table[Any]]]:
    """Return kind and table of each option that takes names out of a table."""
    markers = {key: next(_markers((leaf.field.annotation, *leaf.field.metadata)), None) for key, leaf in leaves_of(model).items()}
    named = {key: (marker.kind, marker.table) for key, marker in markers.items() if marker is not None and marker.table is not None}
    return named if "rule" in named or "rule" not in markers else named | {"rule": ("rule", RULES)}  # eqlab.fit writes rules in words


def _markers(parts: tuple[Any, ...]) -> Iterator[OneOf]:
    for part in parts:
        if isinstance(part, OneOf):
            yield part
        else:
            yield from _markers(get_args(part))


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _program() -> str:
    """Return the entry of the program."""
    from importlib.metadata import metadata

    fields = {"author": f"{{{PROGRAM}}}", "title": f"{{{metadata(PROGRAM)['Summary']}}}", "version": package_version(PROGRAM)}
    return "\n".join([f"@software{{{PROGRAM},", *(f"  {name} = {{{value}}}," for name, value in fields.items()), "}"])
