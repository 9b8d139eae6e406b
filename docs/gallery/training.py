"""Train one network by equilibrium propagation and by backpropagation, and draw both: ``python training.py [FILE.svg]``."""

import sys

import matplotlib.pyplot as plt

import eqlab

data = eqlab.DATASETS["digits"](None, 0)
plan = eqlab.TrainingPlan(epochs=4, batch_size=32)
plt.style.use("experiments.figures.eqlab")
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for rule, colour in (("ep-centered", "#2166ac"), ("backprop", "#b2182b")):
    errors = []
    network = eqlab.Layered((64, 64, 10), generator=0)
    result = eqlab.train(
        network,
        eqlab.RULES[rule]("squared-error"),
        "squared-error",
        data,
        plan,
        seed=0,
        on_epoch=lambda record, errors=errors: errors.append(record["validation_error"]),
    )
    axes.plot(range(1, len(errors) + 1), [100 * error for error in errors], "o-", color=colour, label=rule)
    print(f"{rule}: test error {result.test.error:.1%}")
axes.set(xlabel="epoch", ylabel="validation error in %", title="Same network, data and optimiser; another rule")
axes.legend()
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "training.svg", metadata={"Date": None})
