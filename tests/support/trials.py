"""Experiments for tests of the machinery: quick, without torch, failing and dying on request."""

import os
import signal
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from experiments.commandline.options import CommandOptions
from experiments.trials.experiment import Experiment, Metric, Outcome


class ToyOptions(CommandOptions):
    x: float = Field(0.0, description="Added to the value.")
    layers: tuple[int, ...] = (1,)
    name: str = "a"
    how: Literal["well", "raise", "refuse", "die"] = "well"
    seconds: float = Field(0.0, description="Sleep so long.")
    busy: float = Field(0.0, description="Compute so long.")
    once: str | None = Field(None, description="A file: go wrong only if it is not there, and make it.")
    arrays: bool = False
    epochs: int = 0


def trial(options: ToyOptions, seed: int) -> Outcome:
    time.sleep(options.seconds)
    until = time.perf_counter() + options.busy
    while time.perf_counter() < until:
        pass
    if options.how != "well" and (options.once is None or not Path(options.once).exists()):
        if options.once is not None:
            Path(options.once).touch()
        go_wrong(options)
    history = [{"epoch": epoch, "value": options.x / (epoch + 1)} for epoch in range(options.epochs)]
    arrays = {}
    if options.arrays:
        import numpy as np

        arrays = {"path": np.full(3, options.x)}
    metrics = {"value": options.x + seed % 1000, "count": len(options.layers), "seconds_used": time.time(), "name_of": options.name.upper()}
    return Outcome(metrics, history, arrays)


def go_wrong(options: ToyOptions) -> None:
    if options.how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if options.how == "refuse":
        from contrastive_core.errors import DivergenceError

        raise DivergenceError(f"no minimum at x = {options.x}")
    raise ZeroDivisionError("x is not to be divided by")


METRICS = {"value": Metric("x and the seed", "volt"), "seconds_used": Metric("the clock", "second", timing=True)}
EXPERIMENT = Experiment(ToyOptions, trial, METRICS, headline=("value",))
