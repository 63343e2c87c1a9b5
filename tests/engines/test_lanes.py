"""Room for more, lane by lane, and whose turn it is."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen

from jobreg.engines.lanes import PATIENCE, Lanes
from jobreg.engines.shared import ASYNCIO
from jobreg.lifecycle import PROCESSES, Claim, Lane, Provider
from jobreg.options import JobOptions

AIO: Lane = ("asyncio", Provider("acme", "1.0"))
OTHERS: Lane = ("asyncio", Provider("other", "1.0"))


@frozen
class Busy:
    """A child that executes something, as far as room is concerned."""

    lane: Lane
    places: int = 0
    busy: bool = True
    given: tuple[int, ...] = (1,)


def waiting(lane: Lane, number: int) -> list[Claim]:
    engine, provider = lane
    return [
        Claim(
            run_id=f"{lane}{n}", job_name="a.job", params="{}", attempt=1,
            options=JobOptions(engine=engine), provider=provider,
        )
        for n in range(number)
    ]  # fmt: skip


def totals(lanes: Lanes, *children: Any, now: float = 0.0) -> dict[Lane, int]:
    rooms = lanes.rooms([PROCESSES, AIO, OTHERS], children, now)
    return {lane: room.total for lane, room in rooms.items()}


def test_an_idle_worker_has_a_child_for_each_process_and_many_runs_for_the_others() -> None:
    assert totals(Lanes(2)) == {PROCESSES: 2, AIO: 2 * ASYNCIO, OTHERS: 2 * ASYNCIO}


def test_a_shared_child_is_one_child_and_offers_its_places_to_its_own() -> None:
    assert totals(Lanes(2), Busy(AIO, places=7)) == {
        PROCESSES: 1, AIO: 7 + ASYNCIO, OTHERS: ASYNCIO,
    }  # fmt: skip


def test_what_waits_takes_places_first_and_then_children() -> None:
    lanes = Lanes(2)
    lanes.add(waiting(AIO, 10), 0.0)

    assert totals(lanes, Busy(AIO, places=7)) == {PROCESSES: 0, AIO: ASYNCIO - 3, OTHERS: 0}
    assert lanes.room([Busy(AIO, places=7)]) == ASYNCIO - 3


def test_claims_taken_ahead_are_no_room() -> None:
    lanes = Lanes(1)
    lanes.add(waiting(PROCESSES, 5), 0.0)

    assert totals(lanes, Busy(PROCESSES)) == {PROCESSES: -5, AIO: 0, OTHERS: 0}
    assert lanes.room([Busy(PROCESSES)]) == 0


@pytest.mark.parametrize("child", [Busy(AIO, places=50), Busy(PROCESSES)])
def test_a_lane_without_a_child_gets_its_turn(child: Busy) -> None:
    lanes = Lanes(1)

    first = totals(lanes, child)
    later = totals(lanes, child, now=PATIENCE)
    at_last = totals(lanes, now=PATIENCE)

    assert first[child.lane] == child.places
    assert later == {}
    assert at_last == {PROCESSES: 1, AIO: ASYNCIO, OTHERS: ASYNCIO}


def test_no_lane_waits_for_one_that_has_no_runs_any_more() -> None:
    lanes = Lanes(1)
    totals(lanes, Busy(AIO, places=50))

    lanes.rooms([AIO], [Busy(AIO, places=50)], PATIENCE)
    (room,) = lanes.rooms([AIO], [Busy(AIO, places=50)], 2 * PATIENCE).values()

    assert room.total == 50


def test_a_lane_with_a_child_waits_for_its_own() -> None:
    lanes = Lanes(2)
    lanes.rooms([PROCESSES, AIO], [Busy(PROCESSES), Busy(AIO, places=9)], 0.0)

    rooms = lanes.rooms([PROCESSES, AIO], [Busy(PROCESSES), Busy(AIO, places=9)], 9.0)

    assert {lane: room.total for lane, room in rooms.items()} == {PROCESSES: 0, AIO: 9}


def test_each_lane_is_timed_by_itself() -> None:
    lanes = Lanes(1)
    lanes.add(waiting(AIO, 1), 1.0)
    lanes.add(waiting(PROCESSES, 1), 5.0)

    lanes.handed(PROCESSES, 7.0)

    assert lanes.stalled(8.0) == 7.0
    assert len(lanes.take_all()) == 2
    assert lanes.stalled(9.0) == 0.0
