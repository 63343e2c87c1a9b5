"""The forkserver of a worker that started warm: a copy of it from before it had opened anything.

Else it is a Python that starts and imports, and each of its children imports for itself what a job
wants of the store. Of a worker that is killed young that were three quarters of all it costs.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
from typing import NoReturn, cast

from multiprocess import util


def keep_one_ready() -> None:
    """Fork who becomes the forkserver of this process when it wants one, and ends with it."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _wait_and_serve(theirs)
    theirs.close()
    start = util.spawnv_passfds

    def spawnv_passfds(path: bytes, arguments: list[str], passed: list[int]) -> int:
        if "multiprocess.forkserver" not in arguments[-1]:
            return cast(int, start(path, arguments, passed))
        util.spawnv_passfds = start  # one that takes its place is a Python of its own
        with ours:
            words = json.dumps([arguments[-1], passed])
            socket.send_fds(ours, [words.encode()], passed)
        return pid

    util.spawnv_passfds = spawnv_passfds


def _wait_and_serve(line: socket.socket) -> NoReturn:
    """Wait for the word, and then do what it says; never returns."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    try:
        words, passed, *_ = socket.recv_fds(line, 65_536, 8)
        if words:
            source, numbers = json.loads(words)
            _keep_only(passed, numbers)
            line.detach()
            # Who reads it knows by this that he is in a forkserver, and makes one of the process.
            sys.orig_argv = [sys.executable, "-c", source]
            sys.modules.pop("jobreg.engines.preload", None)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            exec(source, {})
    except Exception:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(0)


def _keep_only(passed: list[int], numbers: list[int]) -> None:
    """Let the descriptors have these numbers, and close all else but the standard streams."""
    beyond = max(*passed, *numbers) + 1  # out of each other's way first
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD, beyond) for each in passed]
    for number, descriptor in zip(numbers, moved, strict=True):
        os.dup2(descriptor, number)
    lowest = 3
    for number in sorted(numbers):
        os.closerange(lowest, number)
        lowest = number + 1
    os.closerange(lowest, os.sysconf("SC_OPEN_MAX"))
