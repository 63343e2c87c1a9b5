"""Has children import jobs and say what they are: for ``jobs sync`` and ``jobs doctor``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from .. import settings
from ..catalogue import Hello
from ..engines.processes import ProcessEngine
from ..lifecycle import Provider
from ..registry import JobRef

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
    What is printed meanwhile is the event ``child.output``.
    """
    waiting = {ref.name: ref for ref in refs}
    chosen = settings.load(store=":none:")
    engine = ProcessEngine(
        evolve(chosen, concurrency=min(chosen.concurrency, _AT_ONCE)), _Unguarded()
    )
    engine.start()
    try:
        for ref in waiting.values():
            engine.probe(ref.name, ref.target, Provider(ref.dist, ref.version))
        while waiting:
            for report in engine.collect(0.5):
                if isinstance(report, Hello):
                    yield waiting.pop(report.job_name), report
    finally:
        engine.close()
