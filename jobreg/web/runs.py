"""The REST interface: runs, submitted by the name of their job, looked at, cancelled, retried."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from .. import bulk
from ..codec import attempt_object, log_object
from ..errors import BadInput, SubmitUncertain
from ..handle import Run
from ..legible import brief
from ..lifecycle import LEVELS
from ..objects.runs import run_objects
from ..options import count
from ..request import checked_level, checked_run_id, checked_state, new_run_id
from ..selection import Filters, time_or_ago
from .asked import Asked
from .problems import problem_of

if TYPE_CHECKING:
    from ..client import Client
    from ..errors import JobRegError
    from ..lifecycle import LogLine
    from ..store import LogRow

PAGE = 50
MOST_CHANGED = 10_000
"""Runs that one request may cancel or retry."""
_MOST_TOLD = 100
_LINES = 1000


def submit(asked: Asked) -> tuple[int, dict[str, Any]]:
    """Ask for a run of a job, by its name; 200 where an unfinished run has its unique key."""
    return submitted(asked.client, asked.body)


def submitted(client: Client, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Submit what a body asks for; the status to answer with, and the run.

    Raises:
        BadInput: something cannot be used; nothing was stored.
    """
    given = {name: value for name, value in body.items() if value is not None}
    name, params = given.pop("job_name"), given.pop("params", None)
    given.setdefault("run_id", new_run_id())
    if "at" in given:
        given["at"] = moment(given["at"], "at")
    try:
        run = client.submit(name, params, **given)
    except SubmitUncertain as error:
        problem = problem_of(error)
        # With this id it may be asked for again.
        problem.more["run_id"] = str(given["run_id"])
        raise problem from error
    same = run.id == checked_run_id(given["run_id"])
    return 201 if same or "unique_key" not in given else 200, one(client, run)


def list_runs(asked: Asked) -> dict[str, Any]:
    """A page of runs, newest first, and the cursor of the next."""
    given: dict[str, Any] = dict(asked.query)
    if "tag" in given:
        given["tags"] = given.pop("tag")
    limit, cursor = given.pop("limit", PAGE), given.pop("cursor", None)
    found, following = page(asked.client, given, limit, cursor)
    return {
        "runs": run_objects(asked.client, [run.record for run in found]),
        "next": following,
    }


def page(
    client: Client, given: Mapping[str, Any], limit: int = PAGE, cursor: str | None = None
) -> tuple[list[Run], str | None]:
    """A page of the runs that filters find, and the cursor of the next.

    Of several states those of the first come first, each newest first.

    Raises:
        BadInput: a filter cannot be used.
    """
    states, filters = _states(given), filters_of(given)
    if len(states) < 2:
        filters["state"] = states[0] if states else None
        return client.page(limit=limit, cursor=cursor, **filters)
    at, rest = _place(cursor, len(states))
    found: list[Run] = []
    count(limit, "limit", most=1000)
    while at < len(states) and len(found) < limit:
        filters["state"] = states[at]
        some, rest = client.page(limit=limit - len(found), cursor=rest, **filters)
        found += some
        if rest is None:
            at += 1
        elif not some:
            break
    return found, None if at == len(states) else f"{at}:{rest or ''}"


def _states(given: Mapping[str, Any]) -> list[str]:
    """The states that are asked for, each once."""
    asked = given.get("state") or []
    texts = [asked] if isinstance(asked, str) else list(asked)
    return list(dict.fromkeys(str(checked_state(each)) for each in texts))


def _place(cursor: str | None, states: int) -> tuple[int, str | None]:
    """Which state a page of several goes on in, and where there."""
    if cursor is None:
        return 0, None
    parts = re.fullmatch(r"([0-9]{1,2}):(.*)", cursor)
    if parts is None or int(parts[1]) >= states:
        raise BadInput(
            f"cursor: {cursor[:80]!r} is not one that a page of these filters gave as its next."
        )
    return int(parts[1]), parts[2] or None


def filters_of(given: Mapping[str, Any]) -> Filters:
    """The filters of ``find`` among what was given, but for the state."""
    names = [name for name in Filters.__annotations__ if name != "state"]
    found = {name: given[name] for name in names if given.get(name) is not None}
    for name in ("since", "until"):
        if name in found:
            found[name] = time_or_ago(found[name], partial(moment, name=name))
    return cast(Filters, found)


def moment(value: object, name: str) -> datetime:
    """A time in ISO 8601 with its offset from UTC.

    Raises:
        BadInput: it is none.
    """
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadInput(
            f"{name}: {brief(value)!r} is not a time in ISO 8601 with its offset from UTC, such "
            "as 2026-01-31T12:00:00Z."
        )
    return found


def show(asked: Asked) -> dict[str, Any]:
    """One run."""
    return one(asked.client, named(asked))


def named(asked: Asked) -> Run:
    """The run of a request's path, by its id or how that begins.

    Raises:
        UnknownRun: there is none.
    """
    return asked.client.get(asked.client.find_id(asked.path["run_id"]))


def one(client: Client, run: Run) -> dict[str, Any]:
    """One run as it may be shown."""
    return run_objects(client, [run.record])[0]


