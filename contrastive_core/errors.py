"""Errors that eqlab raises on purpose; each message says what was wrong, what was expected and what to do."""


class EqlabError(Exception):
    """Base of all errors raised on purpose; the command line prints the message as one sentence, without a traceback."""


class InputError(EqlabError, ValueError):
    """Setting, shape, file or name that the caller has to change."""


class ShapeError(InputError):
    """Tensor whose shape does not fit the network, batch or state."""


class UnknownNameError(InputError, KeyError):
    """Name that is missing from a table of rules, costs, networks or data sets."""

    def __str__(self) -> str:
        """Return the message without the quotes that ``KeyError`` adds."""
        return str(self.args[0])


class PluginError(InputError):
    """A plug-in that cannot be imported, or that does not fit what is already there."""


class DataError(InputError):
    """Data set that is missing, truncated, corrupt or another one than its name says."""


class CheckpointError(InputError):
    """Checkpoint that is damaged or belongs to another network or configuration."""


class BackendError(InputError):
    """Backend that is not available or does not cover the case; the message lists those that do."""


class RelaxationError(EqlabError, ArithmeticError):
    """Relaxation with an unusable result."""


class ConvergenceError(RelaxationError):
    """Equilibrium or solution that was not reached within the budget."""


class DivergenceError(RelaxationError):
    """State that is not finite, or energy without a minimum at the given strength."""


class UnstableNudgeError(DivergenceError, InputError):
    """Nudging strength at which the energy has no minimum; the message gives the bound."""


class ConvergenceWarning(UserWarning):
    """Warning of samples that did not settle within their budget, where results are used all the same."""
