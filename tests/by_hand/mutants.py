"""Does the suite see what it is there to see? Each mutation breaks the code in one place and names the test that must notice.

Run by hand, five to ten minutes on two cores: ``python tests/by_hand/mutants.py``, or with words that pick mutations by their description. Works on a
temporary copy and prints a table; exits with 1 if a mutation survives or is out of date, or if a named test fails without any.
"""

# ruff: noqa: E501 - the mutations are a table, one line a row

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from more_mutations import MORE
from mutation import Mutation

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("contrastive_core", "eqprop", "hebbian", "experiments", "eqlab", "tests", "setup.cfg", "pyproject.toml")
WORKERS = 2


ACTIVATION = "contrastive_core/networks/activation.py"
LAYERED = "contrastive_core/networks/layered.py"
RULE = "contrastive_core/rule.py"
CONTRAST = "contrastive_core/contrast.py"
RELAXATION = "contrastive_core/relaxation/relax.py"
ITERATION = "contrastive_core/relaxation/iterate.py"
TRAINING = "contrastive_core/training/loop.py"
SESSION = "contrastive_core/training/training_state.py"
CURVATURE = "contrastive_core/networks/curvature.py"
DYNAMICS = "contrastive_core/dynamics/"
INTERVALS = "experiments/runs/intervals.py"

