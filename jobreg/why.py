"""Why a run is in its state, and what to do: in plain words, worked out when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from . import clock
from .errors import JobRegError
from .legible import span
from .lifecycle import Ending, Reason, State

if TYPE_CHECKING:
    from datetime import datetime

    from .client import Client
    from .handle import Run
    from .lifecycle import Attempt
    from .store import Pause, WorkerRow

Answer = tuple[str, str]
"""Why, and what to do next: plain sentences."""

_LONGEST_CAUSE = 300
_MOST_COUNTED = 1000


@frozen(kw_only=True)
class Sight:
    """What a run's state may come from, each read when it is wanted.

    ``before`` counts the runs of its job that execute, and those of its queue that come first;
    None where that is not to be counted.
    """

    workers: Callable[[], Sequence[WorkerRow]]
    pauses: Callable[[], Sequence[Pause]]
    busy: Callable[[], Mapping[str, int]]
    attempts: Callable[[], Sequence[Attempt]]
    before: Callable[[], tuple[int, int]] | None

    @classmethod
    def of(cls, client: Client, run: Run) -> Sight:
        """Everything as the store has it now."""

        def before() -> tuple[int, int]:
            same = client.find(job_name=run.job_name, state=State.RUNNING, limit=_MOST_COUNTED)
            return sum(1 for _ in same), client.store.ahead_of(run.id)

        store = client.store
        return cls(
            workers=store.workers, pauses=store.pauses, busy=store.busy, attempts=run.attempts,
            before=before,
        )  # fmt: skip

    @property
    def live(self) -> list[WorkerRow]:
        """The workers whose leases hold."""
        return [worker for worker in self.workers() if worker.live]


def explain(client: Client, run: Run, sight: Sight | None = None) -> Answer:
    """Why a run is in its state, and what to do next; by what the store has now, or by sight."""
    sight = sight or Sight.of(client, run)
    match run.state:
        case State.SCHEDULED:
            return _scheduled(client, run, sight)
        case State.QUEUED:
            return _queued(client, run, sight)
        case State.RUNNING:
            return _running(client, run, sight)
        case State.FAILED:
            return _failed(run)
        case State.CANCELLED:
            why = {
                Reason.JOB: f"by the job itself: {run.error.message if run.error else ''}",
                Reason.REPLACED: "because a run with its unique key took its place",
            }.get(run.reason or Reason.ASKED, "because somebody asked")
            because = f"It was cancelled {_ago(run.record.finished_at)}, {why}."
            return because, f"If it is wanted after all: jobreg runs retry {run.id}"
    because = f"Attempt {run.attempt} succeeded {_ago(run.record.finished_at)}."
    return because, f"See its result: jobreg runs show {run.id}"


def _scheduled(client: Client, run: Run, sight: Sight) -> Answer:
    due = run.record.scheduled_at or clock.now()
    wait = (due - clock.now()).total_seconds()
    attempts = sight.attempts() if run.attempt else []
    cause = "because its submitter asked for that time"
    if attempts:
        error = attempts[-1].error
        told = _cause(error.type, error.message) if error else attempts[-1].outcome.value
        snoozed = attempts[-1].outcome is Ending.SNOOZED
        what = "to go on" if snoozed else "to be tried again"
        cause = f"{what}: attempt {attempts[-1].number} ended with {told}"
    when = f"in {span(wait)}" if wait > 0 else f"{span(-wait)} ago"
    because = f"It {'is' if wait > 0 else 'was'} due {when} ({due:%Y-%m-%d %H:%M:%S} UTC), {cause}"
    if not sight.live:
        return f"{because}. No worker is running, which it needs then.", _start(client, run)
    if wait > 0:
        return f"{because}.", f"Wait, or give it up: jobreg runs cancel {run.id}"
    return f"{because}.", "A worker will notice it within about a second."


def _queued(client: Client, run: Run, sight: Sight) -> Answer:
    name, queue = run.job_name, run.record.queue or ""
    for each in sight.pauses():
        if (each.kind, each.name) in (("queue", queue), ("job", name)):
            option = " --job" if each.kind == "job" else ""
            because = f"The {each.kind} {each.name!r} was paused {_ago(each.paused_at)}."
            return because, f"Let it go on: jobreg queues resume {each.name}{option}"
    workers = sight.live
    if not workers:
        return "No worker is running on this store.", _start(client, run)
    having = [worker for worker in workers if name in worker.names]
    if not having:
        count = "the live worker does not" if len(workers) == 1 else f"none of {len(workers)} does"
        return f"It needs a worker that provides {name!r}; {count}.", _start(client, run)
    able = [worker for worker in having if worker.serves(queue, name)]
    if not able:
        served = sorted({each for worker in having for each in worker.queues})
        because = f"Workers that provide {name!r} serve {', '.join(served)}, not queue {queue!r}."
        return because, f"Start one that does: jobreg worker --queue {queue}"
    return _behind(run, able, sight)


def _behind(run: Run, able: list[WorkerRow], sight: Sight) -> Answer:
    """What stands before a queued run that live workers could take."""
    busy, slots = sight.busy(), sum(worker.concurrency for worker in able)
    taken = sum(busy.get(worker.worker_id, 0) for worker in able)
    same, ahead = sight.before() if sight.before else (0, 0)
    queue = run.record.queue or ""
    before = f"{_runs(ahead)} of queue {queue!r} {'comes' if ahead == 1 else 'come'} before it"
    if taken >= slots:
        because = f"All {slots} slots of the workers that can take it are taken"
        because += f", and {before}." if ahead else "; it is next in its queue."
        if sight.before is None:
            because = f"{because.partition(';')[0]}."
        return because, "Wait, or start another worker: jobreg worker"
    if same:
        because = f"{_runs(same)} of {run.job_name!r} {'is' if same == 1 else 'are'} executing"
        because += f", and {before}." if ahead else "."
        return because, "If the job has a cap (concurrency in its @job), it waits for one to end."
    at = ", ".join(f"{worker.host} (pid {worker.pid})" for worker in able[:3])
    if ahead:
        return f"{before[0].upper()}{before[1:]}; workers are taking them.", "Wait a moment."
    return (
        "Nothing holds it up; a worker should take it within a second.",
        f"If it stays so, read the log of the worker at {at}.",
    )


def _running(client: Client, run: Run, sight: Sight) -> Answer:
    record, workers = run.record, sight.workers()
    at = next((each for each in workers if each.worker_id == record.worker_id), None)
    doing = f"Attempt {run.attempt} began {_ago(record.started_at)}"
    if at is not None and at.live:
        where = f"{at.host} (worker pid {at.pid}, heard {span(at.beat_age)} ago)"
        return f"{doing}, on {where}.", f"Wait, or end it: jobreg runs cancel {run.id}"
    if at is None:
        because = f"{doing}, but its worker is gone."
    else:
        because = f"{doing}, but its worker on {at.host} was last heard "
        because += f"{span(at.beat_age)} ago and its lease is out."
    others = [each for each in workers if each.live]
    if others:
        return because, "Another worker will take it back, within about a lease (30 s by default)."
    return f"{because} No other worker is running to take it back.", _start(client, run)


def _failed(run: Run) -> Answer:
    error, attempt = run.error, f"Attempt {run.attempt}"
    told = _cause(error.type, error.message) if error else "no word"
    again = f"See the traceback: jobreg runs show {run.id}. Mend the cause, then: "
    again += f"jobreg runs retry {run.id}"
    match run.reason:
        case Reason.REFUSED:
            because = f"The installed version of {run.job_name!r} rejects its parameters: {told}."
            return because, f"Submit it again with others, or: jobreg runs retry {run.id}"
        case Reason.EXPIRED:
            because = f"It was too old to begin when a worker came to it: {told}"
            return because, f"If it is wanted still: jobreg runs retry {run.id}"
        case Reason.TIMEOUT:
            return f"{attempt} was over its time limit: {told}.", again
        case Reason.CRASHED:
            deaths = run.record.crashes
            times = f"{deaths} time{'' if deaths == 1 else 's'} in all"
            return f"Its process died, {times}: {told}.", again
    tries = f", the last of {run.record.tries} tries," if run.record.tries > 1 else ""
    return f"{attempt}{tries} ended with {told}.", again


def _start(client: Client, run: Run) -> str:
    """How to get a worker that can run it; by what is installed here."""
    name, snapshot = run.job_name, client.registry.snapshot()
    owner = client.store.catalogue.owners([name]).get(name)
    ref = snapshot.pick(name, None if owner is None else owner.dist)
    if ref is None and owner and name in snapshot.jobs:
        return owner.refusal(snapshot.jobs[name])
    try:
        ref = ref or client.registry.ref(name)
    except JobRegError as error:
        return f"Start one where the job is installed (jobreg worker). Here: {error}"
    return f"{ref.provider}, installed here, has the job; start a worker: jobreg worker"


def _cause(kind: str, message: str) -> str:
    first = message.strip().partition("\n")[0][:_LONGEST_CAUSE]
    return f"{kind}: {first}".rstrip(": .")


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def _ago(moment: datetime | None) -> str:
    if moment is None:
        return "some time ago"
    return f"{span(max(0.0, (clock.now() - moment).total_seconds()))} ago"
