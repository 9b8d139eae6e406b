"""``import eqlab`` gives what its list says, at no cost, and the program runs beside anything that is called like its packages."""

import os
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from api_lines import summary
from sources import PACKAGES, ROOT

import eqlab

LINES = {line.split("`")[1]: line for line in (ROOT / "docs" / "api.md").read_text("utf-8").splitlines() if line.startswith("- `")}


def test_the_document_the_module_and_its_list_have_the_same_names() -> None:
    """If this fails, a name is public without being documented, or documented without being there."""
    assert list(eqlab.PUBLIC) == list(LINES)
    assert sorted(eqlab.PUBLIC) == sorted(eqlab.__all__) == dir(eqlab)
    assert len(LINES) > 50


@pytest.mark.parametrize("name", eqlab.PUBLIC)
def test_every_public_name_leads_to_what_the_document_says(name: str) -> None:
    """If this fails, a name leads nowhere or is described as something else; tests/by_hand/api_lines.py prints the lines."""
    assert summary(name) in (LINES[name], None)


def test_every_folder_with_modules_is_a_package() -> None:
    """If this fails, an installation lacks the folder: setuptools leaves out folders without ``__init__.py``."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    assert files
    assert [str(folder) for folder in {file.parent for file in files} if not (folder / "__init__.py").is_file()] == []


def test_tables_of_several_packages_are_one() -> None:
    """If this fails, a rule, a network or a dynamics cannot be found by its name."""
    assert {"ep-centered", "coupled-centered", "backprop"} <= set(eqlab.RULES)
    assert {"layered", "resistive"} <= set(eqlab.NETWORKS)
    assert {"forward", "anneal"} <= set(eqlab.DYNAMICS)


def test_an_unknown_name_is_refused_with_the_closest() -> None:
    """If this fails, a misspelt name is hard to find."""
    with pytest.raises(AttributeError, match="no public name 'Layerd'") as caught:
        eqlab.Layerd  # noqa: B018
    assert caught.value.name == "Layerd"
    assert caught.value.obj is eqlab


HOSTILE = 'raise RuntimeError("this file is not part of eqlab")\n'
SIZE = ["patterns=2", "size=64", "chains=4", "sweeps=60", "burn_in=20", "flow_sweeps=5"]


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty directory with files and folders that are called like our packages and come first on the path."""
    for file in ("experiments.py", "contrastive_core.py", "hebbian/__init__.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(HOSTILE)
    (tmp_path / "eqprop").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", str(ROOT)]))
    return tmp_path


def start(how: str, folder: Path) -> list[str]:
    """The command that starts the program: as the installed script does, or as a module."""
    if how == "module":
        return [sys.executable, "-m", "eqlab"]
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    module, function = setup["options.entry_points"]["console_scripts"].split("=")[1].strip().split(":")
    script = folder / "bin" / "eqlab"  # a folder of its own, as it is in an installation: Python puts it on the path
    script.parent.mkdir()
    script.write_text(f'import sys\nfrom {module} import {function}\nif __name__ == "__main__":\n    sys.exit({function}())\n')
    return [sys.executable, str(script)]


def output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("how", "engine"), [("script", "process:2"), ("module", "dask:2")])
def test_the_program_and_its_workers_run_beside_folders_of_the_same_names(how: str, engine: str, beside: Path) -> None:
    """If this fails, a folder called experiments in the current directory stops every command, or every worker."""
    program = start(how, beside)
    output([*program, "sweep", "new", "mine", "recall", "--seeds", "2", *(part for pair in SIZE for part in ("--set", pair))])
    output([*program, "sweep", "run", "mine", "--engine", engine])
    assert "2 of 2 trials done" in output([*program, "sweep", "status", "mine"])


def test_those_files_would_be_found_without_it(beside: Path) -> None:
    """A control: the path of the tests above does lead to the wrong packages."""
    done = subprocess.run([sys.executable, "-c", "import experiments.cli"], capture_output=True, text=True, check=False, timeout=60)
    assert "this file is not part of eqlab" in done.stderr


def test_a_script_that_imports_eqlab_keeps_its_own_experiments(beside: Path) -> None:
    """If this fails, eqlab takes a name from its user that only its program needs."""
    (beside / "experiments.py").write_text("NUMBER = 7\n")
    (beside / "mine.py").write_text("import eqlab\nimport experiments\nprint(len(eqlab.RULES), experiments.NUMBER)\n")
    assert output([sys.executable, "mine.py"]).split() == [str(len(eqlab.RULES)), "7"]


def test_a_name_that_is_taken_is_refused_in_a_sentence(beside: Path) -> None:
    """If this fails, a module of the user's stands for one of ours, and the errors come from anywhere."""
    (beside / "contrastive_core.py").write_text("")
    code = "import contrastive_core, eqlab"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert re.search(r"ImportError: eqlab needs the name 'contrastive_core', which \S+contrastive_core.py took first", done.stderr)
