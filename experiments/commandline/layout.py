"""Layout of help: sections side by side with their texts, and no name or default broken."""

from collections.abc import Callable, Iterable
from typing import Any

import cloup
from cloup.formatting import HelpFormatter

_BREAKING = str.maketrans("\u2011\u00a0", "- ")


def _unbroken(text: str) -> str:
    return text.replace("-", "\u2011").replace("[default: ", "[default:\u00a0")


class Formatter(HelpFormatter):
    """Formatter that wraps lines between words only, so that a name such as ``ep-centered`` can be searched for and copied."""

    def write_text(self, text: str, style: Callable[[str], str] = str) -> None:
        """Write a paragraph, wrapped.

        Parameters
        ----------
        text : str
            Words of the paragraph.
        style : callable
            Style of a line.
        """
        super().write_text(_unbroken(text), style)

    def write_dl(self, rows: Iterable[tuple[str, Any]], *args: Any, **kwargs: Any) -> None:
        """Write two columns, the second wrapped.

        Parameters
        ----------
        rows : iterable of tuple
            Name and text of each row.
        *args, **kwargs
            Arguments of ``HelpFormatter.write_dl``.
        """
        super().write_dl([(name, _unbroken(text)) for name, text in rows], *args, **kwargs)

    def getvalue(self) -> str:
        """Return everything that was written."""
        return super().getvalue().translate(_BREAKING)


class HelpContext(cloup.Context):
    """Context of a command whose help is laid out so."""

    formatter_class = Formatter
