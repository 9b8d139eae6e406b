"""Start of a command and its voice: nothing in here is part of the computation."""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from contrastive_core.errors import InputError
from experiments.commandline.output import say, to_json, write_text
from experiments.machine import available_cores

if TYPE_CHECKING:
    from tqdm import tqdm


FIGURE_FORMATS = ("svg", "pdf", "png")
"""Formats of figures; the first is always written, because reports link to it."""
PAPER_COLUMNS = {"single": 89.0, "double": 183.0}
"""Usual widths of one and of two columns of a journal, in millimetres."""
PAPER_WIDTHS = (40.0, 500.0)
"""Least and largest width of a figure, in millimetres."""


class Drawing(NamedTuple):
    """Form of the files of figures.

    Attributes
    ----------
    formats : tuple of str
        Formats beside the first one of ``FIGURE_FORMATS``.
    width : float, optional
        Width in millimetres; None for that of the page.
    """

    formats: tuple[str, ...] = ()
    width: float | None = None


ON_THE_PAGE = Drawing()
"""Files of figures as reports show them."""


@dataclass(frozen=True)
class Invocation:
    """Start of a command, and the ways in which it speaks to the user.

    Attributes
    ----------
    command : str
        Its name after ``eqlab``, such as ``data fetch``.
    argv : tuple of str
        The whole command line after the name of the program.
    out : Path or None
        Directory of the run; None for a new one.
    json : bool
        Whether stdout carries JSON, and nothing else.
    quiet : bool
        Whether to leave out progress.
    threads : int
        Number of threads to compute with.
    runs : Path or None
        Directory that holds the runs; None for the directory ``runs``.
    drawing : Drawing
        Form of the files of figures.
    receiver : callable, optional
        Function that takes the result, as data and as text, in place of stdout.
    program : str
        Name of the program that was started: ``python`` for a script.
    """

    command: str
    argv: tuple[str, ...]
    out: Path | None
    json: bool
    quiet: bool
    threads: int
    runs: Path | None = None
    drawing: Drawing = ON_THE_PAGE
    receiver: Callable[[Mapping[str, Any], str], None] | None = None
    program: str = "eqlab"

    def result(self, data: Mapping[str, Any], text: str) -> None:
        """Print what the command found, or hand it to the receiver.

        Parameters
        ----------
        data : mapping
            For ``--json``.
        text : str
            For people.
        """
        if self.receiver is not None:
            self.receiver(data, text)
        elif self.json:
            click.echo(to_json(data).encode())  # JSON is UTF-8, whatever the terminal shows
        else:
            say(text)

    def save_result(self, name: str, data: Mapping[str, Any], text: str) -> None:
        """Print what a command without a run directory found, and keep it where ``--out`` says.

        Parameters
        ----------
        name : str
            Name of the file, without its ending.
        data : mapping
            For ``--json`` and for the file.
        text : str
            For people.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        if self.out is not None:
            try:
                self.out.mkdir(parents=True, exist_ok=True)
                write_text(self.out / f"{name}.json", to_json(data) + "\n")
            except OSError as error:
                raise InputError(f"cannot write to {self.out} ({error.strerror}); choose another --out") from error
        self.result(data, text)

    def note(self, text: str) -> None:
        """Tell the user on stderr how things go, unless asked to be quiet.

        Parameters
        ----------
        text : str
            One line.
        """
        if not self.quiet:
            say(text, err=True)

    def warn(self, text: str) -> None:
        """Warn the user on stderr, quiet or not.

        Parameters
        ----------
        text : str
            One sentence.
        """
        say(f"eqlab: warning: {text}", err=True)

    @contextmanager
    def progress(self, total: int, label: str, *, done: int = 0) -> "Iterator[tqdm[Any]]":
        """Show a bar on stderr, if that is a terminal and the user did not ask for quiet.

        Parameters
        ----------
        total : int
            Amount of work.
        label : str
            Text before the bar.
        done : int
            Amount that was done before.

        Yields
        ------
        tqdm
            Bar to be updated.
        """
        from tqdm import tqdm

        with tqdm(total=total, initial=done, desc=label, file=sys.stderr, disable=not self.has_bar, leave=False) as bar:
            yield bar

    @property
    def has_bar(self) -> bool:
        """Whether progress is a bar on a terminal."""
        return not self.quiet and sys.stderr is not None and sys.stderr.isatty()

    def warn_of_threads(self) -> None:
        """Warn of more threads than cores: they are slow, not wrong, and a run must go on by its own command line on a smaller machine."""
        if self.threads > (cores := available_cores()):
            self.warn(
                f"--threads {self.threads} is more than the {cores} cores that this process may use: threads will wait for each other"
            )

    def resume_command(self, path: Path) -> str:
        """Write the command line that continues a run.

        Parameters
        ----------
        path : Path
            The run's directory.

        Returns
        -------
        str
            Ready for a shell: the same command line, with ``--out`` if it had none.
        """
        out = () if self.out is not None else ("--out", str(path))
        return shlex.join((self.program, *self.argv, *out))
