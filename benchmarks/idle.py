"""What a worker costs that has nothing to do: queries, processor and memory.

    python benchmarks/idle.py [sqlite] [postgres] [mysql] [--queues 50] [--seconds 30]

A real ``jobreg worker`` with so many queues and one warm child is left alone. Over the seconds:
*queries* are the statements that the server logged (PostgreSQL: all, and those that are not BEGIN,
COMMIT or ROLLBACK), its own count of questions (MariaDB), or what the connections of the worker
traced (SQLite: looks at ``PRAGMA data_version``, 2 microseconds each, are told apart); *core* is
what all processes of the worker used of one core, by /proc/PID/stat; *memory* is the sum of what is
theirs of the pages they share (PSS) and of all pages they see (RSS), by /proc/PID/smaps_rollup.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import limits
import stores
import workers
from stores import Place

from jobreg import Client
from jobreg.store import open_store

TICKS = os.sysconf("SC_CLK_TCK")
_BOUNDS = re.compile(r"(?i)\b(begin|commit|rollback)\b")
# Runs the command line with every SQLite connection traced; at the end the times are written down.
TRACED = """
import atexit, json, sqlite3, sqlite3.dbapi2, sys, time
seen, plain, file = [], sqlite3.connect, sys.argv.pop()
atexit.register(lambda: open(file, "w").write(json.dumps(seen)))
def connect(*given, **named):
    made = plain(*given, **named)
    made.set_trace_callback(lambda words: seen.append((time.time(), words[:60])))
    return made
sqlite3.connect = sqlite3.dbapi2.connect = connect
from jobreg.cli import run
sys.exit(run(sys.argv[1:]))
"""


def processor(pids: list[int]) -> float:
    """Seconds of processor that these processes have used."""
    used = 0
    for pid in pids:
        # What is behind the name in brackets, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / TICKS


def memory(pid: int) -> tuple[float, float]:
    """PSS and RSS of a process, in MB."""
    told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = {name: int(kib) for name, kib in re.findall(r"(?m)^(Pss|Rss):\s+(\d+) kB", told)}
    return found["Pss"] / 1024, found["Rss"] / 1024


def role(pid: int) -> str:
    """What a process of a worker is, by its command line."""
    line = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    for word, name in (
        ("guard.py", "guard"),
        ("forkserver", "forkserver"),
        ("worker", "supervisor"),
    ):
        if word in line:
            return name
    return line[:40]


class Queries:
    """Counts what the worker asks a database."""

    def __init__(self, place: Place, url: str) -> None:
        self._place = place
        self._url = url
        self._begun = time.time()
        self._first = self._reading()

    def _reading(self) -> Any:
        if self._place.kind == "postgres":
            assert self._place.databases is not None
            server = self._place.databases.server
            return None if server is None else (server.folder / "server.log").stat().st_size
        if self._place.kind == "mysql":
            driver = limits.connect(self._url)
            found = driver.look("SHOW GLOBAL STATUS LIKE 'Questions'")
            driver.close()
            return int(found[1])
        return None

    def told(self, seconds: float, trace: Path) -> str:
        """What was asked since; the trace is read when the worker has ended."""
        if self._place.kind == "mysql":
            # Two or three of ours: to connect, to look.
            asked = self._last - self._first
            return f"{asked / seconds:.2f} questions/s"
        if self._place.kind == "postgres":
            if self._first is None:
                return "not counted on a server of your own"
            lines = re.findall(r"LOG: .(?:statement|execute [^:]*): (.*)", self._last)
            others = [line for line in lines if not _BOUNDS.match(line)]
            return (
                f"{len(lines) / seconds:.2f} statements/s ({len(others) / seconds:.2f} not bounds)"
            )
        seen = [words for at, words in json.loads(trace.read_text()) if self._has(at, seconds)]
        looks = sum("data_version" in words for words in seen)
        rest = [words for words in seen if "data_version" not in words]
        others = [words for words in rest if not _BOUNDS.match(words)]
        return (
            f"{len(rest) / seconds:.2f} statements/s ({len(others) / seconds:.2f} not bounds), "
            f"{looks / seconds:.1f} looks/s"
        )

    def _has(self, at: float, seconds: float) -> bool:
        return self._begun <= at <= self._begun + seconds

    def end(self) -> None:
        """The time is over."""
        self._last: Any = None
        if self._place.kind == "mysql":
            self._last = self._reading()
        elif self._first is not None:
            assert self._place.databases is not None
            assert self._place.databases.server is not None
            log = self._place.databases.server.folder / "server.log"
            self._last = log.read_bytes()[self._first :].decode(errors="replace")


def measure(place: Place, queues: int, seconds: float) -> None:
    """Print what a worker on this kind of store costs."""
    folder = place.folder / "plugins"
    registry = workers.install(folder)
    url = place.fresh()
    trace = place.folder / "trace.json"
    names = [f"queue{number}" for number in range(queues)]
    options = [word for name in names for word in ("--queue", name)]
    command = [sys.executable, "-c", TRACED, "worker", "--store", url, "--concurrency", "1"]
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    house = str(Path(__file__).parent.parent)
    environ["PYTHONPATH"] = f"{folder}{os.pathsep}{house}"
    with open(folder / "worker.log", "ab") as log:
        process = subprocess.Popen([*command, *options, str(trace)], env=environ, stderr=log)
    try:
        store = open_store(url)
        client = Client(store, registry)
        client.submit(workers.noops()[0], {"x": 1}, queue=names[-1]).result(60)
        workers.check(store, 1, [process.pid])
        client.close()
        time.sleep(5)
        pids = workers.tree(process.pid)
        queries, used = Queries(place, url), processor(pids)
        time.sleep(seconds)
        queries.end()
        used = processor(pids) - used
        roles = {pid: role(pid) for pid in pids}
        for pid in pids:
            # A child is a copy of the forkserver, and looks like it.
            if roles[pid] == "forkserver":
                roles |= dict.fromkeys(workers.tree(pid)[1:], "child")
        held = [(roles[pid], *memory(pid)) for pid in pids]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    print(f"\n{place.kind}, {queues} queues, {seconds:g} s")
    print(f"    queries  {queries.told(seconds, trace)}")
    print(f"    core     {used / seconds * 100:.2f} %")
    for name, pss, rss in held:
        print(f"    memory   {name:24} PSS {pss:7.1f} MB   RSS {rss:7.1f} MB")
    pss, rss = (sum(each[n] for each in held) for n in (1, 2))
    print(f"    memory   {'together':24} PSS {pss:7.1f} MB   RSS {rss:7.1f} MB", flush=True)


def main() -> None:
    """Measure on each kind of store asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", type=stores.kind, default=["sqlite", "postgres"])
    parser.add_argument("--queues", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    asked = parser.parse_args()
    for kind in asked.kinds:
        logged = {"log_statement": "all"} if kind == "postgres" else {}
        with stores.place(kind, **logged) as place:
            measure(place, asked.queues, asked.seconds)


if __name__ == "__main__":
    main()
