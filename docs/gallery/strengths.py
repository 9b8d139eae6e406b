"""Draw how far three estimates are from the exact gradient, against the nudging strength: ``python strengths.py [FILE.svg]``."""

import sys

import matplotlib.pyplot as plt
import torch

import eqlab

data = eqlab.DATASETS["digits"](None, 0).train
batch = eqlab.Batch(data.inputs[:16].double(), data.labels[:16])
network = eqlab.Layered((64, 16, 10), activation="tanh", generator=1, dtype=torch.float64)
sharp = eqlab.Stop(1e-12, 5000)
settling = eqlab.Settling(free=sharp, second=sharp)
strengths = [0.1, 0.05, 0.025, 0.0125, 0.00625]


exact = eqlab.RULES["implicit"](eqlab.Setting("squared-error", settling)).estimate(network, batch).gradients
plt.style.use(["experiments.figures.eqlab", {"text.parse_math": True}])  # powers of ten
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for rule, colour, marker in (("ep-positive", "#2166ac", "o"), ("ep-negative", "#b2182b", "s"), ("ep-centered", "#1b7837", "^")):
    builder = eqlab.RULES[rule]
    bias = eqlab.bias_in_strength(
        lambda strength, builder=builder: builder(eqlab.Setting("squared-error", settling, strength)), network, batch, exact, strengths
    )
    axes.loglog(strengths, bias.errors, marker=marker, color=colour, label=f"{rule}, order {bias.order:.2f}")
    print(f"{rule}: error {bias.errors[-1]:.1e} at strength {strengths[-1]}, order {bias.order:.2f}")
axes.set(xlabel="nudging strength", ylabel="relative error of the gradient", title="Bias of one-sided and centered contrasts")
axes.legend()
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "strengths.svg", metadata={"Date": None})
