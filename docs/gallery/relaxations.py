"""Draw how the energy of a network falls under four dynamics: ``python relaxations.py [FILE.svg]``."""

import sys

import matplotlib.pyplot as plt
import torch

import eqlab

data = eqlab.DATASETS["digits"](None, 0).train
network = eqlab.Layered((64, 32, 10), generator=0, dtype=torch.float64)
clamped = network.clamp(data.inputs[:8].double())
start = network.initial_state(clamped)
lowest = network.energy(eqlab.relax(clamped, start, eqlab.BlockDescent(), eqlab.Stop(1e-12, 2000)).state, clamped).mean()

plt.style.use(["experiments.figures.eqlab", {"text.parse_math": True}])  # powers of ten
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
ways = {"block descent": eqlab.BlockDescent(), "synchronous": eqlab.Synchronous(), "gradient flow, step 0.5": eqlab.GradientFlow(0.5)}
for (name, dynamics), colour in zip(ways.items(), ("#2166ac", "#b2182b", "#1b7837"), strict=True):
    state, above = start, []
    with torch.no_grad():
        for _ in range(21):
            above.append(float(network.energy(state, clamped).mean() - lowest))
            state = eqlab.relax(clamped, state, dynamics, eqlab.Stop(None, 1), backend="torch").state
    axes.semilogy(range(21), above, "o-", color=colour, label=name)
    print(f"{name}: {above[1]:.2e} above the minimum after 1 step, {above[10]:.2e} after 10")
axes.set(xlabel="step", ylabel="energy above the minimum", title="Three ways down the same energy")
axes.legend()
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "relaxations.svg", metadata={"Date": None})
