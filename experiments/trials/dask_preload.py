"""Module that a dask worker of this machine loads before it works."""

import signal


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C, which a terminal sends to every process, to the one that writes the journal.

    Parameters
    ----------
    worker : Worker
        Not used.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
