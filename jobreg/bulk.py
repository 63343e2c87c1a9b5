"""Cancel and retry many runs: those that are named, or all that filters find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from .errors import BadInput, Conflict, JobRegError, StoreError
from .lifecycle import State
from .options import count

if TYPE_CHECKING:
    from .client import Client
    from .handle import Run
    from .selection import Filters


@frozen
class Verb:
    """What is done to many runs: its name, the states that filters find runs in, and how."""

    name: str
    touched: tuple[State, ...]
    change: Callable[[Run, bool], dict[str, Any]]


def named(client: Client, texts: Sequence[str]) -> Iterable[Run | JobRegError]:
    """The runs of these ids; one that is malformed is refused before any run is touched.

    Raises:
        BadInput: a text is no id, nor how one begins.
    """
    found: dict[str, Run | JobRegError] = {}
    for text in texts:
        try:
            run = client.get(client.find_id(text))
            found[run.id] = run
        except (BadInput, StoreError):
            raise
        except JobRegError as error:
            found[text] = error
    return found.values()


def found(
    client: Client, verb: Verb, given: Filters, limit: int | None = None, *, told: str = "state"
) -> Iterator[Run]:
    """The runs that the filters find, in those states only that the verb touches.

    ``told`` is what the filter by state is called where it was given.

    Raises:
        BadInput: a filter cannot be used, or asks for a state that is never touched.
    """
    wanted = given.get("state")
    # Refuses what cannot be used before anything is done; reads no run.
    client.find(limit=0, **given)
    if wanted is not None and wanted not in verb.touched:
        raise BadInput(
            f"{told} {wanted}: {verb.name} finds only runs that are {', '.join(verb.touched)}."
        )
    left = None if limit is None else count(limit, "limit")
    return _in_states(client, verb.touched if wanted is None else [State(wanted)], given, left)


def _in_states(
    client: Client, states: Sequence[State], given: Filters, left: int | None
) -> Iterator[Run]:
    for state in states:
        here: Filters = {**given, "state": state}
        for run in client.find(limit=left, **here):
            left = None if left is None else left - 1
            yield run


def apply(
    verb: Verb,
    runs: Iterable[Run | JobRegError],
    changes: list[dict[str, Any]],
    *,
    dry_run: bool = False,
) -> int:
    """Do it to each run, and note in ``changes`` what was done to it.

    A run that refuses it is noted with its error, and the others go on; where the store fails,
    it ends.

    Returns:
        the highest exit code of what was refused, 0 where nothing was.
    """
    code = 0
    for run in runs:
        known: dict[str, Any] = {"run_id": None, "job_name": None, "was": None, "state": None}
        try:
            if isinstance(run, JobRegError):
                raise run
            known = {"run_id": run.id, "job_name": run.job_name, "was": run.state.value,
                     "state": run.state.value}  # fmt: skip
            done = {"did": None, "new_run_id": None, "error": None} | verb.change(run, dry_run)
            changes.append(known | {"state": run.state.value} | done)
        except JobRegError as error:
            code = max(code, error.exit_code)
            changes.append(known | {"did": None, "new_run_id": None, "error": str(error)})
            if isinstance(error, StoreError):
                break
    return code


def _cancel(run: Run, dry_run: bool) -> dict[str, Any]:
    if run.state is State.CANCELLED:
        return {"did": "nothing"}
    if not run.state.final and not dry_run:
        run.cancel()
    if run.state in (State.SUCCEEDED, State.FAILED):
        raise Conflict(
            f"Run {run.id} is {run.state}; what is over cannot be cancelled. "
            f"See: jobreg runs show {run.id}"
        )
    return {"did": "asked" if run.state is State.RUNNING else "cancelled"}


def _retry(run: Run, dry_run: bool) -> dict[str, Any]:
    if not run.state.final:
        raise Conflict(
            f"Run {run.id} is {run.state}; only a failed or cancelled run can be queued again. "
            f"See: jobreg runs why {run.id}"
        )
    did = "copied" if run.state is State.SUCCEEDED else "queued"
    if dry_run:
        return {"did": did}
    made = run.retry()
    return {"did": did, "new_run_id": made.id if made.id != run.id else None}


CANCEL = Verb("cancel", (State.SCHEDULED, State.QUEUED, State.RUNNING), _cancel)
RETRY = Verb("retry", (State.FAILED, State.CANCELLED), _retry)
