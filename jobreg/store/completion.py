"""A job's own writes and the completion of its run in one transaction of the job's.

The one thing of the store that executing code imports, and only when a job asks for it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, evolve

from .. import clock, codec, failpoints
from ..errors import LeaseLost
from ..lifecycle import Claim, Ending, Outcome, Progress, decide
from . import settling
from .opening import open_store
from .store import Store


@define
class Effect:
    """What a job does in :meth:`.CurrentRun.transaction`; ``result`` is what the run returns."""

    result: Any = None


@contextmanager
def transaction(
    url: str, connection: Any, claim: Claim, began: float, max_result: int,
    progress: Callable[[], Progress | None],
) -> Iterator[Effect]:  # fmt: skip
    """Do the caller's writes, then settle the run as succeeded, and commit both or neither."""
    store, effect = open_store(url, check=False), Effect()
    try:
        yield effect
        text = codec.encode_result(effect.result, max_result)
        outcome = Outcome(
            run_id=claim.run_id, attempt=claim.attempt, ending=Ending.SUCCEEDED, result=text,
            provider=claim.provider, started=began, ended=clock.seconds(), progress=progress(),
        )  # fmt: skip
        _settle(store, connection, claim, outcome)
    except BaseException:
        connection.rollback()
        raise
    else:
        failpoints.reach("effect.before_commit")
        connection.commit()
        failpoints.reach("effect.after_commit")
    finally:
        store.close()


def _settle(store: Store, given: Any, claim: Claim, outcome: Outcome) -> None:
    flush = getattr(given, "flush", None)  # of a session, whose writes come before ours
    if flush is not None:
        flush()
    with store.borrowed.use(given) as connection:
        rows = settling.held(connection, store.now, claim.worker_id, [claim.run_id])
        row = next((row for row in rows if row["attempt"] == claim.attempt), None)
        if row is None:
            raise LeaseLost(
                f"Attempt {claim.attempt} of run {claim.run_id} is not this worker's any more in "
                f"{store.url}: nothing of the transaction was kept. Use a connection to that "
                "store, and let the run end: another attempt does it."
            )
        # What was counted before stands in the row; the child was not told.
        counted = evolve(claim, tries=row["tries"], crashes=row["crashes"])
        decided = decide(counted, outcome, lambda: 0.0)
        settling.write(connection, store.now, socket.gethostname(), [(row, decided)])
