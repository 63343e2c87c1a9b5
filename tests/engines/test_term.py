"""SIGTERM in a process that a job forks, from its first moment on."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

FORKS = """
import os, signal, sys
from jobreg.engines.term import hear_term

def here(number, frame):
    print("heard", flush=True)

{first}
hear_term(here)
{then}
pid = os.fork()
if pid == 0:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
os.kill(os.getpid(), signal.SIGTERM)
"""
IN_COPY = "os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))"
HELD = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])"


@pytest.mark.parametrize(
    ("first", "then", "told"),
    [
        (IN_COPY, "", [str(-signal.SIGTERM), "heard"]),
        ("", IN_COPY, [str(-signal.SIGTERM), "heard"]),
        (IN_COPY, HELD, ["0"]),
        (
            "",
            "signal.signal(signal.SIGTERM, lambda *_: print('own'))\n" + IN_COPY,
            ["own", "0", "own"],
        ),
    ],
    ids=["at once", "later", "held back by the job", "heard by the job"],
)
def test_a_copy_is_ended_by_one_that_comes_at_any_moment(
    first: str, then: str, told: list[str]
) -> None:
    program = FORKS.format(first=first, then=then)

    done = subprocess.run(
        [sys.executable, "-u", "-c", program], capture_output=True, text=True, timeout=30
    )

    assert (done.stdout.split(), done.stderr) == (told, "")
