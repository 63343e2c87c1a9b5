"""Who and where this process is, and whether another process of this machine is gone."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from attrs import frozen

from .. import proc
from ..store import WorkerRow


@frozen
class Host:
    """What tells one place where processes run from another. None where the system won't say."""

    name: str
    boot_id: str | None
    pid_namespace: str | None

    @classmethod
    def here(cls) -> Host:
        """This machine, this boot, this pid namespace."""
        return cls(socket.gethostname(), _boot_id(), _pid_namespace())

    def is_of(self, worker: WorkerRow) -> bool:
        """Does that worker's pid mean here what it meant there?"""
        return self.boot_id is not None and (self.name, self.boot_id, self.pid_namespace) == (
            worker.host,
            worker.boot_id,
            worker.pid_namespace,
        )


def _boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _pid_namespace() -> str | None:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def started(pid: int) -> str | None:
    """When a process started, in ticks since boot; None where nobody can say."""
    try:
        return proc.stat(pid)[1]
    except OSError:
        return None


def is_gone(worker: WorkerRow) -> bool:
    """Is the process of a worker of this host certainly gone?

    A zombie counts as gone: it holds nothing any more, whoever has yet to reap it. That /proc
    cannot be read (no descriptors left, hidepid) says nothing of the process.
    """
    if worker.pid_started is None:
        return False
    try:
        state, ticks = proc.stat(worker.pid)
    except (FileNotFoundError, ProcessLookupError):
        return _no_such_process(worker.pid)
    except OSError:
        return False
    return state in "ZX" or ticks != worker.pid_started


def _no_such_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
