"""``eqlab bench``: what things cost on this machine."""

import click

from experiments.benchmarks.circuits import bench_circuits
from experiments.benchmarks.objectives import bench_objectives
from experiments.benchmarks.settling import bench_settle
from experiments.benchmarks.spins import bench_spins
from experiments.commandline.group import Group, show_help

bench = Group(
    "bench",
    commands=[bench_circuits, bench_objectives, bench_settle, bench_spins],
    help="Measure what computations cost on this machine.",
    invoke_without_command=True,
    callback=click.pass_context(show_help),
)
