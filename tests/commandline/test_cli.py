"""The program: what it imports, how it ends, and that flags, help and messages follow from the options."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result
from pydantic import Field

from contrastive_core.errors import BackendError, ConvergenceError, InputError
from contrastive_core.kernels import PLACES
from contrastive_core.registry import Table
from experiments.cli import COMMANDS, cli
from experiments.commandline.exits import TrialsFailedError
from experiments.commandline.flags import command
from experiments.commandline.group import Group
from experiments.commandline.interruption import InterruptedRunError, resumable
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf, Positional
from experiments.commandline.options import CommandOptions, Options
from experiments.runs.directory import RunDirectory
from experiments.runs.kept import is_begun

RULES: Table[object] = Table("rule", {"ep-centered": "no.such.module:rule", "backprop": "no.such.module:other"})


class Optimiser(Options):
    rate: float = Field(0.1, gt=0, description="Step size.")


class Demo(CommandOptions):
    rules: Annotated[tuple[Annotated[str, OneOf("rule", RULES)], ...], Positional()] = ("backprop",)
    hidden: tuple[int, ...] = Field((512, 64), description="Units per hidden layer.")
    rule: Annotated[str, OneOf("rule", RULES)] = Field("ep-centered", description="How to learn.")
    bias: bool = Field(True, description="Whether units have one.")
    clip: float | None = Field(None, description="Largest gradient.")
    limit: int | str = Field("all", description="Samples to use.")
    optimiser: Optimiser = Optimiser()


def demo_program(act: Callable[[Demo, Invocation], None] | None = None) -> Group:
    @command(Demo, "demo")
    def demo(options: Demo, invocation: Invocation) -> None:
        """Show what arrived.

        Parameters
        ----------
        options : Demo
            Hidden from the help.
        """
        if act is not None:
            act(options, invocation)
        invocation.note("working")
        invocation.warn("careful")
        invocation.result({"options": options.resolved(), "argv": invocation.argv, "threads": invocation.threads}, "a table")

    return Group("eqlab", commands=[demo])


def run(*arguments: str, act: Callable[[Demo, Invocation], None] | None = None) -> Result:
    return CliRunner().invoke(demo_program(act), ["demo", *arguments])


def options_of(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["options"]


def test_flags_override_the_file_and_are_overridden_by_assignments(tmp_path: Path) -> None:
    config = tmp_path / "demo.toml"
    config.write_text("hidden = [3]\nbias = false\nseed = 4\n[optimiser]\nrate = 0.5\n")
    assert options_of("--config", str(config), "--hidden", "32,16", "--clip", "2", "--limit", "5", "--set", "clip=none") == {
        "rules": ["backprop"],
        "hidden": [32, 16],
        "rule": "ep-centered",
        "bias": False,
        "clip": "none",
        "limit": 5,
        "optimiser": {"rate": 0.5},
        "seed": 4,
    }
    assert options_of("--config", str(config), "--bias", "--optimiser-rate", "1e-3", "backprop", "ep-centered") == {
        "rules": ["backprop", "ep-centered"],
        "hidden": [3],
        "rule": "ep-centered",
        "bias": True,
        "clip": "none",
        "limit": "all",
        "optimiser": {"rate": 0.001},
        "seed": 4,
    }


def test_help_shows_every_option_with_its_default_and_names() -> None:
    text = " ".join(run("--help").stdout.split())
    assert "[RULES]..." in text
    assert "--hidden INTEGER,... Units per hidden layer. [default: 512,64]" in text
    assert "--rule NAME How to learn. One of: ep-centered, backprop. [default: ep-centered]" in text
    assert "--bias / --no-bias Whether units have one. [default: yes]" in text
    assert "--clip NUMBER Largest gradient. [default: none]" in text
    assert "--optimiser-rate NUMBER Step size. [default: 0.1]" in text
    assert "Show what arrived." in text
    assert "Hidden from the help" not in text
    for flag in ("--config FILE", "--set KEY=VALUE", "--seed INTEGER", "--out DIR", "--json", "--quiet", "--threads INTEGER"):
        assert flag in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--hidden", "4,x"], "item 2 of --hidden must be a valid integer, got 'x'"),
        (["--optimiser-rate", "-1"], "--optimiser-rate must be greater than 0, got -1.0"),
        (["--rule", "backprob"], "--rule: unknown rule 'backprob'; did you mean 'backprop'? choose one of: ep-centered, backprop"),
        (["ep"], "item 1 of RULES: unknown rule 'ep'; it is 'ep-centered' here; choose one of: ep-centered, backprop"),
        (["--seed", "-3"], "--seed must be greater than or equal to 0, got -3"),
        (["--set", "hiden=3"], "unknown option hiden (by --set); did you mean 'hidden'?"),
        (["--config", "nowhere.toml"], "there is no file 'nowhere.toml'; configurations that need no file are: binary-digits, "),
        (["--config", "."], "'.' is a folder and no TOML file; configurations that need no file are: binary-digits, "),
        (["--config", "ising-digit"], "there is no file 'ising-digit'; did you mean 'ising-digits'? configurations"),
        (["--threads", "0"], "invalid value for '--threads'"),
        (["--threads", "100000"], "invalid value for '--threads': 100000 is not in the range 1<=x<=1024"),
        (["--nonsense"], "no such option '--nonsense'"),
    ],
)
def test_a_wrong_flag_is_one_sentence_and_exit_code_2(arguments: list[str], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("eqlab: error: ")
    assert sentence.lower() in result.stderr.lower()
    assert "Traceback" not in result.stderr


def test_json_is_alone_on_stdout_and_quiet_leaves_only_warnings() -> None:
    loud, quiet, table = run("--json"), run("--json", "--quiet"), run()
    json.loads(loud.stdout)
    assert loud.stderr == "working\neqlab: warning: careful\n"
    assert quiet.stderr == "eqlab: warning: careful\n"
    assert table.stdout == "a table\n"


def test_an_invocation_knows_its_command_line_and_threads() -> None:
    data = json.loads(run("--json", "--threads", "3").stdout)
    assert data["argv"] == ["demo", "--json", "--threads", "3"]
    assert data["threads"] == 3
    assert 1 <= json.loads(run("--json").stdout)["threads"] <= len(os.sched_getaffinity(0))


def test_progress_is_shown_on_terminals_only_and_threads_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int | None] = []
    monkeypatch.setattr("experiments.commandline.flags.limit_threads", counts.append)

    def work(options: Demo, invocation: Invocation) -> None:
        for terminal in (False, True):
            monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)  # noqa: B023, used at once
            with invocation.progress(3, "epochs", done=1) as bar:
                bar.set_postfix_str("error 0.5")
                bar.update(2)

    bar = run("--threads", "3", act=work).stderr.partition("working")[0]
    assert bar.count("error 0.5") == 1
    assert "epochs:" in bar
    assert "1/3" in bar
    assert run("--quiet", act=work).stderr == "eqlab: warning: careful\n"
    assert counts == [3, None]


def test_more_threads_than_cores_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a command is many times slower than it could be, and says nothing."""
    monkeypatch.setattr("experiments.commandline.flags.limit_threads", lambda count: None)
    monkeypatch.setattr("experiments.commandline.invocation.available_cores", lambda: 2)

    def work(options: Demo, invocation: Invocation) -> None:
        invocation.warn_of_threads()

    assert "--threads 3 is more than the 2 cores" in run("--threads", "3", act=work).stderr
    assert "more than" not in run("--threads", "2", act=work).stderr


