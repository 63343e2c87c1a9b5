"""The soak goes red where a fault is planted: it can fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from warm_start import Subprocess, Warm

from jobreg.selftest.soak import LEASE, soak
from jobreg.store.scratch import scratch_store

# What workers of the soak execute before all else; their forkservers are copies of what they were
# then, and so are the children.
FAULTY = {
    # nobody asks whether a run is still the attempt's own, and children outlive their worker
    "no_fence": """
import jobreg.store.completion as completion
import jobreg.engines.child as child
import jobreg.selftest.jobs as jobs
import jobreg.worker.guard as guard
from jobreg.store.tables import live
from sqlalchemy import delete, select

def settle(store, given, claim, outcome):
    from jobreg.lifecycle import decide
    from jobreg.store import settling
    with store.borrowed.use(given) as connection:
        held = select(live, store.now.label("now")).where(live.c.run_id == claim.run_id)
        row = connection.execute(held).mappings().first()
        if row is not None:
            decided = decide(claim, outcome, lambda: 0.0)
            settling.write(connection, store.now, "here", [(row, decided)])

completion._settle = settle
def slow_at_first():
    if jobs.current_run().attempt == 1:
        jobs.time.sleep(5)

jobs.before_effect = slow_at_first
guard.Guard.start = lambda self: None
child._PR_SET_PDEATHSIG = 3  # asks for something harmless
""",
    # the effect is committed first, and the completion after it
    "split_effect": """
import time
import jobreg.store.completion as completion

whole = completion._settle

def settle(store, connection, claim, outcome):
    connection.commit()
    time.sleep(0.3)
    whole(store, connection, claim, outcome)

completion._settle = settle
""",
    # a run is said to have succeeded when it is claimed
    "early_ack": """
import json
from jobreg import clock
from jobreg.lifecycle import Ending, Outcome
from jobreg.worker.settler import Settler

take = Settler.take

def taken(self, claims):
    ready = take(self, claims)
    for claim in ready:
        number = json.loads(claim.params)["number"]
        self.add(Outcome(run_id=claim.run_id, attempt=claim.attempt, ending=Ending.SUCCEEDED,
                         result=str(number), started=clock.seconds(), ended=clock.seconds()))

    return ready

Settler.take = taken
""",
}
# Where the dead are overtaken soon, while what they began goes on.
LEASES = {"no_fence": 0.6}
SEEN_AS = {
    "no_fence": {"doubled effect"},
    "split_effect": {"doubled effect"},
    "early_ack": {"success without effect"},
}


@pytest.mark.parametrize("fault", FAULTY)
def test_the_soak_goes_red_where_a_fault_is_planted(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: Warm
) -> None:
    monkeypatch.setattr("jobreg.selftest.soak.subprocess", Subprocess(warm, FAULTY[fault]))

    for _ in range(10):  # whom it strikes is chance, the more so on a machine that is busy
        with scratch_store(f"sqlite:///{tmp_path}/jobs.db") as store:
            verdict = soak(store, 8, lease=LEASES.get(fault, LEASE)).verdict
        found = {name for name, run_ids in verdict.faults.items() if run_ids}
        if found & SEEN_AS[fault]:
            break

    assert not verdict.good
    assert found & SEEN_AS[fault], found
