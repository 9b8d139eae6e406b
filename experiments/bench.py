"""``eqlab bench``: what things cost on this machine."""

import click

from experiments.bench_circuits import bench_circuits
from experiments.bench_objectives import bench_objectives
from experiments.bench_settle import bench_settle
from experiments.bench_spins import bench_spins
from experiments.cli import Group, show_help

bench = Group(
    "bench",
    commands=[bench_circuits, bench_objectives, bench_settle, bench_spins],
    help="Measure what computations cost on this machine.",
    invoke_without_command=True,
    callback=click.pass_context(show_help),
)
