"""Share of a long computation that is done: loops tell it where they turn, and nobody hands a callback down to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

T = TypeVar("T")

Listener = Callable[[float, str], None]
"""Takes the share that is done, from 0 to 1, and the place where the computation is, such as ``epoch 3 of 20``."""


class _Span(NamedTuple):
    """Part of the whole that the present loop or block makes."""

    low: float
    high: float
    place: str


class _Telling:
    """One listener, and the spans of all loops that are open in its computation."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.spans = [_Span(0.0, 1.0, "")]
        self.most = 0.0

    def tell(self, share: float) -> None:
        low, high, place = self.spans[-1]
        # Two loops one after the other in the same turn would go back to its beginning; what is done stays done.
        self.most = max(self.most, low + share * (high - low))
        self.listener(self.most, place)


# Threads have contexts of their own, so that a helper thread of a computation tells nothing.
_telling: ContextVar[_Telling | None] = ContextVar("_telling", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call a function with the share that is done whenever a loop of the block tells of it.

    Parameters
    ----------
    listener : callable
        Takes a share and a place. It is called often, and decides itself how often it acts.
    """
    token = _telling.set(_Telling(listener))
    try:
        yield
    finally:
        _telling.reset(token)


def tell(share: float) -> None:
    """Tell that a share of the present loop's turn, or of the whole computation without a loop, is done.

    Parameters
    ----------
    share : float
        Number from 0 to 1.
    """
    telling = _telling.get()
    if telling is not None:
        telling.tell(share)


@contextmanager
def part(low: float, high: float, place: str = "") -> Iterator[None]:
    """Count what the block tells as a part of what is computed around it.

    Parameters
    ----------
    low, high : float
        Shares at which the part begins and ends, from 0 to 1.
    place : str
        Name of the part for the listener.
    """
    telling = _telling.get()
    if telling is None:
        yield
        return
    depth, around = len(telling.spans), telling.spans[-1]
    width = around.high - around.low
    here = _Span(around.low + low * width, around.low + high * width, ", ".join(filter(None, (around.place, place))))
    telling.spans.append(here)
    telling.tell(0.0)
    try:
        yield
    finally:
        # A loop that an error cut is closed late, when spans of others may be open: only its own goes, with those inside it.
        if depth < len(telling.spans) and telling.spans[depth] is here:
            del telling.spans[depth:]


def counted(items: Iterable[T], total: int | None = None, name: str = "", *, done: int = 0) -> Iterator[T]:
    """Yield items, and tell before each one how many of all are done; a loop inside the turn tells of parts of it.

    Parameters
    ----------
    items : iterable
        Items that follow those that are done.
    total : int, optional
        Number of all items, with those that are done; the number of ``items``, a sequence, without.
    name : str
        Name of an item, such as ``epoch``.
    done : int
        Number of items that an earlier start has done.

    Yields
    ------
    object
        Each item.
    """
    if total is None:
        assert isinstance(items, Sequence)
        total = done + len(items)
    for number, item in enumerate(items, start=done):
        with part(number / total, (number + 1) / total, f"{name} {number + 1} of {total}" if name else ""):
            yield item
