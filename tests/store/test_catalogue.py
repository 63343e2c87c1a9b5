"""What the store knows of jobs: learned once, owned by one, overridden by operators."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from store_hands import JOB, START, Clock

from jobreg import StoreUnavailable
from jobreg.catalogue import Entry, Known, Owner
from jobreg.lifecycle import Provider
from jobreg.options import JobOptions
from jobreg.store import Store, open_store
from jobreg.store.catalogue import StoredCatalogue
from jobreg.store.known import Rows
from jobreg.store.lending import Lent

SCHEMA = {"type": "object", "properties": {"account": {"type": "integer"}}}


def at(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START + seconds * 1_000_000)


def entry(name: str = "reports.render", dist: str = "acme-reports", **more: Any) -> Entry:
    version = more.pop("version", "1.0")
    options = JobOptions(queue="mail").to_wire()
    return Entry(
        job_name=name,
        provider=Provider(dist, version),
        options=options,
        **more,
    )


def test_what_is_learned_is_known_as_it_was_said(store: Store, clock: Clock) -> None:
    said = entry(
        signature={"parameters": [{"name": "account"}]},
        params_schema=SCHEMA,
        summary="Render a report: é, 漢, \N{GRINNING FACE}",
        import_seconds=0.25,
    )

    store.catalogue.learn([said], "hello")

    [known] = store.catalogue.known(["reports.render", "no.such"])
    assert (known.first_seen, known.last_seen) == (at(0), at(0))
    same = ("provider", "options", "signature", "params_schema", "summary")
    assert [getattr(known, name) for name in same] == [getattr(said, name) for name in same]
    assert known.import_seconds == 0.25


def test_an_entry_that_the_database_refuses_costs_itself_only(store: Store) -> None:
    long, null = entry("long.job", version="1" * 129), entry("null.job", version="1\x00")
    can_hold = store.engine.dialect.name == "sqlite"

    owners, refused = store.catalogue.learn_each([long, null, entry()], "hello")

    assert "reports.render" in owners
    assert (long in [each for each, _ in refused]) is not can_hold
    kept = {each.job_name for each in store.catalogue.known()}
    assert kept | {each.job_name for each, _ in refused} == {"long.job", "null.job", JOB}
    assert kept >= {"long.job", JOB} if can_hold else JOB in kept


def test_where_the_store_cannot_be_reached_nothing_counts_as_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise StoreUnavailable("it is away")

    monkeypatch.setattr(store.catalogue, "learn", away)

    with pytest.raises(StoreUnavailable):
        store.catalogue.learn_each([entry()], "hello")


def test_a_version_seen_again_is_the_newest_and_keeps_when_it_was_first_seen(
    store: Store, clock: Clock
) -> None:
    store.catalogue.learn([entry(version="1.0")], "hello")
    clock.set(10)
    store.catalogue.learn([entry(version="2.0")], "hello")
    clock.set(20)

    store.catalogue.learn([entry(version="1.0")], "hello")

    known = store.catalogue.known()
    assert [each.provider.version for each in known] == ["1.0", "2.0"]
    assert (known[0].first_seen, known[0].last_seen) == (at(0), at(20))


def test_the_first_who_provides_a_name_owns_it(store: Store, clock: Clock) -> None:
    first = store.catalogue.learn([entry()], "hello")

    clock.set(5)
    then = store.catalogue.learn([entry(dist="other")], "sync")

    assert first == then == {"reports.render": Owner("acme-reports", "hello", at(0))}
    assert len(store.catalogue.known()) == 2


def test_adopting_gives_a_name_to_another(store: Store, clock: Clock) -> None:
    store.catalogue.learn([entry()], "hello")
    clock.set(7)

    before = store.catalogue.adopt("reports.render", "other")
    unowned = store.catalogue.adopt("never.seen", "other")

    assert before == Owner("acme-reports", "hello", at(0))
    assert unowned is None
    wanted = Owner("other", "adopt", at(7))
    assert store.catalogue.owners() == {"reports.render": wanted, "never.seen": wanted}
    assert store.catalogue.owners(["never.seen", "x"]) == {"never.seen": wanted}


def test_what_an_application_registered_itself_belongs_to_nobody(store: Store) -> None:
    owners = store.catalogue.learn([entry(dist="application", version="")], "hello")

    assert owners == {}
    assert store.catalogue.owners() == {}


def test_overrides_are_set_changed_and_taken_back(store: Store) -> None:
    store.catalogue.override("reports.render", {"timeout": 5.0, "queue": "slow"})
    store.catalogue.override("mail.send", {"priority": -3})

    store.catalogue.override("reports.render", {"timeout": 9.5, "queue": None})

    assert store.catalogue.overrides() == {
        "reports.render": {"timeout": 9.5},
        "mail.send": {"priority": -3},
    }


def test_nothing_is_asked_of_no_names(store: Store) -> None:
    assert store.catalogue.known([]) == []
    assert store.catalogue.owners([]) == {}
    assert store.catalogue.learn([], "hello") == {}


def test_eight_who_learn_at_once_agree_on_the_owner(store_url: str) -> None:
    dists = [f"dist-{number}" for number in range(8)]
    told: list[dict[str, Owner]] = []
    start = threading.Barrier(len(dists))

    def learn(dist: str) -> None:
        mine = open_store(store_url)
        start.wait()
        told.append(mine.catalogue.learn([entry(dist=dist)], "hello"))
        mine.close()

    threads = [threading.Thread(target=learn, args=(dist,)) for dist in dists]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(told) == 8
    assert len({owner["reports.render"] for owner in told}) == 1


def test_of_those_who_learn_the_same_jobs_at_once_none_stands_in_anothers_way_twice(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [entry(f"job.number{number}") for number in range(100)]
    learners, written, told = 4, list[int](), list[dict[str, Owner]]()
    start = threading.Barrier(learners)
    look = StoredCatalogue._versions

    def looked(*arguments: Any) -> Any:
        written.append(threading.get_ident())  # once in each transaction, at its beginning
        return look(*arguments)

    monkeypatch.setattr(StoredCatalogue, "_versions", looked)

    def learn(number: int) -> None:
        mine = open_store(store_url)
        in_another_order = random.Random(number).sample(jobs, len(jobs))
        start.wait()
        told.append(mine.catalogue.learn(in_another_order, "hello"))
        mine.close()

    threads = [threading.Thread(target=learn, args=(number,)) for number in range(learners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [len(owners) for owners in told] == [len(jobs)] * learners
    assert max(Counter(written).values()) <= 2
    store = open_store(store_url)
    assert len(store.catalogue.known()) == len(store.catalogue.owners()) == len(jobs)
    store.close()


def test_of_two_who_say_they_have_a_name_the_first_gets_it(store: Store) -> None:
    claimed = [entry(dist="zebra"), entry(dist="acme"), entry("a.job", dist="acme")]

    owners = store.catalogue.learn(claimed, "hello")

    assert {name: owner.dist for name, owner in owners.items()} == {
        "reports.render": "zebra",
        "a.job": "acme",
    }


def test_what_is_said_twice_of_a_version_is_kept_as_it_was_said_last(store: Store) -> None:
    store.catalogue.learn([entry(summary="first"), entry(summary="then")], "hello")

    assert [known.summary for known in store.catalogue.known()] == ["then"]


def test_all_that_bears_on_a_job_is_the_same_object_until_it_changes(store: Store) -> None:
    store.catalogue.learn([entry(), entry(version="2.0"), entry(name="reports.mail")], "hello")
    store.catalogue.override("reports.render", {"priority": 7, "queue": "slow"})

    first = store.catalogue.of("reports.render")
    again = store.catalogue.of("reports.render")
    store.catalogue.override("reports.render", {"priority": 8})
    changed = store.catalogue.of("reports.render")

    assert {each.provider.version for each in first.entries} == {"1.0", "2.0"}
    as_known = store.catalogue.known(["reports.render"])
    assert len(first.entries) == 2
    assert all(each in as_known for each in first.entries)
    assert first.overrides == {"priority": 7, "queue": "slow"}
    # MySQL is asked by way of SQLAlchemy.
    assert again is first or store.database.known_at_once is None
    assert changed.overrides == {"priority": 8, "queue": "slow"}
    assert store.catalogue.of("no.such_job") == Known()


def test_rows_tell_nothing_where_it_is_asked_otherwise(store: Store) -> None:
    store.catalogue.override("reports.render", {"priority": 7})

    rows = store.known_rows("reports.render")

    if store.engine.dialect.name in ("mysql", "mariadb"):
        assert rows is None
    else:
        assert [row[:4] for row in rows or ()] == [(1, "priority", "7", None)]


def test_what_is_known_is_asked_anew_where_the_idle_connection_had_died(store: Store) -> None:
    store.catalogue.learn([entry()], "hello")
    known = store.catalogue.of("reports.render")
    ask, died = store.database.known_at_once, []

    def die(lent: Lent, name: str) -> Rows:
        died.append(lent)
        raise store.engine.dialect.loaded_dbapi.OperationalError("server closed the connection")

    if ask is None:
        pytest.skip("this database is asked by way of SQLAlchemy, which sees to it")
    store.database.known_at_once = die
    again = store.catalogue.of("reports.render")
    store.database.known_at_once = ask

    assert died
    assert again == known
