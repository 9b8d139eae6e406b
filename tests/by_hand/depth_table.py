"""Measure how many digits of the first layer's gradient survive depth, and draw ``docs/images/depth.svg`` and ``depth-layers.svg``.

By hand: ``python tests/by_hand/depth_table.py`` prints the tables of docs/depth.md and draws its figures, in a few minutes.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import torch
from matplotlib import pyplot as plt

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Settling
from contrastive_core.types import Batch, Gradients
from eqprop.rule import EquilibriumPropagation

DEPTHS, SCALES, STRENGTHS, GAINS = (1, 2, 4, 6, 10), (0.1, 0.01), (0.1, 1e-2, 1e-3, 1e-4), {"hard-sigmoid": 0.9, "tanh": 1.2}
FREE, SECOND = Stop(1e-6, 60), Stop(1e-4, 60)


def tower(unit: str, depth: int, scale: float, dtype: torch.dtype) -> tuple[Layered, Batch]:
    """Return 64-128^depth-10 and 16 samples, equal in both precisions."""
    generator = torch.Generator().manual_seed(0)
    network = Layered((64, *[128] * depth, 10), activation=unit, energy_scale=scale, gain=GAINS[unit], generator=generator)
    batch = Batch(torch.rand(16, 64, generator=generator), torch.randint(10, (16,), generator=generator))
    return network.to(dtype), batch._replace(inputs=batch.inputs.to(dtype))


def by_states(network: Layered, batch: Batch, strength: float) -> Gradients:
    """Return the contrast of two nudged states, as it was estimated in the old coordinates."""
    clamped, nudge = network.clamp(batch.inputs), strength * network.stiffness[-1]
    with torch.no_grad():
        free = relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(None, 40)).state
        plus, minus = (
            relax(clamped, free, BlockDescent("backward"), Stop(None, 40), Nudge(SquaredError(), batch, sign * nudge)).state
            for sign in (1, -1)
        )
        return network.energy_gradient(plus, clamped, minus, 1 / (2 * nudge))


def cosine(found: Gradients, exact: Gradients, layer: int = 1) -> float:
    """Return the cosine of a layer's weights, by default the first one's."""
    ours, wanted = (gradients[f"weight_{layer}"].double().flatten() for gradients in (found, exact))
    return float(torch.nn.functional.cosine_similarity(ours, wanted, dim=0))


def by_differences(network: Layered, batch: Batch, strength: float) -> Gradients:
    """Return the estimate of centered equilibrium propagation in difference coordinates."""
    rule = EquilibriumPropagation(SquaredError(), Settling(free=FREE, second=SECOND), strength)
    return rule.estimate(network, batch).gradients


def exact_gradients(network: Layered, batch: Batch) -> Gradients:
    """Return the gradients by implicit differentiation."""
    return Implicit(SquaredError(), Settling(free=Stop(1e-13, 400))).estimate(network, batch).gradients


def shown(single: float, double: float) -> str:
    """Write a cosine in float32, and beside one below .999 that in float64: where both agree, it is bias and not rounding."""
    return f"{single:.4f}" if single >= 0.999 else f"{single:.4f} ({double:.4f})"


def measure(unit: str, depth: int, scale: float) -> tuple[dict[str, list[float]], float]:
    """Return the cosines at every strength, by what they were computed with, and that of states in float64 at the largest."""
    network, batch = tower(unit, depth, scale, torch.float64)
    exact = exact_gradients(network, batch)
    precise = cosine(by_states(network, batch, STRENGTHS[0]), exact)
    found: dict[str, list[float]] = {"states": [], "differences": []}
    found["float64"] = [cosine(by_differences(network, batch, strength), exact) for strength in STRENGTHS]
    network, batch = tower(unit, depth, scale, torch.float32)
    for strength in STRENGTHS:
        found["states"].append(cosine(by_states(network, batch, strength), exact))
        found["differences"].append(cosine(by_differences(network, batch, strength), exact))
    return found, precise


def draw_layers(images: Path) -> None:
    """Draw the cosine of every layer of the deepest networks, in both coordinates."""
    depth, strength = DEPTHS[-1], STRENGTHS[1]
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(7, 2.8), layout="constrained")
    layers = range(1, depth + 2)
    for panel, unit in zip(axes, GAINS, strict=True):
        for scale, marker in zip(SCALES, "os", strict=True):
            exact = exact_gradients(*tower(unit, depth, scale, torch.float64))
            for name, line, estimate in (("states", "--", by_states), ("differences", "-", by_differences)):
                found = estimate(*tower(unit, depth, scale, torch.float32), strength)
                cosines = [cosine(found, exact, layer) for layer in layers]
                panel.plot(layers, cosines, line + marker, label=f"{name}, energy scale {scale:g}")
        panel.set(title=unit, xlabel="layer, from the inputs up", xticks=layers, ylim=(-0.15, 1.05))
    axes[0].set_ylabel("cosine of the layer")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.savefig(images / "depth-layers.svg", metadata={"Date": None})


def main() -> None:
    """Print the tables, and draw the figures."""
    root = Path(__file__).resolve().parents[2]
    matplotlib.use("svg")
    plt.style.use(root / "experiments" / "figures" / "eqlab.mplstyle")
    matplotlib.rcParams["svg.hashsalt"] = "depth"
    draw_layers(root / "docs" / "images")
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(7, 2.8), layout="constrained")
    strengths = " | ".join(f"{strength:g}" for strength in STRENGTHS)
    print(f"| unit | energy scale | hidden layers | float32 states, .1 | float64 states, .1 | differences, {strengths} |")
    print("|---|---|---|---|---|" + "---|" * len(STRENGTHS))
    for panel, unit in zip(axes, GAINS, strict=True):
        for scale, marker in zip(SCALES, "os", strict=True):
            columns: dict[str, list[float]] = {"states": [], "differences": []}
            for depth in DEPTHS:
                found, precise = measure(unit, depth, scale)
                cells = map(shown, found["differences"], found["float64"])
                numbers = " | ".join((f"{found['states'][0]:.4f}", f"{precise:.4f}", *cells))
                print(f"| {unit} | {scale:g} | {depth} | {numbers} |", flush=True)
                columns["states"].append(found["states"][1])
                columns["differences"].append(found["differences"][1])
            for name, line in (("states", "--"), ("differences", "-")):
                panel.plot(DEPTHS, columns[name], line + marker, label=f"{name}, energy scale {scale:g}")
        panel.set(title=unit, xlabel="hidden layers", xticks=DEPTHS, ylim=(-0.15, 1.05))
    axes[0].set_ylabel("cosine of the first layer")
    axes[1].legend()
    figure.savefig(root / "docs" / "images" / "depth.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
