"""Print how many signatures each kernel of settling was compiled for, after calls of every kind.

Runs in a process of its own: other tests call the kernels with other types.
"""

import itertools

import torch
from kernel_cases import EQUAL, PHASES, SIZES, build, phase_of

from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS, SAMPLE_COSTS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.any_depth import kernel_cpu as any_depth
from contrastive_core.kernels.settling.any_depth import rows_cpu
from contrastive_core.kernels.settling.one_hidden import contrast_cpu
from contrastive_core.kernels.settling.one_hidden import kernel_cpu as one_hidden
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from eqprop import RULES

for sizes, dtype, rows in itertools.product(SIZES, EQUAL, (1, 5)):
    network, clamped, state, batch = build(SIZES[sizes], dtype=dtype, rows=rows)
    for phase, transposed in itertools.product(PHASES, (False, True)):
        start = tuple(layer.T.contiguous().T for layer in state) if transposed else state
        action = phase_of(phase, "cross-entropy", network, state, batch)
        with torch.no_grad():
            relax(clamped, start, BlockDescent(), Stop(1e-3, 5), action, backend="numba")
    contrasts = [name for name, target in RULES.entries.items() if target.startswith("eqprop.rule:")]
    for name, cost in itertools.product(contrasts, SAMPLE_COSTS):
        setting = Setting(COSTS[cost](), Settling(backend="numba"))
        RULES[name](setting).estimate(network, batch, generator=torch.Generator().manual_seed(0))
one = (one_hidden.settle_pair, one_hidden.rows_of, contrast_cpu.settle_and_contrast)
for kernel in (*one, any_depth.move_between, any_depth.sweep_top, rows_cpu.take):
    print(kernel.__name__, len(kernel.signatures))
