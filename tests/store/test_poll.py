"""How often it is looked where nobody tells."""

from __future__ import annotations

import select as select_module
import sys

import pytest
from sqlalchemy import literal, select
from sqlalchemy.exc import OperationalError
from store_hands import JOB, add, add_worker, asked, offer
from waiting import until

from jobreg import StoreUnavailable
from jobreg.store import database, listening, open_store


@pytest.fixture
def looks(monkeypatch):
    """How often a poll says look, asked 50 times a second for so long."""
    now = 1000.0
    monkeypatch.setattr(database.clock, "seconds", lambda: now)
    poll = database.Poll()

    def count(seconds: float, busy: bool) -> int:
        nonlocal now
        said = 0
        for _ in range(int(seconds * 50)):
            said += poll.changed(busy)
            now += 0.02
        return said

    return count


def test_the_first_look_is_at_once(looks):
    assert looks(0.02, True) == 1


def test_who_is_busy_looks_five_times_a_second(looks):
    looks(5, True)

    assert 45 <= looks(10, True) <= 51


def test_who_is_idle_looks_every_other_second(looks):
    looks(60, False)

    assert 28 <= looks(60, False) <= 31


def test_who_was_busy_just_now_looks_almost_as_often(looks):
    looks(5, True)

    assert looks(2, False) >= 6


def test_who_becomes_busy_looks_at_once_as_often(looks):
    looks(60, False)

    assert 9 <= looks(2, True) <= 12


def test_who_is_told_waits_long_and_who_is_not_polls(postgres, monkeypatch):
    """A pooler takes a LISTEN and tells nothing, or not to the one who listened."""
    told = open_store(postgres.fresh()).database.watch(listen=True)
    deaf = open_store(postgres.fresh()).database.watch(listen=True)

    until(lambda: told.changed(False) and told.pause(False) == told._AGAIN, what="it is told")
    monkeypatch.setattr(listening.statements, "tell", lambda channel: select(literal(channel)))
    for _ in range(50):
        deaf.changed(False)

    assert deaf.pause(False) < 2.5
    told.close()
    deaf.close()


def test_who_cannot_tell_itself_polls_and_tries_again(postgres, monkeypatch):
    """The server may go between the word that one listens and the word one says."""
    store = open_store(postgres.fresh())
    ear = store.database.watch(listen=True)

    def gone():
        raise OperationalError("SELECT pg_notify", {}, Exception("server closed the connection"))

    with monkeypatch.context() as while_gone:
        while_gone.setattr(store.engine, "begin", gone)
        assert ear.changed(False)
        assert ear.pause(False) < 2.5
    monkeypatch.setattr(listening.Listener, "_CONNECT_AGAIN", 0.0)

    until(lambda: ear.changed(False) and ear.pause(False) == ear._AGAIN, what="it is told")
    ear.close()


def test_who_is_told_of_a_run_is_told_where_it_waits(postgres):
    store = open_store(postgres.fresh())
    ear = store.database.watch(listen=True)
    until(lambda: ear.changed(False) and ear.pause(False) == ear._AGAIN, what="it is told")

    def told_of() -> list[object]:
        until(lambda: ear.changed(False), what="it is told")
        return sorted(ear.pairs) if ear.pairs is not None else [None]

    add(store)
    of_one = told_of()
    add(store, "b.job", queue="mail")
    of_other = told_of()
    store.insert([asked("a.job"), asked("b.job")])
    of_many = told_of()
    add(store, delay=60.0)
    of_later = told_of()

    assert of_one == [("default", JOB)]
    assert of_other == [("mail", "b.job")]
    assert of_many == of_later == [None]
    ear.close()
    store.close()


def test_what_is_said_while_something_else_is_asked_is_heard_after(postgres):
    store = open_store(postgres.fresh())
    ear = store.database.watch(listen=True)
    before = ear.lent
    until(lambda: ear.changed(False) and ear.pause(False) == ear._AGAIN, what="it is told")
    worker = add_worker(store)
    until(lambda: not ear.changed(False), what="nothing is said")
    add(store)

    def heard_meanwhile() -> object:
        ear.lent.execute("SELECT 1", ())
        return ear._meanwhile

    until(heard_meanwhile, what="the word has come with another answer")
    taken = store.claim(worker, [("default", JOB)], [offer()], told=True, by=ear.lent)
    told = ear.changed(False), ear.pairs, ear.changed(False)

    assert before is None
    assert len(taken) == 1
    assert told == (True, None, False)
    ear.close()
    store.close()


def test_who_claims_on_a_connection_that_was_torn_down_listens_anew(postgres, monkeypatch):
    store = open_store(postgres.fresh())
    monkeypatch.setattr(listening.Listener, "_CONNECT_AGAIN", 0.0)
    ear = store.database.watch(listen=True)
    until(lambda: ear.changed(False) and ear.pause(False) == ear._AGAIN, what="it is told")
    worker, torn = add_worker(store), ear.lent
    add(store)
    with store.engine.begin() as connection:
        pid = torn.connection.info.backend_pid
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")

    with pytest.raises(StoreUnavailable):
        store.claim(worker, [("default", JOB)], [offer()], told=True, by=torn)
    assert ear.fileno() is None
    until(lambda: ear.changed(False) and ear.lent not in (None, torn), what="it listens again")

    assert len(store.claim(worker, [("default", JOB)], [offer()], told=True, by=ear.lent)) == 1
    ear.close()
    store.close()


def test_whatever_is_said_on_the_channel_is_heard_and_harms_nobody(postgres):
    store = open_store(postgres.fresh())
    ear = store.database.watch(listen=True)
    until(lambda: ear.changed(False) and ear.pause(False) == ear._AGAIN, what="it is told")

    ear._ear.connection.execute("SET client_encoding = 'LATIN1'")
    with store.engine.begin() as connection:
        for told in ("\n", "mail", "m\xe9l\nx.y", "\n\n\n", "q" * 4000 + "\n" + "n" * 3900):
            connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (store.database.channel, told))
    until(lambda: ear.changed(False), what="it is told")

    assert ear.pairs is None
    assert ear.pause(False) == ear._AGAIN
    ear.close()
    store.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_of_a_file_behind_a_link_linux_tells_as_of_any_other(tmp_path):
    (tmp_path / "there").mkdir()
    open_store(f"sqlite:///{tmp_path}/there/jobs.db").close()
    (tmp_path / "link.db").symlink_to(tmp_path / "there" / "jobs.db")
    store = open_store(f"sqlite:///{tmp_path}/link.db")
    watch = store.watch()

    watch.changed()
    assert watch.fileno() is not None
    add(store)

    assert select_module.select([watch.fileno()], [], [], 10)[0]
    watch.close()
    store.close()
