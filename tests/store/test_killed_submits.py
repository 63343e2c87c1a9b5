"""A submitter that is killed at any statement leaves no run or one; its repeat leaves one."""

from __future__ import annotations

import multiprocessing
import signal
from typing import Any

import pytest
from store_hands import asked, die_at, states

from jobreg.store import Store, open_store

# Statements that read what is there, write the run and its live row, and read it back, twice
# each, and the commit: no way of inserting has more.
MOST_STEPS = 30


def submit_and_die(url: str, run: Any, step: int, joined: bool) -> None:
    """Submit, and kill this process at that step: before and after each statement and commit."""
    store = open_store(url)
    pass_by = die_at(store, step)
    if joined:
        with store.engine.begin() as connection:
            store.insert([run], connection)
    else:
        store.insert([run])
    pass_by()


@pytest.mark.parametrize("joined", [False, True], ids=["own", "callers"])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_submitter_killed_at_any_statement(store: Store, joined: bool, key: str | None) -> None:
    fork = multiprocessing.get_context("fork")
    seen = []
    for step in range(1, MOST_STEPS):
        run = asked(unique_key=key and f"{key}{step}")
        before = sum(states(store).values())
        process = fork.Process(target=submit_and_die, args=(store.full_url, run, step, joined))
        process.start()
        process.join(30)

        stored = sum(states(store).values()) - before
        seen.append((process.exitcode, stored))
        assert stored in (0, 1), seen
        (again,) = store.insert([run])
        assert again.run_id == run.run_id
        assert sum(states(store).values()) - before == 1, seen
        if process.exitcode == 0:
            break

    # Killed at each step, the last of them after the commit, and then at none.
    assert [code for code, _ in seen] == [-signal.SIGKILL] * (len(seen) - 1) + [0]
    # PostgreSQL stores one by one statement, and has done so before its answer is there.
    by_one = store.engine.dialect.name == "postgresql" and not (joined or key)
    there = 3 if by_one else 2
    assert [stored for _, stored in seen] == [0] * (len(seen) - there) + [1] * there
    assert len(seen) > (3 if by_one else 6)
