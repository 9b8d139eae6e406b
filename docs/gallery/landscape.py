"""Draw the energy of two units, and the ways to its free and nudged minima: ``python landscape.py [FILE.svg]``."""

import sys

import matplotlib.pyplot as plt
import torch

import eqlab

network = eqlab.Layered((1, 1, 1), activation="tanh", dtype=torch.float64)
for parameter, value in zip(network.parameters(), (1.0, 0.0, -0.8, 0.2), strict=True):
    parameter.data.fill_(value)  # both weights and biases are chosen here, to make the picture
target = eqlab.Batch(torch.tensor([[0.5]], dtype=torch.float64), torch.tensor([[0.6]], dtype=torch.float64))


def way(start, strength, steps=60):
    """Return the states of a relaxation from a start, one row per step."""
    clamped = network.clamp(target.inputs)
    phase = eqlab.Nudge(eqlab.SquaredError(), target, strength) if strength else None
    flow, states = eqlab.GradientFlow(0.1), [start]
    for _ in range(steps):
        states.append(eqlab.relax(clamped, states[-1], flow, eqlab.Stop(None, 1), phase, backend="torch").state)
    return torch.stack([torch.cat(state, 1)[0] for state in states]).detach()


hidden, output = torch.meshgrid(torch.linspace(-0.6, 0.95, 120), torch.linspace(-1.2, 0.8, 120), indexing="ij")
grid = tuple(axis.reshape(-1, 1).double() for axis in (hidden, output))
energy = network.energy(grid, network.clamp(target.inputs.expand(len(grid[0]), 1))).detach().reshape(hidden.shape)

free = way((torch.full((1, 1), -0.4).double(), torch.full((1, 1), 0.6).double()), 0)
nudged = {strength: way(tuple(free[-1].reshape(2, 1, 1)), strength) for strength in (-0.25, 0.25)}

plt.style.use("experiments.figures.eqlab")
figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
axes.contour(hidden, output, energy, levels=24, cmap="Greys_r", linewidths=0.7)
axes.plot(*free.T, color="#222222", label="free phase")
axes.plot(*free[-1], "o", color="#222222")
for (strength, states), colour in zip(nudged.items(), ("#b2182b", "#2166ac"), strict=True):
    axes.plot(*states.T, color=colour, label=f"nudged, strength {strength:+}".replace("-", "\N{MINUS SIGN}"))
    axes.plot(*states[-1], "o", color=colour)
axes.axhline(0.6, color="#2166ac", linestyle="dotted", label="target of the output")
axes.set(xlabel="hidden unit", ylabel="output", title="Energy of two units, and its minima with and without a nudge")
axes.legend(loc="lower right")
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "landscape.svg", metadata={"Date": None})
for strength, states in {0: free, **nudged}.items():
    print(f"strength {strength:4}: hidden {states[-1, 0]:.4f}, output {states[-1, 1]:.4f}")
