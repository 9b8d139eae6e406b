"""Every error that eqlab raises on purpose; each message says what was wrong, what was expected and what to do."""


class EqlabError(Exception):
    """Base of all errors raised on purpose; the command line prints its message as one sentence, without a traceback."""


class InputError(EqlabError, ValueError):
    """A setting, shape, file or name that the caller has to change."""


class ShapeError(InputError):
    """A tensor whose shape does not fit the network, batch or state it is used with."""


class UnknownNameError(InputError, KeyError):
    """A name that is not in one of the tables of rules, costs, networks, data sets, ..."""

    def __str__(self) -> str:
        """Return the message; ``KeyError`` alone would show its repr, in quotes."""
        return str(self.args[0])


class DataError(InputError):
    """A data set that is missing, truncated, corrupt or not what its name says."""


class CheckpointError(InputError):
    """A checkpoint that is damaged or belongs to another network or configuration."""


class BackendError(InputError):
    """A backend that does not exist here or cannot do what was asked; the message lists those that can."""


class RelaxationError(EqlabError, ArithmeticError):
    """A relaxation whose result cannot be used."""


class ConvergenceError(RelaxationError):
    """A computation that needed an equilibrium, or a solution, and did not reach it within its budget."""


class DivergenceError(RelaxationError):
    """A state that is not finite, or an energy without a minimum at the strength asked for."""


class UnstableNudgeError(DivergenceError, InputError):
    """A nudge under which the energy has no minimum: a strength that the caller has to bring nearer to 0 than the bound in the message."""
