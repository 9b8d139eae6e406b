"""Commands whose flags are made from their options, so that a setting is declared once."""

import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import cloup

from contrastive_core import plugins
from contrastive_core.errors import InputError
from experiments.commandline.arguments import modules_in, names_in, values_of
from experiments.commandline.completion import complete
from experiments.commandline.invocation import FIGURE_FORMATS, PAPER_COLUMNS, Drawing, Invocation
from experiments.commandline.layout import HelpContext
from experiments.commandline.options import CommandOptions, resolve
from experiments.commandline.parameters import FormatsType, WidthType, destination, leaves_of, parameter_of
from experiments.commandline.sections import GENERAL
from experiments.machine import keep_freed_memory, limit_threads, require_one_process

M = TypeVar("M", bound=CommandOptions)


class _Directory(click.Path):
    """Path of a directory, which is not empty: an empty one would be the current directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "" and param is not None:
            raise InputError(f"{param.opts[0]} needs a path, got an empty text; give a path, or leave the option out")
        return super().convert(value, param, ctx)


MOST_THREADS = 1024
"""More are a slip of the finger, and with some tens of thousands the system ends the process without a word."""
RUN = "--out"
"""Flag for the directory of one run, or of the results of a command that has no run."""
RUNS = "--runs"
"""Flag for the directory that holds the runs."""
_DIRECTORIES = {
    RUN: "Directory of the run, which keeps its results.",
    RUNS: "Directory that holds the runs, in place of the directory runs.",
}
_CONFIGURATION = "the configuration"

_THREADS = (
    "Number of threads that share out the samples of large batches, and chains of spins; results do not depend on it.  "
    "[default: every core for chains of spins, else 1]"
)

_SECTION = re.compile(r"\n\s*\w+\n\s*-{3,}\n")


def command(
    model: type[M],
    name: str,
    *,
    without: Collection[str] = (),
    directory: str = RUN,
    shared: bool = False,
    draws: bool = False,
) -> Callable[[Callable[[M, Invocation], None]], click.Command]:
    """Turn a function of options and an invocation into a command; ``docs/reference/options.md`` shows how a model becomes flags.

    Parameters
    ----------
    model : type of CommandOptions
        Options of the command; every field becomes a flag, or an argument if it is marked ``Positional``.
    name : str
        Name that the user types.
    without : collection of str
        Flags of all commands that this one does not have, or has with another meaning of its own.
    directory : str
        Flag of its directory: ``RUN``, or ``RUNS`` for a command that looks for runs by name.
    shared : bool
        Whether processes that ``torchrun`` started share its work; any other command refuses to be started several times.
    draws : bool
        Whether it writes figures, so that their formats and their width can be chosen.

    Returns
    -------
    callable
        Decorator; the text of the help is the function's docstring up to its first section.
    """
    remade = partial(command, name=name, without=without, directory=directory, shared=shared, draws=draws)

    def decorate(function: Callable[[M, Invocation], None]) -> click.Command:
        leaves = leaves_of(model)
        if "seed" in without:
            del leaves["seed"]

        def callback(**given: Any) -> None:
            if not shared:
                require_one_process(f"eqlab {name}")
            flags = {key: given[destination(key)] for key in leaves if given[destination(key)] not in (None, ())}
            with plugins.only_told(source=_CONFIGURATION):
                options = resolve(model, config=given.get("config"), flags=flags, assignments=given.get("set", ()))
                keep_freed_memory()
                function(options, _invocation(given))

        def completed(args: Sequence[str]) -> click.Command:
            known = complete(model, names_in(args, model))
            return made if known is model else remade(known)(function)

        groups = {leaf.section: cloup.OptionGroup(leaf.section.title) for leaf in leaves.values() if leaf.section != GENERAL}
        common = [parameter for parameter in _common(directory, draws) if parameter.name not in without]
        ordered = sorted(leaves.items(), key=lambda item: (item[1].section.rank, *item[1].place))
        parameters = [*(parameter_of(key, leaf, groups.get(leaf.section)) for key, leaf in ordered), *common]
        spelled = [spelling for parameter in parameters for spelling in {*parameter.opts, *parameter.secondary_opts}]
        if len(set(spelled)) < len(spelled):
            raise TypeError(f"two options of 'eqlab {name}' share a flag: {sorted(one for one in spelled if spelled.count(one) > 1)}")
        text = _SECTION.split(inspect.getdoc(function) or "")[0]
        made = Command(name, callback=callback, params=parameters, help=text, completed=completed, model=model, function=function)
        return made

    return decorate


class Command(cloup.Command):
    """Command whose help lists options by section, those that all commands share at the end.

    Parameters
    ----------
    *args, **kwargs
        Arguments of ``cloup.Command``.
    completed : callable
        Maps the arguments to the same command with the flags that belong to the rules, networks, … that they name.
    model, function
        Options of the command, and the function of options and an invocation that it calls.
    """

    context_class = HelpContext

    def __init__(
        self,
        *args: Any,
        completed: Callable[[Sequence[str]], click.Command],
        model: type[CommandOptions],
        function: Callable[[Any, Invocation], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._completed = completed
        self.model, self.function = model, function

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any) -> click.Context:
        """Import the modules given with ``--plugin`` and parse the arguments, flags of plug-ins included.

        Parameters
        ----------
        info_name : str or None
            Name of the command.
        args : list of str
            The arguments.
        parent : Context, optional
            Context of the group.
        **extra
            Settings of the context.

        Returns
        -------
        Context
            With the command that has all flags.
        """
        plugins.forget()
        plugins.use_modules(list(values_of("--plugin", args)))
        plugins.tell(modules_in(args))
        with plugins.only_told(source=_CONFIGURATION):
            completed = self._completed(args)
        return cloup.Command.make_context(completed, info_name, args, parent, **extra)

    def get_default_option_group(self, ctx: click.Context, is_the_only_visible_option_group: bool = False) -> cloup.OptionGroup:
        """Collect the options that belong to no other section, and ``--help``.

        Parameters
        ----------
        ctx : Context
            Context of the command.
        is_the_only_visible_option_group : bool
            Not used: the heading is the same in every command.

        Returns
        -------
        OptionGroup
            Last section of the help.
        """
        group = super().get_default_option_group(ctx, is_the_only_visible_option_group)
        group.title = GENERAL.title
        return group


def _common(directory: str, draws: bool) -> list[click.Parameter]:
    threads = click.IntRange(1, MOST_THREADS)
    formats, columns = ", ".join(FIGURE_FORMATS[1:]), " or ".join(f"{name} ({size:g})" for name, size in PAPER_COLUMNS.items())
    drawing: list[click.Parameter] = [
        click.Option(
            ["--figure-format"],
            metavar="NAME,...",
            type=FormatsType(),
            help=f"Formats in which figures are written beside {FIGURE_FORMATS[0]}: {formats}.  [default: {FIGURE_FORMATS[0]}]",
        ),
        click.Option(
            ["--width"],
            metavar="WIDTH",
            type=WidthType(),
            help=f"Width of figures in their files, in millimetres, or a column of a journal: {columns}.  [default: that of the page]",
        ),
    ]
    return [
        click.Option(["--config"], metavar="FILE", help="TOML file of options, or name of a shipped configuration; flags win."),
        click.Option(
            ["--set"], metavar="KEY=VALUE", multiple=True, help="Value of one option, such as epochs=5 or circuit.rail=2; wins over flags."
        ),
        click.Option([directory], metavar="DIR", type=_Directory(path_type=Path), help=_DIRECTORIES[directory]),
        *(drawing if draws else []),
        click.Option(["--json"], is_flag=True, help="Print the result as JSON on stdout, and nothing else there."),
        click.Option(["--quiet"], is_flag=True, help="Leave out progress; warnings and errors are still shown."),
        click.Option(["--threads"], type=threads, metavar="INTEGER", help=_THREADS),
        click.Option(
            ["--plugin"],
            metavar="MODULE",
            multiple=True,
            help="Python module whose tables RULES, NETWORKS, COSTS, DATASETS and EXPERIMENTS add names to the options; may be repeated.",
        ),
        click.Option(["--debug"], is_flag=True, help="Show the traceback of an error, as EQLAB_DEBUG=1 does."),
    ]


def _invocation(given: Mapping[str, Any]) -> Invocation:
    context = click.get_current_context()
    names = [context.info_name or ""]
    while context.parent and context.parent.parent:
        context = context.parent
        names.insert(0, context.info_name or "")
    argv = context.find_root().obj or ()
    threads = given.get("threads")
    limit_threads(threads)
    drawing = Drawing(given.get("figure_format") or (), given.get("width"))
    return Invocation(
        " ".join(names), tuple(argv), given.get("out"), given["json"], given["quiet"], threads or 1, given.get("runs"), drawing
    )
