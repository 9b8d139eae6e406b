"""Draw the overlaps of three memories against their dilution, by theory and by Monte Carlo: ``python memories.py [FILE.svg]``."""

import sys

import matplotlib.pyplot as plt
import numpy as np

import eqlab

TEMPERATURE, SPINS, CHAINS = 0.1, 5000, 4
dilutions = np.linspace(0.05, 0.75, 8)
theory, sampled = [], []
for dilution in dilutions:
    branch = eqlab.stable_branches(eqlab.MeanField(eqlab.diluted_ensemble(3, dilution), TEMPERATURE))[0]
    theory.append(branch.overlaps)
    system = eqlab.store_patterns(eqlab.remember(eqlab.draw_patterns(3, SPINS, dilution, seed=1), dilution))
    start = eqlab.cue(system.patterns, np.maximum(branch.overlaps, 0.01), CHAINS, quality=1.0, seed=2)
    trace = eqlab.simulate(system, start, TEMPERATURE, "glauber", seed=3, num_sweeps=60)
    sampled.append(np.sort(np.abs(trace.overlaps[30:].mean((0, 1))))[::-1])

plt.style.use("experiments.figures.eqlab")
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for number, colour in enumerate(("#2166ac", "#1b7837", "#b2182b")):
    axes.plot(dilutions, np.array(theory)[:, number], color=colour, label=f"memory {number + 1}, theory")
    axes.plot(dilutions, np.array(sampled)[:, number], "o", color=colour)
axes.set(xlabel="dilution", ylabel="overlap", title=f"Three memories at once: points are {SPINS} spins")
axes.legend()
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "memories.svg", metadata={"Date": None})
print(f"largest difference between theory and Monte Carlo: {np.abs(np.array(theory) - sampled).max():.3f}")
