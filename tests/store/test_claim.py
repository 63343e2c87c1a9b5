"""claim: by name, in order, within room and caps, each run once."""

from __future__ import annotations

import itertools
import random
import sqlite3
import threading
import time
from contextlib import closing

import pytest
from attrs import evolve
from clean_copies import clean
from sqlalchemy import event, update
from store_hands import (
    JOB,
    PROVIDER,
    add,
    add_worker,
    asked,
    claim,
    everything,
    offer,
    row_of,
    said_to_sqlite,
    states,
)

from jobreg.lifecycle import Provider, State
from jobreg.store import Offer, claiming, open_store, records, sqlite_hot
from jobreg.store.offers import some_of_each
from jobreg.store.sqlite import BUSY_SECONDS
from jobreg.store.tables import live, runs


def test_a_claim_says_what_an_engine_needs_and_raises_the_fence(store, worker):
    run = add(store, params='{"a":1}', timeout=2.5, max_attempts=4, max_crashes=2)

    (taken,) = claim(store, worker)

    stored = store.get(run.run_id)
    assert (taken.run_id, taken.job_name, taken.params) == (run.run_id, JOB, '{"a":1}')
    assert (taken.attempt, taken.tries, taken.crashes) == (1, 0, 0)
    assert (taken.timeout, taken.max_attempts, taken.max_crashes) == (2.5, 4, 2)
    assert (stored.state, stored.attempt, stored.worker_id) == (State.RUNNING, 1, worker)
    assert (stored.provider, stored.started_at is not None) == (PROVIDER, True)


def test_higher_priority_comes_first_then_due_time_then_identity(store, clock, worker):
    # ids that sort against the order of insertion: the order is never the UUID's
    ids = [f"00000000-0000-7000-8000-00000000000{number}" for number in range(9, 3, -1)]
    wanted = ["first", "second", "third", "fourth", "fifth", "sixth"]
    made = {
        "fifth": {"delay": 3.0},
        "third": {"delay": 2.0},
        "fourth": {"delay": 2.0},
        "second": {"delay": 1.0},
        "first": {"delay": 9.0, "priority": 7},
        "sixth": {"delay": 0.5, "priority": -1},
    }
    runs = [
        evolve(asked(tags=(tag,), **said), run_id=run_id)
        for (tag, said), run_id in zip(made.items(), ids, strict=True)
    ]
    store.insert(runs)
    clock.set(10)
    store.stage_due()

    claims = claim(store, worker)

    assert [store.get(taken.run_id).tags[0] for taken in claims] == wanted


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("names", [1, 3])
def test_sqlite_keeps_nobody_waiting_while_claims_are_made(store, worker, monkeypatch, names):
    jobs = [f"job.n{number}" for number in range(names)]
    store.insert([asked(name) for name in jobs for _ in range(2)])
    said, make = said_to_sqlite(store), records.claim_under
    monkeypatch.setattr(records, "claim_under", lambda *of: (said.append("MADE"), make(*of))[1])

    assert len(claim(store, worker, *map(offer, jobs))) == 2 * names

    words = [each.split()[0] for each in said]
    assert words.count("MADE") == 2 * names
    assert words.count("COMMIT") == 1
    assert words.index("COMMIT") < words.index("MADE")


@pytest.mark.parametrize("job", [JOB, "mail.send"])
def test_the_lowest_priority_comes_last_and_the_highest_first(store, worker, job):
    add(store, priority=1, tags=("1",))
    lowest, highest = -32768, 32767
    for priority in (0, lowest, highest):
        add(store, job, priority=priority, tags=(str(priority),))

    claims = claim(store, worker, offer(), offer(job))

    tags = [store.get(each.run_id).tags[0] for each in claims]
    assert tags == [str(highest), "1", "0", str(lowest)]


def test_priority_holds_over_queues_and_names(store, worker):
    add(store, "b.job", queue="mail", priority=1, tags=("second",))
    add(store, "a.job", queue="default", priority=0, tags=("third",))
    add(store, "c.job", queue="slow", priority=2, tags=("first",))
    offers = [offer("a.job"), offer("b.job"), offer("c.job")]

    claims = claim(store, worker, *offers)

    assert [store.get(taken.run_id).tags[0] for taken in claims] == ["first", "second", "third"]


