"""What a run printed and logged: the last lines first, those before on request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from ...codec import iso_time
from ..runs import lines_of, log_place
from ..streams import event

if TYPE_CHECKING:
    from ...client import Client
    from ...store import LogRow

PAGE = 200
"""Lines that a page shows at first, and at a time."""
_ROWS = PAGE

Place = tuple[int, int, int]


@frozen(kw_only=True)
class Line:
    """A line, and where it is in the log: ``attempt.row.line``."""

    place: str
    at: str
    attempt: int
    level: str
    logger: str | None
    text: str


@frozen(kw_only=True)
class Shown:
    """Some lines of a log; ``older`` is where those before them end, None where there are none.

    ``tail`` says whether they are the last, so that what comes can be added to them.
    """

    lines: Sequence[Line]
    older: str | None
    tail: bool

    @property
    def after(self) -> str:
        """Where the lines that are still to come begin."""
        return self.lines[-1].place if self.lines else "0.0.0"


def last(client: Client, run_id: str, before: str | None) -> Shown:
    """The last lines of a log, or those before a place.

    Raises:
        BadInput: there is no such place.
    """
    end = None if before is None else log_place(before)
    rows = client.store.logs_before(run_id, end and end[:2], most=_ROWS)
    lines = [each for each in told(rows, (0, 0, 0)) if end is None or log_place(each.place) < end]
    shown = lines[-PAGE:]
    more = len(lines) > PAGE or len(rows) == _ROWS
    return Shown(lines=shown, older=shown[0].place if more and shown else None, tail=end is None)


def told(rows: Sequence[LogRow], after: Place) -> list[Line]:
    """The lines of some rows that come after a place."""
    return [
        Line(
            place=place, at=str(iso_time(line.at)), attempt=line.attempt, level=line.level.lower(),
            logger=line.logger, text=line.text,
        )
        for place, line in lines_of(rows, after, 0)
    ]  # fmt: skip


def row_before(place: Place) -> tuple[int, int]:
    """The last row that was shown as a whole before a place."""
    attempt, row, _ = place
    return attempt, max(0, row - 1)


def lines_event(html: str, lines: Sequence[Line]) -> str:
    """Lines to be added to a log; a browser remembers the place of the last."""
    data: dict[str, Any] = {"id": "log", "html": html}
    return event("lines", data, lines[-1].place)
