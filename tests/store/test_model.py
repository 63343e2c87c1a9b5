"""Whatever is done in whatever order: one attempt may write, the newest; final is final; none lost.

A state machine of hypothesis drives the store's verbs as workers do, and keeps a model of its own
beside it: of each run, which attempt is the newest, and who holds it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from attrs import define, evolve
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)
from store_hands import HOST, Clock, add_worker, asked, offer, outcome

from jobreg.lifecycle import Claim, Ending, State
from jobreg.options import JobOptions
from jobreg.store import Store, open_store

OPTIONS = JobOptions(max_attempts=3, max_crashes=3)
ENDINGS = [
    Ending.SUCCEEDED, Ending.ERROR, Ending.TIMEOUT, Ending.CRASHED, Ending.RELEASED,
    Ending.SNOOZED, Ending.CANCELLED,
]  # fmt: skip


@define
class Known:
    """What the model knows of a run."""

    attempt: int = 0
    holder: str | None = None
    final: bool = False


class Place:
    """A folder with one store, which is as empty at the start of each example."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="jobreg-model-")
        self.empty = Path(self.folder.name) / "empty.db"
        open_store(f"sqlite:///{self.empty}").close()
        self.file = Path(self.folder.name) / "jobs.db"
        self.fill()
        # The same for all examples: it knows the statements, to compile which took most of them.
        self.store: Store = open_store(f"sqlite:///{self.file}")

    def fill(self) -> None:
        """Put the empty store in the place of the last one, which nobody has open."""
        for each in self.file.parent.glob(f"{self.file.name}*"):
            each.unlink()
        shutil.copy(self.empty, self.file)


PLACE = Place()


class Machine(RuleBasedStateMachine):
    """The verbs in any order."""

    workers = Bundle("workers")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        PLACE.fill()
        self.store = PLACE.store
        self.clock, self.now = Clock(self.store), 0.0
        self.runs: dict[str, Known] = {}
        self.dead: set[str] = set()

    def teardown(self) -> None:
        self.store.close()

    @initialize(target=workers)
    def begin(self) -> str:
        self.submit_some(6, 0.0)
        return add_worker(self.store)

    @rule(target=workers)
    def another_worker(self) -> object:
        # Few, so that a worker meets runs again that it has held before.
        few = len({row.worker_id for row in self.store.workers()} - self.dead) < 2
        return add_worker(self.store) if few else multiple()

    @rule(number=st.integers(2, 6), delay=st.sampled_from([0.0, 0.0, 5.0]))
    def submit(self, number: int, delay: float) -> None:
        self.submit_some(number, delay)

    def submit_some(self, number: int, delay: float) -> None:
        for run in self.store.insert([asked(delay=delay) for _ in range(number)]):
            self.runs[run.run_id] = Known()

    @rule(target=claims, worker=workers, most=st.integers(1, 3))
    def claim_alone(self, worker: str, most: int) -> object:
        return self.claim(worker, most, True)

    @rule(target=claims, worker=workers, most=st.integers(1, 3))
    def claim_beside(self, worker: str, most: int) -> object:
        return self.claim(worker, most, False)

    def claim(self, worker: str, most: int, alone: bool) -> object:
        taken = self.store.claim(worker, self.store.due(), [offer(most=most)], alone=alone)
        if worker in self.dead:
            assert taken is None
            return multiple()
        assert taken is not None
        for each in taken:
            known = self.runs[each.run_id]
            assert known.holder is None, "it was somebody's"
            assert not known.final
            assert each.attempt == known.attempt + 1, "the fence rises by one"
            known.attempt, known.holder = each.attempt, worker
        if any(each.suspect for each in taken):
            assert alone
            assert len(taken) == 1
        return multiple(*((worker, evolve(each, options=OPTIONS)) for each in taken))

    @rule(claim=claims, ending=st.sampled_from(ENDINGS))
    def settle_one(self, claim: tuple[str, Claim], ending: Ending) -> None:
        self.settle(claim, ending)

    @rule(claim=claims)
    def give_back_and_take_again(self, claim: tuple[str, Claim]) -> None:
        self.settle(claim, Ending.RELEASED)
        self.claim(claim[0], 3, True)
        self.settle(claim, Ending.SUCCEEDED)

    def settle(self, claim: tuple[str, Claim], ending: Ending) -> None:
        """Also of claims that were settled or superseded long ago."""
        worker, taken = claim
        known = self.runs.get(taken.run_id)
        said = {"after": 3.0} if ending is Ending.SNOOZED else {}
        said |= {"started": 1.0} if ending is Ending.RELEASED else {}
        decided = outcome(taken, ending, **said)
        mine = known is not None and (known.holder, known.attempt) == (worker, taken.attempt)
        before = None if known is None else self.store.get(taken.run_id)

        self.store.settle(worker, HOST, [decided])

        if mine and known is not None:
            now = self.store.get(taken.run_id)
            known.holder, known.final = None, now.state.final
            assert now.state == decided.state or now.state is State.CANCELLED
        elif known is not None:
            assert self.store.get(taken.run_id) == before, "nobody else's write counts"

    @rule(worker=workers)
    def rescue(self, worker: str) -> None:
        rows = [row for row in self.store.workers() if row.worker_id == worker]
        if rows:
            self.store.rescue(rows[0])
            self.dead.add(worker)
            for run_id, known in self.runs.items():
                if known.holder == worker:
                    known.holder = None
                    known.final = self.store.get(run_id).state.final

    @rule(worker=workers)
    def beat(self, worker: str) -> None:
        assert self.store.beat(worker, 30.0, "[]") is (worker not in self.dead)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if not self.runs:
            return
        run_id = data.draw(st.sampled_from(list(self.runs)))
        known, before = self.runs[run_id], self.store.get(run_id)
        now = self.store.cancel(run_id)
        if known.final:
            assert now == before
        elif known.holder is None:
            assert now.state is State.CANCELLED
            known.final = True

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        over = [run_id for run_id, known in self.runs.items() if known.final]
        if over:
            run_id = data.draw(st.sampled_from(over))
            record = self.store.get(run_id)
            again = self.store.reopen(record)
            assert again is (record.state in (State.FAILED, State.CANCELLED))
            self.runs[run_id].final = not again

    @rule(seconds=st.sampled_from([1.0, 4.0, 400.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.now += seconds
        self.clock.set(self.now)
        self.store.stage_due()

    @rule()
    def prune(self) -> None:
        for state in ("succeeded", "failed", "cancelled"):
            self.store.history.prune(state, 300.0)
        left = self.store.several(list(self.runs))
        for run_id, known in list(self.runs.items()):
            if run_id not in left:
                assert known.final, "only what is over is deleted"
                del self.runs[run_id]

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        there = self.store.several(list(self.runs))
        assert set(there) == set(self.runs), "nothing is lost"
        for run_id, known in self.runs.items():
            record = there[run_id]
            assert record.state.final is known.final
            assert (record.state is State.RUNNING) is (known.holder is not None)
            assert known.holder is None or record.worker_id == known.holder
            assert record.attempt == known.attempt


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestMachine = Machine.TestCase
