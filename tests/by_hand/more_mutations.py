"""Mutations in places that the table of ``mutants.py`` does not reach: accounts, statistics, objectives, sweeps, theory, devices.

Each was written before anybody looked for a test that would notice it. ``mutants.py`` runs them with its own.
"""

# ruff: noqa: E501 - the mutations are a table, one line a row

from __future__ import annotations

from mutation import Mutation

MORE = [
    # Accounts of energy and time, and studies of hardware
    Mutation("account: second devices of pairs do not load their node", "contrastive_core/devices/accounting.py", "columns = [array.sum((0, 1)) for array in arrays]", "columns = [array[0].sum(0) for array in arrays]", "accounts::test_both_devices_of_a_pair"),
    Mutation("account: heat of the hottest sample", "contrastive_core/devices/accounting.py", "float(sum(watts.double().mean() for", "float(sum(watts.double().max() for", "dissipation::test_circuit_that_settles_by_itself"),
    Mutation("account: sweeps of one sample for all", "experiments/hardware/measures.py", '["sweeps_per_sample"] for record in history) * len(splits.train.labels)', '["sweeps_per_sample"] for record in history)', "measures::test_sweeps_and_samples"),
    Mutation("account: samples of one epoch", "experiments/hardware/measures.py", "len(splits.train.labels) * len(history)", "len(splits.train.labels)", "measures::test_sweeps_and_samples"),
    Mutation("account: contrast with the free phase", "experiments/hardware/measures.py", "states[0 if len(states) < 3 else 1], states[-1]", "states[0], states[-1]", "measures::test_signal_is_the_displacement"),
    Mutation("account: longest train of the last array only", "contrastive_core/devices/on_device.py", "torch.stack((counts.sum(), counts.max()))", "torch.stack((counts.sum(), counts.mean()))", "device_data::test_the_account_is_the_sum"),
    Mutation("hardware: file of a device wins over the command line", "experiments/hardware/hardware.py", "(*own, *filed, *options.imperfections, *point)", "(*own, *options.imperfections, *filed, *point)", "pulse_fits::test_settings_beside_a_file"),
    Mutation("hardware: transfer to the same chip", "experiments/hardware/hardware.py", "replace(device, seed=int(spawn(seed, 1)[0].integers(2**31)))", "replace(device, seed=device.seed)", "hardware::test_another_chip"),
    Mutation("hardware: energies in the table are settling", "experiments/hardware/table.py", "\"-\" if row[\"energy\"] is None else f\"{1e6 * row['energy']:.3g}\"", "\"-\" if row[\"energy\"] is None else f\"{1e6 * row['settle_energy']:.3g}\"", "hardware::test_columns"),
    # Links, poolings and residual edges
    Mutation("maximum: feedback to other places", "contrastive_core/networks/pooling.py", "scatter_(1, _places(route)", "scatter_(1, 0 * _places(route)", "links::test_feedback_is_the_slope"),
    Mutation("average: feedback to all in full", "contrastive_core/networks/pooling.py", "above / self.size**2", "above", "links::test_feedback_is_the_slope"),
    Mutation("log-sum-exp: sum, not mean", "contrastive_core/networks/smooth_pooling.py", "(mean - shift).exp().mean(_WINDOW)", "(mean - shift).exp().sum(_WINDOW)", "links::test_poolings_are"),
    Mutation("softmax-weighted: slope without its second part", "contrastive_core/networks/smooth_pooling.py", "return weights * (1 + (inside - _mean(weights, inside)) / self.temperature)", "return weights", "links::test_feedback_is_the_slope"),
    Mutation("poolings: large steps by the formula for small ones", "contrastive_core/networks/smooth_pooling.py", "keepdim=True) > FAR", "keepdim=True) > 1e9", "links::test_large_differences"),
    Mutation("filters: feedback without stride's remainder", "contrastive_core/networks/links.py", "self.padding, (high, wide))", "self.padding, (0, 0))", "links::test_a_convolution_is_one"),
    Mutation("filters: other window in the gradient", "contrastive_core/networks/links.py", "[self.stride] * 2, [self.padding] * 2", "[self.stride] * 2, [0] * 2", "links::test_a_convolution_is_one"),
    Mutation("bias of channels: mean over places", "contrastive_core/networks/links.py", "layer.sum((0, 2, 3))", "layer.sum(0).mean((1, 2))", "networks::test_energy_gradient_is_the_mean"),
    Mutation("displacements: way back stays as it is", "contrastive_core/networks/differences.py", "if turned is None or route is None:", "if True:", "convolution::test_displacements_lead_to"),
    Mutation("residual edges: feedback of a neighbour", "contrastive_core/networks/layered.py", "self.energy_scale ** (edge.target - edge.source)", "self.energy_scale", "convolution::test_forces_and_gradients"),
    Mutation("residual edges: two groups for all", "contrastive_core/dynamics/block_descent.py", "bool(index), *skips)", "bool(index),)", "links::test_layers_with_an_edge"),
    Mutation("signed units behind a maximum pass", "contrastive_core/networks/architecture.py", "_FAR_BELOW))) < 0", "_FAR_BELOW))) < -9", "convolution::test_pooled_maxima"),
    Mutation("account: filters are read once", "contrastive_core/devices/accounting.py", "network.pieces.reads.get(name, 1)", "1", "accounts::test_filters_are_read"),
    # Statistics
    Mutation("interval: Wilson without its second term", "experiments/runs/intervals.py", "share * (1 - share) / number + (_Z / (2 * number)) ** 2", "share * (1 - share) / number", "intervals::test_the_interval_of_a_share"),
    Mutation("interval: none for two values", "experiments/runs/intervals.py", "known = (number > 1) &", "known = (number > 2) &", "intervals::test_an_interval_is_written"),
    Mutation("comparison: failed trials count", "experiments/learning/comparison.py", "mean([trial[name] for trial in done])", "mean([trial[name] for trial in done]) * len(done) / len(trials)", "learning_commands::test_means_of_a_rule"),
    Mutation("collect: differences the other way round", "experiments/sweeps/summary.py", "difference_interval(values.isel({axis: arm}).values, base, bounds)", "difference_interval(base, values.isel({axis: arm}).values, bounds)", "sweeps::test_summary_and_paired"),
    Mutation("chains: spread of two is an error", "hebbian/observables.py", "if values.shape[1] >= 8:", "if values.shape[1] >= 2:", "observables::test_error_of_few_chains"),
    Mutation("chains: R-hat within counts whole", "hebbian/observables.py", "(half - 1) / half + between / within", "1 + between / within", "observables::test_split_r_hat_by_hand"),
    Mutation("chains: autocorrelation counts lag 0 twice", "contrastive_core/analysis/autocorrelation.py", "2.0 * np.cumsum(correlation) - 1.0", "2.0 * np.cumsum(correlation)", "observables::test_autocorrelation_time"),
    Mutation("verdict: finite-size shift away", "experiments/hopfield/sampling.py", "instance.overlaps + shift, strict", "instance.overlaps - shift, strict", "hopfield_commands::test_the_verdict_adds"),
    Mutation("scaling: bootstrap without replacement", "hebbian/scaling.py", "generator.choice(counts, len(counts))", "generator.permutation(counts)", "capacity::test_scaling_fit_finds"),
    Mutation("scaling: freedom of all points", "hebbian/scaling.py", "freedom=len(won) - len(start)", "freedom=len(won)", "capacity::test_plausibility_is"),
    # Objectives, views and momentum encoders
    Mutation("CACR: weights carry no gradient", "contrastive_core/objectives/instances/cacr.py", ".softmax(1)\n", ".softmax(1).detach()\n", "objective_formulas::test_value_and_gradient"),
    Mutation("SupReMix: mixed negatives weigh as whole ones", "contrastive_core/objectives/labelled/regression.py", "((1 - mixing) * apart).log1p()", "apart.log1p()", "objective_formulas::test_value_and_gradient"),
    Mutation("individual temperatures: slope without its pull", "contrastive_core/objectives/instances/individual_temperatures.py", "pull = temperatures * (fresh - mixed).exp() / len(fresh)", "pull = temperatures / len(fresh) + 0 * mixed", "objective_formulas::test_value_and_gradient"),
    Mutation("momentum encoder: keys of the view before", "contrastive_core/objectives/instances/queue.py", "outputs.roll(-(len(outputs) // views), 0)", "outputs.roll(len(outputs) // views, 0)", "mixing::test_keys_are_of_the_next_view"),
    Mutation("affine view: half the shift", "contrastive_core/data/views/affine.py", "2 * strength * self.shift", "strength * self.shift", "views::test_affine_shifts"),
    Mutation("erase view: ratio of areas", "contrastive_core/data/views/erase.py", "0.5 * math.log(self.aspect)", "math.log(self.aspect)", "views::test_ratio_of_the_sides"),
    # Sweeps, journals and reports
    Mutation("random axis: highest integer never", "experiments/sweeps/axes.py", "(int(high) - int(low) + 1)", "(int(high) - int(low))", "axes::test_random_axes_have"),
    Mutation("random axes: all from one stream", "experiments/sweeps/axes.py", "_DRAWS + number, index", "_DRAWS, index", "axes::test_random_axes_have"),
    Mutation("sweep: independent seeds are paired", "experiments/sweeps/study.py", "shared[replicate] if paired else child_seed(root, number)", "shared[replicate] if paired else child_seed(root, replicate)", "axes::test_paired_seeds"),
    Mutation("report: neighbours of the grid are averaged", "experiments/report/grid_view.py", "groups = np.arange(few) // opened.seeds", "groups = np.arange(few) % len(labels)", "report_of_records::test_table_of_a_report"),
    # Theory and sampling of Hopfield networks
    Mutation("mean field: half the finite-size shift", "hebbian/theory/mean_field.py", "skew = 2 * stiffness**2", "skew = stiffness**2", "mean_field::test_finite_size_shift"),
    Mutation("learning theory: slope at T = 0", "hebbian/theory/learning.py", "np.sqrt(2 / np.pi) / safe", "np.sqrt(1 / np.pi) / safe", "learning_theory::test_example_noise_turns"),
    Mutation("thresholds: noise of the first pattern only", "hebbian/theory/thresholds.py", "(1 - dilution ** (2 * num_patterns))", "(1 - dilution**2)", "learning_theory::test_threshold_of_a_hierarchy"),
    Mutation("storage: Storkey keeps a diagonal", "hebbian/storage.py", "        np.fill_diagonal(couplings, 0.0)\n    return _finished(couplings", "    return _finished(couplings", "storage::test_storkey"),
    Mutation("tempering: every second exchange is never tried", "hebbian/tempering.py", "np.arange(number % 2, count - 1, 2)", "np.arange(0, count - 1, 2)", "spin_statistics::test_parallel_tempering"),
    Mutation("lumped sampler: half the noise of the hidden layer", "hebbian/lumped.py", "np.sqrt(2 / gain)", "np.sqrt(1 / gain)", "spin_statistics::test_every_sampler"),
    Mutation("sampling of examples: every record repeats its draws", "hebbian/montecarlo.py", "SweepPlan(seed, first_step + start, every, known)", "SweepPlan(seed, first_step, every, known)", "spin_kernels::test_sweeps_of_networks_of_examples"),
    # Devices, dynamics, baselines and plug-ins
    Mutation("phase change noise: no read time in the denominator", "contrastive_core/devices/effects/phase_change.py", "(seconds + self.t_read) / (2 * self.t_read)", "(seconds + self.t_read) / self.t_read", "effects::test_noise_of_phase_change"),
    Mutation("converter: a level too many", "contrastive_core/devices/effects/periphery.py", "step = 2 * bound / (2**bits - 2)", "step = 2 * bound / (2**bits - 1)", "devices::test_converters_round"),
    Mutation("pulse fit: read noise without its lost share", "contrastive_core/devices/pulse_fit.py", "deviations[:, :-1] / (1 - lost))", "deviations[:, :-1])", "pulse_fits::test_noises_of_two_cycles"),
    Mutation("growing pair: refreshed to nothing", "contrastive_core/devices/effects/leak.py", "write.level - write.level.amin(0, keepdim=True)", "write.level - write.level.amin()", "effects::test_refresh_of_a_pair"),
    Mutation("untied: weights contrast with the first state below", "contrastive_core/networks/untied.py", "tuple((plus + other) / 2 for", "tuple(plus for", "untied::test_forward_and_feedback_halves"),
    Mutation("momentum: residual of the short step", "contrastive_core/dynamics/momentum.py", "p + v for p, v in zip(point, velocity", "p + memory.size * v for p, v in zip(point, velocity", "solvers::test_residual_of_an_accelerated"),
    Mutation("Langevin: variance of one half step", "contrastive_core/dynamics/langevin.py", "2 * self.temperature * self.step_size / scale", "self.temperature * self.step_size / scale", "langevin::test_a_linear_unit"),
    Mutation("implicit: indefinite curvature passes the Krylov solver", "contrastive_core/baselines/implicit.py", ".sum(1) < 0\n", ".sum(1) < -1e300\n", "gradients::test_implicit_refuses"),
    Mutation("tuning: spread of batches over their number", "contrastive_core/training/gradient_noise.py", "math.sqrt(len(rows) - 1)", "math.sqrt(len(rows))", "tuning::test_noise_is_the_standard"),
    Mutation("following: a bias counts as one update", "contrastive_core/training/gradient_noise.py", "math.sqrt(updates * systematic", "math.sqrt(systematic", "following_noise::test_share_of_the_noise"),
    Mutation("following: tolerances are chosen, and not used", "contrastive_core/training/loop.py", "            rule = session.following.next_rule(", "            session.following.next_rule(", "following_noise::test_following_takes_fewer"),
    Mutation("plug-ins: a name of two packages is the first one's", "contrastive_core/plugins.py", "if len(found) + len(packages) > 1:", "if len(found) > 1:", "plugins::test_broken_and_clashing"),
    # Second-order checks, nudged oscillators, guards, progress, files and ground states
    Mutation("convexity: half the curvature of the units", "contrastive_core/relaxation/convexity.py", "torch.minimum(least, 1 + total(", "torch.minimum(least, 0.5 + total(", "negative_nudges::test_a_saddle_without_a_force"),
    Mutation("pull on oscillators: the whole curvature is an injection", "eqprop/oscillator.py", "injection - on_outputs.curvature / 2", "injection - on_outputs.curvature", "tops_of_wells::test_a_nudge_is_a_field"),
    Mutation("foreign code: one that ends the program ends ours", "contrastive_core/guards/foreign.py", "except (Exception, SystemExit) as error", "except Exception as error", "wrong_objects::test_wrong_objects_are_refused"),
    Mutation("types of arguments: names are not looked at", "contrastive_core/guards/typed.py", "_check(target.__name__, parameter, meanings.get(parameter), given)", "pass", "wrong_types::test_wrong_types_are_refused"),
    Mutation("shares: a loop in a loop begins at 0 again", "contrastive_core/progress/share.py", "_Span(around.low + low * width,", "_Span(low * width,", "live_progress::test_a_loop_in_a_loop"),
    Mutation("named files: an empty one is in the way", "contrastive_core/files/writing.py", "(size := path.stat().st_size) and (size !=", "(size := path.stat().st_size) >= 0 and (size !=", "named_files::test_a_file_is_written_once"),
    Mutation("device files: settings without a part pass", "experiments/setup/device_files.py", "if not isinstance(table, Mapping) or not all(", "if isinstance(table, Mapping) and not all(", "trained_on_devices::test_files_without_settings"),
    Mutation("ground states: a root is a jump", "experiments/hopfield/ground_states.py", "_WIDTH = 1e-6", "_WIDTH = 1e-2", "ground_lines::test_a_state_that_grows"),
    # The interactive page
    Mutation("page: strengths in units of the energy", "experiments/interactive/recorded.py", "sign * strength * network.stiffness[-1]", "sign * strength", "interactive_page::test_nudged_phases"),
    Mutation("page: other noise than the certificate's", "experiments/interactive/recorded.py", "phase, generator_of(*draws)))", "phase, generator_of(0)))", "interactive_page::test_recorded_phases"),
    Mutation("page: landscape mirrored", "experiments/interactive/landscape.py", "grid[:, :1] * plane.along", "-grid[:, :1] * plane.along", "interactive_page::test_a_landscape"),
    Mutation("page: residuals of one sweep later", "experiments/interactive/page.py", "[[np.nan], recorded.residual[: count - 1, sample].numpy()]", "[recorded.residual[: count - 1, sample].numpy(), [np.nan]]", "interactive_page::test_the_numbers"),
    Mutation("page: nudged units as they are", "experiments/interactive/page.py", "layers if rest is None else [", "layers if True else [", "interactive_page::test_the_numbers"),
    Mutation("page: slider of the feedback draws nothing", "experiments/interactive/templates/relaxation.js", "page.runs[here.scale][here.temperature]", "page.runs[0][here.temperature]", "interactive_page::test_a_browser"),
    Mutation("page: options of a new network beside a checkpoint", "experiments/interactive/show.py", 'if name in given]:\n        raise', 'if not name]:\n        raise', "interactive_page::test_a_checkpoint"),
]  # fmt: skip
