"""The guard: kills the children's process groups when the supervisor is gone or frozen.

A supervisor that is stopped in the middle of a transaction on SQLite keeps the lock that every
writer needs. Where its process is the worker's alone, the guard ends it too (decision 31).

It keeps the SQLite file in memory besides: that must be done where SQLite itself is not.

A small process in a session of its own. It reads group numbers from a pipe whose other end only
the supervisor holds, so the end of the pipe is the end of the supervisor; and it watches a page
of memory that the supervisor touches, so a supervisor that is stopped is seen too.

:func:`watch_over` runs in that process, started as a file with nothing but the standard library
and of ours what imports no more: no plugin, no site-packages.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path

_TOUCHED = struct.Struct("q")
_WARM = "warm="
_open: weakref.WeakSet[Guard] = weakref.WeakSet()


def _let_go() -> None:
    """Close what a forked copy of the supervisor holds of our pipes; they would never end."""
    for guard in _open:
        guard.let_go()


os.register_at_fork(after_in_child=_let_go)


class Guard:
    """The supervisor's end.

    Args:
        stale: how many seconds untouched mean frozen.
        database: the SQLite file whose lock a stopped supervisor must not keep; it is ended for
            that. None: it never is.
        warm: the SQLite file to keep in memory, with its log; None: there is none.
    """

    def __init__(
        self, stale: float, database: Path | None = None, *, warm: Path | None = None
    ) -> None:
        self._stale = stale
        self._database = "" if database is None else database.absolute()
        self._warm = [] if warm is None else [f"{_WARM}{warm.absolute()}"]
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._page: mmap.mmap | None = None
        self._changing = threading.Lock()
        _open.add(self)

    def start(self) -> None:
        """Start the guard's process."""
        with self._changing:
            self._start()

    def _start(self) -> None:
        from .. import clock

        with tempfile.TemporaryFile() as file:
            file.truncate(_TOUCHED.size)
            self._page = mmap.mmap(file.fileno(), _TOUCHED.size)
            _TOUCHED.pack_into(self._page, 0, clock.nanoseconds())
            # The groups there are go with the command: there is no moment in which the new guard
            # lives and does not know them.
            told = (file.fileno(), self._stale, self._database, *self._warm, *self._groups)
            ours = Path(__file__).parents[2]
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, str(ours), *map(str, told)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[file.fileno()],
                start_new_session=True,
                bufsize=0,
            )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)  # nobody waits for a guard

    @property
    def pid(self) -> int | None:
        """The process id of the guard."""
        return None if self._process is None else self._process.pid

    def touch(self) -> None:
        """Say that the supervisor is not frozen; let a guard go on that somebody has stopped.

        Where somebody killed it, start it again.
        """
        from .. import clock, proc

        with self._changing:
            if self._process is not None and self._process.poll() is not None:
                self._start()
            elif self._process is not None and proc.is_stopped(self._process.pid):
                self._process.send_signal(signal.SIGCONT)
            if self._page is not None:
                _TOUCHED.pack_into(self._page, 0, clock.nanoseconds())

    def watch(self, group: int) -> None:
        """Keep an eye on this process group."""
        with self._changing:
            self._groups.add(group)
            self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """This group has ended."""
        with self._changing:
            self._groups.discard(group)
            self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the guard; it kills what is left of the groups."""
        with self._changing:
            process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def let_go(self) -> None:
        """Forget the guard in a process that is a copy of its supervisor."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.returncode = 0  # not ours to wait for
        self._process = self._page = None

    def _tell(self, line: str) -> None:
        # A guard that is dead is started again at the next touch, and told of every group then.
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                if self._process.stdin.write(line.encode()) is None:  # it has not read for long
                    self._process.kill()


def kill_groups(groups: Iterable[int]) -> None:
    """Kill each process group, and its leader in case it has not made the group yet."""
    for group in groups:
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(group, signal.SIGKILL)


def watch_over(descriptor: int, stale: float, database: Path | None, groups: set[int]) -> None:
    """Serve until standard input ends: the guard's process."""
    from jobreg import clock, proc

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # who ends the supervisor ends us by the pipe
    page = mmap.mmap(descriptor, _TOUCHED.size)
    rest = b""
    while True:
        ready, _, _ = select.select([0], [], [], stale / 10)
        if ready:
            data = os.read(0, 65536)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
            if not data:
                kill_groups(groups)
                return
        (touched,) = _TOUCHED.unpack_from(page)
        if clock.nanoseconds() - touched > stale * 1e9:
            kill_groups(groups)
            supervisor = os.getppid()
            if database and proc.writer(database) == supervisor and proc.is_stopped(supervisor):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(supervisor, signal.SIGKILL)


def _keep_warm(database: Path) -> None:
    """Keep a file in memory, if there can be a thread for it: a disk may stand still."""
    from jobreg.store.warmth import keep_warm

    with contextlib.suppress(RuntimeError):
        threading.Thread(target=keep_warm, args=[database], daemon=True).start()


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    _, _, descriptor, stale, database, *others = sys.argv
    for each in others:
        if each.startswith(_WARM):
            _keep_warm(Path(each.removeprefix(_WARM)))
    groups = {int(each) for each in others if not each.startswith(_WARM)}
    watch_over(int(descriptor), float(stale), Path(database) if database else None, groups)
