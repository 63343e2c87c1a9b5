"""What verbs make of a network that refuses, resets, swallows, delays, or cuts off an answer."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import servers
from sqlalchemy import make_url
from store_hands import JOB, add, add_worker, asked, claim, outcome, settle, states
from tcp_proxy import Proxy

from jobreg import BadInput, StoreUnavailable, SubmitUncertain, UnknownJob
from jobreg.catalogue import Known
from jobreg.lifecycle import RunRecord
from jobreg.store import Store, database, open_store


@pytest.fixture(params=["postgres", "mysql"])
def databases(request: pytest.FixtureRequest) -> servers.Databases:
    found: servers.Databases = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def direct(databases: servers.Databases) -> str:
    return databases.fresh()


@pytest.fixture
def proxy(direct: str) -> Iterator[Proxy]:
    url = make_url(direct)
    assert url.host is not None
    assert url.port is not None
    made = Proxy(url.host, url.port)
    yield made
    made.close()


@pytest.fixture
def store(direct: str, proxy: Proxy) -> Iterator[Store]:
    url = make_url(direct).set(host="127.0.0.1", port=proxy.port)
    opened = open_store(url.render_as_string(hide_password=False))
    yield opened
    opened.close()


def test_a_connection_that_was_reset_fails_one_submit_and_the_next_goes_through(
    store: Store, proxy: Proxy
) -> None:
    add(store)

    proxy.set("reset")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        add(store)
    proxy.set("pass")

    add(store)
    assert states(store) == {"queued": 2}


def kill_all(databases: servers.Databases, url: str) -> None:
    """Let the server end every connection to this database, as it does when it is told to end."""
    name = make_url(url).database
    if databases.postgres:
        ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        databases.run(ends)
        return
    others = f"information_schema.processlist WHERE db = '{name}' AND id <> connection_id()"
    found = databases.value(f"SELECT group_concat(id) FROM {others}")
    databases.run(*(f"KILL {each}" for each in found.split(",")))


def sockets() -> set[int]:
    """The descriptors of this process that are sockets."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if each.readlink().name.startswith("socket:"):
                found.add(int(each.name))
    return found


def look(store: Store) -> None:
    assert store.find()[0]


def take_work(store: Store) -> None:
    assert claim(store, add_worker(store)) is not None


@pytest.mark.parametrize("do", [look, add, take_work])
def test_a_connection_that_the_server_has_just_closed_is_not_used(
    databases: servers.Databases, direct: str, do: Callable[[Store], object]
) -> None:
    others = sockets()
    store, known = open_store(direct), open_store(direct)
    add(store)
    for each in (look, take_work, lambda store: store.stage_due()):
        each(store)
    found = known.catalogue.of(JOB)
    add(known)

    kept = sockets() - others
    assert len(kept) > 1
    kill_all(databases, direct)
    for each in kept:  # the end of what the server says has come
        ears = select.poll()
        ears.register(each, select.POLLRDHUP)
        assert ears.poll(20_000)

    do(store)
    run = asked()
    assert known.insert_as_known(run, found, lambda: run).run_id == run.run_id
    store.close(), known.close()


def test_a_port_where_nobody_listens_is_said_at_once(store: Store, proxy: Proxy) -> None:
    proxy.set("refuse")
    store.close()
    begun = time.monotonic()

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        add(store)

    assert time.monotonic() - begun < 2
    proxy.set("pass")
    add(store)
    assert states(store) == {"queued": 1}


@pytest.mark.parametrize("connected", [True, False])
def test_a_network_that_swallows_everything_is_given_up_within_the_bound(
    store: Store, proxy: Proxy, connected: bool
) -> None:
    add(store)
    if not connected:
        store.close()
    proxy.set("blackhole")
    begun = time.monotonic()

    # What PostgreSQL is sent on a kept connection stores the run by itself, if it gets there.
    sent = connected and store.engine.dialect.name == "postgresql"
    with pytest.raises(SubmitUncertain if sent else StoreUnavailable, match="cannot be reached"):
        add(store)

    assert time.monotonic() - begun < database.ANSWER_WITHIN + 1.5
    proxy.set("pass")
    add(store)


