"""What the tests of engines share: an engine, and what comes back of it."""

from __future__ import annotations

import json

from hostile_jobs import JOBS
from waiting import until

from jobreg.catalogue import Hello
from jobreg.engines.base import Note, Output
from jobreg.engines.processes import ProcessEngine
from jobreg.lifecycle import Claim, Ending, LogChunk, LogLine, Outcome, Provider
from jobreg.options import JobOptions
from jobreg.store import LogRow

HOSTILE = Provider("hostile", "1.0")


class Groups:
    """Stands in for the guard, and remembers what it was told."""

    def __init__(self) -> None:
        self.watched: set[int] = set()

    def watch(self, group: int) -> None:
        self.watched.add(group)

    def forget(self, group: int) -> None:
        self.watched.discard(group)


class Driver:
    """Runs claims on an engine and keeps what comes back."""

    def __init__(self, engine: ProcessEngine) -> None:
        self.engine = engine
        self.notes: list[Note] = []
        self.hellos: list[Hello] = []
        self.outcomes: dict[str, Outcome] = {}
        self.output: dict[str, list[LogChunk]] = {}
        self._number = 0

    def begin(self, name: str, options: JobOptions | None = None, **params: object) -> Claim:
        claim = self.claim(name, options, **params)
        self.engine.execute([claim])
        return claim

    def claim(self, name: str, options: JobOptions | None = None, **params: object) -> Claim:
        self._number += 1
        return Claim(
            run_id=f"run-{self._number}",
            job_name=f"hostile.{name}",
            params=json.dumps(params),
            attempt=1,
            target=JOBS[f"hostile.{name}"],
            provider=HOSTILE,
            options=options or JobOptions(),
        )

    def hear(self) -> None:
        for report in self.engine.collect(0.05):
            match report:
                case Note():
                    self.notes.append(report)
                case Hello():
                    self.hellos.append(report)
                case Output():
                    assert report.run_id not in self.outcomes, "output came after the outcome"
                    self.output.setdefault(report.run_id, []).extend(report.chunks)
                case Outcome():
                    assert report.run_id not in self.outcomes, "an outcome came twice"
                    self.outcomes[report.run_id] = report

    def outcome(self, claim: Claim, within: float = 20.0) -> Outcome:
        def arrived() -> Outcome | None:
            self.hear()
            return self.outcomes.get(claim.run_id)

        return until(arrived, within, f"outcome of {claim.job_name}")

    def run(self, name: str, options: JobOptions | None = None, **params: object) -> Outcome:
        return self.outcome(self.begin(name, options, **params))

    def log(self, name: str, options: JobOptions | None = None, **params: object) -> list[LogLine]:
        """Run a job that succeeds; give what it printed and logged, line by line."""
        outcome = self.run(name, options, **params)
        assert outcome.ending is Ending.SUCCEEDED, outcome
        return self.lines(outcome)

    def lines(self, outcome: Outcome) -> list[LogLine]:
        chunks = tuple(self.output.get(outcome.run_id, ()))
        return list(LogRow(outcome.run_id, outcome.attempt, 1, chunks).lines())

    def result(self, name: str, **params: object) -> object:
        outcome = self.run(name, **params)
        assert outcome.ending is Ending.SUCCEEDED, outcome
        assert outcome.result is not None
        return json.loads(outcome.result)
