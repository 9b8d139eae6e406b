"""Options of a command together with those that belong to the rules, networks, … that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from contrastive_core.errors import PluginError
from experiments.commandline.markers import Brought, OneOf

M = TypeVar("M", bound=BaseModel)

_made: dict[Any, type[Any]] = {}
"""Extended models, which are made once: pydantic takes some milliseconds for each."""


def complete(model: type[M], values: Mapping[str, Any]) -> type[M]:
    """Add the options that belong to what other options name.

    Parameters
    ----------
    model : type of Options
        Options of a command.
    values : mapping
        Settings, of which only the names given here bring options along. Defaults do not: nothing is imported for them.

    Returns
    -------
    type of Options
        The model itself if it has all options already, else a subclass.

    Raises
    ------
    PluginError
        If an option has the name of another, or a plug-in cannot be imported.
    """
    brought: dict[str, Any] = {}
    for key, field in model.model_fields.items():
        marker = _marker(field)
        if marker is None or key not in values:
            continue
        given = values[key]
        for name in given if isinstance(given, list | tuple) else (given,):
            for option, declared in marker.brought(name).items():
                known = model.model_fields.get(option)
                origin = _origin(known.metadata) if known else _origin(get_args(brought[option][0])) if option in brought else None
                if origin is None and known is None:
                    brought[option] = declared
                elif origin is not _origin(get_args(declared[0])):
                    raise PluginError(f"the {marker.kind} {name!r} has an option {option!r}, and there is another of that name; rename it")
    return extended(model, brought)


def extended(model: type[M], options: Mapping[str, Any]) -> type[M]:
    """Return a subclass of a model with further options, or the model itself if there are none.

    Parameters
    ----------
    model : type of Options
        Options to extend.
    options : mapping
        Annotation and field by name, each marked ``Brought``.

    Returns
    -------
    type of Options
        One class for equal options.
    """
    if not options:
        return model
    key = (model, tuple((name, _origin(get_args(declared[0]))) for name, declared in sorted(options.items())))
    if key not in _made:
        _made[key] = create_model(model.__name__, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **options)
    made: type[M] = _made[key]
    return made


def settings_of_trials(values: Mapping[str, Any], model: type[BaseModel], varied: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the settings that all trials of a command share.

    Parameters
    ----------
    values : mapping
        Settings of the command as plain values.
    model : type of Options
        Options of a trial.
    varied : mapping
        Options of a trial that vary, with their values.

    Returns
    -------
    dict
        Nested settings. An option that only some values of another bring along stands in a table ``when.OPTION.VALUE``, as in a
        configuration.
    """
    known = complete(model, values).model_fields
    shared = {name: value for name, value in values.items() if name in known and name not in varied}
    when: dict[str, dict[str, Any]] = {}
    for option, names in varied.items():
        marker = _marker(model.model_fields[option]) if option in model.model_fields else None
        for name in names if marker else ():
            own = {key: values[key] for key in marker.brought(name) if key in values and key not in shared} if marker else {}
            if own:
                when.setdefault(option, {})[name] = own
    return {**shared, "when": when} if when else shared


def owners(model: type[BaseModel], option: str) -> dict[str, list[str]]:
    """Return, by option of a model, those of its names that bring another option along; importing all that can be named.

    Parameters
    ----------
    model : type of Options
        Options of a command.
    option : str
        Option that is looked for, such as ``points``.

    Returns
    -------
    dict of str to list of str
        Names by option, such as ``{"rules": ["ep-holomorphic"]}``; empty if nothing brings it.
    """
    markers = {key: marker for key, field in model.model_fields.items() if (marker := _marker(field)) is not None}
    found = {key: [name for name in marker.names if option in marker.brought(name)] for key, marker in markers.items()}
    return {key: names for key, names in found.items() if names}


def _marker(field: FieldInfo) -> OneOf | None:
    """Return the marker of a name, or of the names in a list."""
    inner = (one for argument in get_args(field.annotation) for one in getattr(argument, "__metadata__", ()))
    return next((one for one in (*field.metadata, *inner) if isinstance(one, OneOf)), None)


def _origin(metadata: Any) -> type | None:
    return next((one.source for one in metadata if isinstance(one, Brought)), None)
