"""Public names of eqlab: ``import eqlab`` gives everything that a study needs, and imports each name when it is first used.

``PUBLIC`` is the one list of these names; ``docs/api.md`` describes them.

The packages behind it have short names, and a folder or file called ``experiments``, ``eqprop``, ``hebbian`` or ``contrastive_core`` in
the current directory, or beside the user's script, would be found first. Importing eqlab therefore imports its own three scientific
packages from the place where eqlab itself lies. The package ``experiments`` belongs to the program: only ``eqlab.__main__`` claims
it, so that a script that imports eqlab can have ``experiments`` of its own.
"""

import sys
from functools import reduce
from importlib import import_module
from operator import or_
from pathlib import Path
from typing import Any

PUBLIC = {
    # Networks
    "Network": "contrastive_core.network:Network",
    "Layered": "contrastive_core.networks.layered:Layered",
    "convolutional": "contrastive_core.networks.notation:convolutional",
    "towers": "contrastive_core.networks.architecture:towers",
    "SpinNetwork": "contrastive_core.networks.spin:SpinNetwork",
    "Untied": "contrastive_core.networks.untied:Untied",
    "Resistive": "eqprop.resistive:Resistive",
    "ResistorGraph": "eqprop.resistor_graph:ResistorGraph",
    "Oscillators": "eqprop.oscillator:Oscillators",
    "Ising": "eqprop.ising:Ising",
    "BinaryWeights": "eqprop.binary:BinaryWeights",
    "spiking": "eqprop.spiking:spiking",
    "Activation": "contrastive_core.networks.activation:Activation",
    "NetworkKind": "contrastive_core.networks.kind:NetworkKind",
    "to_onnx": "contrastive_core.interchange.onnx_graph:to_onnx",
    "to_nir": "contrastive_core.interchange.nir_graph:to_nir",
    "from_nir": "contrastive_core.interchange.nir_reading:from_nir",
    "NETWORKS": "contrastive_core.networks:NETWORKS | eqprop:NETWORKS",
    "ACTIVATIONS": "contrastive_core.networks:ACTIVATIONS",
    # Costs and objectives
    "Cost": "contrastive_core.cost:Cost",
    "SquaredError": "contrastive_core.costs.squared_error:SquaredError",
    "CrossEntropy": "contrastive_core.costs.cross_entropy:CrossEntropy",
    "Objective": "contrastive_core.objectives.objective:Objective",
    "COSTS": "contrastive_core.costs:COSTS",
    "OBJECTIVES": "contrastive_core.objectives:OBJECTIVES",
    # Rules
    "Rule": "contrastive_core.rule:Rule",
    "Setting": "contrastive_core.rule:Setting",
    "Settling": "contrastive_core.rule:Settling",
    "Estimate": "contrastive_core.rule:Estimate",
    "Sides": "contrastive_core.phases:Sides",
    "Unrolling": "contrastive_core.baselines.unrolled:Unrolling",
    "Homeostasis": "eqprop.rule:Homeostasis",
    "EquilibriumPropagation": "eqprop.rule:EquilibriumPropagation",
    "EquilibriumLayer": "eqprop.layers.equilibrium_layer:EquilibriumLayer",
    "CoupledLearning": "hebbian.coupled:CoupledLearning",
    "contrastive_hebbian": "hebbian.coupled:contrastive_hebbian",
    "Implicit": "contrastive_core.baselines.implicit:Implicit",
    "RecurrentBackprop": "contrastive_core.baselines.recurrent:RecurrentBackprop",
    "Unrolled": "contrastive_core.baselines.unrolled:Unrolled",
    "FeedforwardBackprop": "contrastive_core.baselines.feedforward:FeedforwardBackprop",
    "RULES": "eqprop:RULES | hebbian:RULES | contrastive_core.baselines:RULES | eqprop:THERMAL_RULES",
    # Phases and relaxation
    "relax": "contrastive_core.relaxation.relax:relax",
    "Stop": "contrastive_core.certificate:Stop",
    "Status": "contrastive_core.certificate:Status",
    "Relaxation": "contrastive_core.certificate:Relaxation",
    "Nudge": "contrastive_core.phases:Nudge",
    "Hold": "contrastive_core.phases:Hold",
    "Dynamics": "contrastive_core.dynamics.base:Dynamics",
    "BlockDescent": "contrastive_core.dynamics.block_descent:BlockDescent",
    "Synchronous": "contrastive_core.dynamics.synchronous:Synchronous",
    "GradientFlow": "contrastive_core.dynamics.gradient_flow:GradientFlow",
    "Momentum": "contrastive_core.dynamics.momentum:Momentum",
    "Anderson": "contrastive_core.dynamics.anderson:Anderson",
    "Langevin": "contrastive_core.dynamics.langevin:Langevin",
    "Annealing": "eqprop.annealing:Annealing",
    "DYNAMICS": "contrastive_core.dynamics:DYNAMICS | eqprop:DYNAMICS",
    # Data
    "Batch": "contrastive_core.types:Batch",
    "Split": "contrastive_core.data.splits:Split",
    "Splits": "contrastive_core.data.splits:Splits",
    "own_data": "contrastive_core.data.named.arrays:own_data",
    "read_own": "contrastive_core.data.own.reading:read_own",
    "batches": "contrastive_core.data.batches:batches",
    "MultiView": "contrastive_core.data.views.multiview:MultiView",
    "DATASETS": "contrastive_core.data:DATASETS",
    "VIEWS": "contrastive_core.data.views:VIEWS",
    "SAMPLERS": "contrastive_core.sampling:SAMPLERS",
    "MIXINGS": "contrastive_core.mixing:MIXINGS",
    # Training
    "fit": "eqlab.fitting:fit",
    "train": "contrastive_core.training.loop:train",
    "evaluate": "contrastive_core.training.evaluation:evaluate",
    "generator_of": "contrastive_core.generators:generator_of",
    "NoiseTolerances": "contrastive_core.training.plan:NoiseTolerances",
    "TrainingPlan": "contrastive_core.training.plan:Plan",
    "save_checkpoint": "contrastive_core.files.checkpoint:save_checkpoint",
    "load_checkpoint": "contrastive_core.files.checkpoint:load_checkpoint",
    "OPTIMISERS": "contrastive_core.training.optimisers:OPTIMISERS",
    "SCHEDULES": "contrastive_core.training.optimisers:SCHEDULES",
    # Estimators of scikit-learn
    "EquilibriumClassifier": "eqlab.estimators.classifier:EquilibriumClassifier",
    "EquilibriumRegressor": "eqlab.estimators.regressor:EquilibriumRegressor",
    "EquilibriumEncoder": "eqlab.estimators.encoder:EquilibriumEncoder",
    "BoltzmannMachine": "eqlab.estimators.machine:RestrictedBoltzmannMachine",
    # Diagnostics
    "compare_gradients": "contrastive_core.analysis.gradient_quality:compare_gradients",
    "bias_in_strength": "contrastive_core.analysis.gradient_quality:bias_in_strength",
    "extreme_eigenvalues": "contrastive_core.networks.curvature:extreme_eigenvalues",
    "spectral_radius": "contrastive_core.dynamics.contraction:spectral_radius",
    "linear_probe": "contrastive_core.representation.probes:linear_probe",
    "linear_cka": "contrastive_core.representation.matching:linear_cka",
    # Hopfield networks
    "draw_patterns": "hebbian.patterns:draw_patterns",
    "draw_examples": "hebbian.patterns:draw_examples",
    "remember": "hebbian.storage:remember",
    "store_patterns": "hebbian.multitasking:store_patterns",
    "Multitasking": "hebbian.multitasking:Multitasking",
    "cue": "hebbian.multitasking:cue",
    "simulate": "hebbian.montecarlo:simulate",
    "recall_from_cue": "hebbian.retrieval:recall_from_cue",
    "descend_to_rest": "hebbian.retrieval:descend_to_rest",
    "diluted_ensemble": "hebbian.theory.ensemble:diluted_ensemble",
    "MeanField": "hebbian.theory.mean_field:MeanField",
    "stable_branches": "hebbian.theory.branches:stable_branches",
    "retrieval_overlap": "hebbian.theory.capacity:retrieval_overlap",
    "STORAGE": "hebbian:STORAGE",
    # Devices
    "OnDevice": "contrastive_core.devices.on_device:OnDevice",
    "Device": "contrastive_core.devices.device:Device",
    "Conductance": "contrastive_core.devices.conductance:Conductance",
    "find_preset": "contrastive_core.devices.presets:find_preset",
    "fit_pulses": "contrastive_core.devices.pulse_fit:fit_pulses",
    "EFFECTS": "contrastive_core.devices:EFFECTS",
    # Errors
    "EqlabError": "contrastive_core.errors:EqlabError",
    "InputError": "contrastive_core.errors:InputError",
    "ConvergenceError": "contrastive_core.errors:ConvergenceError",
    "DivergenceError": "contrastive_core.errors:DivergenceError",
    "BackendError": "contrastive_core.errors:BackendError",
    "ConvergenceWarning": "contrastive_core.errors:ConvergenceWarning",
}
"""Every public name and the ``"module:attribute"`` that it stands for; tables joined by ``|`` are one table here."""

__all__ = [*PUBLIC]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in PUBLIC:
        raise AttributeError(f"eqlab has no public name {name!r}; docs/api.md lists them", name=name, obj=sys.modules[__name__])
    places = (place.split(":") for place in PUBLIC[name].split(" | "))
    found = reduce(or_, (getattr(import_module(module), attribute) for module, attribute in places))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(PUBLIC)


def _claim(*packages: str) -> None:
    """Import packages from the folder in which eqlab lies, whatever the path finds first under their names.

    Parameters
    ----------
    *packages : str
        Names of our own packages, those without imports of the others first.

    Raises
    ------
    ImportError
        If a package or module of the user's own has taken one of the names before.
    """
    root = Path(__file__).resolve().parent.parent
    sys.path.insert(0, str(root))
    try:
        for name in packages:
            module = import_module(name)
            place = Path(module.__file__ or "").resolve()
            if place.parent.parent != root:
                raise ImportError(f"eqlab needs the name {name!r}, which {place} took first; import eqlab before it, or rename it")
    finally:
        sys.path.remove(str(root))


_claim("contrastive_core", "eqprop", "hebbian")
