"""``eqlab bench``: benchmarks of this machine."""

from experiments.commandline.group import lazy_group

bench = lazy_group(
    "bench",
    "Measure what computations cost on this machine.",
    {
        "train": "experiments.benchmarks.training:bench_train",
        "settle": "experiments.benchmarks.settling:bench_settle",
        "conv": "experiments.benchmarks.convolutions:bench_conv",
        "objectives": "experiments.benchmarks.objectives:bench_objectives",
        "spins": "experiments.benchmarks.spins:bench_spins",
        "boltzmann": "experiments.benchmarks.boltzmann:bench_boltzmann",
        "memory": "experiments.benchmarks.memory:bench_memory",
        "circuits": "experiments.benchmarks.circuits:bench_circuits",
    },
)
