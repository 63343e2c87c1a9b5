"""Has children import jobs and say what they are: for ``jobs sync`` and ``jobs doctor``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from .. import clock, settings
from ..catalogue import Hello
from ..engines.processes import ProcessEngine
from ..lifecycle import Provider
from ..registry import JobRef
from .claimer import REST

_AT_ONCE = 4


class _Unguarded:
    """No guard watches these children: they die with their forkserver, and it with us."""

    def watch(self, group: int) -> None:
        """Do nothing."""

    def forget(self, group: int) -> None:
        """Do nothing."""


def hellos(refs: Iterable[JobRef]) -> Iterator[tuple[JobRef, Hello]]:
    """Import each job in a child of its distribution, and give what it says as it comes.

    A child has 60 s to import; one that dies or takes longer is the trouble of that job alone.
    What is printed meanwhile is the event ``child.output``. A job that is being installed or
    removed is asked again until that is over.
    """
    waiting = {ref.name: ref for ref in refs}
    again: dict[str, float] = {}
    chosen = settings.load(store=":none:")
    engine = ProcessEngine(
        evolve(chosen, concurrency=min(chosen.concurrency, _AT_ONCE)), _Unguarded()
    )
    engine.start()
    try:
        for ref in waiting.values():
            _ask(engine, ref)
        while waiting:
            for report in engine.collect(REST):
                if isinstance(report, Hello) and report.options is None:
                    again[report.job_name] = clock.seconds() + REST
                elif isinstance(report, Hello):
                    yield waiting.pop(report.job_name), report
            for name in [name for name, at in again.items() if clock.seconds() >= at]:
                del again[name]
                _ask(engine, waiting[name])
    finally:
        engine.close()


def _ask(engine: ProcessEngine, ref: JobRef) -> None:
    engine.probe(ref.name, ref.target, Provider(ref.dist, ref.version))
