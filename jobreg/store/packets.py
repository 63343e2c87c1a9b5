"""Many rows, so many at a time that every server takes their statement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

_MOST = 2**20
"""Characters: up to four bytes each, or two where one is escaped.

MySQL and MariaDB close the connection at a statement that is larger than ``max_allowed_packet``,
by default 16 MiB, as if they were gone.
"""
_BESIDE = 2**16
"""Bytes of a statement, at most, for what stands beside its texts."""
_AT_ONCE = 500

T = TypeVar("T")


def slices(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Small values, in order, as many at a time as one statement takes well."""
    for first in range(0, len(values), _AT_ONCE):
        yield values[first : first + _AT_ONCE]


def packets(
    rows: Sequence[Mapping[str, Any]], takes: float = math.inf
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """The rows, in order; of large ones few at a time, of one that is larger itself one.

    ``takes``: bytes of a statement, where the server has said how many it takes.
    """
    most = min(_MOST, (takes - _BESIDE) / 4)
    sizes = [sum(len(value) for value in row.values() if isinstance(value, str)) for row in rows]
    first = held = 0
    for index, size in enumerate(sizes):
        if held + size > most and index > first:
            yield rows[first:index]
            first, held = index, 0
        held += size
    if rows:
        yield rows[first:]
