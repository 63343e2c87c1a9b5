"""A run is stored by what was known of its job a while ago only where that is known yet."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import evolve
from store_hands import JOB, asked, states
from waiting import until

from jobreg import (
    BadInput,
    Client,
    Conflict,
    Registry,
    StoreUnavailable,
    SubmitUncertain,
    UnknownJob,
    client as client_module,
)
from jobreg.catalogue import Entry
from jobreg.lifecycle import Provider, RunRecord
from jobreg.options import JobOptions
from jobreg.store import Store, open_store
from jobreg.store.lending import Lent
from jobreg.store.transacting import Unanswered

HOSTILE = "a \"quoted\", {braced} \\ 'one', \N{GRINNING FACE} é %s\nand a line"
Change = Callable[[Store], Any]


def entry(dist: str = "acme-reports", version: str = "1.0", **more: Any) -> Entry:
    options = JobOptions(queue="mail").to_wire()
    return Entry(job_name=JOB, provider=Provider(dist, version), options=options, **more)


def learn(*entries: Entry) -> Change:
    return lambda store: store.catalogue.learn(entries, "hello")


def override(**options: Any) -> Change:
    return lambda store: store.catalogue.override(JOB, options)


def make(store: Store, *changes: Change) -> None:
    for change in changes:
        change(store)


class Asked:
    """Makes the run ready anew, in a queue of its own, and counts how often it had to."""

    def __init__(self, run: RunRecord) -> None:
        self.run = run
        self.times = 0

    def __call__(self) -> RunRecord:
        self.times += 1
        return self.run


def inserted(store: Store, known: Any, **said: Any) -> tuple[RunRecord, int]:
    """What was stored, and how often it had to be made ready anew for that."""
    run = asked(queue="as known", **said)
    anew = Asked(evolve(run, queue="anew"))
    stored = store.insert_as_known(run, known, anew)
    assert store.get(run.run_id) == stored
    return stored, anew.times


NOTHING: tuple[Change, ...] = ()
OF_OTHERS = (
    lambda store: store.catalogue.override("reports.mail", {"priority": 3}),
    lambda store: store.catalogue.learn(
        [Entry(job_name="reports.mail", provider=Provider("acme-reports", "1.0"), options={})], "h"
    ),
)


@pytest.mark.parametrize(
    "before",
    [
        NOTHING,
        (learn(entry()),),
        (override(priority=7),),
        (learn(*(entry(version=each) for each in ("1.0", "2.0", "10.0"))), override(priority=7)),
        (learn(*(entry(dist=each) for each in ("Z", "a", "\N{LATIN SMALL LETTER E WITH ACUTE}"))),),
        (override(queue=HOSTILE), learn(entry(dist=HOSTILE), entry(version=""))),
    ],
    ids=["nothing", "a-version", "an-override", "several", "in-order", "hostile"],
)
def test_where_just_that_is_known_it_is_stored_as_it_was_made_ready(
    store: Store, before: tuple[Change, ...]
) -> None:
    make(store, *before)
    known = store.catalogue.of(JOB)
    make(store, *OF_OTHERS)

    stored, times = inserted(store, known)

    assert times == 0
    assert stored.queue == "as known"
    assert states(store) == {"queued": 1}


@pytest.mark.parametrize(
    "change",
    [
        learn(entry()),
        learn(entry(version="3.0")),
        learn(entry(dist="another")),
        override(priority=8),
        override(timeout=3.0),
        override(priority=None),
        override(priority=None, crash_delay=7),
    ],
    ids=["again", "version", "dist", "value", "more", "taken-back", "in-place-of"],
)
def test_where_anything_more_is_known_it_is_made_ready_anew(store: Store, change: Change) -> None:
    make(store, learn(entry(), entry(version="2.0")), override(priority=7))
    known = store.catalogue.of(JOB)
    make(store, change)

    stored, times = inserted(store, known)

    assert times == 1
    assert stored.queue == "anew"
    assert states(store) == {"queued": 1}


def test_what_came_and_went_changes_nothing(store: Store) -> None:
    make(store, learn(entry()))
    known = store.catalogue.of(JOB)
    make(store, override(priority=7))
    make(store, override(priority=None))

    _, times = inserted(store, known)

    assert times == 0


def test_two_ways_to_ask_find_the_same_signs(store: Store, monkeypatch: Any) -> None:
    make(store, learn(entry(), entry(version="2.0", trouble=HOSTILE)), override(priority=7))
    at_once = store.catalogue.of(JOB)
    monkeypatch.setattr(store.database, "known_at_once", None)

    by_sqlalchemy = store.catalogue.of(JOB)

    assert len(at_once.signs) == 3
    assert by_sqlalchemy.signs == at_once.signs


def test_an_id_that_is_there_is_that_run(store: Store) -> None:
    known = store.catalogue.of(JOB)
    run = asked()
    (first,) = store.insert([run])

    again = store.insert_as_known(run, known, lambda: run)

    assert again == first
    other = evolve(run, params='{"n": 2}')
    with pytest.raises(Conflict):
        store.insert_as_known(other, known, lambda: other)
    assert states(store) == {"queued": 1}


def test_a_unique_key_is_looked_for(store: Store) -> None:
    known = store.catalogue.of(JOB)
    first, _ = inserted(store, known, unique_key="k")

    second = asked(unique_key="k")
    stored = store.insert_as_known(second, known, lambda: second)

    assert stored.run_id == first.run_id
    assert states(store) == {"queued": 1}


def test_what_is_refused_anew_is_not_stored(store: Store) -> None:
    known = store.catalogue.of(JOB)
    make(store, override(priority=7))

    def refuse() -> RunRecord:
        raise BadInput("no such parameter")

    with pytest.raises(BadInput, match="no such parameter"):
        store.insert_as_known(asked(), known, refuse)

    assert states(store) == {}


@pytest.mark.parametrize("error", [BadInput, UnknownJob])
def test_a_refusal_does_not_say_that_nothing_was_stored_where_that_is_not_known(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def lose(*_: Any) -> list[RunRecord]:
        raise Unanswered("the connection was lost")

    def refuse() -> RunRecord:
        raise error("it is not so any more")

    monkeypatch.setattr(store.database, "insert_as_known", lose)
    run = asked()

    with pytest.raises(SubmitUncertain, match=run.run_id):
        store.insert_as_known(run, store.catalogue.of(JOB), refuse)


def test_of_several_runs_that_may_be_stored_the_error_has_all_ids_and_each_is_stored_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, insert = Registry(path=[]), store._insert
    registry.add(JOB, print)
    client = Client(store, registry)
    batch = [(JOB, {"n": n}) for n in range(3)]

    def lose(runs: Sequence[RunRecord]) -> list[RunRecord]:
        insert(runs)
        raise Unanswered("the connection was lost")

    monkeypatch.setattr(store, "_insert", lose)
    monkeypatch.setattr("jobreg.store.submitting.ANSWER_WITHIN", 0.0)
    with pytest.raises(SubmitUncertain, match=r"and 2 more were stored.*run_ids") as uncertain:
        client.submit_many(batch)
    monkeypatch.undo()

    ids = uncertain.value.run_ids
    again = client.submit_many(
        {"job_name": name, "params": params, "run_id": run_id}
        for (name, params), run_id in zip(batch, ids, strict=True)
    )

    assert [run.id for run in again] == list(ids)
    assert states(store) == {"queued": 3}


@pytest.fixture
def questions(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked on lent connections, in the driver's words, by their first word."""
    found: list[str] = []
    execute = Lent.execute

    def noted(self: Lent, words: str, values: Any) -> Any:
        found.append(words.split()[0])
        return execute(self, words, values)

    monkeypatch.setattr(Lent, "execute", noted)
    return found


