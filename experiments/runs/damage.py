"""Damaged records of a journal that is only looked at: each is named and left out, so that it takes no page with it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from functools import partial
from typing import Any

from experiments.commandline.documents import read_json
from experiments.runs.forms import misfits
from experiments.runs.records import STATUSES

_LONG = 1800
"""Characters from which Python may refuse what SQLite takes: numbers of thousands of digits, and objects nested by the thousand."""
_STATUSES = ", ".join(f"'{status}'" for status in STATUSES)


def _is_object(column: str) -> str:
    """Write the condition that a column holds a JSON object that can be read."""
    valid = f"typeof({column}) = 'text' AND json_valid({column})"  # json_type itself fails for text that is no JSON
    return f"CASE WHEN {valid} THEN json_type({column}) = 'object' AND (length({column}) < {_LONG} OR is_read({column})) ELSE 0 END"


_PARTS = {
    "name": "typeof(key) = 'text'",
    "seed": "typeof(seed) IN ('text', 'integer') AND seed <> '' AND ltrim(seed, '-') NOT GLOB '*[^0-9]*' AND length(seed) < 1000",
    "status": f"status IN ({_STATUSES})",
    "settings": _is_object("options"),
    "metrics": f"CASE WHEN metrics IS NULL THEN status <> 'done' ELSE {_is_object('metrics')} END",
    "error": "typeof(error) IN ('text', 'null')",
    "times": "typeof(seconds) IN ('real', 'integer', 'null') AND typeof(started) IN ('text', 'null')",
}
"""Condition of each part of a trial's record."""
_FIND = f"""
CREATE TEMP TABLE damaged AS
SELECT id, CASE {" ".join(f"WHEN NOT ({holds}) THEN '{part}'" for part, holds in _PARTS.items())} ELSE misfit(metrics) END AS part
FROM main.trials WHERE part IS NOT NULL
"""
_LEAVE_OUT = f"""
CREATE TEMP VIEW trials AS SELECT
    id,
    CASE WHEN {_PARTS["name"]} THEN key ELSE 'row ' || id END AS key,
    CASE WHEN {_PARTS["settings"]} THEN options ELSE '{{}}' END AS options,
    CASE WHEN {_PARTS["seed"]} THEN seed ELSE '0' END AS seed,
    CASE WHEN part IS NULL THEN status ELSE 'failed' END AS status,
    CASE WHEN part IS NULL THEN metrics END AS metrics,
    CASE WHEN part IS NULL THEN error ELSE 'its record is damaged (' || part || ') and left out; restore it from a copy' END AS error,
    CASE WHEN part IS NULL THEN details END AS details,
    CASE WHEN part IS NULL THEN seconds END AS seconds,
    CASE WHEN part IS NULL THEN started END AS started,
    versions
FROM main.trials LEFT JOIN temp.damaged USING (id);
"""
_OTHERS = f"""
CREATE TEMP VIEW history AS SELECT trial, epoch, metrics FROM main.history WHERE typeof(epoch) = 'integer' AND {_is_object("metrics")};
CREATE TEMP VIEW versions AS SELECT id, content FROM main.versions WHERE {_is_object("content")};
"""


def leave_out(connection: sqlite3.Connection) -> None:
    """Hide the damaged records of a journal behind views of the same names, in which their trials have failed.

    Parameters
    ----------
    connection : sqlite3.Connection
        Connection for reading, changed in place; the file is not.

    Raises
    ------
    sqlite3.Error
        If a table or column is missing.
    """
    connection.create_function("is_read", 1, _is_read, deterministic=True)
    connection.create_function("misfit", 1, partial(_misfit, _forms(connection)), deterministic=True)
    connection.execute(_FIND)
    # Views cost a pass for every question, and hardly any journal needs them.
    if connection.execute("SELECT 1 FROM temp.damaged LIMIT 1").fetchone():
        connection.executescript(_LEAVE_OUT)
    connection.executescript(_OTHERS)


def _is_read(text: str) -> bool:
    try:
        read_json(text)
    except json.JSONDecodeError:
        return False
    return True


def _forms(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return the forms of the metrics that the run itself states; those of earlier versions state none."""
    row = connection.execute("SELECT content FROM facts WHERE name = 'forms'").fetchone()
    try:
        found = read_json(row[0]) if row else {}
    except (json.JSONDecodeError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _misfit(forms: Mapping[str, Any], text: str | None) -> str | None:
    """Return what in the metrics of a trial has another form than the run states; None for a trial without any."""
    metrics = read_json(text) if text else {}
    return misfits(metrics, forms)
