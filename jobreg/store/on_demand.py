"""New runs that are made while those before them are on their way to the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import overload

from ..lifecycle import RunRecord


def overlaps(url: str) -> bool:
    """Does the server behind this URL store runs while the next ones are still being made here?"""
    return url.startswith("postgres")


class OnDemand(Sequence[RunRecord]):
    """So many new runs, none with a unique key; each is made when it, or a later one, is read.

    What ``making`` raises, whoever reads is told, and again at the next try.
    """

    def __init__(self, number: int, making: Iterator[RunRecord]) -> None:
        self._number = number
        self._making = making
        self._made: list[RunRecord] = []
        self._fault: BaseException | None = None

    def __len__(self) -> int:
        return self._number

    @overload
    def __getitem__(self, index: int) -> RunRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[RunRecord]: ...

    def __getitem__(self, index: int | slice) -> RunRecord | list[RunRecord]:
        of = range(self._number)[index]
        last = max(of, default=-1) if isinstance(of, range) else of
        self._make(last + 1)
        return self._made[index]

    def _make(self, number: int) -> None:
        """See that so many are there."""
        if self._fault is not None:
            raise self._fault
        try:
            self._made.extend(islice(self._making, max(0, number - len(self._made))))
        except BaseException as error:
            self._fault = error
            raise
