"""The program ``eqlab``: finds the command, imports it when it is used, and ends with one sentence and an exit code when it fails."""

import click

from experiments.commandline.group import Group, show_help

COMMANDS = {
    "basins": "experiments.hopfield.basins:basins_command",
    "bench": "experiments.benchmarks.commands:bench",
    "capacity": "experiments.hopfield.capacity:capacity_command",
    "compare": "experiments.learning.compare:compare_command",
    "contrast": "experiments.representations.contrast:contrast_command",
    "data": "experiments.installation.data:data",
    "device": "experiments.hardware.device:device",
    "gradients": "experiments.learning.gradients:gradients_command",
    "hardware": "experiments.hardware.hardware:hardware_command",
    "info": "experiments.installation.info:info",
    "ising": "experiments.hardware.ising:ising_command",
    "learn": "experiments.hopfield.learn:learn_command",
    "match": "experiments.representations.match:match_command",
    "objectives": "experiments.representations.objectives:objectives_command",
    "phase": "experiments.hopfield.phase:phase_command",
    "recall": "experiments.hopfield.recall:recall_command",
    "report": "experiments.report.commands:report_command",
    "runs": "experiments.runs.commands:runs",
    "spice": "experiments.hardware.spice:spice_command",
    "sweep": "experiments.sweeps.commands:sweep",
    "train": "experiments.learning.train:train_command",
    "tune": "experiments.learning.tune:tune_command",
    "watch": "experiments.report.watch:watch_command",
}
"""Every command as ``"module:object"``; listing one here is all that it takes, and its module imports nothing heavy at its top."""


_SETTINGS = {"max_content_width": 120, "help_option_names": ["-h", "--help"]}


@click.group("eqlab", cls=Group, lazy=COMMANDS, invoke_without_command=True, context_settings=_SETTINGS)
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
    cli.main(prog_name="eqlab")