def attempts(asked: Asked) -> dict[str, Any]:
    """The attempts of a run so far, the oldest first."""
    return {"attempts": [attempt_object(each) for each in named(asked).attempts()]}


def logs(asked: Asked) -> dict[str, Any]:
    """Lines that a run printed and logged, from where a page before ended."""
    given = asked.query
    most = count(given.get("limit", _LINES), "limit", most=_LINES)
    lines = lines_from(
        asked.client, named(asked).id, given.get("cursor"), given.get("attempt"),
        given.get("level"),
    )  # fmt: skip
    found = list(islice(lines, most + 1))
    more = len(found) > most
    found = found[:most]
    return {
        "lines": [log_object(line) for _, line in found],
        "next": found[-1][0] if more else None,
    }


def lines_from(
    client: Client, run_id: str, cursor: str | None, attempt: int | None, level: str | None
) -> Iterable[tuple[str, LogLine]]:
    """The lines of a log after a cursor, each with its own.

    Raises:
        BadInput: cursor, attempt or level cannot be used.
    """
    least = checked_level(level)
    wanted = None if attempt is None else count(attempt, "attempt")
    place = log_place(cursor)
    after = place[0], place[1] - 1
    while rows := client.store.logs(run_id, after, attempt=wanted):
        after = rows[-1].attempt, rows[-1].number
        yield from lines_of(rows, place, least)


def lines_of(
    rows: Iterable[LogRow], after: tuple[int, int, int], least: int
) -> Iterator[tuple[str, LogLine]]:
    """The lines of some rows, of at least a level, after a place; each with its cursor."""
    for row in rows:
        for at, line in enumerate(row.lines(), 1):
            # A level of the job's own is ranked by nobody here: it is shown.
            fits = LEVELS.get(line.level, least) >= least
            if fits and (row.attempt, row.number, at) > after:
                yield f"{row.attempt}.{row.number}.{at}", line


def log_place(cursor: str | None) -> tuple[int, int, int]:
    """Attempt, row and line that a cursor of a log stands for.

    Raises:
        BadInput: it is none.
    """
    if cursor is None:
        return 0, 0, 0
    parts = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})", cursor)
    if parts is None:
        raise BadInput(f"cursor: {cursor[:80]!r} is not one that a page of a log gave as its next.")
    return int(parts[1]), int(parts[2]), int(parts[3])


def cancel(asked: Asked) -> dict[str, Any]:
    """Cancel a run: at once while it waits, within seconds while it runs."""
    return one(asked.client, named(asked).cancel())


def retry(asked: Asked) -> dict[str, Any]:
    """Queue a failed or cancelled run again; of a succeeded one, submit a copy."""
    return one(asked.client, named(asked).retry())


def cancel_many(asked: Asked) -> dict[str, Any]:
    """Cancel all unfinished runs that filters find."""
    return changed(asked.client, bulk.CANCEL, asked.body)


def retry_many(asked: Asked) -> dict[str, Any]:
    """Queue all failed and cancelled runs again that filters find."""
    return changed(asked.client, bulk.RETRY, asked.body)


def changed(client: Client, verb: bulk.Verb, body: Mapping[str, Any]) -> dict[str, Any]:
    """Cancel or retry what a body means, or count it; what was done, and whether there is more.

    Raises:
        BadInput: a filter cannot be used, or there is neither a filter nor ``all``.
    """
    given = dict(body)
    for name, value in body.items():
        # A list that came out empty must not turn "those" into "all".
        if value is None or value in ([], {}):
            raise BadInput(f"{name}: it is empty. Leave it out to {verb.name} runs whatever it is.")
    dry_run, everything = given.pop("dry_run", False), given.pop("all", False)
    limit = count(given.pop("limit", MOST_CHANGED), "limit", most=MOST_CHANGED)
    run_ids = given.pop("run_ids", [])
    if not isinstance(run_ids, list) or len(run_ids) > MOST_CHANGED:
        raise BadInput(f"run_ids: give a list of at most {MOST_CHANGED:,} ids.")
    if sum((bool(run_ids), bool(given), bool(everything))) != 1:
        raise BadInput(
            f"Say which runs to {verb.name}: run_ids, or filters such as job_name, or all; one of "
            "them. With dry_run they are counted, and nothing is done."
        )
    found: Iterable[Run | JobRegError]
    if run_ids:
        found = bulk.named(client, [str(each) for each in run_ids])
    else:
        found = _found(client, verb, given)
    ahead = iter(found)
    changes: list[dict[str, Any]] = []
    bulk.apply(verb, islice(ahead, limit), changes, dry_run=bool(dry_run))
    refused = sum(each["error"] is not None for each in changes)
    return {
        "dry_run": bool(dry_run),
        "count": len(changes) - refused,
        "refused": refused,
        "more": len(changes) == limit and next(ahead, None) is not None,
        "runs": changes[:_MOST_TOLD],
    }


def _found(client: Client, verb: bulk.Verb, given: Mapping[str, Any]) -> Iterable[Run]:
    states = _states(given)
    filters = filters_of(given)
    if not states:
        yield from bulk.found(client, verb, filters)
    for state in states:
        filters["state"] = state
        yield from bulk.found(client, verb, filters)
