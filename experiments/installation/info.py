"""``eqlab info``: versions, processor, devices and backends of this installation."""

import os
import platform
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from contrastive_core import plugins
from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.data import DATASETS
from contrastive_core.errors import PluginError
from contrastive_core.kernels import PLACES
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.machine import available_cores, processor
from experiments.runs.provenance import source_commit, versions
from experiments.setup.own_options import network_kind, rule_named
from experiments.setup.tables import NETWORKS, RULES
from experiments.trials.experiment import EXPERIMENTS, find_experiment


@command(CommandOptions, "info")
def info(options: CommandOptions, invocation: Invocation) -> None:
    """Show versions, processor, threads, devices and backends.

    \b
    Examples:
      eqlab info
      eqlab info --json

    Parameters
    ----------
    options : CommandOptions
        Not used.
    invocation : Invocation
        Start of the command, for output.
    """  # noqa: D301
    data = describe(invocation.threads)
    invocation.save_result("info", data, _text(data))


def describe(threads: int) -> dict[str, Any]:
    """Describe the installation and the machine.

    Parameters
    ----------
    threads : int
        Number of threads that would be used.

    Returns
    -------
    dict
        Facts under ``versions``, ``commit``, ``platform``, ``processor``, ``cores``, ``cpus``, ``threads``, ``devices``, ``backends`` and
        ``plugins``.
    """
    commit, changed = source_commit()
    return {
        "versions": {name: version for name, version in versions().items() if name != "commit"},
        "commit": commit,
        "changed": changed,
        "platform": platform.platform(),
        "processor": processor(),
        "cores": available_cores(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "devices": devices(),
        "backends": backends(),
        "plugins": list_plugins(),
    }


def devices() -> list[dict[str, Any]]:
    """List the devices on which torch computes.

    Returns
    -------
    list of dict
        ``name`` and ``model`` of each, the processor first.
    """
    import torch

    found: list[dict[str, Any]] = [{"name": "cpu", "model": processor()}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unfit driver is no error here: its device is not listed
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return found + [{"name": f"cuda:{index}", "model": torch.cuda.get_device_name(index)} for index in range(count)]


def backends() -> dict[str, dict[str, Any]]:
    """List the backends, and why some cannot run here.

    Returns
    -------
    dict
        ``available`` and ``reason`` by name of backend; the reason is empty for one that is available.
    """
    reasons = {"torch": "", **{name: place.missing() or "" for name, place in PLACES.items()}}
    return {name: {"available": not reason, "reason": reason} for name, reason in reasons.items()}


def list_plugins() -> list[dict[str, str]]:
    """Import all plug-ins and list them; one that cannot be used does not keep the others from being listed.

    Returns
    -------
    list of dict
        ``kind``, ``name``, ``object``, ``origin`` and ``problem`` of each; the problem is empty for one that can be used.
    """
    tables: dict[str, Mapping[str, Any]] = {
        "rule": RULES, "network": NETWORKS, "cost": SAMPLE_COSTS, "data set": DATASETS, "experiment": EXPERIMENTS
    }  # fmt: skip
    return [
        {"kind": kind, "name": name, "object": target, "origin": origin, "problem": _problem(kind, name, tables[kind])}
        for kind, name, target, origin in plugins.listed()
    ]


def _problem(kind: str, name: str, table: Mapping[str, Any]) -> str:
    """Say why a plug-in cannot be used."""
    if name in table:
        return f"the name is that of a {kind} of eqlab, which is used instead; rename the plug-in"
    checks: dict[str, Callable[[str], Any]] = {"rule": rule_named, "network": network_kind, "experiment": find_experiment}
    try:
        checks.get(kind, table.__getitem__)(name)
    except PluginError as error:
        return str(error)
    return ""


def _text(data: dict[str, Any]) -> str:
    commit = f"{data['commit']}{' with changes' if data['changed'] else ''}" if data["commit"] else "not a checkout"
    rows = [
        *((name, version or "not installed") for name, version in data["versions"].items()),
        ("commit", commit),
        ("platform", data["platform"]),
        ("processor", f"{data['processor']}, {data['cores']} cores of {data['cpus']} logical processors"),
        ("threads", str(data["threads"])),
        *((f"device {device['name']}", device["model"]) for device in data["devices"]),
        *((f"backend {name}", backend["reason"] or "available") for name, backend in data["backends"].items()),
        *((f"{one['kind']} {one['name']}", one["problem"] or f"{one['object']} of {one['origin']}") for one in data["plugins"]),
    ]
    return format_table(("what", "value"), rows)
