"""The process that has imported the command line, and forks itself for each that is asked for."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import warm_forkserver

NOT_OURS = ("jobreg.__main__", "jobreg.pytest_plugin", "jobreg.store.migrations")
AT_START = frozenset(sys.path)
OTHERS = ("alembic.command", "alembic.config", "sqlalchemy.dialects.sqlite")


def import_all() -> None:
    """Import what a command may need; drivers of servers are left to those that use them."""
    import jobreg

    for name in OTHERS:
        importlib.import_module(name)
    for each in pkgutil.walk_packages(jobreg.__path__, "jobreg."):
        if not each.name.startswith(NOT_OURS):
            importlib.import_module(each.name)


class Children:
    """Those that were forked, and to whom their ends are told.

    The dead are kept until somebody has heard of it and closed his end: until then nobody else may
    have their process id, as with ``subprocess.Popen``.
    """

    def __init__(self, heard: select.poll) -> None:
        self._heard = heard
        self.answers: dict[int, int] = {}  # of those whose end is to be told
        self._told: dict[int, int] = {}
        self._forgotten: set[int] = set()

    def add(self, pid: int, answer: int) -> None:
        """Tell who asked for it its process id."""
        self.answers[pid] = answer
        self._heard.register(answer, 0)  # POLLERR comes always, when nobody reads any more
        os.write(answer, b"%d\n" % pid)

    def descriptors(self) -> list[int]:
        """What a child must not keep open."""
        return [*self.answers.values(), *self._told.values()]

    def tell(self) -> None:
        """Tell of those that have ended how they have, once."""
        for pid, answer in list(self.answers.items()):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                status = ended.si_status
                code = status if ended.si_code == os.CLD_EXITED else -status
                with contextlib.suppress(BrokenPipeError):
                    os.write(answer, b"%d\n" % code)
                self._told[pid] = self.answers.pop(pid)
        self._reap()

    def let_go(self, ready: Mapping[int, int]) -> None:
        """Let those go of whom nobody wants to hear any more."""
        for known in (self.answers, self._told):
            for pid, answer in list(known.items()):
                if answer in ready:
                    self._heard.unregister(answer)
                    os.close(known.pop(pid))
                    self._forgotten.add(pid)
        self._reap()

    def _reap(self) -> None:
        self._forgotten -= {pid for pid in self._forgotten if os.waitpid(pid, os.WNOHANG)[0]}


def serve(line: socket.socket) -> dict[str, Any] | None:
    """Fork for each request until nobody asks any more; in a child, return what it is to be."""
    waking, woken = os.pipe()
    for each in (waking, woken):
        os.set_blocking(each, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    heard = select.poll()
    for each in (line.fileno(), waking):
        heard.register(each, select.POLLIN)
    children = Children(heard)
    while True:
        ready = dict(heard.poll())
        if waking in ready:
            os.read(waking, 4096)
            children.tell()
        children.let_go(ready)
        if line.fileno() in ready:
            asked, descriptors, *_ = socket.recv_fds(line, 1, 5)
            if not asked:
                return None
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (waking, woken, line.detach(), *children.descriptors()):
                    os.close(each)
                return request(descriptors)
            children.add(pid, descriptors[1])
            for each in (descriptors[0], *descriptors[2:]):
                os.close(each)


def request(descriptors: list[int]) -> dict[str, Any]:
    """Read what was asked for and put the standard streams in their places."""
    file, answer, *streams = descriptors
    with os.fdopen(file, "rb") as opened:
        asked: dict[str, Any] = json.load(opened)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.close(answer)
    open_streams()
    return asked


def customised(path: Sequence[str]) -> bool:
    """Is there something that each new interpreter imports first, and this one has not?"""
    new = set(path).difference(AT_START)  # a system's own Python may come with one
    return any((Path(folder) / "sitecustomize.py").exists() for folder in new)


def open_streams() -> None:
    """Make the interpreter's streams anew, as it does at its start: they know what is below."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        stream = open(  # noqa: SIM115
            number, old.mode, encoding=old.encoding, errors=old.errors, closefd=False,
            newline=None if number == 0 else "\n", buffering=1 if number == 2 else -1,
        )  # fmt: skip
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def become(asked: dict[str, Any]) -> None:
    """Take on the arguments, the environment, the folder and the path of imports."""
    if asked["session"]:
        os.setsid()
    os.chdir(asked["cwd"])
    os.environb.clear()
    for key, value in asked["environ"].items():
        os.environb[bytes.fromhex(key)] = bytes.fromhex(value)
    time.tzset()
    sys.argv = ["jobreg", *(os.fsdecode(bytes.fromhex(each)) for each in asked["argv"])]
    path = os.environ.get("PYTHONPATH", "")
    sys.path[:1] = [asked["cwd"], *filter(None, path.split(os.pathsep))]
    from jobreg import failpoints

    failpoints._armed = failpoints._parsed(os.environ.get("JOBREG_FAILPOINTS", ""))
    exec(asked["first"], {})
    if sys.argv[1:2] == ["worker"] and not customised(sys.path):
        warm_forkserver.keep_one_ready()


def end(code: object) -> None:
    """End as the interpreter does, but for taking apart what it holds.

    That were most of what a command costs: every page of what was imported would be copied for it.
    What the command itself leaves is taken apart, and so its store is closed. Where the interpreter
    would have something to say, this returns, and it says it.
    """
    if not isinstance(code, int | None):
        return
    cast(Any, threading)._shutdown()
    atexit._run_exitfuncs()
    gc.collect()  # which sees nothing of what was there before the fork
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asking:
        import_all()
        gc.collect()
        gc.freeze()
        found = serve(asking)
    if found is not None:
        become(found)
        try:
            runpy.run_module("jobreg", run_name="__main__", alter_sys=True)
        except SystemExit as asked_to:
            end(asked_to.code)
            raise
