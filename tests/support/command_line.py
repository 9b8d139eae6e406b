"""The program as a user calls it, run within the process of a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from click.testing import CliRunner, Result

from experiments.cli import cli

Eqlab = Callable[..., Result]
Found = Callable[..., dict[str, Any]]
Refused = Callable[..., str]


def eqlab(*arguments: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def found(*arguments: object, code: int = 0) -> dict[str, Any]:
    """Run a command that ends with an exit code, and return the JSON that it prints."""
    result = eqlab(*arguments, "--json")
    assert result.exit_code == code, result.output
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


def refused(*arguments: object, code: int = 2) -> str:
    """Run a command that refuses its arguments, and return the one line that it says why in."""
    result = eqlab(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr
