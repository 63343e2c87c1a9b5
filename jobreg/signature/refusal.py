"""How parameters that do not fit are told: alike by who submits a run and by who executes it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Any

MOST_FAULTS = 100

_hide: ContextVar[Callable[[str], str]] = ContextVar("jobreg_refusal_hides", default=str)

OfValue = Callable[[Any, str, str], Iterator[str]]


def faults(
    takes: Collection[str],
    required: Collection[str],
    open_ended: bool,
    params: Mapping[str, Any],
    of_value: OfValue,
) -> Iterator[str]:
    """Name every missing and unknown parameter, and every value that does not fit.

    Args:
        takes: the names of the parameters, in order; ``required`` are those without a default.
        open_ended: are other names taken as well?
        params: as JSON gave them.
        of_value: names the faults of a value, given it, its parameter, and how that is told.
    """
    yield from (f"missing {name!r}" for name in takes if name in required and name not in params)
    for name, value in params.items():
        if name not in takes and not open_ended:
            yield f"unknown {name[:80]!r}{_meant(name, takes, params)}"
            continue
        path = name if name.isprintable() and len(name) <= 80 else ascii(name[:80])
        # Of what msgspec says, too: its words may hold the value.
        yield from map(hidden, of_value(value, name, path))


@contextmanager
def hiding(hide: Callable[[str], str]) -> Iterator[None]:
    """Let values that are told here meanwhile be told as ``hide`` makes them."""
    token = _hide.set(hide)
    try:
        yield
    finally:
        _hide.reset(token)


def hidden(text: str) -> str:
    """A text as it is told."""
    return _hide.get()(text)


def told_value(text: str, most: int) -> str:
    """A value, as text, as it is told: hidden first, since of half a secret nobody knows it is."""
    text = hidden(text)
    return text if len(text) <= most else f"{text[:most]}..."


def first_faults(found: Iterator[str]) -> list[str]:
    """Those that are told, at most 100 and that there are more."""
    told = list(islice(found, MOST_FAULTS))
    return [*told, "and more"] if next(found, None) else told


def refusal(who: str, told: Sequence[str], way_out: str, odd: str = "") -> str:
    """The whole message; ``odd`` stands where no fault is found, ``way_out`` at its end.

    Example:
        >>> refusal("Job 'a.b'", ["missing 'x'"], "It takes (x: int).")
        "Job 'a.b' refuses these params: missing 'x'. It takes (x: int)."
    """
    return f"{who} refuses these params: {'; '.join(told or [odd])}. {way_out}"


def below(path: str, key: str) -> str:
    """Where the value of an object's key is, as it is told."""
    return (f"{path}.{key}" if key.isprintable() else f"{path}[{key!a}]")[:200]


def _meant(name: str, takes: Collection[str], params: Mapping[str, Any]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name[:128], sorted(set(takes) - params.keys()), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
