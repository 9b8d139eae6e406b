"""Ctrl-C, SIGTERM and SIGHUP: each stops the program once, outside of steps that must not be cut, and never within the clean-up.

Python cannot raise where it is called by a compiler or a destructor; an interruption that is lost there is raised again soon after.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from contrastive_core.errors import EqlabError

INTERRUPTED = 130
"""Exit code of an interrupted command."""
SECONDS_OF_ONE = 1.0
"""Time within which signals count as one: GNU ``timeout`` signals a program and its whole group, SLURM every process of a job."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN = 0.01
"""Seconds after which an interruption that was lost is tried again."""


class InterruptedRunError(EqlabError):
    """A run stopped by the user or by the system; the message says how to go on with it."""


class _Handler:
    """Handler of the signals.

    Attributes
    ----------
    first : float or None
        Time of the first signal.
    uncut : int
        Number of open blocks that must not be cut.
    """

    def __init__(self) -> None:
        self.first: float | None = None
        self.uncut = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the program at the first signal, and end the process at a later one."""
        now = time.monotonic()
        if self.first is None:
            self.first = now
            if not self.uncut:
                raise KeyboardInterrupt
        elif now - self.first > SECONDS_OF_ONE:
            # The clean-up hangs. Children end with their parent, and journals bear a kill.
            os._exit(INTERRUPTED)

    def again(self, number: int, frame: FrameType | None) -> None:
        """Raise an interruption that was lost, as soon as nothing must not be cut."""
        if self.uncut:
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        else:
            raise KeyboardInterrupt


_handler = _Handler()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP raise ``KeyboardInterrupt`` once in the block, and leave them to the system after it.

    For the main thread. A signal that was ignored when the program started stays ignored, as ``nohup`` wants SIGHUP to be.
    """
    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, _handler)
    signal.signal(signal.SIGALRM, _handler.again)
    report = sys.unraisablehook

    def unraised(lost: "sys.UnraisableHookArgs") -> None:
        # A hook that raised would be reported in its turn, with a traceback; an alarm interrupts whatever runs after the callback.
        if _handler.first is not None and issubclass(lost.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        else:
            report(lost)

    sys.unraisablehook = unraised
    try:
        yield
    except SystemExit as end:
        if end.code == INTERRUPTED:
            # Children are stopped by now, and a repeated signal would cut the interpreter's own end, with a traceback or another code.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = report
        for number in (*handled, signal.SIGALRM):  # an exception would show as a traceback while the interpreter ends
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def uncut() -> Iterator[None]:
    """Put off an interruption to the end of the block, such as the start of a process that nobody would know of.

    Raises
    ------
    KeyboardInterrupt
        After the block, if a signal came inside it.
    """
    before = _handler.first
    _handler.uncut += 1
    try:
        yield
    finally:
        _handler.uncut -= 1
        if before is None:
            heed()


def heed() -> None:
    """Raise an interruption that was put off, or that a library swallowed where it catches every exception.

    Raises
    ------
    KeyboardInterrupt
        If a signal came.
    """
    if _handler.first is not None and not _handler.uncut:
        raise KeyboardInterrupt


@contextmanager
def resumable(resume_command: str, is_begun: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Turn an interruption inside the block into an error that tells the user how to go on.

    Parameters
    ----------
    resume_command : str
        Command line that continues the run, as ``Invocation.resume_command`` gives it.
    is_begun : callable
        Function that tells whether the run has kept anything; without, the command line begins it anew.

    Raises
    ------
    InterruptedRunError
        If the block is interrupted.
    """
    try:
        yield
    except InterruptedRunError:
        raise  # of a block inside, which knows better how to go on
    except (KeyboardInterrupt, Exception) as cause:
        # After a signal, an error is what a library made of the interruption that it lost: numba misses a function that it could not store.
        if _handler.first is None and not isinstance(cause, KeyboardInterrupt):
            raise
        signal.setitimer(signal.ITIMER_REAL, 0)
        way = "interrupted; continue with" if is_begun() else "interrupted before anything was recorded; start again with"
        raise InterruptedRunError(f"{way}: {resume_command}") from cause
