"""Options made again from the settings that a run, or a task for a worker, recorded."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from contrastive_core.errors import InputError
from experiments.commandline.completion import complete
from experiments.commandline.messages import complain
from experiments.commandline.options import Options

M = TypeVar("M", bound=Options)


def from_settings(model: type[M], settings: Mapping[str, Any]) -> M:
    """Make the options that ``Options.settings`` gave.

    Parameters
    ----------
    model : type of Options
        Class of the options.
    settings : mapping
        Plain values. A table ``when.OPTION.VALUE`` holds only if the option has the value.

    Returns
    -------
    Options
        Checked options, with those that a named plug-in brings along.

    Raises
    ------
    InputError
        If this version does not take the settings.
    """
    settings = dict(settings)
    for option, tables in settings.pop("when", {}).items():
        settings |= tables.get(settings.get(option), {})
    model = complete(model, settings)
    try:
        return model.model_validate_json(json.dumps(settings), strict=True)
    except ValidationError as error:
        raise InputError(complain(error, model, {})) from error
