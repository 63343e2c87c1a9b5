"""Every verb meets trouble at each of its statements: it is done wholly, or not at all.

The statement may fail; its answer may be lost; the process may die there. Whoever asks again
afterwards has what was to be. Deterministic: the tables are compared, row by row, with those of a
verb that met no trouble.
"""

from __future__ import annotations

import multiprocessing
import re
import signal
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from attrs import evolve, field, frozen
from sqlalchemy import select
from store_hands import HOST, JOB, Clock, claim, die_at, everything, offer, outcome, row_of

from jobreg import clock as process_clock
from jobreg.catalogue import Known
from jobreg.errors import StoreError, UnknownJob
from jobreg.lifecycle import Claim, Ending, LogChunk, Progress, RunRecord
from jobreg.options import JobOptions
from jobreg.store import LogRow, Store
from jobreg.store.tables import live, metadata

RUN_ID = "01a00000-0000-7000-8000-00000000000a"
OTHER_ID = "01a00000-0000-7000-8000-00000000000b"
WORKER_ID = "01a00000-0000-7000-8000-00000000000c"
RUN = RunRecord(run_id=RUN_ID, job_name=JOB, params='{"n": 1}', unique_key="k")
PLAIN = evolve(RUN, unique_key=None)
MOST_STEPS = 60
# Rows by COPY are no statement of SQLAlchemy's; the word to listeners that follows them is.
WRITES = re.compile("INSERT INTO|DELETE FROM|UPDATE (OR ROLLBACK )?`?jobreg|pg_notify")


NOTED: list[Claim] = []
"""Claims with what the database noted of them for itself."""


# what there is before


def nothing(_: Store) -> None:
    pass


def works(store: Store) -> None:
    store.register(
        {
            "worker_id": WORKER_ID, "host": HOST, "pid": 7, "pid_started": "1", "boot_id": "a",
            "pid_namespace": "a", "jobreg_version": "0.1.0", "concurrency": 2, "queues": "[]",
            "names": f'["{JOB}"]', "lease": 30.0,
        }
    )  # fmt: skip


def waits(store: Store) -> None:
    works(store)
    store.insert([RUN])


def runs(store: Store) -> None:
    waits(store)
    claimed(store)


def both_run(store: Store) -> None:
    works(store)
    store.insert([RUN, evolve(RUN, run_id=OTHER_ID, unique_key=None)])
    NOTED[:] = claimed(store)


def has_ended(ending: Ending) -> Callable[[Store], None]:
    def prepare(store: Store) -> None:
        waits(store)
        (taken,) = claimed(store)
        store.settle(WORKER_ID, HOST, [outcome(taken, ending)])

    return prepare


def is_long_over(store: Store) -> None:
    has_ended(Ending.SUCCEEDED)(store)
    Clock(store).set(1_000)


def comes_due(store: Store) -> None:
    works(store)
    store.insert([evolve(RUN, delay=60.0)])
    Clock(store).set(61)


def is_paused(store: Store) -> None:
    store.pause("queue", "mail")


def several_wait(store: Store) -> None:
    works(store)
    store.insert([RUN, evolve(RUN, run_id=OTHER_ID, job_name="mail.send", unique_key=None)])


# what is asked


def claimed(store: Store) -> Any:
    return claim(store, WORKER_ID)


def claimed_of_several(store: Store) -> Any:
    return claim(store, WORKER_ID, offer(), offer("mail.send"))


def claimed_where_expected(store: Store) -> Any:
    told = store.claim(WORKER_ID, [("default", JOB)], [offer()], told=True)
    return told or claimed(store)


def settles(ending: Ending, **options: Any) -> Callable[[Store], Any]:
    def act(store: Store) -> Any:
        held = store.holding(WORKER_ID) or [_claim()]
        known = [evolve(each, options=JobOptions(**options)) for each in held]
        refused = store.settle(
            WORKER_ID, HOST, [outcome(each, ending, ended=1.0) for each in known]
        )
        assert refused == [], "our own earlier commit is success"

    return act


def settles_as_noted(store: Store) -> Any:
    refused = store.settle(WORKER_ID, HOST, [outcome(each, ended=1.0) for each in NOTED])
    assert refused == [], "our own earlier commit is success"


