"""The jobs of the soak. Each is harmless to be executed twice, but for what is checked."""

from __future__ import annotations

import os
import time

from ..context import current_run
from ..decorator import job
from ..errors import RetryLater
from ..options import Backoff
from ..store import open_store
from .effects import effects_table

QUICKLY = Backoff(first=0.05)


def before_effect() -> None:
    """Nothing; something slow where a fault is planted that only time brings out."""


def plain(number: int) -> int:
    """Return what was given, at once."""
    return number


def slow(number: int) -> int:
    """The same, after a while."""
    time.sleep(0.05 + number % 7 / 20)
    return number


@job(max_attempts=1000, backoff=QUICKLY)
def flaky(number: int) -> int:
    """The same, at an even attempt only."""
    if current_run().attempt % 2:
        raise RetryLater("not this time")
    return number


def effect(number: int) -> None:
    """Write a row in the transaction that completes the run."""
    before_effect()
    store = open_store(os.environ["JOBREG_STORE"], check=False)
    run = current_run()
    try:
        with store.engine.connect() as connection, run.transaction(connection) as done:
            connection.exec_driver_sql(
                f"INSERT INTO {effects_table(store)} (run_id, attempt) "
                f"VALUES ('{run.id}', {run.attempt})"
            )
            done.result = number
    finally:
        store.close()


NAMES = ("plain", "slow", "flaky", "effect")
JOBS = {f"selftest.{name}": f"{__name__}:{name}" for name in NAMES}