def test_an_unknown_name_is_not_touched_and_blocks_nothing(store, worker):
    foreign = store.insert([asked("other.job", priority=9) for _ in range(50)])
    mine = add(store)
    before = [store.get(run.run_id) for run in foreign]

    claims = claim(store, worker, offer(most=1))

    assert [taken.run_id for taken in claims] == [mine.run_id]
    assert [store.get(run.run_id) for run in foreign] == before
    assert {run.attempt for run in before} == {0}


def test_only_the_queues_a_worker_serves_are_looked_at(store, worker):
    kept = add(store, queue="default", priority=9)
    mail = add(store, queue="mail")
    slow = add(store, queue="slow")

    claims = claim(store, worker, queues=["mail", "slow", "nothing-here"])

    assert {taken.run_id for taken in claims} == {mail.run_id, slow.run_id}
    assert store.get(kept.run_id).state is State.QUEUED


def test_due_names_each_pair_of_queue_and_name_once(store, worker):
    for queue, name in [("b", "x"), ("a", "y"), ("a", "x"), ("c", "z")]:
        store.insert([asked(name, queue=queue) for _ in range(3)])
    add(store, "later.job", queue="a", delay=60.0)
    claim(store, worker, offer("z"))

    assert sorted(store.due()) == [("a", "x"), ("a", "y"), ("b", "x")]


def test_nothing_is_due_in_an_empty_store(store, worker):
    assert store.due() == []
    assert claim(store, worker) == []


def test_a_run_that_is_due_later_is_not_taken(store, worker):
    add(store, delay=60.0)

    assert store.claim(worker, [("default", JOB)], [offer()]) == []


def test_at_most_as_many_as_the_worker_would_take(store, worker):
    store.insert([asked() for _ in range(5)])

    first, second = claim(store, worker, offer(most=3)), claim(store, worker, offer(most=3))

    assert (len(first), len(second)) == (3, 2)
    assert claim(store, worker, offer(most=3)) == []


def test_each_name_keeps_within_its_own_number(store, worker):
    store.insert([asked("a.job", priority=1) for _ in range(5)])
    store.insert([asked("b.job") for _ in range(5)])

    claims = claim(store, worker, offer("a.job", most=1), offer("b.job", most=4))

    assert [taken.job_name for taken in claims] == ["a.job", "b.job", "b.job", "b.job"]


def test_a_job_runs_no_more_often_at_one_time_than_its_cap_over_all_workers(store, worker):
    store.insert([asked() for _ in range(6)])
    other = add_worker(store)

    first = claim(store, worker, offer(concurrency=3, most=2))
    second = claim(store, other, offer(concurrency=3, most=9))
    third = claim(store, worker, offer(concurrency=3, most=9))

    assert [len(first), len(second), len(third)] == [2, 1, 0]


def test_a_cap_that_was_lowered_takes_nothing_more_and_blocks_nobody_else(store, worker):
    store.insert([asked(priority=1) for _ in range(5)] + [asked("b.job")])
    claim(store, worker, offer(concurrency=4, most=4))

    claims = claim(store, worker, offer(concurrency=2), offer("b.job"))

    assert [taken.job_name for taken in claims] == ["b.job"]


def test_runs_whose_submitter_named_no_queue_go_to_the_jobs_own(store, worker):
    unnamed, named = add(store), add(store, queue="default")
    mail = {"queue": "mail", "most": 1}

    claims = claim(store, worker, offer(**mail), queues=["default"])

    assert [taken.run_id for taken in claims] == [named.run_id]
    assert store.get(unnamed.run_id).queue == "mail"
    assert store.get(unnamed.run_id).state is State.QUEUED
    (later,) = claim(store, worker, offer(**mail), queues=["mail"])
    assert later.run_id == unnamed.run_id


def test_a_worker_of_both_queues_takes_a_routed_run_at_once(store, worker):
    unnamed = add(store)

    (taken,) = claim(store, worker, offer(queue="mail"), queues=["default", "mail"])

    assert (taken.run_id, store.get(unnamed.run_id).queue) == (unnamed.run_id, "mail")


