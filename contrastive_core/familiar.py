"""Names that other programs use for what has another name here; messages about unknown names translate them."""

from collections.abc import Collection

FAMILIAR: dict[str, dict[str, str]] = {
    "option": {
        "lr": "learning-rates",
        "learning-rate": "learning-rates",
        "beta": "strength",
        "nudging": "strength",
        "nudge": "strength",
        "eta": "fraction",
        "optimizer": "optimiser",
        "optim": "optimiser",
        "batch": "batch-size",
        "bs": "batch-size",
        "wd": "weight-decay",
        "mu": "momentum",
        "scheduler": "schedule",
        "lr-scheduler": "schedule",
        "gamma": "decay",
        "grad-clip": "clip-norm",
        "max-norm": "clip-norm",
        "early-stopping": "patience",
        "num-epochs": "epochs",
        "n-epochs": "epochs",
        "hidden-size": "hidden",
        "sizes": "hidden",
        "model": "network",
        "arch": "network",
        "dataset": "data",
        "data-path": "data-dir",
        "root": "data-dir",
        "loss": "cost",
        "criterion": "cost",
        "algorithm": "rule",
        "method": "rule",
        "algo": "rule",
        "nonlinearity": "activation",
        "act": "activation",
        "tol": "tolerance",
        "eps": "tolerance",
        "max-iter": "budget",
        "iterations": "budget",
        "t1": "budget",
        "t2": "nudged-budget",
        "solver": "dynamics",
        "dt": "step",
        "precision": "dtype",
        "random-state": "seed",
        "num-seeds": "seeds",
        "gpu": "device",
        "cuda": "device",
        "formats": "figure-format",
        "output": "out",
        "output-dir": "out",
        "workers": "engine",
        "num-workers": "engine",
        "jobs": "engine",
    },
    "activation": {
        "relu": "clipped-relu",
        "relu6": "clipped-relu",
        "sigmoid": "logistic",
        "hardtanh": "hard-sigmoid",
        "identity": "linear",
    },
    "cost": {
        "mse": "squared-error",
        "l2": "squared-error",
        "ce": "cross-entropy",
        "xent": "cross-entropy",
        "nll": "cross-entropy",
        "simclr": "nt-xent",
    },
    "rule": {
        "ep": "ep-centered",
        "eqprop": "ep-centered",
        "equilibrium-propagation": "ep-centered",
        "symmetric-ep": "ep-centered",
        "bptt": "unrolled",
        "bp": "backprop",
        "backpropagation": "backprop",
        "chl": "contrastive-hebbian",
        "coupled-learning": "coupled-positive",
        "cl": "coupled-positive",
        "rbp": "recurrent-backprop",
        "almeida-pineda": "recurrent-backprop",
        "ift": "implicit",
    },
    "network": {"mlp": "layered", "hopfield": "layered", "drn": "resistive", "kuramoto": "oscillator", "snn": "spiking", "bnn": "binary"},
    "dynamics": {"euler": "gradient-flow", "gauss-seidel": "forward", "jacobi": "synchronous", "nesterov": "momentum"},
    "optimiser": {"momentum": "sgd"},
    "data set": {"moons": "two-moons", "fmnist": "fashion-mnist"},
}
"""Our name by the familiar one, for each kind of name; ``option`` holds options of commands."""


def translated(kind: str, name: str, known: Collection[str]) -> str | None:
    """Return what a familiar name is called here.

    Parameters
    ----------
    kind : str
        Kind of the name, a key of ``FAMILIAR`` or any other kind.
    name : str
        Name that was not found; case and underscores do not count.
    known : collection of str
        Names that can be used.

    Returns
    -------
    str or None
        Our name; None where there is none, or it is not among the known ones.
    """
    found = FAMILIAR.get(kind, {}).get(name.lower().replace("_", "-"))
    return found if found in known else None
