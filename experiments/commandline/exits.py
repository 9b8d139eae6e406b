"""End of a command: the exit code and the one sentence for every error that is not a bug of ours.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or configuration, 3 some trials failed, 130 interrupted.
"""

import errno
import sqlite3
from collections.abc import Iterator
from difflib import get_close_matches

import click

from contrastive_core.errors import EqlabError, InputError
from contrastive_core.familiar import translated
from experiments.commandline.completion import owners
from experiments.commandline.interruption import INTERRUPTED, InterruptedRunError
from experiments.commandline.kinds import flag_name

FAILED = 1
USAGE = 2
SOME_FAILED = 3
_CLOSE = 0.75
"""Likeness of a word that is suggested; --batch-size and --size have 0.67, and mean different things."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a disk that takes no more; the command line was right, whatever sentence says what could not be written."""
_FULL_FOR_SQLITE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "array is too big",
    "Maximum allowed dimension exceeded",
    "Storage size calculation overflowed",
)


class TrialsFailedError(EqlabError):
    """Some trials of a run failed; their messages are in its journal, the others' results are complete."""


def exit_code(error: BaseException) -> int | None:
    """Give the exit code for an error.

    Parameters
    ----------
    error : BaseException
        Error that ended the command.

    Returns
    -------
    int or None
        None for an error that nobody foresaw: a bug, which deserves its traceback.
    """
    if _ran_out_of_memory(error) or ended_early(error) or any(map(_is_of_a_full_disk, causes(error))):
        return FAILED
    codes: tuple[tuple[type[BaseException], int], ...] = (
        (TrialsFailedError, SOME_FAILED),
        (InterruptedRunError, INTERRUPTED),
        (InputError, USAGE),
        (EqlabError, FAILED),
        (click.UsageError, USAGE),
        (click.ClickException, FAILED),
        (click.Abort, INTERRUPTED),
        (OSError, FAILED),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), None)


def sentence(error: BaseException) -> str:
    """Say in one sentence what ended a command.

    Parameters
    ----------
    error : BaseException
        An error for which ``exit_code`` gives a code.

    Returns
    -------
    str
        The sentence, without the program's name.
    """
    if _ran_out_of_memory(error):
        detail = f" ({error})" if str(error) else ""
        return f"there is not enough memory{detail}; choose smaller sizes, or fewer samples at a time"
    if ended_early(error):
        return "a file or an answer ended before its end; restore the file, or answer the question"
    if isinstance(error, click.UsageError):
        help_hint = f"; see '{error.ctx.command_path} --help'" if error.ctx else ""
        message = _unknown_option(error) if isinstance(error, click.NoSuchOption) else error.format_message().rstrip(".")
        return message[:1].lower() + message[1:] + help_hint
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, click.Abort):
        return "interrupted"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


def _unknown_option(error: click.NoSuchOption) -> str:
    """Say what a familiar option is called here, or name the one that begins as typed, or else the closest one."""
    options = [] if error.ctx is None else [name for one in error.ctx.command.params if isinstance(one, click.Option) for name in one.opts]
    ours = translated("option", error.option_name.lstrip("-"), [name.removeprefix("--") for name in options])
    if ours:
        return f"no such option {error.option_name}: it is --{ours} here"
    belongs = _belongs(error)
    if belongs:
        return f"no such option {error.option_name!r} here: it belongs to {belongs}"
    begin = sorted((name for name in options if name.startswith(error.option_name)), key=len)
    close = begin[:1] or get_close_matches(error.option_name, options, n=1, cutoff=_CLOSE)
    return f"no such option {error.option_name!r}{f': did you mean {close[0]!r}?' if close else ''}"


def _belongs(error: click.NoSuchOption) -> str:
    """Return the rules, networks, ... that have an option, and the flag that names them; empty if none has it."""
    model = None if error.ctx is None else getattr(error.ctx.command, "model", None)
    found = {} if model is None else owners(model, error.option_name.lstrip("-").replace("-", "_"))
    return next((f"{' or '.join(names)}, to be named by {flag_name(key)}" for key, names in found.items()), "")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Follow an error to those that it came from, itself first."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _is_of_a_full_disk(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _FULL_FOR_SQLITE  # the upper bits tell kinds of one error apart
    return isinstance(error, OSError) and error.errno in _FULL


def _ran_out_of_memory(error: BaseException) -> bool:
    """Whether memory was missing, which NumPy and torch say in several ways."""
    told = isinstance(error, RuntimeError | ValueError) and not isinstance(error, EqlabError)
    return isinstance(error, MemoryError) or (told and any(words in str(error) for words in _NO_MEMORY))


def ended_early(error: BaseException) -> bool:
    """Whether click took the end of a file, or of the answers to its questions, for Ctrl-C."""
    return isinstance(error, click.Abort) and isinstance(error.__cause__ or error.__context__, EOFError)