def _claim() -> Any:
    return Claim(run_id=RUN_ID, job_name=JOB, params="{}", attempt=1, worker_id=WORKER_ID)


def rescues(store: Store) -> Any:
    with suppress(StopIteration):  # the row is gone when it was done before
        return store.rescue(row_of(store, WORKER_ID))


def renames(store: Store) -> Any:
    with suppress(UnknownJob):  # it has its new name when it was done before
        return store.names.rename(JOB, "reports.other")


LINE = LogChunk(1_800_000_000_000_000, "stdout", "INFO", None, "a line")


@frozen
class Verb:
    prepare: Callable[[Store], None]
    act: Callable[[Store], Any]
    repeatable: bool = field(default=True, kw_only=True)
    """Does it make no difference to do it twice?"""


VERBS = {
    "submit": Verb(nothing, lambda store: store.insert([PLAIN])),
    "submit as known": Verb(nothing, lambda store: store.insert_as_known(
        PLAIN, Known(), lambda: PLAIN)),
    "submit several": Verb(nothing, lambda store: store.insert(
        [PLAIN, evolve(PLAIN, run_id=OTHER_ID, delay=60.0)])),
    "submit with a key": Verb(nothing, lambda store: store.insert([RUN])),
    "claim": Verb(waits, claimed),
    "claim of several pairs": Verb(several_wait, claimed_of_several),
    "claim where expected": Verb(waits, claimed_where_expected),
    "beat": Verb(works, lambda store: store.beat(WORKER_ID, 30.0, "[]"), repeatable=False),
    "settle": Verb(runs, settles(Ending.SUCCEEDED)),
    "settle several": Verb(both_run, settles(Ending.SUCCEEDED)),
    "settle as noted": Verb(both_run, settles_as_noted),
    "fail": Verb(runs, settles(Ending.ERROR)),
    "try again": Verb(runs, settles(Ending.ERROR, max_attempts=2)),
    "release": Verb(runs, settles(Ending.RELEASED)),
    "retry": Verb(has_ended(Ending.ERROR), lambda store: store.reopen(store.get(RUN_ID))),
    "cancel what waits": Verb(waits, lambda store: store.cancel(RUN_ID)),
    "cancel what runs": Verb(runs, lambda store: store.cancel(RUN_ID)),
    "rescue": Verb(runs, rescues),
    "rescue several": Verb(both_run, rescues),
    "forget": Verb(works, lambda store: store.forget(WORKER_ID)),
    "prune": Verb(is_long_over, lambda store: store.history.prune("succeeded", 60.0)),
    "tick": Verb(comes_due, lambda store: store.stage_due()),
    "progress": Verb(runs, lambda store: store.note_progress(
        WORKER_ID, [(RUN_ID, 1, Progress(1, 2, "on it"))])),
    "logs": Verb(runs, lambda store: store.write_logs(WORKER_ID, [LogRow(RUN_ID, 1, 1, (LINE,))])),
    "pause": Verb(nothing, lambda store: store.pause("queue", "mail")),
    "resume": Verb(is_paused, lambda store: store.resume("queue", "mail")),
    "drain": Verb(works, lambda store: store.ask_worker(WORKER_ID, "drain")),
    "rename": Verb(runs, renames),
}  # fmt: skip


# trouble