MUTATIONS = [
    # Energies and their derivatives
    Mutation("energy: sign of the coupling", LAYERED, "(layer) - layer * self._b", "(layer) + layer * self._b", "networks::test_force_is_minus_the_gradient"),
    Mutation("energy: exponent of the scale", LAYERED, "(energy_scale ** (index + 1)", "(energy_scale ** index", "networks::test_energy_of_the_smallest_network"),
    Mutation("force: feedback without the scale", LAYERED, "return self.energy_scale ** (edge", "return 1.0 ** (edge", "networks::test_force_is_minus_the_gradient"),
    Mutation("potential: half dropped", ACTIVATION, "return 0.5 * value.square()", "return value.square()", "activations::test_derivative_of_the_potential"),
    Mutation("tanh potential: half dropped", ACTIVATION, "return 0.5 * (torch.xlogy", "return 1.0 * (torch.xlogy", "activations::test_derivative_of_the_potential"),
    Mutation("slope: 1 on the faces of the box", ACTIVATION, "(value > self.low) & (value < self.high)", "(value >= self.low) & (value <= self.high)", "activations::test_compliance_is_the_slope"),
    Mutation("activation: no projection", ACTIVATION, "return value if self.analytic else value.clamp(self.low, self.high)", "return value", "networks::test_minimiser_of_a_quadratic_block_is_its_minimum"),
    Mutation("compliance: scale dropped", LAYERED, "a.slope(layer) / scale for", "a.slope(layer) for", "activations::test_compliance_of_a_network"),
    Mutation("energy gradient: sign", LAYERED, "scale = -factor * self", "scale = factor * self", "networks::test_energy_gradient_is_the_mean"),
    Mutation("energy gradient: sum, not mean", LAYERED, "[index] / layer.shape[0]", "[index]", "networks::test_energy_gradient_is_the_mean"),
    Mutation("contrast of weights: wrong partner", LAYERED, "(below - minus[edge.source], other, weight", "(below - minus[edge.source], pressed, weight", "networks::test_energy_gradient_of_a_contrast"),
    # Costs
    Mutation("squared error: half dropped", "contrastive_core/costs/squared_error.py", "return 0.5 * (output", "return 1.0 * (output", "costs::test_gradient_of_a_cost"),
    Mutation("squared error: curvature 2", "contrastive_core/costs/squared_error.py", "curvature = 1.0", "curvature = 2.0", "costs::test_curvature_of_a_cost"),
    Mutation("cross-entropy: no softmax in the gradient", "contrastive_core/costs/cross_entropy.py", "return _softmax(output) -", "return output.sigmoid() -", "costs::test_gradient_of_a_cost"),
    # Nudges
    Mutation("nudged minimum: curvature dropped", LAYERED, "/ (scale + pull.curvature * activation.stretch)", "/ scale", "theorems::test_nudged_output_is_the_exact_minimum"),
    Mutation("nudge: linear part without curvature", DYNAMICS + "base.py", "curvature * output - gradient if", "-gradient if", "dynamics::test_nudged_equilibrium_is_stationary"),
    Mutation("nudge: outside the smooth activation", LAYERED, "drive = drive + (pull.linear - pull.curvature * state[index]) / scale", "return activation.value(drive) + (pull.linear - pull.curvature * state[index]) / scale", "theorems::test_reversal_theorem_needs_the_nudge_inside"),
    Mutation("frozen nudge: sign", DYNAMICS + "base.py", "Pull(-strength * phase.frozen", "Pull(strength * phase.frozen", "dynamics::test_frozen_nudge_is_a_constant_force"),
    Mutation("minimum: allowed at beta = -1", "contrastive_core/network.py", "curvature > self.least_curvature(curvature)", "curvature >= self.least_curvature(curvature)", "theorems::test_negative_nudge_without_a_minimum"),
    Mutation("minimum: never missed", "contrastive_core/network.py", "curvature > self.least_curvature(curvature)", "True", "theorems::test_negative_nudge_without_a_minimum"),
    # Dynamics and relaxation
    Mutation("gradient flow: no projection", DYNAMICS + "gradient_flow.py", "moved = network.project(tuple(s + size * v for s, v in zip(state, velocity, strict=True)))", "moved = tuple(s + size * v for s, v in zip(state, velocity, strict=True))", "dynamics::test_every_dynamics_settles_at_the_same_equilibrium"),
    Mutation("gradient flow: sign of the force", DYNAMICS + "gradient_flow.py", "s + size * v", "s - size * v", "dynamics::test_energy_falls_along_gradient_flow"),
    Mutation("gradient flow: residual of the small step", DYNAMICS + "gradient_flow.py", "euler(1.0), clamped", "euler(self.step_size), clamped", "dynamics::test_residual_is_that_of_the_undamped_step"),
    Mutation("synchronous: residual after damping", DYNAMICS + "synchronous.py", "residual = largest_change(state, target)", "residual = self.damping * largest_change(state, target)", "dynamics::test_residual_is_that_of_the_undamped_step"),
    Mutation("block order: even-odd reversed into itself", DYNAMICS + "block_descent.py", '"even-odd": "odd-even",', '"even-odd": "even-odd",', "theorems::test_nudged_sweeps_in_reversed_order"),
    Mutation("block descent: blocks see old neighbours", DYNAMICS + "block_descent.py", "lowest(index, current)", "lowest(index, state)", "dynamics::test_block_orders_visit"),
    Mutation("hold: outputs move", DYNAMICS + "base.py", "len(state) - 1 if isinstance(phase, Hold) else len(state)", "len(state)", "dynamics::test_held_outputs_do_not_move"),
    Mutation("stopping: all samples go on together", ITERATION, "        if whole:\n", "        if True:\n", "dynamics::test_result_does_not_depend_on_the_rest"),
    Mutation("stopping: coupled rows stop one by one", ITERATION, "        if joint:\n", "        if False:\n", "dynamics::test_coupled_rows_relax_and_stop_together"),
    Mutation("status: budget passes for convergence", ITERATION, "int(Status.CONVERGED), int(Status.BUDGET))", "int(Status.CONVERGED), int(Status.CONVERGED))", "dynamics::test_status_says_which_samples"),
    Mutation("divergence: not raised", CONTRAST, "        require_finite(second, SIDE_NAMES[sign], network, cost)\n", "        pass\n", "theorems::test_rule_without_a_minimum_raises"),
    # Rules
    Mutation("EP: 1 / beta dropped", CONTRAST, "1 / (strength * len(signs))", "1 / len(signs)", "gradients::test_centered_estimate_tends"),
    Mutation("EP: half of the centered estimate dropped", CONTRAST, "1 / (strength * len(signs))", "1 / strength", "gradients::test_centered_estimate_tends"),
    Mutation("EP: sign of the contrast", CONTRAST, "network.energy_gradient(plus, self.clamped, minus,", "network.energy_gradient(minus, self.clamped, plus,", "gradients::test_every_sign_of_the_gradient"),
    Mutation("EP: strength not in units of the stiffness", "eqprop/rule.py", "strength = self.strength * network.stiffness[-1]", "strength = self.strength", "gradients::test_centered_estimate_equals_unrolled"),
    Mutation("EP: nudged phase in the free order", "contrastive_core/relaxation/displace.py", "dynamics.reversed()", "dynamics", "theorems::test_nudged_sweeps_in_reversed_order"),
    Mutation("displacements: feedback without its weight", "contrastive_core/networks/differences.py", "drive = network.feedback(edge) * drive", "drive = 1.0 * drive", "differences::test_displacements_lead_to"),
    Mutation("cached: responses of layers that have moved", "contrastive_core/relaxation/cached.py", "all(one is other for", "all(one.shape == other.shape for", "cached_convolutions::test_phases_and_gradients"),
    Mutation("cached: the folding has no transpose", "contrastive_core/relaxation/cached.py", "functional.avg_pool2d(self.link.gradient(below, pressed), self.folded, 1)", "self.link.gradient(below, pressed)[:, :, 1:, 1:]", "cached_convolutions::test_phases_and_gradients"),
    Mutation("bench conv: textbook without feedback", "experiments/benchmarks/convolution_cases.py", "drives[index][0] + scale * _transposed", "drives[index][0] + 0 * _transposed", "bench_conv::test_every_case_of_equilibrium"),
    Mutation("cached: nothing is kept", "contrastive_core/relaxation/cached.py", "self._known.append((arguments, result))", "pass", "cached_convolutions::test_what_has_not_moved"),
    Mutation("displacements: unsettled units are forces", "contrastive_core/networks/differences.py", "activation.settled(layer, partial(self.network.drive, index, self.free, self.clamped))", "self.network.drive(index, self.free, self.clamped)", "kernels::test_displacements_of_the_kernels"),
    Mutation("EP: readout's own gradient dropped", CONTRAST, "gradients[name] = gradients[name] + value", "pass", "gradients::test_centered_estimate_tends"),
    Mutation("EP: frozen nudge follows", "eqprop/rule.py", "frozen if self.frozen else joint", "joint", "gradients::test_frozen_and_live"),
    Mutation("EP: second tolerance absolute", RULE, "tolerance * unit * stiffness[-1] / stiffness[0], ", "tolerance, ", "rules::test_second_tolerance_is_relative"),
    Mutation("random sign: the generator stands still", "contrastive_core/phases.py", "bool(torch.randint(2, (), generator=generator))", "True", "rules::test_random_sign_draws_both"),
    Mutation("coupled: held towards higher cost", "hebbian/coupled.py", "Hold(output - sign", "Hold(output + sign", "theorems::test_held_states_are_those"),
    Mutation("contrastive Hebbian: held half way", "hebbian/coupled.py", "self.settling, 1.0, Sides", "self.settling, 0.5, Sides", "theorems::test_contrastive_hebbian_learning_holds"),
    Mutation("implicit: sign of the curvature", CURVATURE, "-torch.cat([product", "torch.cat([product", "gradients::test_implicit_gradient_is_the_derivative"),
    Mutation("implicit: held units let through", CURVATURE, "torch.where(s > 0, s * h, v)", "torch.where(s > 0, s * h, s * v)", "diagnostics::test_hessian_products"),
    Mutation("implicit: inputs' weights forgotten", "contrastive_core/baselines/adjoint.py", "network.clamp(batch.inputs))\n", "network.clamp(batch.inputs)._replace(drive=network.clamp(batch.inputs).drive.detach()))\n", "gradients::test_implicit_gradient_is_the_derivative"),
    Mutation("recurrent backprop: compliance dropped", "contrastive_core/baselines/recurrent.py", "tuple(c * z for c, z", "tuple(z for c, z", "gradients::test_recurrent_backpropagation"),
    Mutation("unrolled: one step too many", "contrastive_core/baselines/unrolled.py", "Stop(None, self.truncation)", "Stop(None, self.truncation + 1)", "theorems::test_nudged_sweeps_in_reversed_order"),
    Mutation("backprop: batch sum, not mean", "contrastive_core/baselines/feedforward.py", "(network.output(state), batch).mean()", "(network.output(state), batch).sum()", "gradients::test_feedforward_backpropagation_is_the_chain_rule"),
    # Diagnostics
    Mutation("agreement: norm ratio upside down", "contrastive_core/analysis/gradient_quality.py", "float(norms[0] / norms[1])", "float(norms[1] / norms[0])", "diagnostics::test_agreement_by_hand"),
    Mutation("curvature: held units counted", CURVATURE, "compliance(state)) > 0", "compliance(state)) >= 0", "diagnostics::test_extreme_curvatures"),
    Mutation("review: sign of the nudge", "contrastive_core/analysis/gradient_quality.py", "has_minimum(-curvature)", "has_minimum(curvature)", "diagnostics::test_review_warns_of_a_negative_phase"),
    # Training
    Mutation("numbers: errors without their unit", "contrastive_core/training/judge.py", " * output.new_tensor(self.deviations, dtype=torch.float64)", "", "regression::test_scores_of_numbers"),
    Mutation("numbers: scaled by the test split", "contrastive_core/data/named/arrays.py", "torch.std_mean(parts[0].labels", "torch.std_mean(parts[2].labels", "regression::test_targets_are_standardised"),
    Mutation("tables: a target among the inputs", "contrastive_core/data/own/tables.py", "for name in names if name not in apart)", "for name in names)", "readers::test_columns_of_a_table"),
    Mutation("training: test chooses the epoch", TRAINING, "        validation = evaluate(network, rule, cost, splits.validation, contrasting, ranks, judge)\n        record", "        validation = evaluate(network, rule, cost, splits.test, contrasting, ranks, judge)\n        record", "training::test_validation_chooses"),
    Mutation("training: the last epoch is kept", TRAINING, "network.load_state_dict(session.best)", "pass", "training::test_validation_chooses"),
    Mutation("training: clipping skipped", TRAINING, "        if plan.clip_norm is not None:", "        if False:", "optimisers::test_clipping_bounds"),
    Mutation("training: gradient not checked", TRAINING, "if not bool(torch.isfinite(norm))", "if False", "training::test_gradient_that_is_not_finite"),
    Mutation("training: schedule stands still", TRAINING, "        schedule.step()\n", "", "optimisers::test_training_steps_the_schedule"),
    Mutation("training: streams shared", "contrastive_core/generators.py", "spawn_key=(purpose,)", "spawn_key=()", "optimisers::test_purposes_of_a_seed"),
    Mutation("resume: draws start afresh", SESSION, 'generator.set_state(tensors[f"generator.{name}"])', "pass", "resuming::test_every_rule_resumes"),
    Mutation("resume: schedule starts afresh", SESSION, '        self.schedule.load_state_dict(record["schedule"])\n', "", "resuming::test_resumed_run_is_the_run"),
    Mutation("resume: momentum starts afresh", SESSION, '{"state": state, "param', '{"state": {}, "param', "resuming::test_resumed_run_is_the_run"),
    Mutation("resume: best epoch forgotten", SESSION, 'self.best = {name.removeprefix("best."): t for', 'self.best = self.best or {name.removeprefix("best."): t for', "resuming::test_resumed_run_is_the_run"),
    Mutation("resume: other settings accepted", SESSION, 'if not _same(record["identity"], identity)', "if False", "resuming::test_checkpoint_of_other_settings"),
    Mutation("Lion: rates swapped", "contrastive_core/training/optimisers/lion.py", "torch.lerp(parameter.grad, memory, first)", "torch.lerp(parameter.grad, memory, second)", "optimisers::test_lion_is_its_loop"),
    Mutation("learning rates: one for all", "contrastive_core/training/optimisers/builders.py", '"lr": rate}', '"lr": rates[0]}', "optimisers::test_layers_learn_at_their_own_rates"),
    Mutation("evaluation: mean of means", "contrastive_core/training/evaluation.py", "samples, weight = ranks.share(chunk)", "samples, weight = chunk, 1.0", "training::test_evaluation_averages"),
    Mutation("ranks: mean without weights", "contrastive_core/training/ranks.py", "flat * weight, flat.new_tensor([weight])", "flat, flat.new_tensor([1])", "shared_training::test_mean_over_ranks"),
    # Kernels
    Mutation("kernel: wrong order after a free phase", "contrastive_core/kernels/settling/one_hidden/kernel_cpu.py", "layers, phase, not output_first,", "layers, phase, output_first,", "kernels::test_displacements_of_the_kernels"),
    Mutation("fused gradient: inputs that want a gradient pass", "contrastive_core/relaxation/backends.py", "detach the inputs\" if inputs.requires_grad", "detach the inputs\" if False", "kernels::test_inputs_that_want_a_gradient"),
    Mutation("fused gradient: nudges of other labels pass", "contrastive_core/kernels/settling/elements/output_phase.py", " or phase.batch.labels is not first.batch.labels", "", "kernels::test_nudges_to_different_labels"),
    Mutation("fused gradient: a transposed matrix passes", "contrastive_core/contrast.py", "(parameter.data_ptr(), parameter.stride())", "parameter.data_ptr()", "kept_parameters::test_estimates_follow_parameters"),
    Mutation("fused gradient: outputs rest at zero outside their bounds", "contrastive_core/kernels/settling/one_hidden/kernel_cpu.py", "free_out[k] = rest_out if", "free_out[k] = real(0) if", "kernels::test_hidden_units_hear"),
    Mutation("stops: those of a rule pass", RULE, "for name, stop in ((\"free\", self.free), (\"second\", self.second)):", "for name, stop in ():", "kernels::test_a_bad_stop"),
    Mutation("kernel: residual of the outputs forgotten", "contrastive_core/kernels/settling/elements/loops_cpu.py", "largest = larger(scale_out * abs(value - outputs[k]), largest)", "largest = larger(abs(outputs[k] - outputs[k]), largest)", "kernels::test_backends_equal_plain_loops"),
    Mutation("kernel: feedback without the scale", "contrastive_core/kernels/settling/elements/loops_cpu.py", "value, layers.feedback * value", "value, value", "kernels::test_backends_equal_plain_loops"),
    Mutation("kernel: contrast with the free outputs", "contrastive_core/kernels/settling/one_hidden/contrast_cpu.py", "scale_out * (free_out[sample, k] + down), scale_out", "scale_out * free_out[sample, k], scale_out", "kernels::test_gradients_at_once_are"),
    Mutation("kernel: infinite inputs pass", "contrastive_core/kernels/settling/one_hidden/contrast_cpu.py", " and np.isfinite(drive[sample, 0])", "", "kernels::test_gradients_at_once_refuse"),
    Mutation("plan: one hidden layer over-relaxes", "contrastive_core/relaxation/backends.py", "dynamics.over_relaxation != 1 and kind != \"deep\"", "False", "deep::test_over_relaxation_is_refused"),
    Mutation("kernel: nudge without its curvature", "contrastive_core/kernels/settling/elements/formulas.py", "/ (stiffness + strength * curvature)", "/ stiffness", "kernels::test_kernel_equals_reference_at_a_fixed_budget"),
    Mutation("deep kernel: feedback without the scale", "contrastive_core/kernels/settling/any_depth/kernel_cpu.py", "base[j] + below[j] + feedback * sent[j]", "base[j] + below[j] + sent[j]", "kernels::test_kernel_equals_reference_at_a_fixed_budget"),
    Mutation("deep kernel: residual of the lower layers forgotten", "contrastive_core/kernels/settling/any_depth/kernel_cpu.py", "residual[row] = larger(largest, residual[row])", "residual[row] = largest", "kernels::test_backends_equal_plain_loops"),
    Mutation("kernel: loops contrast with the free outputs", "contrastive_core/kernels/settling/elements/formulas.py", "step * (free + plus) + base * (plus - minus)", "step * (free + plus)", "kernels::test_gradients_at_once_are"),
    Mutation("CUDA: displacements in the order of states", "contrastive_core/kernels/settling/any_depth/host_cuda.py", "len(network.sizes))[::-1]", "len(network.sizes))", "settle_cuda::test_cuda_kernel_settles"),
    Mutation("CUDA: bounds of states on displacements", "contrastive_core/kernels/settling/any_depth/kernel_cuda.py", "low - zero, high - zero", "low, high", "settle_cuda::test_cuda_kernel_settles"),
    Mutation("CUDA: pull of the origin forgotten", "contrastive_core/kernels/settling/any_depth/kernel_cuda.py", " - act.curvature * zero", "", "settle_cuda::test_cuda_kernel_settles"),
    Mutation("CUDA: nothing presses units on their bounds", "contrastive_core/kernels/settling/any_depth/host_cuda.py", "drive - layer if type(activation) is Clipped else torch.zeros_like(layer)", "torch.zeros_like(layer)", "settle_cuda::test_cuda_kernel_settles"),
    Mutation("deep: a stopped sample's place is mixed up", "contrastive_core/kernels/settling/any_depth/rows_cpu.py", "where[row], residual[row], taken[row] = where[count], residual[count], taken[count]", "residual[row], taken[row] = residual[count], taken[count]", "kernels::test_gradients_at_once_are"),
    Mutation("deep: zeros left out of infinite weights", "contrastive_core/kernels/settling/any_depth/sweeps.py", "self.together and self.sparing and", "self.together and", "infinite_weights::test_infinite_weight_between_layers"),
    Mutation("sweeps: zeros left out of infinite weights", "contrastive_core/kernels/settling/any_depth/sweeps.py", "(self.sparing and index + 1 in rows.silent)", "index + 1 in rows.silent", "infinite_weights::test_infinite_weight_between_layers"),
    Mutation("deep: products of moved layers are used again", "contrastive_core/kernels/settling/any_depth/sweeps.py", "rows.current.discard(index + 1)", "rows.current.discard(index + 2)", "deep::test_deep_kernels_equal"),
    Mutation("deep: what a layer sends down is not kept up", "contrastive_core/kernels/settling/any_depth/last_samples_cpu.py", "if i > 0:", "if i > 1:", "deep::test_deep_kernels_equal"),
    Mutation("over-relaxation: outputs only reach their minimum", "contrastive_core/kernels/settling/any_depth/kernel_cpu.py", "outputs[k] + over * change", "outputs[k] + change", "deep::test_deep_kernels_equal"),
    Mutation("ladder kernel: nudge without its conductance", "contrastive_core/kernels/settling/ladder_cpu.py", "extra = real(strength * stiffening)", "extra = real(0)", "ladder_kernel::test_kernel_equals_the_reference"),
    # Circuits
    Mutation("circuit: diodes block the other way", "eqprop/resistive.py", "return -polarity * self.parts.diode.solve(total / scale, -polarity * current / scale)", "return polarity * self.parts.diode.solve(total / scale, polarity * current / scale)", "resistive::test_block_descent_ends_where"),
    Mutation("circuit: load of the amplifiers dropped", "eqprop/resistive.py", "self.parts.voltage_gain**2 * self.conductance", "self.conductance", "resistive::test_forces_and_gradients"),
    Mutation("circuit: heat of the diodes dropped", "eqprop/resistive.py", "watts = watts + (forward * self", "watts = watts + 0 * (forward * self", "dissipation::test_heat_is_what_the_sources_deliver"),
    Mutation("circuit: heat below the amplifiers", "eqprop/resistive.py", "*(self.parts.voltage_gain * layer for layer in state[:-1])", "*state[:-1]", "dissipation::test_heat_is_what_the_sources_deliver"),
    Mutation("circuit: nodes in units of the energy", "eqprop/resistive.py", "self._total(index) / self.stiffness[index]", "self._total(index)", "dissipation::test_node_sees"),
    Mutation("device: training begins no uses", "contrastive_core/training/loop.py", "        network.begin_use_()\n", "", "uses::test_training_begins_a_use"),
    Mutation("device: clamping is a use", "contrastive_core/devices/on_device.py", "        return self.inside.clamp(inputs)", "        self.clock += 1\n        return self.inside.clamp(inputs)", "uses::test_an_estimate_on_a_noisy_device"),
    Mutation("device: heat at the network's conductances", "contrastive_core/devices/on_device.py", "value / scales[name] for", "value for", "dissipation::test_circuit_that_settles"),
    Mutation("account: heat of sweeps that read arrays", "contrastive_core/devices/accounting.py", "if constants.continuous and circuit is not None:", "if circuit is not None:", "dissipation::test_arrays_that_are_read"),
    # Solvers
    Mutation("Anderson: no pause after leaps that do not help", DYNAMICS + "anderson.py", "pause=torch.where(lost | behind, _PAUSE,", "pause=torch.where(lost & behind & ~lost, _PAUSE,", "solvers::test_leaps_that_do_not_help"),
    Mutation("Anderson: leaps are not taken back", DYNAMICS + "anderson.py", "memory.leapt & ~(size <= memory.residual)", "memory.leapt & ~(size == size)", "solvers::test_a_leap_over_a_cliff"),
    Mutation("Anderson: leaps where plain steps are fast", DYNAMICS + "anderson.py", "(trail.ratio > _FAST)", "(trail.ratio > 0)", "solvers::test_anderson_is_behind_block_descent_on_none"),
    Mutation("Anderson: leaps from the start", DYNAMICS + "anderson.py", "no.long() + self.wait", "no.long() + 0 * self.wait", "solvers::test_anderson_is_behind_block_descent_on_none"),
    Mutation("Anderson: weights of the other sign", DYNAMICS + "anderson.py", "trail.image - torch.einsum", "trail.image + torch.einsum", "solvers::test_anderson_takes_the_root"),
    # Devices
    Mutation("write law: depression as potentiation", "contrastive_core/devices/write_law.py", "1 - _affine(1 - level, (-pulses)", "_affine(level, (-pulses)", "devices::test_the_closed_form_over_pulses"),
    Mutation("write law: fixed point of another slope", "contrastive_core/devices/write_law.py", "(1 + slope) / (2 * slope)", "1 / slope", "devices::test_the_closed_form_over_pulses"),
    Mutation("write law: power steps without their factor", "contrastive_core/devices/write_law.py", "torch.where(up, 2 * (1 - level) ** self.gamma_up, 2 * level**", "torch.where(up, (1 - level) ** self.gamma_up, level**", "devices::test_a_power_law"),
    # Structure
    Mutation("core imports a method", RULE, "import torch\n", "import eqprop\nimport torch\n", "layering::test_packages_import_only"),
    Mutation("package import brings torch", "eqprop/__init__.py", "from contrastive_core.registry", "import torch\nfrom contrastive_core.registry", "layering::test_listing_names"),
    Mutation("docstring names another argument", ITERATION, "    joint : bool\n", "    together : bool\n", "docstrings::test_public_names"),
    # Annealing
    Mutation("anneal: half the inverse temperature", "eqprop/annealing.py", "torch.exp((2 * float", "torch.exp((1 * float", "annealing::test_kernel_draws_the_anneal"),
    Mutation("anneal: half the inverse temperature of the kernel", "contrastive_core/kernels/spins/anneal_cpu.py", "exponential(np.float32(2)", "exponential(np.float32(1)", "annealing::test_heat_bath_at_one_temperature"),
    Mutation("anneal: highest energy counts", "eqprop/annealing.py", "argmin(1)", "argmax(1)", "annealing::test_kernel_draws_the_anneal"),
    Mutation("anneal: nudge beyond the field's limit", "eqprop/ising.py", "return field + (field.clamp", "return field + 0 * (field.clamp", "annealing::test_heat_bath_at_one_temperature"),
    Mutation("anneal: later phases forget", "eqprop/annealing.py", "(self.reverse if self.back else 0.0)", "0.0", "annealing::test_later_phases_start_where"),
    Mutation("anneal: samples pushed away stay", "eqprop/annealing.py", "(phase.frozen is None and phase.strength < 0)", "False", "annealing::test_a_sample_that_costs_nothing"),
    Mutation("anneal: repeated up to the budget", RELAXATION, "stop._replace(budget=1) if dynamics.whole else stop", "stop", "annealing::test_kernel_draws_the_anneal"),
    Mutation("anneal: voters held at the share", "eqprop/ising.py", "(2 * output - 1)", "output", "annealing::test_outputs_are_held_by_all_their_voters"),
    # Intervals of means
    Mutation("interval: a degree of freedom too many", INTERVALS, "free, centre = number[known] - 1,", "free, centre = number[known],", "intervals::test_an_interval_is_that_of_students_test"),
    Mutation("interval: 90 %", INTERVALS, "CONFIDENCE = 0.95", "CONFIDENCE = 0.9", "intervals::test_intervals_of_normal_values"),
    Mutation("interval: beyond the range", INTERVALS, "np.maximum(centre - margin, bounds[0])", "centre - margin", "intervals::test_an_interval_stays_within"),
    Mutation("interval: width 0 of equal values", INTERVALS, "most - least > _ROUNDING * scale", "most - least >= 0", "intervals::test_equal_counts_have_no_interval"),
    Mutation("interval: rounding taken for spread", INTERVALS, "np.maximum(np.abs(ours), np.abs(theirs))", "np.abs(ours - theirs)", "intervals::test_differences_that_are_equal_but_for_rounding"),
    Mutation("interval: range of one arm for a difference", INTERVALS, "(low - high, high - low)", "(low, high)", "intervals::test_an_interval_stays_within"),
    Mutation("interval: a failed trial shifts the pairs", INTERVALS, "pairs = [(ours, theirs) for ours, theirs in zip(values, reference, strict=False) if ours is not None and theirs is not None]", "pairs = list(zip([v for v in values if v is not None], [r for r in reference if r is not None]))", "intervals::test_pairs_without_both_values"),
    Mutation("interval: Wilson without its centre", INTERVALS, "(share + _Z**2 / (2 * number)) / scale", "share", "intervals::test_the_interval_of_a_share"),
    Mutation("interval: collected without range", "experiments/sweeps/summary.py", "values, bounds))", "values))", "intervals::test_a_collected_interval"),
    *MORE,
]  # fmt: skip


