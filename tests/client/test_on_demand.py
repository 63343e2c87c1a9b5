"""Of many runs, those that are stored while the next are still being checked: all, or none."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator
from typing import Any

import pytest
import servers
from sqlalchemy import text

from jobreg import BadInput, Client, Conflict, JobConflict, Registry, UnknownJob
from jobreg.client import _MANY
from jobreg.request import new_run_id

NAME, OTHER = "reports.render", "reports.profile"
MANY = _MANY.start + 700


@pytest.fixture
def client(postgres: servers.Databases, registry: Registry) -> Iterator[Client]:
    made = Client(postgres.for_tests(), registry)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def on_demand(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """How many were stored on demand each time; None where all were looked at first."""
    real, seen = client._insert_on_demand, []

    def insert(asked: Any) -> Any:
        stored = real(asked)
        seen.append(None if stored is None else len(stored))
        return stored

    monkeypatch.setattr(client, "_insert_on_demand", insert)
    return seen


def pairs(number: int = MANY) -> list[Any]:
    return [(NAME if n % 3 else OTHER, {"n": n, "text": "a\tb\\c\nd"}) for n in range(number)]


def count(client: Client) -> int:
    return sum(client.store.counts().values())


def test_they_come_back_in_order_as_they_are_stored(client, on_demand):
    asked = pairs()

    runs = client.submit_many(iter(asked))

    assert on_demand == [MANY]
    assert [(run.job_name, run.params) for run in runs] == asked
    assert count(client) == MANY
    for run in (runs[0], runs[-1]):
        assert client.get(run.id).record == run.record
    assert len({run.id for run in runs}) == MANY


def test_the_server_stores_the_first_while_the_last_is_checked(client, on_demand):
    seen = []

    class Looks(UserDict):
        def __iter__(self):
            with client.store.reading() as connection:
                copies = text(
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY %' "
                    "AND state = 'active' AND datname = current_database()"
                )
                seen.append(connection.execute(copies).scalar_one())
            return super().__iter__()

    client.submit_many([*pairs(), (NAME, Looks(n=1))])

    assert on_demand == [MANY + 1]
    assert set(seen) == {1}


@pytest.mark.parametrize(
    ("bad", "error", "told"),
    [
        ((NAME, {"n": object()}), BadInput, f"run {MANY}: .*object"),
        (17, BadInput, f"run {MANY}: give a pair"),
        (("reports.rendr", None), UnknownJob, "reports.render"),
        ({"job_name": NAME, "params": {}, "tags": (t for t in [17])}, BadInput, "17"),
    ],
)
def test_one_that_is_refused_lets_none_be_stored_and_all_faults_are_told(
    client, on_demand, bad, error, told
):
    with pytest.raises(error, match=told):
        client.submit_many([*pairs(), bad])

    with pytest.raises(BadInput, match=f"2 runs cannot be used. .*run {MANY + 1}: give a pair"):
        client.submit_many([*pairs(), 17, 18])
    assert on_demand == [None, None]
    assert count(client) == 0


def test_a_name_that_two_claim_lets_none_be_stored(client, fake_plugins):
    fake_plugins.add("another", "1.0", {NAME: "other:run"})

    with pytest.raises(JobConflict):
        client.submit_many(pairs())

    assert count(client) == 0


def test_what_is_read_once_is_read_once(client, on_demand):
    asked = {"job_name": NAME, "params": {}, "tags": (each for each in ["one", "two"])}

    *_, last = client.submit_many([*pairs(), asked])

    assert last.record.tags == ("one", "two")
    assert on_demand == [None]


def test_a_bad_one_is_told_of_before_a_store_is_asked(registry):
    away = Client("postgresql://nobody@127.0.0.1:1/nothing", registry)

    with pytest.raises(BadInput, match=f"run {MANY}"):
        away.submit_many([*pairs(), 17])


def test_checks_that_take_long_are_made_before_the_store_is_kept(client, on_demand, monkeypatch):
    monkeypatch.setattr("jobreg.client._CHECKED_WITHIN", -1.0)

    assert len(client.submit_many(pairs())) == MANY
    assert on_demand == [None]
    assert count(client) == MANY


def test_keys_are_looked_at_first(client, on_demand):
    asked = [*pairs(), *[{"job_name": NAME, "params": {}, "unique_key": "k"}] * 2]

    runs = client.submit_many(asked)

    assert on_demand == [None]
    assert runs[-1].id == runs[-2].id
    assert count(client) == MANY + 1


def test_an_id_that_is_there_is_the_run_that_is_there(client, on_demand):
    there = client.submit(NAME, {"n": 1})
    again = {"job_name": NAME, "params": {"n": 1}, "run_id": there.id}
    new = {"job_name": NAME, "params": {}, "run_id": new_run_id()}

    runs = client.submit_many([*pairs(), again, new, new])

    assert runs[-3].id == there.id
    assert runs[-2].id == runs[-1].id
    assert count(client) == MANY + 2
    with pytest.raises(Conflict):
        client.submit_many([*pairs(), {**again, "params": {"n": 2}}])
    assert count(client) == MANY + 2
    assert on_demand == [MANY + 3]


def test_an_answer_to_the_commit_that_is_lost_is_asked_after(client, on_demand, monkeypatch):
    dialect = client.store.engine.dialect
    commit = dialect.do_commit

    def loses(connection):
        monkeypatch.setattr(dialect, "do_commit", commit)
        commit(connection)
        connection.dbapi_connection.close()
        raise dialect.loaded_dbapi.OperationalError("the connection is closed")

    monkeypatch.setattr(dialect, "do_commit", loses)
    runs = client.submit_many(pairs())

    assert on_demand == [MANY]
    assert count(client) == MANY
    assert client.get(runs[7].id).record == runs[7].record


def test_whoever_gives_them_may_submit_meanwhile(client, on_demand):
    def giving() -> Iterator[Any]:
        yield from pairs()
        client.submit(NAME, {"n": "from within"})

    assert len(client.submit_many(giving())) == MANY
    assert count(client) == MANY + 1