def test_runs_whose_submitter_named_no_priority_get_the_jobs_own(store, worker):
    named = add(store, "a.job", priority=0, tags=("named",))
    unnamed = add(store, "a.job", tags=("unnamed",))
    add(store, "b.job", priority=3, tags=("between",))

    claims = claim(store, worker, offer("a.job", priority=5), offer("b.job"))

    order = [store.get(taken.run_id).tags[0] for taken in claims]
    assert order == ["unnamed", "between", "named"]
    assert store.get(unnamed.run_id).priority == 5
    assert store.get(named.run_id).priority == 0


def test_many_jobs_with_a_queue_and_a_priority_of_their_own_cost_few_words_to_the_database(
    store, worker
):
    """Each had been led there, and been raised, by a statement of its own."""
    jobs = [f"job{number:03}" for number in range(40)]
    store.insert([asked(job) for job in jobs])
    said = list[str]()
    event.listen(store.engine, "before_cursor_execute", lambda *told: said.append(told[2]))

    claims = claim(store, worker, *(offer(job, 40, queue="mail", priority=5) for job in jobs))

    assert sorted(taken.job_name for taken in claims) == jobs
    stored = [store.get(taken.run_id) for taken in claims]
    assert {(each.queue, each.priority) for each in stored} == {("mail", 5)}
    assert len([each for each in said if each.startswith("UPDATE")]) <= 3


def test_queue_and_priority_of_a_job_are_applied_together(store, worker):
    add(store, "a.job", tags=("routed",))
    add(store, "b.job", queue="mail", priority=3, tags=("other",))

    claims = claim(store, worker, offer("a.job", queue="mail", priority=5), offer("b.job"))

    assert [store.get(taken.run_id).tags[0] for taken in claims] == ["routed", "other"]


def test_what_the_submitter_said_stands_in_the_limits_a_rescuer_will_read(store, worker):
    add(store, max_attempts=7)

    claim(store, worker, offer(max_attempts=2, max_crashes=4))

    (live,) = everything(store)["jobreg_live"]
    assert (live["try_limit"], live["crash_limit"]) == (7, 4)


@pytest.mark.parametrize("way", ["of one name", "of several", "in steps", "by its id"])
def test_limits_that_no_submit_takes_end_nobody_who_claims(store, worker, way):
    """As another version, an import or a hand may have left them."""
    run = add(store)
    over = {"timeout": 1e10, "max_attempts": 2**31 - 1, "max_crashes": 1_000_001, "max_age": 1e300}
    under = {"timeout": -1.0, "max_attempts": 0, "max_crashes": -3, "max_age": 0.0}
    others = [offer("other.job")] * (way == "of several")
    others += [offer("capped.job", concurrency=1)] * (way == "in steps")
    seen = []

    for said in (over, under):
        with store.writing() as connection:
            connection.execute(update(runs).values(said))
            counts = {name: said[name] for name in ("max_attempts", "max_crashes")}
            connection.execute(update(live).values(counts | {"state": "queued"}))
        add(store, "other.job" if way == "of several" else "capped.job")
        own = offer(timeout=5, max_attempts=2)
        if way == "by its id":
            seen.append(store.claim_one(run.run_id, worker, own))
        else:
            claims = claim(store, worker, own, *others)
            seen += [each for each in claims if each.run_id == run.run_id]

    century = 100 * 365 * 86_400.0
    names = "timeout", "max_attempts", "max_crashes", "max_age"
    effective = [tuple(getattr(each.options, name) for name in names) for each in seen]
    assert effective == [(century, 1_000_000, 1_000_000, century), (5.0, 2, 3, None)]


def test_a_fenced_worker_gets_none(store, worker):
    add(store)
    pairs = store.due()
    store.rescue(row_of(store, worker))

    assert store.claim(worker, pairs, [offer()]) is None
    assert store.claim_one(store.find()[0][0].run_id, worker, offer()) is None
    assert states(store) == {"queued": 1}


def test_a_worker_that_was_never_registered_gets_none(store):
    run = add(store)

    assert claim(store, "00000000-0000-4000-8000-00000000dead") is None
    assert store.get(run.run_id).attempt == 0