def file_of(test: str) -> Path | None:
    """Return the path under the root of the file of a test named as ``file::test``: ``theorems::...`` lies in ``test_theorems.py``."""
    found = sorted((ROOT / "tests").rglob(f"test_{test.split('::')[0]}.py"))
    return found[0].relative_to(ROOT) if len(found) == 1 else None


def faults(mutation: Mutation) -> list[str]:
    """Return what is out of date in a mutation, and what to do; nothing is run."""
    name, source, wanted = mutation.test.split("::")[1], ROOT / mutation.file, file_of(mutation.test)
    found = []
    if not source.is_file():
        found.append(f"{mutation.file} is gone; name the file that the code moved to")
    elif mutation.old not in source.read_text("utf-8"):
        found.append(f"{mutation.old!r} is not in {mutation.file}; write the line as it is now, or take the mutation away with the code")
    elif source.read_text("utf-8").replace(mutation.old, mutation.new, 1) == source.read_text("utf-8"):
        found.append("it changes nothing; write another new text")
    if wanted is None:
        found.append(f"there is not one test_{mutation.test.split('::')[0]}.py below tests; name the file that the test moved to")
    elif not re.search(rf"^ *def \w*{re.escape(name)}", (ROOT / wanted).read_text("utf-8"), re.MULTILINE):
        found.append(f"{wanted} has no test called {name}...; give its name as it is now")
    return [f"mutation {mutation.what!r}: {fault}" for fault in found]


