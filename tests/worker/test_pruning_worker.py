"""Workers delete old history by themselves, as the settings say."""

from __future__ import annotations

import pytest
from store_hands import Clock, add, states

from jobreg import BadInput, clock, events, settings
from jobreg.store import open_store
from jobreg.worker import host, upkeep

DAY = 86_400.0


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path}/jobs.db")
    yield opened
    opened.close()


def old_runs(store, number):
    times = Clock(store)
    for _ in range(number):
        store.cancel(add(store).run_id)
    times.set(31 * DAY)


def test_upkeep_deletes_what_is_too_old_and_says_so(store, monkeypatch):
    old_runs(store, 3)
    add(store)
    heard = []
    stop = events.listen(lambda name, facts: heard.append((name, facts)))
    now = clock.seconds()
    duties = upkeep.Upkeep(store, settings.load(store=store.full_url), host.Host.here())

    duties.run("w")
    before = states(store)
    monkeypatch.setattr(clock, "seconds", lambda: now + 7200)
    duties.run("w")
    stop()

    assert before == {"queued": 1, "cancelled": 3}
    assert states(store) == {"queued": 1}
    assert ("store.pruned", {"succeeded": 0, "failed": 0, "cancelled": 3}) in heard


def test_what_is_kept_for_ever_is_not_deleted(store):
    old_runs(store, 1)
    chosen = settings.load(store=store.full_url, retain={"cancelled": "forever"})

    assert upkeep.Upkeep(store, chosen, host.Host.here()).prune() == 0
    assert states(store) == {"cancelled": 1}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("succeeded=7d", {"succeeded": 7 * DAY, "failed": 90 * DAY, "cancelled": 30 * DAY}),
        (
            " failed = forever , succeeded=60 ",
            {"succeeded": 60.0, "failed": None, "cancelled": 30 * DAY},
        ),
        (
            {"cancelled": 5, "failed": None},
            {"succeeded": 30 * DAY, "failed": None, "cancelled": 5.0},
        ),
    ],
)
def test_retention_is_said_by_state(said, kept):
    assert settings.load(retain=said).retain == kept


@pytest.mark.parametrize(
    "said", ["running=1d", "succeeded", "succeeded=never", "succeeded=-1", "=1d"]
)
def test_a_retention_that_cannot_be_is_refused(said):
    with pytest.raises(BadInput, match="JOBREG_RETAIN"):
        settings.load({"JOBREG_RETAIN": said})
