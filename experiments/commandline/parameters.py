"""Flags and arguments made from the fields of option models."""

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import cloup
from click.shell_completion import CompletionItem
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from experiments.commandline.invocation import FIGURE_FORMATS, PAPER_COLUMNS, PAPER_WIDTHS
from experiments.commandline.kinds import NONE, OptionKind, field_kind, flag_name, from_text, is_positional
from experiments.commandline.markers import Repeated
from experiments.commandline.sections import OWN, Section

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # older versions of click have no type parameter here
    _ParamType = click.ParamType

_NO_FLAG = ("mapping", "table")


class FormatsType(_ParamType):
    """Names of formats of figures, by commas; the first of ``FIGURE_FORMATS``, which is always written, may be left out."""

    name = "formats"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Split the names, and leave out the first format.

        Parameters
        ----------
        value : str
            Text after the flag.
        param : Parameter or None
            Not used.
        ctx : Context or None
            Not used.

        Returns
        -------
        tuple of str
            Formats beside the first one.

        Raises
        ------
        InputError
            If it is something else.
        """
        given = [name.strip().lower() for name in value.split(",")]
        for name in given:
            if name not in FIGURE_FORMATS:
                raise unknown_name("format of figures", name, list(FIGURE_FORMATS))
        return tuple(name for name in FIGURE_FORMATS[1:] if name in given)


class WidthType(_ParamType):
    """Width of figures in millimetres, as a number or as the name of a column."""

    name = "width"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn a column or a number into millimetres.

        Parameters
        ----------
        value : str
            Text after the flag.
        param : Parameter or None
            Not used.
        ctx : Context or None
            Not used.

        Returns
        -------
        float
            Width.

        Raises
        ------
        InputError
            If it is something else.
        """
        try:
            millimetres = PAPER_COLUMNS[value] if value in PAPER_COLUMNS else float(value)
        except ValueError:
            millimetres = 0.0
        if not PAPER_WIDTHS[0] <= millimetres <= PAPER_WIDTHS[1]:
            columns = ", ".join(f"{name} ({size:g})" for name, size in PAPER_COLUMNS.items())
            raise InputError(f"--width takes {PAPER_WIDTHS[0]:g} to {PAPER_WIDTHS[1]:g} millimetres, or one of {columns}; got {value!r}")
        return millimetres


class FieldType(_ParamType):
    """Reads a flag's text as far as it can, and completes names; the model checks the value, so that all problems are reported at once.

    Parameters
    ----------
    kind : OptionKind
        Shape of the values that the option takes.
    """

    def __init__(self, kind: OptionKind) -> None:
        self._kind = kind
        self.name = kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn the text into a value, or leave it for the model to refuse.

        Parameters
        ----------
        value : object
            Text as typed.
        param : Parameter, optional
            Not used.
        ctx : Context, optional
            Not used.

        Returns
        -------
        object
            Value, or the text as it was.
        """
        return from_text(value, self._kind) if isinstance(value, str) else value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the names that an option allows.

        Parameters
        ----------
        ctx : Context
            Not used.
        param : Parameter
            Not used.
        incomplete : str
            Text so far; in a list, the last item is completed.

        Returns
        -------
        list of CompletionItem
            Names that begin with it.
        """
        head, comma, last = incomplete.rpartition(",")
        return [CompletionItem(head + comma + choice) for choice in _choices(self._kind) if choice.startswith(last)]


class Leaf(NamedTuple):
    """Field that becomes a parameter.

    Attributes
    ----------
    field : FieldInfo
        Field of the model.
    section : Section
        Section of the help that lists it.
    place : tuple of int
        Place in the section: own fields of a command precede those that it shares.
    """

    field: FieldInfo
    section: Section
    place: tuple[int, int]


def leaves_of(model: type[BaseModel], parents: str = "") -> dict[str, Leaf]:
    """List the fields of a model that have a flag or are arguments, by dotted key.

    Parameters
    ----------
    model : type
        Options of a command, or a nested table of them.
    parents : str
        Key of the table with a dot after it, empty for the options themselves.

    Returns
    -------
    dict of str to Leaf
        Fields in the order of the model.
    """
    leaves: dict[str, Leaf] = {}
    for number, (key, field) in enumerate(model.model_fields.items()):
        kind = field_kind(field)
        if kind.model:
            leaves |= leaves_of(kind.model, f"{parents}{key}.")
        elif kind.name not in _NO_FLAG:
            # A field stays where it was first declared, in the models too that give it another default.
            owner = [base for base in model.__mro__ if issubclass(base, BaseModel) and key in inspect.get_annotations(base)][-1]
            markers = owner.model_fields[key].metadata
            section = next((marker for marker in markers if isinstance(marker, Section)), getattr(owner, "section", OWN))
            leaves[parents + key] = Leaf(field, section, (model.__mro__.index(owner), number))
    return leaves


def destination(key: str) -> str:
    """Return the name by which ``click`` passes a field on."""
    return "option_" + key.replace(".", "_")


def parameter_of(key: str, leaf: Leaf, group: cloup.OptionGroup | None) -> click.Parameter:
    """Make the flag or argument of a field.

    Parameters
    ----------
    key : str
        Dotted key of the field.
    leaf : Leaf
        The field.
    group : OptionGroup, optional
        Section of the help; by default that of general options.

    Returns
    -------
    Parameter
        Option or argument, with its help.
    """
    field, kind = leaf.field, field_kind(leaf.field)
    if is_positional(field):
        if kind.name == "list" and kind.item:
            many, inner = -1, kind.item
        else:
            many, inner = 1, kind
        shown = f"[{key.upper()}]{'...' if many == -1 else ''}"
        return cloup.Argument([destination(key)], nargs=many, required=False, type=FieldType(inner), metavar=shown, help=field.description)
    flag, name, text = flag_name(key), destination(key), _help(leaf, kind)
    repeated = next((marker for marker in field.metadata if isinstance(marker, Repeated)), None)
    if repeated:
        return cloup.Option([flag, name], group=group, multiple=True, metavar=repeated.metavar, help=text)
    if kind.name == "boolean":
        return cloup.Option([f"{flag}/--no-{flag.removeprefix('--')}", name], group=group, default=None, help=text)
    return cloup.Option([flag, name], group=group, type=FieldType(kind), metavar=_metavar(kind), default=None, help=text)


def _metavar(kind: OptionKind) -> str:
    if kind.name == "list" and kind.item:
        return f"{_metavar(kind.item)},..."
    return "NAME" if kind.choices else {"any": "VALUE"}.get(kind.name, kind.name.upper())


def _choices(kind: OptionKind) -> tuple[str, ...]:
    return kind.choices or (kind.item.choices if kind.item else ())


def _help(leaf: Leaf, kind: OptionKind) -> str:
    choices = f" One of: {', '.join(_choices(kind))}." if _choices(kind) else ""
    default = "required" if leaf.field.is_required() else f"default: {_as_flag(leaf.field.get_default(call_default_factory=True), kind)}"
    return f"{leaf.field.description or ''}{choices}  [{default}]"


def _as_flag(value: Any, kind: OptionKind) -> str:
    if value is None:
        return NONE
    if kind.name == "boolean":
        return "yes" if value else "no"
    return ",".join(map(str, value)) or "empty" if kind.name == "list" else str(value)