def copy_to(directory: Path) -> None:
    """Copy what the tests need."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, directory / part, ignore=ignored)
        elif source.exists():
            shutil.copy(source, directory / part)


def fails(directory: Path, *tests: str) -> bool:
    """Whether one of the named tests fails in a copy of the sources; an error in running pytest itself is one here too."""
    files = sorted({str(file_of(test)) for test in tests})
    names = " or ".join(sorted({test.split("::")[1] for test in tests}))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files, "-k", names]
    environment = os.environ | {"PYTHONPATH": str(directory), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if result.returncode not in (0, 1):  # 5: no test of that name; 2, 4: it could not be run
        raise RuntimeError(f"{', '.join(tests)} could not be run:\n{result.stdout}{result.stderr}")
    return result.returncode == 1


def survives(mutation: Mutation) -> bool:
    """Apply one mutation to a fresh copy; return whether its test passes all the same."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        copy_to(directory)
        target = directory / mutation.file
        source = target.read_text("utf-8")
        target.write_text(source.replace(mutation.old, mutation.new, 1), "utf-8")
        return not fails(directory, mutation.test)


def main(words: list[str]) -> int:
    """Run the mutations whose description has any of the words (all of them without words)."""
    chosen = [m for m in MUTATIONS if not words or any(word.lower() in m.what.lower() for word in words)]
    outdated = [fault for mutation in chosen for fault in faults(mutation)]
    if outdated:
        print("\n".join(outdated))
        return 1
    tests = sorted({mutation.test for mutation in chosen})
    with tempfile.TemporaryDirectory() as name:
        copy_to(Path(name))
        if fails(Path(name), *tests):
            print("The named tests fail without any mutation; mend that first.")
            return 1
    print(f"| mutation | must be caught by | result |\n|---|---|---|\n| none | all {len(tests)} named tests | pass |", flush=True)
    survivors = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        for mutation, survived in zip(chosen, pool.map(survives, chosen), strict=True):
            survivors += survived
            print(f"| {mutation.what} | {mutation.test} | {'SURVIVED' if survived else 'caught'} |", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} caught")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
