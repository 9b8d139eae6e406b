"""Groups of commands that are imported when they are used, and that end with one sentence and an exit code."""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click
from cloup.formatting import HelpFormatter, HelpSection

from contrastive_core.registry import unknown_name
from experiments.commandline.exits import exit_code, sentence
from experiments.commandline.layout import HelpContext
from experiments.commandline.output import say

_WHOLE = 500
"""Letters of a sentence that the list of commands shows: more than any has, so that none is cut."""


class Group(click.Group):
    """Commands that are imported when they are used, and that end as ``experiments.commandline.exits`` says.

    Parameters
    ----------
    *args, **kwargs
        Arguments of ``click.Group``.
    subjects : mapping of str to mapping
        For each subject, ``"module:object"`` by name of command.
    """

    context_class = HelpContext

    def __init__(self, *args: Any, subjects: Mapping[str, Mapping[str, str]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._subjects = dict(subjects or {})
        self._lazy = {name: place for commands in self._subjects.values() for name, place in commands.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names of all commands.

        Parameters
        ----------
        ctx : Context
            Context of the group.

        Returns
        -------
        list of str
            In alphabetical order.
        """
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Parameters
        ----------
        ctx : Context
            Context of the group.
        cmd_name : str
            Name of the command.

        Returns
        -------
        Command or None
            None if there is none of that name.
        """
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, attribute = self._lazy[cmd_name].split(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with.

        Parameters
        ----------
        ctx : Context
            Context of the group.
        args : list of str
            The arguments.

        Returns
        -------
        name, command, rest
            Values that ``click.Group`` gives.

        Raises
        ------
        UsageError
            If there is no such command, with the closest name.
        """
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            raise click.UsageError(str(unknown_name("command", args[0], names)), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by subject, each with the first sentence of its help.

        Parameters
        ----------
        ctx : Context
            Context of the group.
        formatter : HelpFormatter
            Collects the text.
        """
        assert isinstance(formatter, HelpFormatter)
        subjects = {"Commands": super().list_commands(ctx), **self._subjects}
        sections = []
        for title, names in subjects.items():
            commands = {name: self.get_command(ctx, name) for name in names}
            sentences = [(name, command.get_short_help_str(_WHOLE)) for name, command in commands.items() if command]
            if sentences:
                sections.append(HelpSection(title, sentences))
        formatter.write_many_sections(sections)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line, and end the process with a sentence and an exit code.

        Parameters
        ----------
        args : sequence of str, optional
            Arguments; by default those of the process.
        prog_name, complete_var
            Arguments of ``click.Command.main``.
        standalone_mode : bool
            Whether to end the process; otherwise errors are raised.
        **extra
            Settings of the context.

        Returns
        -------
        object
            Value of ``click`` if not in standalone mode.
        """
        argv = tuple(sys.argv[1:] if args is None else args)
        try:
            ended = super().main(argv, prog_name, complete_var, standalone_mode=False, obj=argv, **extra)
        except Exception as error:
            code = exit_code(error)
            if code is None or not standalone_mode:
                raise
            if "--debug" in argv or os.environ.get("EQLAB_DEBUG", "0") not in ("", "0"):
                say(traceback.format_exc(), err=True)
            say(f"eqlab: error: {sentence(error)}", err=True)
            sys.exit(code)
        if not standalone_mode:
            return ended
        sys.exit(ended if isinstance(ended, int) else 0)


def show_help(ctx: click.Context) -> None:
    """Print a group's help if no command was given.

    Parameters
    ----------
    ctx : Context
        Context of the group, which is made with ``invoke_without_command``.
    """
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())


def lazy_group(name: str, text: str, commands: Mapping[str, str]) -> Group:
    """Make a group of commands that are imported when they are used, and whose help is shown without any."""
    return Group(name, subjects={"Commands": commands}, help=text, invoke_without_command=True, callback=click.pass_context(show_help))