def test_names_are_completed_in_a_shell_also_within_a_list() -> None:
    completion = ShellComplete(demo_program(), {}, "eqlab", "_EQLAB_COMPLETE")
    assert [item.value for item in completion.get_completions(["demo", "--rule"], "ep")] == ["ep-centered"]
    assert [item.value for item in completion.get_completions(["demo"], "backprop,e")] == ["backprop,ep-centered"]


def test_two_options_with_one_flag_are_refused_when_the_command_is_made() -> None:
    class Clash(CommandOptions):
        out: str = ""

    with pytest.raises(TypeError, match=r"share a flag: \['--out'"):
        command(Clash, "clash")(lambda options, invocation: None)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (InputError("bad"), 2, "bad"),
        (BackendError("no such backend"), 2, "no such backend"),
        (ConvergenceError("residual 3"), 1, "residual 3"),
        (TrialsFailedError("2 of 5 trials failed"), 3, "2 of 5 trials failed"),
        (PermissionError(13, "Permission denied", "/x"), 1, "Permission denied: /x"),
        (click.UsageError("Wrong."), 2, "wrong; see 'eqlab demo --help'"),
        (click.ClickException("broken"), 1, "broken"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_kind_of_error_has_its_exit_code_and_one_sentence(error: BaseException, code: int, sentence: str) -> None:
    def fail(options: Demo, invocation: Invocation) -> None:
        raise error

    result = run(act=fail)
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.lstrip("\n") == f"eqlab: error: {sentence}\n"
    traced = CliRunner(env={"EQLAB_DEBUG": "1"}).invoke(demo_program(fail), ["demo"])
    assert "Traceback" in traced.stderr
    assert traced.exit_code == code
    assert "Traceback" in run("--debug", act=fail).stderr


def test_a_bug_of_ours_keeps_its_traceback() -> None:
    def fail(options: Demo, invocation: Invocation) -> None:
        raise ZeroDivisionError

    assert isinstance(run(act=fail).exception, ZeroDivisionError)


def test_an_interrupted_run_tells_how_to_go_on() -> None:
    def stop(options: Demo, invocation: Invocation) -> None:
        with resumable(invocation.resume_command(Path("runs/a"))):
            raise KeyboardInterrupt

    result = run("--seed", "3", act=stop)
    assert result.exit_code == 130
    assert result.stderr == "eqlab: error: interrupted; continue with: eqlab demo --seed 3 --out runs/a\n"


@pytest.mark.parametrize("kept", ["nothing", "folder", "journal", "trial", "checkpoint", "damage"])
def test_an_interruption_says_continue_only_if_something_is_kept(kept: str, tmp_path: Path) -> None:
    """If this fails, a user expects to go on from an epoch that was never written, or believes that results are lost."""
    run = RunDirectory(tmp_path / "r")
    if kept != "nothing":
        run.checkpoints.mkdir(parents=True)
    if kept in ("journal", "trial"):
        with run.journal() as journal:
            journal.plan([("a", {}, 0)])
            if kept == "trial":
                with journal.transaction():
                    journal.connection.execute("UPDATE trials SET status = 'failed'")
    elif kept == "checkpoint":
        (run.checkpoints / "a").touch()
    elif kept == "damage":
        run.journal_file.write_bytes(b"no journal")
    words = "continue with" if kept in ("trial", "checkpoint", "damage") else "before anything was recorded; start again with"
    with pytest.raises(InterruptedRunError, match=rf"^interrupted;? {words}: eqlab x$"), resumable("eqlab x", lambda: is_begun(run)):
        raise KeyboardInterrupt


def test_control_c_ends_a_process_with_130() -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom experiments.cli import Group\n"
        "from experiments.commandline.interruption import resumable\n"
        "from experiments.commandline.flags import command\nfrom experiments.commandline.options import CommandOptions\n"
        "@command(CommandOptions, 'wait')\n"
        "def wait(options, invocation):\n"
        "    'Wait.'\n"
        "    with resumable(invocation.resume_command(Path('here'))):\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "Group('eqlab', commands=[wait]).main()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, "wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr == "eqlab: error: interrupted; continue with: eqlab wait --out here\n"


def test_help_imports_nothing_heavy() -> None:
    """Every command's own help included; otherwise asking for help takes seconds."""
    script = (
        "import sys, click\n"
        "from experiments.cli import cli\n"
        "def walk(group, path):\n"
        "    cli.main([*path, '--help'], prog_name='eqlab', standalone_mode=False)\n"
        "    if isinstance(group, click.Group):\n"
        "        context = click.Context(group)\n"
        "        for name in group.list_commands(context):\n"
        "            walk(group.get_command(context, name), [*path, name])\n"
        "walk(cli, [])\n"
        "slow = {'torch', 'numba', 'matplotlib', 'scipy', 'numpy', 'sklearn', 'pooch', 'dask', 'distributed', 'xarray', 'pandas'}\n"
        "heavy = slow & set(sys.modules)\n"
        "sys.exit(f'help imports {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: eqlab data fetch" in done.stdout
    assert all(f"Usage: eqlab {name}" in done.stdout for name in COMMANDS)


def test_the_installed_program_runs() -> None:
    program = Path(sys.executable).with_name("eqlab")
    assert subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.startswith("eqlab 0.")
    done = subprocess.run([program, "data", "list", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["datasets"]["digits"]["num_classes"] == 10
    wrong = subprocess.run([program, "inof"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("eqlab: error: unknown command 'inof'; did you mean 'info'?")


def test_without_a_command_the_help_is_shown() -> None:
    result = CliRunner().invoke(cli, [])
    assert result.exit_code == 0
    assert all(name in result.stdout for name in COMMANDS)


def test_letters_that_a_terminal_lacks_do_not_stop_a_command() -> None:
    script = "from experiments.commandline.output import say; say('0.1 ± 0.2 日')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0.1 ? 0.2 ?\n"


def test_info_names_versions_devices_and_backends(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["info", "--json", "--threads", "1", "--out", str(tmp_path / "new")])
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert data["versions"]["python"] == sys.version.split()[0]
    assert data["threads"] == 1
    assert data["devices"][0]["name"] == "cpu"
    assert data["backends"]["torch"] == {"available": True, "reason": ""}
    assert set(data["backends"]) == {"torch", *PLACES}
    assert json.loads((tmp_path / "new" / "info.json").read_text()) == data
    table = CliRunner().invoke(cli, ["info"]).stdout
    assert "backend numba" in table
    assert data["processor"] in table


def test_a_result_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = CliRunner().invoke(cli, ["data", "list", "--out", str(tmp_path / "file" / "x")])
    assert result.exit_code == 2
    assert result.stderr.endswith("(Not a directory); choose another --out\n")


def test_data_list_shows_every_data_set() -> None:
    from contrastive_core.data.catalog import CATALOG

    lines = CliRunner().invoke(cli, ["data", "list"]).stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(CATALOG)


def test_data_verify_reports_each_file_and_fails_on_any_that_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3]))
    result = CliRunner().invoke(cli, ["data", "verify", "mnist", "--data-dir", str(tmp_path), "--json"])
    assert result.exit_code == 2
    files = json.loads(result.stdout)["datasets"]["mnist"]
    assert files["train-labels-idx1-ubyte"]["num_samples"] == 3
    assert files["train-labels-idx1-ubyte"]["published"] is False
    assert files["train-images-idx3-ubyte"]["path"] is None
    assert "4 of 4 files cannot be relied on" in result.stderr


def test_data_fetch_needs_a_name_and_does_not_overwrite_another_file(tmp_path: Path) -> None:
    assert CliRunner().invoke(cli, ["data", "fetch", "digits"]).stdout == "nothing to download\n"
    nameless = CliRunner().invoke(cli, ["data", "fetch"])
    assert nameless.exit_code == 2
    assert "name one or more of: mnist" in nameless.stderr
    mine = tmp_path / "train-images-idx3-ubyte"
    mine.write_bytes(b"mine")
    result = CliRunner().invoke(cli, ["data", "fetch", "mnist", "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "not the published file of 'mnist'" in result.stderr
    assert mine.read_bytes() == b"mine"
