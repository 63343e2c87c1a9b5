"""What the plain driver takes from a submit to the first line of a job: the limit of latency.

Three processes that know their statements and nothing else: who submits inserts both rows of a run
and says so by a byte in a pipe, the claimer claims that run and hands its parameters to a child,
which takes the time. No look for names, no lease, no watch on the database; the byte is there
sooner than any word of the database's own. After idleness it tells what this machine takes to wake
three processes, and the server's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import limits


def claimer(url: str, sync: str) -> None:
    """Claim a run at each line that comes, let the child take the time, settle, and tell it."""
    inbox, to_child = os.pipe()
    from_child, outbox = os.pipe()
    if os.fork() == 0:
        os.close(to_child)
        while os.read(inbox, 65536):
            os.write(outbox, json.dumps(time.time_ns()).encode())
        os._exit(0)
    driver = limits.connect(url, sync)
    print("ready", flush=True)
    while sys.stdin.readline():
        taken = driver.claim(1)
        os.write(to_child, taken[0][2].encode())
        began = os.read(from_child, 65536).decode()
        driver.settle(taken)
        print(began, flush=True)
    driver.close()


class Relay:
    """The submitter, and its claimer."""

    def __init__(self, url: str, sync: str, process: subprocess.Popen[str]) -> None:
        self._driver = limits.connect(url, sync)
        self._process: Any = process

    def wait(self) -> float:
        """Milliseconds from before an insert to the child's first line."""
        before = time.time_ns()
        self._driver.insert(limits.rows(1))
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return (int(self._process.stdout.readline()) - before) / 1e6

    def close(self) -> None:
        """End the claimer, and let go of the database."""
        self._process.stdin.close()
        self._driver.close()


@contextmanager
def relay(url: str, sync: str = "normal") -> Iterator[Relay]:
    """A relay for as long as the block lasts."""
    asked = [sys.executable, __file__, json.dumps([url, sync])]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(asked, text=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        made = Relay(url, sync, process)
        yield made
        made.close()


if __name__ == "__main__":
    claimer(*json.loads(sys.argv[1]))
