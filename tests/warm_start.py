"""The command line as a process of its own, forked from one that has imported what it needs.

To import SQLAlchemy and our own modules takes most of a second of each ``python -m jobreg``, and
the tests start thousands. What depends on a cold start (imports, missing streams, the environment
of the interpreter) is tested with ``subprocess``; ``run`` starts one by itself where the
environment asks for more than a fork can give.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

# Of the interpreter itself, which has started long ago
_ASKED_AT_START = ("PYTHON", "LANG", "LC_")


def cold(environ: Mapping[str, str]) -> bool:
    """Does this environment ask for what only a new interpreter does?"""
    ours = {key: value for key, value in os.environ.items() if key.startswith(_ASKED_AT_START)}
    theirs = {key: value for key, value in environ.items() if key.startswith(_ASKED_AT_START)}
    path = theirs.pop("PYTHONPATH", "")
    for name in ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
        ours.pop(name, None)
    return ours != theirs or any(
        (Path(folder) / "sitecustomize.py").exists() for folder in path.split(os.pathsep)
    )


class Process:
    """A process as ``subprocess.Popen`` gives one, whose parent tells how it ended."""

    def __init__(self, answer: int) -> None:
        self._answer = answer
        self._told = b""
        self.returncode: int | None = None
        while b"\n" not in self._told:
            self._hear(None)
        self.pid = int(self._told.partition(b"\n")[0])

    def _hear(self, timeout: float | None) -> bool:
        if not select.select([self._answer], [], [], timeout)[0]:
            return False
        more = os.read(self._answer, 64)
        if not more:
            raise RuntimeError("who starts the processes has ended")
        self._told += more
        return True

    def poll(self) -> int | None:
        """How it has ended, if it has."""
        if self.returncode is None and (self._hear(0) or self._told.count(b"\n") == 2):
            self._end()
        return self.returncode

    def _end(self) -> None:
        while self._told.count(b"\n") < 2:
            self._hear(None)
        self.returncode = int(self._told.split(b"\n")[1])
        os.close(self._answer)

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, as soon as it has."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None and self._told.count(b"\n") < 2:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._hear(left):
                raise subprocess.TimeoutExpired("jobreg", timeout or 0.0)
        if self.returncode is None:
            self._end()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class Warm:
    """Starts the processes; itself one that is started at the first use and ends with the tests."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        environ = {key: value for key, value in os.environ.items() if not key.startswith("JOBREG_")}
        for name in ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
            environ.pop(name, None)
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("warm_parent.py"), str(theirs.fileno())],
            pass_fds=[theirs.fileno()], env=environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self._line = ours
        self._nothing = open(os.devnull, "rb")  # noqa: SIM115

    def start(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: str | Path | None = None, *,
        output: IO[Any], errors: IO[Any] | None = None, given: IO[Any] | None = None,
        start_new_session: bool = False, first: str = "",
    ) -> Process:  # fmt: skip
        """Start ``jobreg`` with these arguments; ``first`` is source that it executes before."""
        asked = {
            "argv": [os.fsencode(each).hex() for each in arguments], "cwd": str(cwd or os.getcwd()),
            "environ": {os.fsencode(k).hex(): os.fsencode(v).hex() for k, v in env.items()},
            "session": start_new_session, "first": first,
        }  # fmt: skip
        reader, writer = os.pipe()
        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(asked).encode())
            file.seek(0)
            streams = [given or self._nothing, output, errors or output]
            numbers = [each.fileno() for each in (file, *streams)]
            socket.send_fds(self._line, [b"."], [numbers[0], writer, *numbers[1:]])
        os.close(writer)
        return Process(reader)

    def run(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: str | Path | None = None,
        *, timeout: float = 60, input: str = "", first: str = "",
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Execute ``jobreg`` to its end; what it has printed is in the answer."""
        if cold(env) and not first:
            return subprocess.run(
                [sys.executable, "-m", "jobreg", *arguments], env=env, cwd=cwd, input=input,
                timeout=timeout, capture_output=True, text=True, check=False,
            )  # fmt: skip
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(input.encode())
            given.seek(0)
            process = self.start(
                arguments, env, cwd, output=out, errors=err, given=given, first=first
            )
            try:
                code = process.wait(timeout)
            finally:
                process.kill()
            return subprocess.CompletedProcess(list(arguments), code, text_of(out), text_of(err))

    def close(self) -> None:
        """End who starts them; what it has started goes on."""
        self._line.close()
        self._nothing.close()
        self._process.wait(10)


def text_of(file: Any) -> str:
    """All that was written to a file, as text."""
    file.seek(0)
    return str(file.read().decode("utf-8").replace("\r\n", "\n"))


class Subprocess:
    """Stands for the module ``subprocess`` in the soak, so that its workers start warm."""

    DEVNULL = subprocess.DEVNULL
    TimeoutExpired = subprocess.TimeoutExpired

    def __init__(self, warm: Warm, first: str = "") -> None:
        self._warm = warm
        self._first = first

    def Popen(  # noqa: N802
        self, command: Sequence[str], *, env: Mapping[str, str], stdin: int,
        stdout: IO[Any], stderr: IO[Any], start_new_session: bool,
    ) -> Process:  # fmt: skip
        """Start ``python -m jobreg`` with the rest of the command."""
        assert (command[:3], stdin) == ([sys.executable, "-m", "jobreg"], self.DEVNULL)
        return self._warm.start(
            command[3:], env, output=stdout, errors=stderr, first=self._first,
            start_new_session=start_new_session,
        )  # fmt: skip
