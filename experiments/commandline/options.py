"""Options of commands: a checked model, filled from defaults, then a TOML file, then flags, then ``--set key=value``."""

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from experiments.commandline.assignments import split_assignment
from experiments.commandline.completion import complete
from experiments.commandline.documents import PUBLISHED, read_configuration
from experiments.commandline.kinds import NONE, field_kind, flag_name, from_assignment, is_positional, kind_at
from experiments.commandline.markers import FromFile
from experiments.commandline.messages import complain, refuse_other_encodings
from experiments.commandline.sections import GENERAL, OWN, Section

M = TypeVar("M", bound="Options")


class Options(BaseModel):
    """Base of all options: unknown keys are refused, values are not converted, numbers are finite, and nothing changes later.

    A field of one machine only, such as a data directory, is declared with ``exclude=True``: it is neither stored with a run nor
    compared when the run is resumed.

    Attributes
    ----------
    section
        Section of the help for the fields declared in this class; ``class X(Options, section=DATA)`` sets it. Subclasses have their own.
    gives_way
        Options of another command, such as ``rule``, that a file may set if the option beside them is given as a flag or assignment.
    """

    section: ClassVar[Section] = OWN
    gives_way: ClassVar[Mapping[str, str]] = {}

    # Validators are built at first use: help needs none, and those of all commands together take longer than the rest of it.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True, defer_build=True)

    def __init_subclass__(cls, *, section: Section = OWN, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.section = section

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        for key, field in cls.model_fields.items():  # another default alone needs no other description
            described = (
                base.model_fields[key].description for base in cls.__mro__[1:] if issubclass(base, Options) and key in base.model_fields
            )
            field.description = field.description or next(described, None)

    def resolved(self) -> dict[str, Any]:
        """Give every setting as plain values, ready for TOML and JSON.

        Returns
        -------
        dict
            Nested as the model is; a missing value is the text "none", so that reading it back overrides a default.
        """
        return _spell_none(self.model_dump(mode="json"))

    def settings(self) -> dict[str, Any]:
        """Give every setting, those of one machine only included, as plain values from which ``from_settings`` makes the options again."""
        local = {key: getattr(self, key) for key, field in type(self).model_fields.items() if field.exclude}
        return self.model_dump(mode="json") | {key: str(value) if isinstance(value, Path) else value for key, value in local.items()}

    def digest(self) -> str:
        """Give a short name to these settings: equal ones have equal names.

        Returns
        -------
        str
            Sixteen hexadecimal digits, of the SHA-256 of ``resolved``.
        """
        return sha256(json.dumps(self.resolved(), sort_keys=True).encode()).hexdigest()[:16]


class CommandOptions(Options):
    """Base of a command's own options.

    Attributes
    ----------
    seed : int
        Seed from which every random draw of the command follows.
    """

    seed: Annotated[int, GENERAL] = Field(0, ge=0, description="Seed of every random draw.")


class Layer(NamedTuple):
    """Settings from one source.

    Attributes
    ----------
    origin : str
        Name of a setting from here in a message, with ``{key}`` for its dotted key and ``{flag}`` for its flag.
    values : mapping
        Nested settings.
    """

    origin: str
    values: Mapping[str, Any]


def resolve(
    model: type[M],
    *,
    config: str | None = None,
    flags: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
    assigned_by: str = "--set",
) -> M:
    """Merge all sources of settings and check the result, later sources winning.

    Parameters
    ----------
    model : type of Options
        Options of the command.
    config : str, optional
        A TOML file, or the name of a shipped configuration; its tables ``[when.OPTION.VALUE]`` hold where an option has a value.
    flags : mapping, optional
        Values given as flags, by dotted key.
    assignments : sequence of str
        ``key=value`` each, with dotted keys for nested options.
    assigned_by : str
        Flag of the assignments, for messages.

    Returns
    -------
    Options
        An instance of ``model``.

    Raises
    ------
    InputError
        If the file cannot be read, or any setting is unknown or wrong; one message names them all.
    """
    given = [Layer("{flag}", nested(flags or {})), *(assignment(text, model, assigned_by) for text in assignments)]
    if config is None:
        return resolve_layers(model, given)
    file, asked = read_config(config), set[str]().union(*(layer.values for layer in given))
    file = file._replace(values={key: value for key, value in file.values.items() if model.gives_way.get(key) not in asked})
    return resolve_layers(model, [*_cases(model, file, given), *given])


def _cases(model: type[BaseModel], file: Layer, given: Sequence[Layer]) -> list[Layer]:
    """Split a file into what always holds and its tables ``[when.OPTION.VALUE]`` of the values that the options have."""
    values = dict(file.values)
    when = values.get("when")
    if not isinstance(when, Mapping) or not all(key in model.model_fields and isinstance(when[key], Mapping) for key in when):
        return [file]  # refused like any other unknown option
    for key, tables in when.items():
        if wrong := [name for name, table in tables.items() if not isinstance(table, Mapping)]:
            raise InputError(f"when.{key}.{wrong[0]} must be a table of options, got {tables[wrong[0]]!r}; write [when.{key}.{wrong[0]}]")
    del values["when"]
    layers = [Layer(file.origin, values)]
    for key, tables in when.items():
        field = model.model_fields[key]
        for name in tables:
            if name not in (choices := field_kind(field).choices) and ":" not in name:
                raise unknown_name(key, name, list(choices))
        chosen = next((layer.values[key] for layer in [*reversed(given), layers[0]] if key in layer.values), field.default)
        layers.append(Layer(file.origin, tables.get(chosen, {}) if isinstance(chosen, str) else {}))
    return layers


def resolve_layers(model: type[M], layers: Sequence[Layer]) -> M:
    """Merge settings, later layers winning, and check the result; ``resolve`` says what is raised.

    Parameters
    ----------
    model : type of Options
        Options that the settings are for.
    layers : sequence of Layer
        In the order of rising precedence.

    Returns
    -------
    Options
        An instance of ``model``.
    """
    model = complete(model, reduce(merge, (layer.values for layer in layers), {}))
    arguments = {key for key, field in model.model_fields.items() if is_positional(field)}
    merged, origins = dict[str, Any](), dict[str, str]()
    for layer in layers:
        values = _drop_none(layer.values, model)
        merged = merge(_opened(merged, values, model), values)
        flags = {key: key.upper() if key in arguments else flag_name(key) for key in flatten(values)}
        origins |= {key: layer.origin.format(key=key, flag=flag) for key, flag in flags.items()}
    refuse_other_encodings(flatten(merged), origins)
    for key, value in flatten(merged).items():
        # An empty path would be the current directory, which nobody means by the value of an unset variable.
        if value == "" and (kind := kind_at(model, tuple(key.split(".")))) and kind.name == "path":
            raise InputError(f"{origins.get(key, key)} needs a path, got an empty text; give a path, or leave the option out")
    try:
        made = model.model_validate_json(json.dumps(merged, default=str), strict=True)
    except ValidationError as error:
        raise InputError(complain(error, model, origins)) from error
    for key, value in flatten(merged).items():
        # Seeds are hashed and may be wider; sizes and counts are numbers of 64 bits in every library.
        wide = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, int) and not -(2**63) <= one < 2**63]
        if wide and not key.endswith("seed"):
            raise InputError(f"{origins.get(key, key)} must be less than 2**63, got {wide[0]}")
    return made