@pytest.fixture
def client(store: Store) -> Client:
    registry = Registry()
    registry.add(JOB, json.loads)
    return Client(store, registry)


def test_after_a_pause_a_client_submits_by_one_question(
    client: Client, questions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.submit(JOB)
    monkeypatch.setattr(client_module, "_KEEP_KNOWN", -1.0)
    before = client._known[JOB]
    questions.clear()

    client.submit(JOB)

    if client.store.database.insert_as_known is not None:
        assert questions == ["WITH"]
    after = client._known[JOB]
    assert after.known.signs == before.known.signs
    assert after.read > before.read  # it is not asked with the next one
    assert states(client.store) == {"queued": 2}


def shipped(version: str = "1.0", dist: str = "acme-reports", **options: Any) -> Entry:
    """What a version says of the job, in its hello: with these options, and no others."""
    return evolve(entry(dist, version), options=JobOptions(**options).to_wire())


@pytest.fixture
def after_a_pause(
    store: Store, fake_plugins: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Client]:
    """Makes a client where version 1.0 is installed, that knows so much and was idle since."""
    fake_plugins.add("acme-reports", "1.0", {JOB: "acme:render"})

    def made(*entries: Entry) -> Client:
        make(store, *(learn(each) for each in entries))
        client = Client(store, Registry(path=[str(fake_plugins.path)]))
        client.submit(JOB)
        monkeypatch.setattr(client_module, "_KEEP_KNOWN", -1.0)
        return client

    return made


BROKEN = Entry(job_name=JOB, provider=Provider("acme-reports", "1.0"), trouble="no module")


@pytest.mark.parametrize(
    ("entries", "on_its_way"),
    [
        ([shipped()], True),
        ([shipped(), shipped("2.0", timeout=3)], True),
        ([shipped(queue="default")], False),
        ([shipped(), shipped("2.0", priority=5)], False),
        ([shipped(), shipped("2.0", unique=("x",))], False),
        ([shipped("2.0")], False),
        ([shipped(dist="another")], False),
        ([BROKEN], False),
        ([], False),
    ],
    ids=[
        "nothing-said", "alike", "queue", "priority", "key", "another-version", "another-dist",
        "broken", "of-nobody",
    ],
)  # fmt: skip
def test_what_is_installed_is_looked_at_while_the_run_is_on_its_way_where_it_bears_on_no_run(
    after_a_pause: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
    entries: list[Entry],
    on_its_way: bool,
) -> None:
    client = after_a_pause(*entries)
    look, stored = client.registry.snapshot, []

    def noted(**how: Any) -> Any:
        stored.append(sum(states(client.store).values()))
        return look(**how)

    monkeypatch.setattr(client.registry, "snapshot", noted)

    client.submit(JOB)

    assert stored[0] == (2 if on_its_way else 1)


def test_what_an_old_version_would_refuse_is_not_judged_before_it_is_known_which_is_installed(
    store: Store, after_a_pause: Callable[..., Client], fake_plugins: Any, tmp_path: Any
) -> None:
    now = [time.time_ns() // 1000]
    store.take_time_from(lambda: now[0])
    learn(evolve(shipped(), params_schema={"properties": {}}))(store)
    now[0] += 2 * 24 * 3600 * 1_000_000
    client = after_a_pause(
        evolve(shipped("2.0"), params_schema={"required": ["x"], "properties": {"x": {}}})
    )
    upgraded = type(fake_plugins)(tmp_path / "upgraded", tmp_path)
    upgraded.add("acme-reports", "2.0", {JOB: "acme:render"})
    client.registry = Registry(path=[str(upgraded.path)])

    with pytest.raises(BadInput, match="missing 'x'"):
        client.submit(JOB)

    assert states(store) == {"queued": 1}


def test_an_old_version_changes_nothing_where_the_one_installed_was_seen_of_late(
    store: Store, after_a_pause: Callable[..., Client]
) -> None:
    now = [time.time_ns() // 1000]
    store.take_time_from(lambda: now[0])
    learn(shipped("0.9"))(store)
    now[0] += 2 * 24 * 3600 * 1_000_000

    client = after_a_pause(shipped())

    assert client._known[JOB].terms.anywhere


@pytest.mark.parametrize(
    "options", [JobOptions().to_wire() | {"engine": "fibers"}, {"another": "form"}]
)
def test_what_a_later_jobreg_wrote_of_another_version_ends_no_submit(
    after_a_pause: Callable[..., Client], options: dict[str, Any]
) -> None:
    later = evolve(shipped("2.0"), options=options)
    client = after_a_pause(shipped(), later)

    client.submit(JOB)

    assert states(client.store) == {"queued": 2}
    assert not client._known[JOB].terms.anywhere


def test_after_a_pause_the_first_run_goes_by_the_version_that_was_installed_meanwhile(
    after_a_pause: Callable[..., Client], fake_plugins: Any, tmp_path: Any
) -> None:
    client = after_a_pause(shipped("2.0", queue="slow", priority=5), shipped(queue="mail"))
    upgraded = type(fake_plugins)(tmp_path / "upgraded", tmp_path)
    upgraded.add("acme-reports", "2.0", {JOB: "acme:moved"})
    client.registry = Registry(path=[str(upgraded.path)])

    record = client.submit(JOB).record

    assert (record.queue, record.priority) == ("slow", 5)


def test_after_a_pause_a_job_that_nobody_has_any_more_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.submit(JOB)
    monkeypatch.setattr(client_module, "_KEEP_KNOWN", -1.0)
    client.registry = Registry(path=[])

    with pytest.raises(UnknownJob):
        client.submit(JOB)

    assert states(client.store) == {"queued": 1}


def test_after_a_pause_what_is_found_installed_bears_on_the_next_run(
    after_a_pause: Callable[..., Client],
) -> None:
    client = after_a_pause(shipped())
    client.registry = Registry()
    client.registry.add(JOB, json.dumps)

    client.submit(JOB)
    forgotten = JOB not in client._known
    client.submit(JOB)

    assert forgotten
    assert client._known[JOB].ref == client.registry.ref(JOB)


def test_a_run_that_cannot_be_stored_as_known_is_tried_no_more_than_any_other(
    after_a_pause: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, tried = after_a_pause(shipped()), []

    def refuse(runs: Any, connection: Any = None) -> Any:
        tried.append(runs)
        raise StoreUnavailable("locked")

    monkeypatch.setattr(client.store, "insert", refuse)
    monkeypatch.setattr(client.store.database, "insert_as_known", None)

    with pytest.raises(StoreUnavailable):
        client.submit(JOB)

    assert len(tried) == 1


def test_after_a_pause_a_client_goes_by_what_was_set_meanwhile(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.submit(JOB)
    monkeypatch.setattr(client_module, "_KEEP_KNOWN", -1.0)

    found = []
    for queue in ("mail", "slow", None):
        client.store.catalogue.override(JOB, {"queue": queue})
        found.append(client.submit(JOB).record.queue)
        found.append(client.submit(JOB).record.queue)

    assert found == ["mail", "mail", "slow", "slow", "default", "default"]


def test_after_a_pause_a_client_judges_by_the_version_that_came_meanwhile(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here,) = client.registry.snapshot().jobs.values()

    def takes(name: str) -> Entry:
        schema = {"type": "object", "properties": {name: {}}, "additionalProperties": False}
        return entry(here.dist, here.version, params_schema=schema)

    client.store.catalogue.learn([takes("old")], "hello")
    client.submit(JOB, {"old": 1})
    monkeypatch.setattr(client_module, "_KEEP_KNOWN", -1.0)
    client.store.catalogue.learn([takes("new")], "hello")

    with pytest.raises(BadInput, match="unknown 'old'"):
        client.submit(JOB, {"old": 1})
    client.submit(JOB, {"new": 1})

    assert states(client.store) == {"queued": 2}


def test_a_connection_that_the_server_ended_as_idle_leaves_no_doubt(
    postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(postgres.fresh())
    known, run = store.catalogue.of(JOB), asked()
    lent, other = store.database.lend(), store.database.make_to_lend()
    assert lent is not None
    pid = lent.connection.info.backend_pid
    if lent.connection.info.server_version < 140000:
        pytest.skip("this server ends nobody for being idle")
    lent.cursor.execute("SET idle_session_timeout = '20ms'")
    store.database.lending.give_back(lent)
    alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    until(lambda: other.execute(alive, (pid,)).fetchone() == (0,), 20, "the server ended it")
    monkeypatch.setattr(store, "_asked_again", None)

    stored = store.insert_as_known(run, known, lambda: run)

    assert store.get(run.run_id) == stored
    other.close()
    store.close()
