"""``eqlab objectives``: which objectives there are, where they come from, and what they ask of a batch."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from contrastive_core.objectives import OBJECTIVES
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table

if TYPE_CHECKING:
    from contrastive_core.objectives.objective import Objective


@command(CommandOptions, "objectives")
def objectives_command(options: CommandOptions, invocation: Invocation) -> None:
    """List the objectives with their sources, settings, defaults, needs and the references that they were checked against.

    An extra is learnt beside the network, carried from batch to batch, or given with every batch.

    \b
    Examples:
      eqlab objectives
      eqlab objectives --json
    """  # noqa: D301
    listed = [describe(name, OBJECTIVES[name]) for name in OBJECTIVES]
    header = ("name", "views", "labels", "extras", "defaults", "source")
    rows = [
        (
            item["name"],
            item["setting"],
            item["needs"]["labels"],
            ", ".join(f"{extra['name']} ({extra['origin']})" for extra in item["needs"]["extras"]) or "-",
            " ".join(f"{key}={value:g}" for key, value in item["defaults"].items()) or "-",
            item["source"],
        )
        for item in listed
    ]
    invocation.save_result("objectives", {"objectives": listed}, format_table(header, rows))


def describe(name: str, kind: type[Objective]) -> dict[str, Any]:
    """Describe one objective.

    Parameters
    ----------
    name : str
        In the table.
    kind : type of Objective
        Its class.

    Returns
    -------
    dict
        ``name``, ``summary``, ``setting``, ``defaults``, ``strength``, ``needs`` (``views``, ``labels``, ``extras``), ``source``
        and ``verified``.
    """
    needs, objective = kind.needs, kind()
    return {
        "name": name,
        "summary": (kind.__doc__ or "").split("\n")[0],
        "setting": _views(needs.fewest, needs.most),
        "defaults": {field.name: getattr(objective, field.name) for field in fields(objective)},  # type: ignore[arg-type]
        "strength": objective.strength,
        "needs": {
            "views": {"fewest": needs.fewest, "most": needs.most},
            "labels": needs.labels.value,
            "extras": [{**extra._asdict(), "origin": extra.origin.value} for extra in needs.extras],
        },
        "source": kind.source,
        "verified": kind.verified,
    }


def _views(fewest: int, most: int | None) -> str:
    if fewest == 1:
        return "any"
    return str(fewest) if fewest == most else f"{fewest} or more"