def test_one_run_can_be_claimed_alone_due_or_not(store, worker):
    run = add(store, delay=60.0)
    other = add(store)

    taken = store.claim_one(run.run_id, worker, offer())

    assert (taken.run_id, taken.attempt) == (run.run_id, 1)
    assert store.claim_one(run.run_id, worker, offer()) is None
    assert store.get(other.run_id).state is State.QUEUED


def take_all(url: str, worker_id: str, taken: list[str]) -> None:
    """Claim in batches of seven until nothing is left."""
    store = open_store(url)
    while claims := claim(store, worker_id, offer(most=7)):
        taken += [each.run_id for each in claims]
    store.close()


def take_all_and_tell(url, worker_id, start, told):
    store = open_store(url)
    taken = [each.run_id for each in claim(store, worker_id, offer(most=7)) or []]
    store.close()
    start.wait(60)  # both have begun, whoever was quicker to start
    take_all(url, worker_id, taken)
    told.send(taken)


def test_two_threads_take_each_of_500_runs_exactly_once(store):
    ids = {run.run_id for run in store.insert([asked() for _ in range(500)])}
    takes: list[list[str]] = [[], []]
    threads = [
        threading.Thread(target=take_all, args=(store.full_url, add_worker(store), taken))
        for taken in takes
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(takes[0] + takes[1]) == sorted(ids)


def test_two_processes_take_each_of_500_runs_exactly_once(store):
    ids = {run.run_id for run in store.insert([asked() for _ in range(500)])}
    start = clean.Barrier(2)
    pipes = [clean.Pipe(duplex=False) for _ in range(2)]
    processes = [
        clean.Process(
            target=take_all_and_tell, args=(store.full_url, add_worker(store), start, told)
        )
        for _, told in pipes
    ]

    for process in processes:
        process.start()
    takes = [heard.recv() if heard.poll(60) else pytest.fail("no answer") for heard, _ in pipes]
    for process in processes:
        process.join(60)

    assert all(takes)
    assert sorted(takes[0] + takes[1]) == sorted(ids)
    assert {run["attempt"] for run in everything(store)["jobreg_live"]} == {1}


def test_a_worker_of_the_jobs_own_queue_reaches_what_waits_in_the_default_one(store, worker):
    mine = add(store)

    claims = claim(store, worker, offer(queue="mail"), queues=["mail"])

    assert [each.run_id for each in claims] == [mine.run_id]
    assert store.get(mine.run_id).queue == "mail"


def test_a_run_that_may_start_only_once_is_not_taken_ahead(store, worker):
    first, second = add(store), add(store)
    once = add(store, max_attempts=1, max_crashes=1)
    later = add(store)

    ahead = claim(store, worker, offer(most=4, ahead=3))
    nothing = claim(store, worker, offer(most=3, ahead=3))
    assert [each.run_id for each in ahead] == [first.run_id, second.run_id]
    assert nothing == []
    at_once = claim(store, worker, offer(most=2, ahead=1))

    assert [each.run_id for each in at_once] == [once.run_id, later.run_id]


def test_a_job_whose_runs_may_start_only_once_is_not_taken_ahead(store, worker):
    mine, other = add(store), add(store, max_crashes=2)

    taken = claim(store, worker, offer(most=3, ahead=3, max_attempts=1, max_crashes=1))
    assert taken == []
    (first,) = claim(store, worker, offer(most=1, max_attempts=1, max_crashes=1))
    (second,) = claim(store, worker, offer(most=3, ahead=3, max_attempts=1, max_crashes=1))

    assert (first.run_id, second.run_id) == (mine.run_id, other.run_id)


SHARED = {"engine": "asyncio"}


def shared(job_name: str, children: int, places: int, **options: object) -> Offer:
    """An offer of runs that share children, each with room for 10."""
    made = offer(job_name, places + 10 * children, **SHARED, **options)
    return made._replace(places=places, fill=10)


def names(claims):
    return [each.job_name for each in claims]


def test_each_lane_fills_its_own_room(store, worker):
    for _ in range(15):
        add(store, "a.job")
    for _ in range(5):
        add(store, "b.job")

    taken = names(claim(store, worker, shared("a.job", 1, 0), offer("b.job", 1)))

    assert (taken.count("a.job"), taken.count("b.job")) == (10, 0)


def test_places_in_a_child_that_is_there_take_no_other_lanes_room(store, worker):
    for _ in range(14):
        add(store, "a.job")
    for _ in range(5):
        add(store, "b.job")

    taken = names(claim(store, worker, shared("a.job", 2, 4), offer("b.job", 2)))

    assert (taken.count("a.job"), taken.count("b.job")) == (14, 1)


def test_one_that_must_not_wait_holds_up_its_own_lane_only(store, worker):
    add(store, "b.job")
    add(store, "b.job", max_attempts=1, max_crashes=1)
    add(store, "b.job")
    add(store, "a.job")

    taken = names(claim(store, worker, shared("a.job", 1, 5), offer("b.job", 3, 2)))

    assert taken == ["b.job", "a.job"]


@pytest.mark.parametrize("first", [1, 40])
def test_of_many_names_the_first_runs_are_taken_in_order(store, worker, first):
    """Also where one name has more of the first than are read of each at the start."""
    store.insert([asked("job000") for _ in range(first)])
    jobs = [f"job{number:03}" for number in range(100)]
    store.insert([asked(job) for _ in range(2) for job in jobs])
    store.insert([asked("job050", priority=5) for _ in range(7)])
    wanted = ["job050"] * 7 + ["job000"] * first + jobs * 2

    taken = names(claim(store, worker, *(offer(job, 60, 59) for job in jobs)))

    assert taken == wanted[: len(taken)]
    assert len(taken) == 60


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(request, tmp_path):
    """Makes stores of one kind, each empty."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres").fresh
    numbers = itertools.count()
    return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db"


@pytest.mark.parametrize("seed", range(24))
def test_what_is_taken_at_once_of_several_pairs_is_what_comes_next_of_all(fresh, seed):
    some = random.Random(seed)
    jobs = [f"job{number}" for number in range(some.choice([6, 9, 60]))]
    uneven = some.choice([True, False, False])
    weights = [40 if uneven and some.random() < 0.2 else 1 for _ in jobs]
    room, in_all = some.choice([5, 60, 150]), some.choice([True, False])
    queues = {job: some.choice(["default", "mail", "slow"]) for job in jobs}
    apart = some.choice([0.0, 0.03])
    runs = [
        asked(
            job,
            queue=some.choice(["default", "mail", "slow"]) if in_all else queues[job],
            priority=some.choice([0] * 20 + [5, -32768, 32767]),
            **({"max_attempts": 1, "max_crashes": 1} if some.random() < apart else {}),
        )
        for job in some.choices(jobs, weights, k=600)
    ]
    suspects = some.sample(range(1, 600), some.choice([0, 0, 9]))
    begin = some.choice([1, 4])  # at once; the rest of them ahead
    most = {job: room if in_all else some.choice([begin, room]) for job in jobs}
    offers = [offer(job, most=most[job], ahead=most[job] - begin) for job in jobs]
    asked_for = offers, ["default", "mail"]
    by_one, by_several = (open_store(fresh()) for _ in range(2))
    for store in (by_one, by_several):
        store.insert(runs)
        with store.writing() as connection:
            marked = update(live).where(live.c.seq.in_(suspects)).values(suspect=1)
            connection.execute(marked)
    alike = claiming.alike(by_one.due(), *asked_for)
    by_several.database.claim_pairs_at_once = None

    with closing(by_one.database.lend()) as lent:
        at_once = by_one.database.claim_pairs_at_once(lent, by_one.now, add_worker(by_one), alike)
    claims = by_several.claim(add_worker(by_several), by_several.due(), *asked_for)

    first, rest = claims[: len(at_once)], claims[len(at_once) :]
    assert len(alike) > 1
    of_one = {"worker_id": "w", "age": 0.0}
    assert [evolve(each, **of_one) for each in at_once] == [
        evolve(each, **of_one) for each in first
    ]
    # It stops early only before what is taken apart, and takes nothing where few are read of many.
    only_once = {run.run_id for run in runs if run.max_attempts == 1 and len(first) >= begin}
    assert not rest or rest[0].run_id in only_once or rest[0].suspect or not first
    assert first or uneven or not in_all or len(alike) > 30 or claims[0].suspect
    by_one.close()
    by_several.close()


def test_where_more_would_have_to_be_read_nothing_is_taken_at_once(fresh):
    """Of 20 pairs a few each are read; where one has all that comes first, that is too little."""
    store = open_store(fresh())
    jobs = [f"job{number:02}" for number in range(20)]
    store.insert([asked(jobs[0]) for _ in range(300)] + [asked(job) for job in jobs])
    offers = [offer(job, most=200, ahead=199) for job in jobs]
    alike = dict(zip(store.due(), offers, strict=True))
    worker = add_worker(store)

    with closing(store.database.lend()) as lent:
        at_once = store.database.claim_pairs_at_once(lent, store.now, worker, alike)

    assert at_once == []
    assert len(claim(store, worker, *offers)) == 200
    store.close()


A, B = offer("a"), offer("b")
ELSEWHERE = A._replace(provider=Provider("other", "1.0"))
ONLY_ONCE = offer("a", max_attempts=1, max_crashes=1)


@pytest.mark.parametrize(
    ("pairs", "offers", "queues", "alike"),
    [
        pytest.param("default:a default:b", [A, B], [], "default:a default:b", id="two"),
        pytest.param("default:a default:c", [A, B], [], "default:a", id="not offered"),
        pytest.param("default:a mail:b", [A, B], ["mail"], "mail:b", id="not served"),
        pytest.param("default:a mail:a", [A, B], [], "default:a mail:a", id="in two queues"),
        pytest.param("default:a mail:a mail:b", [offer("a", 2), B], [], "", id="less in both"),
        pytest.param("default:a mail:b", [offer("a", 2), B], [], "default:a mail:b", id="less"),
        pytest.param("default:a mail:b", [offer("a", max_attempts=2), B], [], "", id="limits"),
        pytest.param("default:a mail:b", [offer("a", concurrency=2), B], [], "", id="cap"),
        pytest.param("default:a mail:b", [offer("a", priority=2), B], [], "", id="priority"),
        pytest.param("default:a mail:b", [offer("a", queue="mail"), B], ["mail"], "", id="routed"),
        pytest.param("default:a mail:b", [offer("a", engine="threads"), B], [], "", id="lane"),
        pytest.param("default:a mail:b", [ELSEWHERE, B], [], "", id="provider"),
        pytest.param("default:a", [ONLY_ONCE], [], "", id="only once"),
    ],
)
def test_pairs_are_claimed_together_where_only_their_order_counts(pairs, offers, queues, alike):
    waiting = [tuple(each.split(":")) for each in pairs.split()]

    found = claiming.alike(waiting, offers, queues)

    assert list(found) == [tuple(each.split(":")) for each in alike.split()]
    assert all(each.job_name == name for (_, name), each in found.items())


def taken_at_once(store, *offers):
    """How many runs of several pairs are taken at once."""
    alike = claiming.alike(store.due(), offers, [])
    with closing(store.database.lend()) as lent:
        claims = store.database.claim_pairs_at_once(lent, store.now, add_worker(store), alike)
    store.close()
    return len(claims)


def test_what_is_taken_at_once_ends_before_the_first_suspect(fresh):
    store = open_store(fresh())
    store.insert([asked(job) for _ in range(4) for job in ("a", "b")])
    with store.writing() as connection:
        connection.execute(update(live).where(live.c.seq == 4).values(suspect=1))

    assert taken_at_once(store, offer("a", 8), offer("b", 8)) == 3


def test_a_job_that_has_less_than_is_read_of_it_ends_nothing_at_once(fresh):
    store = open_store(fresh())
    store.insert([asked("a") for _ in range(2)] + [asked("b") for _ in range(70)])

    # Of each 50 are read at first, and what comes after the 50th of the second may be of it too.
    assert taken_at_once(store, offer("a", 60), offer("b", 60)) == 2 + 50


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_sqlite_is_told_in_the_same_words_however_many_pairs_there_are(store):
    """It keeps 128 statements; ten thousand pairs are asked fifty at a time."""
    jobs = [f"job{number:03}" for number in range(200)]
    store.insert([asked(job) for job in jobs])
    sqlite_hot._next_of.cache_clear()

    assert taken_at_once(store, *(offer(job, 200) for job in jobs)) == 200
    assert sqlite_hot._next_of.cache_info().currsize == 1


def test_after_claims_that_could_not_be_made_at_once_ever_more_are_made_in_steps(
    fresh, monkeypatch
):
    store = open_store(fresh())
    worker, at_once = add_worker(store), store.database.claim_pairs_at_once
    offers, tried, made, claims = [offer("a.job", 1), offer("b.job", 1)], list[int](), [], 60
    for each in offers:
        store.insert([asked(each.job_name) for _ in range(claims)])

    def claimed(*arguments):
        tried.append(len(made))
        return [] if len(made) < 50 else at_once(*arguments)

    monkeypatch.setattr(store.database, "claim_pairs_at_once", claimed)
    while len(made) < claims:
        made += claim(store, worker, *offers)

    assert len(made) == len({each.run_id for each in made}) == claims
    assert tried == [0, 2, 5, 10, 19, 36, 53, 54, 55, 56, 57, 58, 59]
    store.close()


@pytest.mark.parametrize(
    ("wanted", "most", "each"),
    [
        (2700, [2700] * 200, 21),
        (700, [700, *[1] * 199], 851),
        (700, [700, 700, *[1] * 198], 426),
        (4, [4, 4], 50),
        (1, [1] * 60, 3),
        (60, [60], 100),
    ],
)
def test_what_some_have_no_room_for_is_read_of_the_others(wanted, most, each):
    assert some_of_each(wanted, most) == each


def test_a_fenced_worker_gets_none_of_several_pairs(store, worker):
    for job in ("a.job", "b.job"):
        add(store, job)
    pairs = store.due()
    store.rescue(row_of(store, worker))

    assert store.claim(worker, pairs, [offer("a.job"), offer("b.job")]) is None
    assert states(store) == {"queued": 2}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_claim_that_takes_nothing_lets_go_of_the_write_ahead_log(store):
    worker = add_worker(store)
    for _ in range(3):
        add(store, max_attempts=1, max_crashes=1)  # the first of which is not taken ahead

    claim(store, worker, offer(most=3, ahead=3))

    with closing(sqlite3.connect(store.engine.url.database)) as other:
        busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_who_was_told_of_a_run_waits_for_nobody_who_writes(store, worker):
    add(store)
    pairs = [("default", JOB)]

    with closing(sqlite3.connect(store.engine.url.database)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        beside_a_writer = store.claim(worker, pairs, [offer()], told=True)
        took = time.monotonic() - begun

    assert beside_a_writer == []
    assert took < BUSY_SECONDS / 2
    assert len(store.claim(worker, pairs, [offer()], told=True)) == 1


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_who_was_told_of_a_run_takes_nothing_where_somebody_wrote_since(store, worker, monkeypatch):
    add(store)
    pairs, mark = [("default", JOB)], sqlite_hot._mark

    def mark_late(*arguments):
        add(store)
        return mark(*arguments)

    monkeypatch.setattr(sqlite_hot, "_mark", mark_late)
    too_late = store.claim(worker, pairs, [offer()], told=True)
    monkeypatch.undo()

    assert too_late == []
    assert states(store) == {"queued": 2}
    assert len(store.claim(worker, pairs, [offer(most=2)], told=True)) == 2


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("job", "queue"), [("a.job", "default"), ("z.job", "default"), (JOB, "a"), (JOB, "z")]
)
def test_where_one_expects_a_run_it_is_not_taken_ahead_of_what_else_waits(
    store, worker, job, queue
):
    add(store)
    add(store, job, queue=queue, priority=7)

    ahead = store.claim(worker, [("default", JOB)], [offer()], told=True)
    (first, *_) = claim(store, worker, offer(job))

    assert ahead == []
    assert first.job_name == job
    assert store.get(first.run_id).priority == 7


def test_every_name_that_is_due_is_found_however_many_runs_of_it_wait(store):
    numbers = {n: 230 if n in (60, 61, 149) else 1 + n % 3 for n in range(150)}
    names = [f"a.n{n:03}" for n, number in numbers.items() for _ in range(number)]
    store.insert([asked(name, queue=f"q{int(name[3:]) % 2}") for name in names])
    store.pause("job", "a.n140")

    found = store.due()

    wanted = {(f"q{n % 2}", f"a.n{n:03}") for n in numbers if n != 140}
    assert set(found) == wanted
    assert len(found) == len(wanted)
