r"""Common core: one scalar function, and everything that lowers, nudges or differentiates it.

Every system is :math:`F(s; \theta, x, y) = \sum_b E(s_b, x_b; \theta) + \beta\, C(o(s), y)`: a network's energy ``E``, a cost ``C`` on
its outputs ``o`` and a nudging strength ``beta``. A dynamics lowers ``F``, ``relax`` runs it and returns the state with a
certificate, and a rule turns relaxed states into a gradient.

Conventions
-----------
- Axes are (batch, unit). A state is a tuple with one (B, n) tensor per free layer; inputs are clamped and not part of it.
- ``energy`` is per sample, lower is better, and ``force = -dE/ds``.
- ``Rule.estimate`` returns an estimate of the gradient of the *mean* cost over the batch, with the keys of ``named_parameters()``.
- ``Cost.gradient`` is the gradient of the mean cost times B. For costs that are means over samples it is each sample's own gradient.
- Everything is dimensionless unless a docstring says otherwise; dtype and device follow the network's parameters.
- State, batch and random generator are arguments, never attributes; functions return new values and do not change their inputs.

The package itself imports nothing heavy, so that ``eqlab --help`` answers at once; import names from its modules.
"""
