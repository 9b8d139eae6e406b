"""Code of plug-ins at work: whatever it raises becomes an error of one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from contrastive_core.errors import EqlabError, PluginError


@contextmanager
def foreign(failure: str, advice: str = "mend the plug-in") -> Iterator[None]:
    """Turn what a plug-in raises inside the block into ``PluginError``; errors of ours pass.

    Parameters
    ----------
    failure : str
        Words for what did not work, the begin of the message.
    advice : str
        Advice on what to do, the end of the message.

    Yields
    ------
    None
        Inside the block, the plug-in may run.

    Raises
    ------
    PluginError
        If the block raises any error that is none of ours, or ends the program.
    """
    try:
        yield
    except EqlabError:
        raise
    except (Exception, SystemExit) as error:  # foreign code may raise anything, and a script without a guard ends the program
        words = " ".join(str(error).split())  # a message of several lines would not be one sentence
        raise PluginError(f"{failure} ({type(error).__name__}{words and ': '}{words}); {advice}") from error
