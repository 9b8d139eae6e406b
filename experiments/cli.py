"""The program ``eqlab``: finds the command, imports it when it is used, and ends with one sentence and an exit code when it fails."""

import os

import click

from experiments.commandline.group import Group, show_help
from experiments.commandline.interruption import interruptible

SUBJECTS = {
    "Learning": {
        "train": "experiments.learning.train:train_command",
        "compare": "experiments.learning.compare:compare_command",
        "gradients": "experiments.learning.gradients:gradients_command",
        "tune": "experiments.learning.tune:tune_command",
        "predict": "experiments.hardware.predict:predict_command",
        "thermal": "experiments.thermal.thermal:thermal_command",
        "show": "experiments.interactive.show:show_command",
    },
    "Representations": {
        "contrast": "experiments.representations.contrast:contrast_command",
        "match": "experiments.representations.match:match_command",
        "objectives": "experiments.representations.objectives:objectives_command",
    },
    "Hopfield memories": {
        "recall": "experiments.hopfield.recall:recall_command",
        "phase": "experiments.hopfield.phase:phase_command",
        "capacity": "experiments.hopfield.capacity:capacity_command",
        "basins": "experiments.hopfield.basins:basins_command",
        "learn": "experiments.hopfield.learn:learn_command",
    },
    "Generative models": {
        "boltzmann": "experiments.boltzmann.boltzmann:boltzmann_command",
        "modes": "experiments.boltzmann.modes:modes_command",
        "joint": "experiments.joint.joint:joint_command",
    },
    "Hardware": {
        "hardware": "experiments.hardware.hardware:hardware_command",
        "device": "experiments.hardware.device:device",
        "spice": "experiments.hardware.spice:spice_command",
        "ising": "experiments.hardware.ising:ising_command",
    },
    "Published results": {
        "reproduce": "experiments.published.command:reproduce_command",
        "papers": "experiments.papers.command:papers_command",
        "cite": "experiments.papers.cite:cite_command",
    },
    "Runs and sweeps": {
        "runs": "experiments.runs.commands:runs",
        "report": "experiments.report.commands:report_command",
        "watch": "experiments.report.watch:watch_command",
        "export": "experiments.hardware.export:export_command",
        "sweep": "experiments.sweeps.commands:sweep",
    },
    "Installation": {
        "info": "experiments.installation.info:info",
        "data": "experiments.installation.data:data",
        "bench": "experiments.benchmarks.commands:bench",
    },
}
"""Every command as ``"module:object"`` under its subject, in the order of ``eqlab --help``; a line here is all that a command needs, and
its module imports nothing heavy at its top."""

COMMANDS = {name: place for commands in SUBJECTS.values() for name, place in commands.items()}

_SETTINGS = {"max_content_width": 120, "help_option_names": ["-h", "--help"]}


@click.group("eqlab", cls=Group, subjects=SUBJECTS, invoke_without_command=True, context_settings=_SETTINGS)
@click.version_option(package_name="eqlab", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, expose_value=False, help="Show where an error comes from; so does EQLAB_DEBUG=1.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Energy-based and local learning beside backpropagation.

    Results go to stdout, progress to stderr. Exit codes: 0 done, 1 the run failed, 2 wrong usage or configuration, 3 some trials
    failed, 130 interrupted.
    """
    show_help(ctx)


def main() -> None:
    """Run the program as installed."""
    # A notebook sets a backend for its own figures, with which matplotlib cannot be imported here; the program shows no windows.
    os.environ.pop("MPLBACKEND", None)
    with interruptible():
        cli.main(prog_name="eqlab")
