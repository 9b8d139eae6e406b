"""Options that a rule or a network brings along, as fields of the options of commands."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import fields
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

from pydantic import Field, create_model

from contrastive_core.errors import PluginError
from contrastive_core.guards.foreign import foreign
from contrastive_core.networks.kind import INITIAL, NetworkKind
from experiments.commandline.completion import extended
from experiments.commandline.kinds import field_kind
from experiments.commandline.markers import Brought
from experiments.commandline.options import Options
from experiments.commandline.sections import RULE, Section
from experiments.setup.tables import LIGHT, NETWORKS, RULE_SETTINGS, RULES

if TYPE_CHECKING:
    from pydantic import BaseModel

    from contrastive_core.rule import Rule

D = TypeVar("D")
M = TypeVar("M", bound=Options)
Fields = Mapping[str, tuple[Any, Any]]
"""Annotation and field of every option, by name."""


_LATER = frozenset({"Thermal", "UntiedOptions"})
"""Dataclasses of options that are younger than recorded runs."""


def fields_of(kind: type) -> dict[str, tuple[Any, Any]]:
    """Return the options that a dataclass declares with ``contrastive_core.options.option``."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        one.name: (
            hints[one.name],
            Field(one.default, description=one.metadata.get("description", ""), exclude_if=_absent(kind, one.default)),
        )
        for one in fields(kind)
    }


def _absent(kind: type, default: Any) -> Callable[[Any], bool] | None:
    """Return a test of values that are not recorded: defaults of options that recorded runs, which must still resume, do not have."""
    return partial(operator.eq, default) if kind.__name__ in _LATER else None


def flat(kind: type) -> Fields:
    """Return the settings of a rule as options beside the others."""
    return {name: (Annotated[hint, RULE, Brought(kind)], field) for name, (hint, field) in fields_of(kind).items()}


def instance(kind: type[D], options: BaseModel) -> D:
    """Make the dataclass again from options that have its fields; a field that they do not have keeps its default."""
    return kind(**{one.name: getattr(options, one.name) for one in fields(kind) if hasattr(options, one.name)})  # type: ignore[arg-type]


def settings_of_rule(name: str) -> Fields:
    """Import a rule and return the settings that belong to it, as options."""
    return {option: field for kind in rule_named(name).options for option, field in flat(kind).items()}


def rule_named(name: str) -> Rule:
    """Build a rule with default settings, to ask what it is."""
    from contrastive_core.costs.squared_error import SquaredError
    from contrastive_core.rule import Rule, Setting

    build = RULES[name]
    if not callable(build):
        raise PluginError(f"the rule {name!r} is no builder that maps a Setting to a Rule but of type {type(build).__name__}")
    with nullcontext() if name in RULES else foreign(f"the rule {name!r} cannot be built from a Setting"):
        rule = build(Setting(SquaredError()))
    if not isinstance(rule, Rule):
        raise PluginError(
            f"the rule {name!r} builds no contrastive_core.rule.Rule but an object of type {type(rule).__name__}; "
            "see docs/how-to/plugins.md"
        )
    return rule


def network_kind(name: str) -> NetworkKind:
    """Return what commands know about a network, or raise ``PluginError`` if a plug-in of that name is no kind of network."""
    kind = NETWORKS[name]
    if not isinstance(kind, NetworkKind):
        raise PluginError(f"the network {name!r} is no contrastive_core.networks.kind.NetworkKind but of type {type(kind).__name__}")
    return kind


def section_of(name: str) -> str:
    """Return the name of a network's table in a configuration."""
    return network_kind(name).section or name.rpartition(":")[2].replace("-", "_")


def options_of_network(name: str) -> Fields:
    """Return the options that belong to a network, as one option that is a table; empty if it has none."""
    kind = network_kind(name)
    return {} if kind.options is None else {section_of(name): _table(kind, name)}


@cache
def _table(network: NetworkKind, name: str) -> tuple[Any, Any]:
    kind: Any = network.options
    declared: dict[str, Any] = fields_of(kind)
    section = Section(f"Network {name}")
    model = create_model(kind.__name__, __base__=Options, __doc__=kind.__doc__, __cls_kwargs__={"section": section}, **declared)
    absent = _absent(kind, model.model_validate({}))
    empty = Field(default_factory=lambda: model.model_validate({}), description=f"Settings of a {name} network.", exclude_if=absent)
    return Annotated[model, Brought(kind)], empty


def network_fields() -> Fields:
    """Return the tables of options of all networks that can be asked for them without importing torch."""
    names = [name for name, target in NETWORKS.entries.items() if target.partition(":")[0] in LIGHT]
    return {section: field for name in names for section, field in options_of_network(name).items()}


def defaults_of_network(name: str) -> dict[str, Any]:
    """Return the defaults of the options that belong to a network, by dotted name."""
    kind = network_kind(name)
    return {} if kind.options is None else {f"{section_of(name)}.{one.name}": one.default for one in fields(kind.options)}


def network_options(options: Options, name: str) -> Any:
    """Return the dataclass of the options that belong to a network, filled from those of a command; None if it has none."""
    kind = network_kind(name)
    return None if kind.options is None else instance(kind.options, getattr(options, section_of(name)))


def decisive_options(name: str) -> set[str]:
    """Name the options that make a network with given parameters the one that was trained, beside its sizes.

    Parameters
    ----------
    name : str
        Name of the network.

    Returns
    -------
    set of str
        Top-level names of options; "seed" if the network's structure is drawn from it.
    """
    kind = network_kind(name)
    own = {section_of(name)} if kind.options else set()
    return {"network", *(kind.uses - INITIAL), *own, *(["seed"] if kind.random_structure else [])}


def rule_options(options: BaseModel) -> list[type]:
    """List the dataclasses of settings of rules that the options of a command have fields for."""
    single = (field for field in type(options).model_fields.values() if field_kind(field).model is None)
    return list(dict.fromkeys(one.source for field in single for one in field.metadata if isinstance(one, Brought)))


def with_own_options(model: type[M]) -> type[M]:
    """Add to a model, as a decorator, the options of all networks and rules that can be asked for them without importing torch."""
    settings = {name: field for kind in RULE_SETTINGS for name, field in flat(kind).items()}
    return extended(model, {**network_fields(), **settings})
