"""Names of other programs are translated in the messages that refuse them."""

from __future__ import annotations

import click
import command_line
import pytest

import eqlab as public
from contrastive_core.data.catalog import CATALOG
from contrastive_core.errors import UnknownNameError
from contrastive_core.familiar import FAMILIAR, translated
from contrastive_core.registry import Table, unknown_name
from experiments.cli import cli

TABLES: dict[str, Table[object]] = {
    "activation": public.ACTIVATIONS,
    "cost": public.COSTS,
    "rule": public.RULES,
    "network": public.NETWORKS,
    "dynamics": public.DYNAMICS,
    "optimiser": public.OPTIMISERS,
}
NAMES = {kind: set(table) for kind, table in TABLES.items()} | {"data set": set(CATALOG)}


def options(*commands: str) -> set[str]:
    """All long options of commands, without dashes."""
    context = click.Context(cli)
    found = [command for name in commands if (command := cli.get_command(context, name))]
    return {name.removeprefix("--") for command in found for option in command.params for name in option.opts}


def test_every_familiar_name_leads_to_one_of_ours_and_hides_none() -> None:
    """If this fails, a message sends its reader to a name that does not exist, or calls one of ours unknown."""
    assert set(FAMILIAR) == {"option", *NAMES}
    known = NAMES | {"option": options("train", "compare")}
    for kind, names in FAMILIAR.items():
        assert {ours for ours in names.values() if ours not in known[kind]} == set()
        assert {name for name in names if name in known[kind]} == set()
        assert {name for name in names if name != name.lower() or "_" in name} == set()


@pytest.mark.parametrize("name", FAMILIAR["option"])
def test_every_familiar_option_is_translated(name: str, refused: command_line.Refused) -> None:
    """If this fails, somebody who comes from another program has to search the help."""
    command = "train" if FAMILIAR["option"][name] in options("train") else "compare"
    said = refused(command, f"--{name}", "0.1")
    assert f"no such option --{name}: it is --{FAMILIAR['option'][name]} here" in said


@pytest.mark.parametrize("kind", TABLES)
def test_every_familiar_name_is_translated_in_its_table(kind: str) -> None:
    """If this fails, ``relu`` or ``mse`` is refused with a list to search."""
    for name, ours in FAMILIAR[kind].items():
        for spelt in (name, name.upper(), name.replace("-", "_")):
            with pytest.raises(UnknownNameError, match=f"unknown {kind} '{spelt}'; it is '{ours}' here"):
                TABLES[kind][spelt]


def test_settings_and_data_sets_are_translated_too(refused: command_line.Refused) -> None:
    """If this fails, a configuration gets less help than a flag."""
    assert "unknown option lr (by --set); it is 'learning_rates' here" in refused("train", "--set", "lr=0.1")
    assert "it is 'batch_size' here" in refused("train", "--set", "batch=8")
    assert "it is 'ep-centered' here" in refused("train", "--rule", "ep")
    assert "it is 'two-moons' here" in refused("train", "--data", "moons")
    assert "it is 'squared-error' here" in refused("compare", "--cost", "mse")


def test_other_names_keep_their_hints(refused: command_line.Refused) -> None:
    """A control: a translation is given only where the command has the option, and near misses are still found."""
    assert "here" not in refused("recall", "--lr", "0.1")
    assert "--strength" in refused("train", "--strenght", "0.1")
    assert translated("option", "lr", ["strength"]) is None
    assert translated("rule", "ep-centred", ["ep-centered"]) is None
    assert "did you mean 'ep-centered'" in str(unknown_name("rule", "ep-centred", ["ep-centered"]))