def read_config(name: str) -> Layer:
    """Read a TOML file, or a shipped configuration if there is no such file.

    Parameters
    ----------
    name : str
        A path, or the name of a shipped configuration.

    Returns
    -------
    Layer
        Its settings, without the table that describes a published result.

    Raises
    ------
    InputError
        If there is neither, or the file is not TOML.
    """
    path, document = read_configuration(name)
    values = {key: value for key, value in document.items() if key != PUBLISHED}
    return Layer("{key} (in " + path.name.replace("{", "{{").replace("}", "}}") + ")", values)


def flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write nested settings with dotted keys, one entry per leaf."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": leaf for inner, leaf in flatten(value).items()}
        else:
            flat[key] = value
    return flat


def assignment(text: str, model: type[BaseModel], flag: str = "--set") -> Layer:
    """Read ``key=value`` of a flag, with the value as the option of that key takes it."""
    key, value = split_assignment(text, flag, "KEY=VALUE")
    return Layer(f"{{key}} (by {flag})", nested({key: from_assignment(value, kind_at(model, tuple(key.split("."))))}))


def without_effect(options: CommandOptions, names: Sequence[str], reason: str) -> list[str]:
    """Return a sentence for each of these options that was given all the same."""
    return [f"{flag_name(name)} has no effect: {reason}" for name in names if name in options.model_fields_set]


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Nest settings that have dotted keys; the inverse of ``flatten``."""
    whole: dict[str, Any] = {}
    for dotted, value in flat.items():
        *parents, leaf = dotted.split(".")
        inner = whole
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[leaf] = value
    return whole


def merge(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Put new settings over others, table by table."""
    merged = dict(base)
    for key, value in new.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _opened(merged: Mapping[str, Any], new: Mapping[str, Any], model: type[BaseModel]) -> Mapping[str, Any]:
    """Read each file whose entries a later layer changes, so that it changes them and does not take the place of all."""
    changed = [key for key, value in new.items() if isinstance(value, Mapping) and isinstance(merged.get(key), str)]
    readers = {key: one.read for key in changed for one in model.model_fields[key].metadata if isinstance(one, FromFile)}
    return {**merged, **{key: read(merged[key]) for key, read in readers.items()}}


def _spell_none(values: Mapping[str, Any]) -> dict[str, Any]:
    spelled: dict[str, Any] = {}
    for key, value in values.items():
        spelled[key] = _spell_none(value) if isinstance(value, Mapping) else NONE if value is None else value
    return spelled


def _drop_none(values: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    plain = dict(values)
    for key, field in model.model_fields.items():
        kind, value = field_kind(field), plain.get(key)
        if kind.optional and value == NONE:
            plain[key] = None
        elif kind.model and isinstance(value, Mapping):
            plain[key] = _drop_none(value, kind.model)
    return plain
