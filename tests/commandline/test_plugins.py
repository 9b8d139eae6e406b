"""Plug-ins: the package of docs/how-to/plugins.md, broken ones, and names that clash."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Eqlab, Found, Refused
from example_package import files, install, register

from contrastive_core import plugins
from experiments.trials.engine import EngineError
from experiments.trials.worker import Work, pack, run_chunk

MODULES = tuple(name.removesuffix(".py") for name in files() if name.endswith(".py"))
TINY = ("--data", "two-moons", "--hidden", "4", "--epochs", "1", "--train-size", "32", "--quiet")


def forget() -> None:
    """Leave no trace of plug-ins in this process."""
    plugins.installed.cache_clear()
    plugins.use_modules(())
    plugins.forget()
    for name in [name for name in sys.modules if name in MODULES or name.startswith("wrong_")]:
        del sys.modules[name]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The documented package, installed as pip installs it."""
    place = install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.chdir(tmp_path)
    forget()
    yield place
    forget()


def outcome(found: Found, *arguments: str) -> dict[str, Any]:
    """Train, and return the metrics that do not depend on the machine."""
    metrics = found("train", *TINY, *arguments)
    return {name: metrics[name] for name in ("network", "test_error", "test_cost", "validation_error")}


@pytest.mark.usefixtures("site")
def test_the_documented_package_trains_and_its_use_is_recorded(eqlab: Eqlab, tmp_path: Path) -> None:
    """A result whose code cannot be found again is no result."""
    named = ("--rule", "noisy-ep", "--noise", "0.05", "--network", "tapered", "--tapered-depth", "3", "--cost", "pseudo-huber")
    result = eqlab("train", *named, "--data", "stripes", "--epochs", "1", "--quiet", "--json", "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["network"] == "16-8-4-2-2"
    (start,) = json.loads((tmp_path / "run" / "provenance.json").read_text())["starts"]
    used = {one["kind"]: one for one in start["plugins"]}
    assert set(used) == {"rule", "network", "cost", "data set"}
    assert {(one["package"], one["version"]) for one in used.values()} == {("eqlab-example", "1.2")}
    assert used["network"]["object"] == "tapered:TAPERED"
    assert all(len(one["digest"]) == 64 for one in used.values())


@pytest.mark.usefixtures("site")
def test_a_plug_in_gets_its_own_settings_and_no_other_rule_does(found: Found) -> None:
    """Without noise the rule is centered EP, digit for digit; with it, it is not, and the rules beside it are untouched."""
    plain = outcome(found, "--rule", "ep-centered")
    assert outcome(found, "--rule", "noisy-ep", "--noise", "0") == plain
    noisy = outcome(found, "--rule", "noisy-ep", "--noise", "2")
    assert noisy != plain
    both = found("compare", *TINY, "--rules", "noisy-ep,ep-centered", "--noise", "2", "--seeds", "1", "--engine", "process:1")
    trials = {rule: both["rules"][rule]["test_error"] for rule in both["rules"]} if "rules" in both else both
    assert json.dumps(plain["test_error"]) in json.dumps(trials)


def test_looking_at_a_run_imports_no_plug_in(site: Path, found: Found, eqlab: Eqlab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's run may name any module: to look at its results must not start a program."""
    assert eqlab("sweep", "new", "coins", "coin", "--grid", "bias=0,1", "--seeds", "2").exit_code == 0
    assert eqlab("sweep", "run", "coins", "--engine", "process:1", "--quiet").exit_code == 0
    forget()
    monkeypatch.syspath_prepend("")
    sys.path.remove(str(site))
    for command in (("sweep", "status", "coins"), ("report", "runs/coins"), ("runs", "list")):
        assert eqlab(*command).exit_code == 0
    summary = found("sweep", "collect", "coins")["summary"]
    assert "coin" not in sys.modules
    assert json.dumps(summary).count("100.0") >= 1  # heads of a coin that always shows them
    assert eqlab("sweep", "run", "coins").exit_code == 2  # to compute, it must be there


def test_broken_and_clashing_plug_ins_are_listed_beside_the_others(site: Path, found: Found, refused: Refused) -> None:
    """One broken package must not take the program away, nor a package replace what a paper's results were made with."""
    (site / "wrong_import.py").write_text("import nothing_of_that_name\n")
    register(site, "wrong", "0.1", {"eqlab.rules": {"wrong": "wrong_import:x", "backprop": "noisy_ep:noisy", "noisy-ep": "wrong_import:y"}})
    plugins.installed.cache_clear()
    listed = {(one["name"], one["origin"]): one["problem"] for one in found("info")["plugins"]}
    assert "No module named 'nothing_of_that_name'" in listed["wrong", "wrong 0.1"]
    assert "rename the plug-in" in listed["backprop", "wrong 0.1"]
    assert listed["tapered", "eqlab-example 1.2"] == listed["coin", "eqlab-example 1.2"] == ""
    assert "several plug-ins have a rule 'noisy-ep' (eqlab-example, wrong)" in listed["noisy-ep", "wrong 0.1"]
    assert "several plug-ins have a rule 'noisy-ep'" in refused("train", "--rule", "noisy-ep")
    assert "cannot be imported (ModuleNotFoundError" in refused("train", "--rule", "wrong")
    assert outcome(found, "--rule", "backprop") == outcome(found, "--rule", "backprop")


WRONG = {
    "has the name of a shipped one; rename it": ("RULES = {'backprop': None}", ("--plugin", "wrong_one", "--rule", "backprop")),
    "has no rule 'absent', and it has no table RULES": ("", ("--rule", "wrong_one:absent")),
    "has no rule 'absent', and its RULES are: mine": ("RULES = {'mine': 1}", ("--rule", "wrong_one:absent")),
    "the table RULES of the plug-in wrong_one has the type list": ("RULES = []", ("--plugin", "wrong_one")),
    "the table COSTS of the plug-in wrong_one has the type str": ("COSTS = 'x'", ("--rule", "wrong_one:x", "--plugin", "wrong_one")),
    "the table NETWORKS of the plug-in wrong_one has names that are no texts": ("NETWORKS = {1: 2}", ("--plugin", "wrong_one")),
    "the table DATASETS of the plug-in wrong_one is empty; give it an entry": ("DATASETS = {}", ("--plugin", "wrong_one")),
    "takes a module, got the file 'wrong_one.py'; go to its folder and give --plugin wrong_one": ("", ("--plugin", "wrong_one.py")),
    "takes a module, got the file './wrong_one'": ("", ("--plugin", "./wrong_one")),
    "'wrong_one:' is half the name of the rule; give MODULE:NAME": ("", ("--rule", "wrong_one:")),
    "':x' is half the name of the cost; give MODULE:NAME": ("", ("--cost", ":x")),
    "is no builder that maps a Setting to a Rule but of type int": ("x = 1", ("--rule", "wrong_one:x")),
    "cannot be imported (ZeroDivisionError": ("1 / 0", ("--plugin", "wrong_one")),
    "cannot be imported (SystemExit: 0)": ("raise SystemExit(0)", ("--plugin", "wrong_one")),
    "cannot be imported (ValueError: two lines)": ("raise ValueError('two\\nlines')", ("--plugin", "wrong_one")),
    "cannot be built from a Setting (TypeError": ("def x(): ...", ("--rule", "wrong_one:x")),
    "is no contrastive_core.networks.kind.NetworkKind": ("def x(): ...", ("--network", "wrong_one:x")),
    "has an option 'strength', and there is another of that name; rename it": (
        files()["noisy_ep.py"].replace("noise: Annotated", "strength: Annotated").replace("of(Reading).noise", "of(Reading).strength"),
        ("--rule", "wrong_one:noisy"),
    ),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_with_a_plug_in_is_one_sentence(
    words: str, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback of eqlab would be read as a fault of eqlab."""
    text, arguments = WRONG[words]
    (tmp_path / "wrong_one.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    try:
        assert words in refused("train", *arguments)
    finally:
        forget()


def test_a_module_gives_names_and_runs_keep_where_they_come_from(tmp_path: Path, found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run, or a worker, knows nothing of the command line that began it."""
    (tmp_path / "noisy_ep.py").write_text(files()["noisy_ep.py"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    try:
        found("train", *TINY, "--plugin", "noisy_ep", "--rule", "noisy-ep", "--noise", "0", "--out", tmp_path / "run")
        assert 'rule = "noisy_ep:noisy-ep"' in (tmp_path / "run" / "config.toml").read_text()
        again = found("train", *TINY, "--rule", "noisy_ep:noisy-ep", "--noise", "0", "--out", tmp_path / "run")
        assert again["rule"] == "noisy_ep:noisy-ep"
    finally:
        forget()


def test_workers_refuse_another_version_of_a_plug_in(site: Path) -> None:
    """Trials of two versions in one table would be compared as if only their settings differed."""
    plugins.note("experiment", "coin")
    packed = pack(Work("coin", {}), [])
    assert run_chunk(packed) == []
    module = site / "coin.py"
    module.write_text(module.read_text() + "# changed\n")
    with pytest.raises(EngineError, match="another version of the experiment 'coin'"):
        run_chunk(packed)


FILES = {
    "a rule": ('rule = "{0}:noisy"', ("train", "--config", "given.toml")),
    "a network": ('network = "{0}:x"', ("train", "--config=given.toml")),
    "a rule of a list": ('rules = ["backprop", "{0}:noisy"]', ("compare", "--config", "given.toml")),
    "a rule of a case": ('rule = "ep-centered"\ncost = "{0}:x"', ("train", "--config", "given.toml")),
    "an experiment": ('experiment = "{0}:EXPERIMENT"\nseeds = 2', ("sweep", "new", "s", "--file", "given.toml")),
    "a rule of a sweep": (
        'experiment = "train"\n[set]\ndata = "two-moons"\n[grid]\nrule = ["backprop", "{0}:noisy"]',
        ("sweep", "new", "s", "--file", "given.toml"),
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_runs_no_program_that_the_user_has_not_named(
    case: str, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a configuration that somebody sends runs the module that lies beside it."""
    text, arguments = FILES[case]
    module = f"sent_{list(FILES).index(case)}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / f"{module}.py").write_text("open('executed', 'w')\n" + files()["noisy_ep.py"])
    (tmp_path / "given.toml").write_text(text.format(module))
    try:
        words = refused(*arguments)
        assert "the configuration names the" in words
        assert f"which would run a program of its own; add --plugin {module} if you trust it" in words
        assert not Path("executed").exists()
    finally:
        forget()


@pytest.mark.parametrize("told", [("--plugin", "noisy_sent"), ("--rule", "noisy_sent:noisy-ep"), ("--set", "rule=noisy_sent:noisy-ep")])
def test_a_module_that_the_user_names_may_stand_in_a_file(
    told: tuple[str, ...], tmp_path: Path, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "noisy_sent.py").write_text(files()["noisy_ep.py"])
    (tmp_path / "given.toml").write_text('rule = "noisy_sent:noisy-ep"\n')
    try:
        assert found("train", *TINY, "--config", "given.toml", *told)["rule"] == "noisy_sent:noisy-ep"
    finally:
        forget()
