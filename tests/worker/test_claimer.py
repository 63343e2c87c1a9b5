"""The claimer: how much a worker asks for."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from jobreg import clock
from jobreg.catalogue import Hello
from jobreg.engines.base import Room
from jobreg.lifecycle import Provider
from jobreg.options import JobOptions
from jobreg.registry import JobRef
from jobreg.store import Offer
from jobreg.store.offers import Line
from jobreg.worker.claimer import MOST_IN_HAND, REST, Claimer

JOB = "reports.render"
REF = JobRef(JOB, "acme.render", "run", "acme-reports", "1.0", "", "")


class Around:
    """Store, ownership and engine of a claimer, as far as it asks them."""

    def __init__(self) -> None:
        self.offered: list[Offer] = []
        self.children = 0
        self.waiting = [("default", JOB)]
        self.looks = 0
        self.told: list[Any] = []

    def tell(self) -> None: ...

    def learn(self, entry: object) -> None: ...

    def ref(self, name: str) -> JobRef:
        return REF

    def options(self, name: str, options: JobOptions) -> JobOptions:
        return options

    def rooms(self, lanes: Any) -> dict[Any, Room]:
        return {lane: Room(0, self.children, 1, ahead=True) for lane in lanes}

    def due(self) -> list[tuple[str, str]]:
        self.looks += 1
        return self.waiting

    def claim(
        self, worker_id: str, pairs: Any, offers: list[Offer], queues: Any, *, told: bool, **_: Any
    ) -> Any:
        self.offered += offers
        if told:
            self.told.append(pairs)
        return ["a claim"] if told and set(pairs) <= set(self.waiting) else []


@pytest.fixture
def around() -> Around:
    return Around()


@pytest.fixture
def claimer(around: Any) -> Claimer:
    made = Claimer(around, around, around, ())
    made.learn(Hello(job_name=JOB, provider=Provider(REF.dist, REF.version), options=JobOptions()))
    return made


def test_of_a_job_that_was_not_measured_none_is_taken_ahead(around, claimer):
    around.children = 3

    claimer.claim("w", alone=True)

    (offer,) = around.offered
    assert (offer.most, offer.ahead) == (3, 0)


def test_of_short_runs_it_asks_for_what_is_wanting_in_hand(around, claimer):
    claimer.timed(JOB, 1e-9)
    for waiting in (0, 1, 2, 7, 1000, MOST_IN_HAND - 1):
        around.offered.clear()
        around.children = -waiting  # so many wait already
        claimer.claim("w", alone=False)
        (offer,) = around.offered
        assert offer.most == MOST_IN_HAND - waiting
        assert offer.most - offer.ahead == -waiting


@pytest.mark.parametrize("seconds", [None, 0.01, 1.0])
def test_of_long_runs_none_is_asked_for_while_many_short_ones_wait(around, claimer, seconds):
    if seconds is not None:
        claimer.timed(JOB, seconds)
    around.children = -400

    claimer.claim("w", alone=False)

    assert around.offered == []


@pytest.mark.parametrize("fill", [1, 20])
def test_among_suspects_one_is_asked_for_and_finds_room(around, claimer, monkeypatch, fill):
    """Also where many share a child: it begins in a new one."""
    room = Room(0, 3, fill, ahead=True)
    monkeypatch.setattr(around, "rooms", lambda lanes: dict.fromkeys(lanes, room))
    claimer.timed(JOB, 1e-9)
    claimer.among_suspects = True

    claimer.claim("w", alone=True)

    (offer,) = around.offered
    line = Line([offer])
    assert offer.most == 1
    assert [line.admit(JOB, may_wait=True) for _ in range(2)] == [True, False]


def test_what_can_begin_at_once_is_asked_for_in_full_and_some_more(around, claimer):
    around.children = 37
    claimer.timed(JOB, 0.01)  # five more in hand

    claimer.claim("w", alone=True)

    (offer,) = around.offered
    assert (offer.most, offer.ahead) == (42, 5)


def test_what_it_was_told_of_it_takes_without_a_look_at_what_else_is(around, claimer):
    around.children = 1

    claims = claimer.claim("w", alone=True, told=[("default", JOB)])

    assert (claims, around.looks) == (["a claim"], 0)


def test_where_nothing_is_of_what_it_was_told_it_looks(around, claimer):
    around.children = 1
    around.waiting = [("mail", JOB)]

    claimer.claim("w", alone=True, told=[("default", JOB)])

    assert (around.told, around.looks) == ([[("default", JOB)]], 1)


def test_it_knows_where_alone_something_waited_last(around, claimer):
    usual = []
    for waiting in ([("mail", JOB)], [], [("mail", JOB), ("default", JOB)]):
        around.waiting = waiting
        claimer.claim("w", alone=True)
        usual.append(claimer.usual)

    assert usual == [[("mail", JOB)], [("mail", JOB)], []]


def test_a_name_that_rests_is_left_alone_and_the_end_of_its_rest_is_told_once(
    around, claimer, monkeypatch
):
    around.children, now = 3, clock.seconds()
    monkeypatch.setattr(clock, "seconds", lambda: now)
    claimer.rest(JOB)

    claimer.claim("w", alone=True)
    meanwhile = claimer.waits, claimer.rested(), list(around.offered)
    now += REST + 0.01
    ended = claimer.rested(), claimer.rested(), claimer.waits
    claimer.claim("w", alone=True)

    assert meanwhile == (True, False, [])
    assert ended == (True, False, False)
    assert len(around.offered) == 1


def test_a_job_that_rests_is_not_asked_what_it_is(around, claimer):
    asked: list[Any] = []
    around.probe = lambda *what: asked.append(what)
    claimer.rest("reports.other")

    assert claimer.offer(evolve(REF, name="reports.other")) is None
    assert asked == []
    assert claimer.offer(evolve(REF, name="reports.third")) is None
    assert len(asked) == 1