@pytest.mark.parametrize("databases", ["mysql"], indirect=True)
def test_what_a_submit_reads_of_its_job_is_waited_for_no_longer_than_the_submit(
    store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.catalogue.of(JOB)
    monkeypatch.setattr("jobreg.store.catalogue.ANSWER_WITHIN", 0.5)
    proxy.set("blackhole")
    begun = time.monotonic()

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.catalogue.of(JOB)

    assert time.monotonic() - begun < database.READ_WITHIN / 4


def test_a_slow_network_is_only_slow(store: Store, proxy: Proxy) -> None:
    proxy.set("delay")

    run = add(store)

    assert store.get(run.run_id) == run


def test_a_commit_whose_answer_is_cut_off_is_asked_after_and_done_once(
    store: Store, proxy: Proxy
) -> None:
    run = asked()
    states(store)
    proxy.set("cut")

    (stored,) = store.insert([run])

    assert proxy.cuts == 1
    assert stored.run_id == run.run_id
    (again,) = store.insert([run])
    assert again.run_id == run.run_id
    assert states(store) == {"queued": 1}


def cut_off_the_insert(store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the answer be lost to what stores a run, not to what asks about its job before."""
    if store.database.insert_as_known is not None:
        proxy.set("cut")
        return
    ask = store.catalogue.of

    def asked_before(name: str) -> Known:
        known = ask(name)
        proxy.set("cut")
        return known

    monkeypatch.setattr(store.catalogue, "of", asked_before)


def test_a_run_stored_as_known_whose_answer_is_cut_off_is_stored_once(
    store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, known = asked(), store.catalogue.of(JOB)
    states(store)
    cut_off_the_insert(store, proxy, monkeypatch)

    stored = store.insert_as_known(run, known, lambda: run)

    assert proxy.cuts == 1
    assert store.get(run.run_id) == stored
    assert states(store) == {"queued": 1}


@pytest.mark.parametrize("error", [BadInput, UnknownJob])
def test_after_an_answer_was_lost_a_refusal_does_not_stand_in_its_place(
    store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    run, known = asked(), store.catalogue.of(JOB)
    states(store)
    cut_off_the_insert(store, proxy, monkeypatch)

    def refused() -> RunRecord:
        raise error("it is not so any more")

    # It is there: it was judged when it was stored.
    assert store.insert_as_known(run, known, refused) == store.get(run.run_id)
    assert proxy.cuts == 1


def test_a_connection_that_died_while_it_was_idle_costs_a_submit_as_known_a_moment(
    store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PING_WITHIN", 0.2)
    run, known = asked(), store.catalogue.of(JOB)
    proxy.set("blackhole")
    pass_again = threading.Timer(0.1, proxy.set, ("pass",))
    pass_again.start()
    begun = time.monotonic()

    stored = store.insert_as_known(run, known, lambda: run)

    pass_again.join()
    assert time.monotonic() - begun < database.ANSWER_WITHIN
    assert store.get(run.run_id) == stored
    assert states(store) == {"queued": 1}


def test_a_claim_and_a_settle_whose_answers_are_cut_off_are_done_once(
    store: Store, proxy: Proxy
) -> None:
    run, worker = add(store), add_worker(store)

    proxy.set("cut")
    with pytest.raises(StoreUnavailable):
        claim(store, worker)
    proxy.set("pass")  # the claim may have been cut off where it only looks
    (held,) = store.holding(worker) or claim(store, worker) or ()
    proxy.set("cut")
    with pytest.raises(StoreUnavailable):
        settle(store, worker, outcome(held))
    proxy.set("pass")

    assert settle(store, worker, outcome(held)) == []
    assert states(store) == {"succeeded": 1}
    (attempt,) = store.attempts(run.run_id)
    assert attempt.number == held.attempt