class Trouble:
    """Lets the step'th statement (COMMIT is one) of a store fail, before or after it is done."""

    def __init__(self, step: int, when: str) -> None:
        self.step = step
        self.when = when
        self.passed = 0
        self.writes = False
        self.written = False

    @contextmanager
    def of(self, store: Store) -> Any:
        dialect = store.engine.dialect
        names = ("do_execute", "do_execute_no_params", "do_executemany", "do_commit")
        whole = {name: getattr(dialect, name) for name in names}
        for name in names:
            setattr(dialect, name, self._wrapped(store, name, whole[name]))
        try:
            yield self
        finally:
            for name in names:
                delattr(dialect, name)

    def _wrapped(self, store: Store, name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def doing(first: Any, *more: Any) -> Any:
            self.passed += 1
            mine = self.passed == self.step
            connection = first if name == "do_commit" else first.connection
            if mine and self.when == "before":
                self._fail(store, connection)
            done = do(first, *more)
            if name != "do_commit":
                self.writes = self.writes or WRITES.search(more[0]) is not None
            by_itself = name != "do_commit" and getattr(connection, "autocommit", None) is True
            if self.writes and (name == "do_commit" or by_itself):
                self.written = True
            if mine:
                self._fail(store, connection)
            return done

        return doing

    def _fail(self, store: Store, connection: Any) -> None:
        """The connection is lost; on SQLite, where there is none to lose, its disk fails."""
        dbapi = store.engine.dialect.loaded_dbapi
        connection = getattr(connection, "driver_connection", connection)
        match store.engine.dialect.name:
            case "sqlite":
                raise dbapi.OperationalError("disk I/O error")
            case "postgresql":
                connection.close()
                raise dbapi.OperationalError("server closed the connection unexpectedly")
            case _:
                connection._force_close()
                raise dbapi.OperationalError(2013, "Lost connection to server during query")


def empty(store: Store) -> None:
    """Delete all rows; the clocks stand at their start."""
    with store.writing() as connection:
        store.database.begin_alone(connection)
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    Clock(store)


def rows(store: Store) -> Any:
    """All rows, without the numbers that the database counts on, in an order of our own."""
    return {
        table: sorted(
            ({name: value for name, value in row.items() if name != "seq"} for row in found),
            key=repr,
        )
        for table, found in everything(store).items()
    }


def outlive_the_lost(store: Store) -> None:
    """Wait until the server has taken back what a lost connection left undone.

    It learns of the loss a moment later, and a claim passes over rows that are locked till then.
    """
    with store.writing() as connection:
        connection.execute(select(live).with_for_update())


def held_time() -> Any:
    return process_clock.holding(lambda: 1_800_000_000_000_000)


def without_trouble(store: Store, verb: Verb) -> tuple[Any, Any, Any]:
    """All rows before the verb, after it, and after doing it twice."""
    empty(store)
    verb.prepare(store)
    before = rows(store)
    verb.act(store)
    done = rows(store)
    verb.act(store)
    twice = rows(store)
    assert before != done
    assert (done == twice) is verb.repeatable
    return before, done, twice


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", VERBS)
def test_a_statement_fails_or_its_answer_is_lost(store: Store, name: str, when: str) -> None:
    verb = VERBS[name]
    with held_time():
        before, done, twice = without_trouble(store, verb)
        for step in range(1, MOST_STEPS):
            empty(store)
            verb.prepare(store)
            with Trouble(step, when).of(store) as trouble, suppress(StoreError):
                verb.act(store)
            outlive_the_lost(store)

            assert rows(store) == (done if trouble.written else before), (name, step)
            verb.act(store)
            assert rows(store) == (twice if trouble.written else done), (name, step)
            if trouble.passed < step:
                break

    assert trouble.passed < step, "it never came to its end"
    ones = (
        "submit", "submit as known", "claim of several pairs", "claim where expected",
        "settle as noted",
    )  # fmt: skip
    by_one = name in ones and store.engine.dialect.name == "postgresql"
    assert step > (1 if by_one else 2)


def act_and_die(store: Store, late: float, name: str, step: int) -> None:
    # The parent's, which makes its connections anew here; it knows the statements already.
    Clock(store).set(late)
    with held_time():
        pass_by = die_at(store, step)
        VERBS[name].act(store)
        pass_by()


@pytest.mark.parametrize("name", VERBS)
def test_a_process_dies_at_a_statement(store: Store, name: str) -> None:
    verb, fork, codes = VERBS[name], multiprocessing.get_context("fork"), []
    late = {is_long_over: 1_000.0, comes_due: 61.0}.get(verb.prepare, 0.0)
    with held_time():
        before, done, twice = without_trouble(store, verb)
        for step in range(1, MOST_STEPS):
            empty(store)
            verb.prepare(store)
            process = fork.Process(target=act_and_die, args=(store, late, name, step))
            process.start()
            process.join(30)
            codes.append(process.exitcode)
            outlive_the_lost(store)

            found = rows(store)
            assert found in (before, done), (name, step)
            verb.act(store)
            assert rows(store) == (twice if found == done else done), (name, step)
            if process.exitcode == 0:
                break

    assert codes == [-signal.SIGKILL] * (len(codes) - 1) + [0]
    assert found == done
    assert len(codes) > 3
