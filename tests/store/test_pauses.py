"""A paused queue or job: nobody is told that it is due; the rest goes on."""

from __future__ import annotations

from store_hands import JOB, add, claim, offer

from jobreg.lifecycle import State


def test_what_is_paused_is_not_due_and_what_is_resumed_is(store):
    add(store), add(store, queue="mail"), add(store, "b.job", queue="mail")

    assert store.pause("queue", "mail")
    of_queue = store.due()
    assert store.pause("job", JOB)
    of_both = store.due()
    assert store.resume("queue", "mail")
    of_job = store.due()
    assert store.resume("job", JOB)

    assert of_queue == [("default", JOB)]
    assert of_both == []
    assert of_job == [("mail", "b.job")]
    assert set(store.due()) == {("default", JOB), ("mail", JOB), ("mail", "b.job")}


def test_pausing_twice_and_resuming_twice_is_said(store):
    assert [store.pause("queue", "mail"), store.pause("queue", "mail")] == [True, False]
    (pause,) = store.pauses()
    assert (pause.kind, pause.name) == ("queue", "mail")
    assert pause.paused_at is not None
    assert [store.resume("queue", "mail"), store.resume("queue", "mail")] == [True, False]
    assert store.pauses() == []


def test_a_queue_and_a_job_of_one_name_are_paused_apart(store):
    add(store, "mail", queue="default")

    store.pause("queue", "mail")

    assert store.due() == [("default", "mail")]


def test_a_run_that_is_led_to_its_job_s_own_queue_waits_there_while_that_is_paused(store, worker):
    run = add(store)
    store.pause("queue", "mail")

    taken = claim(store, worker, offer(queue="mail"))

    assert taken == []
    assert (store.get(run.run_id).queue, store.get(run.run_id).state) == ("mail", State.QUEUED)
    store.resume("queue", "mail")
    assert [each.run_id for each in claim(store, worker, offer(queue="mail"))] == [run.run_id]


def test_who_was_told_of_a_run_takes_it_and_not_where_it_is_paused(store, worker):
    """It takes it without a look at what else is due, where one statement can."""
    pairs, taken = [("mail", JOB)], []
    for kind, name in (("queue", "mail"), ("job", JOB)):
        add(store, queue="mail")
        store.pause(kind, name)
        taken.append(store.claim(worker, pairs, [offer()], told=True))
        store.resume(kind, name)

    at_last = store.claim(worker, pairs, [offer()], told=True)

    can = store.engine.dialect.name in ("postgresql", "sqlite")
    assert taken == [[], []]
    assert len(at_last) == (2 if can else 0)


def test_what_one_statement_cannot_take_is_left_to_who_looks(store, worker):
    add(store)

    capped = store.claim(worker, [("default", JOB)], [offer(concurrency=1)], told=True)

    assert capped == []
    assert len(claim(store, worker, offer(concurrency=1))) == 1
