"""What others do with the same work on the same database: drain, submit, submit to start.

    python benchmarks/peers.py [pgqueuer] [procrastinate] [huey] [dbos] [--python PATH]
        [--runs 50000] [--rounds 3]

A peer runs in processes of its own, in the interpreter given (one with ``peers.txt`` installed,
see README.md); one that is not installed there is left out, with a word. Each has the settings
that its own documentation has for speed, and its safest durability, which is its default:

- PgQueuer: asyncpg, uvloop, two claiming processes, batch 100, 500 and 1,000; its jobs are
  coroutines in the worker's process, its rows are deleted when done, and it keeps no result.
- Procrastinate: two workers that each run ten coroutines at a time; done rows are kept.
- Huey: its SQLite file at ``synchronous=FULL`` as it comes, one thread, one process, two
  processes; it keeps results, but no attempts.
- DBOS: a queue that looks every 10 ms in place of every second, at most 100 workflows in one
  process; it keeps results.

The drain is timed from the first that asks for work until the last knows that nothing is left,
start and end of the processes not counted. The slow get fewer runs: their rate does not change.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

JOB = "bench.noop"
PROBE = "bench.probe"
QUEUE = "bench"

Facts = dict[str, Any]


def payloads(number: int) -> list[Facts]:
    """What the runs are given."""
    return [{"x": n} for n in range(number)]


def ready() -> float:
    """Tell the parent that everything is there, wait for its word, and say when that was."""
    print("ready", flush=True)
    sys.stdin.readline()
    return time.time()


def note(sent: int, file: str) -> None:
    """Write how many nanoseconds ago a run was sent."""
    took = time.time_ns() - sent
    with open(file, "a") as notes:
        notes.write(f"{took}\n")


def spaced(number: int, send: Callable[[int], object]) -> None:
    """Send so many, each on a worker that is idle again."""
    for _ in range(number):
        time.sleep(0.05)
        send(time.time_ns())


def one_after_another(number: int, send: Callable[[Facts], object]) -> float:
    """How many a second can be sent, each for itself."""
    begun = time.perf_counter()
    for payload in payloads(number):
        send(payload)
    return number / (time.perf_counter() - begun)


# PgQueuer


def pgqueuer(asked: Facts) -> Any:
    """One verb of PgQueuer."""
    import uvloop

    return uvloop.run(_pgqueuer(asked))


async def _pgqueuer(asked: Facts) -> Any:
    import asyncpg
    from pgqueuer import PgQueuer
    from pgqueuer.db import AsyncpgDriver
    from pgqueuer.queries import Queries
    from pgqueuer.types import QueueExecutionMode

    connection = await asyncpg.connect(asked["url"])
    driver = AsyncpgDriver(connection)
    queries = Queries(driver)
    bodies = [json.dumps(each).encode() for each in payloads(asked["runs"])]
    match asked["verb"]:
        case "prepare":
            await queries.install()
        case "fill":
            begun = time.perf_counter()
            await queries.enqueue([JOB] * len(bodies), bodies, [0] * len(bodies))
            return len(bodies) / (time.perf_counter() - begun)
        case "submit":
            begun = time.perf_counter()
            for body in bodies:
                await queries.enqueue(JOB, body)
            return len(bodies) / (time.perf_counter() - begun)
        case "done":
            words = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
            return await connection.fetchval(words)
        case "send":
            for _ in bodies:
                await asyncio.sleep(0.05)
                await queries.enqueue(PROBE, str(time.time_ns()).encode())
        case "work" | "serve":
            app = PgQueuer(driver)

            @app.entrypoint(JOB)
            async def noop(job: Any) -> None:
                json.loads(job.payload)

            @app.entrypoint(PROBE)
            async def probe(job: Any) -> None:
                note(int(job.payload), asked["notes"])

            begun = ready()
            drain = asked["verb"] == "work"
            mode = QueueExecutionMode.drain if drain else QueueExecutionMode.continuous
            await app.qm.run(batch_size=asked.get("batch", 10), mode=mode)
            return [begun, time.time()]
    return None


# Procrastinate


def procrastinate(asked: Facts) -> Any:
    """One verb of Procrastinate."""
    import uvloop

    return uvloop.run(_procrastinate(asked))


async def _procrastinate(asked: Facts) -> Any:
    import logging

    from procrastinate import App, PsycopgConnector

    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    app = App(connector=PsycopgConnector(conninfo=asked["url"]))

    @app.task(name=JOB)
    async def noop(x: int) -> list[int]:
        return [x, os.getpid()]

    @app.task(name=PROBE)
    async def probe(sent: int) -> None:
        note(sent, asked["notes"])

    given = payloads(asked["runs"])
    async with app.open_async():
        match asked["verb"]:
            case "prepare":
                await app.schema_manager.apply_schema_async()
            case "fill":
                begun = time.perf_counter()
                await noop.batch_defer_async(*given)
                return len(given) / (time.perf_counter() - begun)
            case "submit":
                begun = time.perf_counter()
                for each in given:
                    await noop.defer_async(**each)
                return len(given) / (time.perf_counter() - begun)
            case "done":
                return len(list(await app.job_manager.list_jobs_async(status="succeeded")))
            case "send":
                for _ in given:
                    await asyncio.sleep(0.05)
                    await probe.defer_async(sent=time.time_ns())
            case "work" | "serve":
                begun = ready()
                await app.run_worker_async(
                    wait=asked["verb"] == "serve", concurrency=10, install_signal_handlers=False
                )
                return [begun, time.time()]
    return None


# Huey


def huey(asked: Facts) -> Any:
    """One verb of Huey."""
    from huey import SqliteHuey

    file = asked["url"].removeprefix("sqlite:///")
    app = SqliteHuey(filename=file)

    @app.task(name=JOB)
    def noop(x: int) -> list[float]:
        return [x, os.getpid(), time.time()]

    @app.task(name=PROBE)
    def probe(sent: int) -> None:
        note(sent, asked["notes"])

    match asked["verb"]:
        case "fill":
            # It has no bulk. This is not measured, and may be quick.
            app.storage.conn.execute("PRAGMA synchronous=OFF")
            for each in payloads(asked["runs"]):
                noop(**each)
        case "submit":
            return one_after_another(asked["runs"], lambda each: noop(**each))
        case "done":
            return app.result_count()
        case "send":
            spaced(asked["runs"], lambda sent: probe(sent))
        case "work" | "serve":
            workers, kind = asked.get("workers", 1), asked.get("kind", "thread")
            consumer = app.create_consumer(workers=workers, worker_type=kind)
            begun = ready()
            consumer.start()
            while asked["verb"] == "serve" or app.result_count() < asked["runs"]:
                time.sleep(0.2)
            consumer.stop(graceful=True)
            kept = [app.serializer.deserialize(bytes(each)) for each in app.all_results().values()]
            return [begun, max(each[2] for each in kept)]
    return None


# DBOS


def dbos(asked: Facts) -> Any:
    """One verb of DBOS."""
    from dbos import DBOS, DBOSClient

    if asked["verb"] in ("fill", "submit", "send"):
        client = DBOSClient(system_database_url=asked["url"])
        noop = {"queue_name": QUEUE, "workflow_name": JOB}
        probe = {"queue_name": QUEUE, "workflow_name": PROBE}
        if asked["verb"] == "send":
            spaced(asked["runs"], lambda sent: client.enqueue(probe, sent))
            return None
        rate = one_after_another(asked["runs"], lambda each: client.enqueue(noop, each["x"]))
        return rate if asked["verb"] == "submit" else None  # it has no bulk
    config = {"name": "bench", "system_database_url": asked["url"], "log_level": "ERROR"}
    DBOS(config={**config, "application_version": "1", "run_admin_server": False})

    @DBOS.workflow(name=JOB)
    def noop_workflow(x: int) -> list[int]:
        return [x, os.getpid()]

    @DBOS.workflow(name=PROBE)
    def probe_workflow(sent: int) -> None:
        note(sent, asked["notes"])

    begun = ready() if asked["verb"] in ("work", "serve") else 0.0
    DBOS.launch()
    if asked["verb"] != "done":
        DBOS.register_queue(QUEUE, worker_concurrency=100, polling_interval_sec=0.01)
    ended = 0.0
    if asked["verb"] in ("work", "serve"):
        states = ["ENQUEUED", "PENDING"]
        while asked["verb"] == "serve" or DBOS.list_workflows(status=states, limit=1):
            time.sleep(0.2)
        ended = time.time()
    found = len(DBOS.list_workflows(status="SUCCESS")) if asked["verb"] == "done" else 0
    DBOS.destroy()
    return found if asked["verb"] == "done" else [begun, ended]


PEERS: dict[str, Callable[[Facts], Any]] = {
    "pgqueuer": pgqueuer,
    "procrastinate": procrastinate,
    "huey": huey,
    "dbos": dbos,
}
STORES = {
    "pgqueuer": ("postgres",),
    "procrastinate": ("postgres",),
    "huey": ("sqlite",),
    "dbos": ("sqlite", "postgres"),
}
WAYS: dict[str, dict[str, Facts]] = {
    "pgqueuer": {
        f"2 processes, batch {batch}": {"processes": 2, "batch": batch}
        for batch in (100, 500, 1000)
    },
    "procrastinate": {"2 processes": {"processes": 2}},
    "huey": {
        "1 thread": {},
        "1 process": {"kind": "process"},
        "2 processes": {"kind": "process", "workers": 2},
    },
    "dbos": {"1 process": {}},
}
IN_BULK = ("pgqueuer", "procrastinate")
# Of so many times fewer runs the rate is the same.
FEWER = {"pgqueuer": 1, "procrastinate": 20, "huey": 10, "dbos": 25}


class Peer:
    """One peer, in an interpreter that has it."""

    def __init__(self, name: str, python: str = sys.executable) -> None:
        self.name = name
        self.python = python

    def version(self) -> str | None:
        """Which is installed there; None if it is not."""
        code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
        asked = [self.python, "-c", code, self.name]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        return done.stdout.strip() or None

    def _begin(self, verb: str, url: str, runs: int, **facts: Any) -> subprocess.Popen[str]:
        asked = json.dumps({"verb": verb, "url": url, "runs": runs, **facts})
        return subprocess.Popen(
            [self.python, __file__, "--verb", self.name, asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, verb: str, url: str, runs: int = 0, **facts: Any) -> Any:
        """Have one verb done, in a process of its own."""
        process = self._begin(verb, url, runs, **facts)
        try:
            told, _ = process.communicate()
        finally:
            process.kill()
        if process.returncode:
            raise RuntimeError(f"{self.name}: {verb} failed")
        return json.loads(told)

    def fill(self, url: str, runs: int) -> float | None:
        """Make the tables and queue so many; how many a second, where it can do that in bulk."""
        self.ask("prepare", url)
        rate: float | None = self.ask("fill", url, runs)
        return rate

    def submit(self, url: str, runs: int) -> float:
        """How many a second are submitted one by one."""
        self.ask("prepare", url)
        rate: float = self.ask("submit", url, runs)
        return rate

    def drain(self, url: str, runs: int, processes: int = 1, **facts: Any) -> float:
        """How many a second of those that :meth:`fill` queued are done; looks that all are."""
        some = [self._begin("work", url, runs, **facts) for _ in range(processes)]
        try:
            _let_begin(some)
            parts = [json.loads(each.communicate()[0]) for each in some]
        finally:
            for each in some:
                each.kill()  # where it has not ended: the others must not outlive us
        done = self.ask("done", url)
        assert done == runs, (self.name, done, runs)
        return runs / (max(part[1] for part in parts) - min(part[0] for part in parts))

    def latency(self, url: str, number: int, folder: Path) -> list[float]:
        """Milliseconds from submit to the first line of the job, of so many, sorted."""
        self.ask("prepare", url)
        notes = folder / f"{self.name}.notes"
        worker = self._begin("serve", url, 0, notes=str(notes))
        try:
            _let_begin([worker])
            time.sleep(3)
            self.ask("send", url, number, notes=str(notes))
            time.sleep(3)
        finally:
            worker.kill()
            worker.wait()
        return sorted(int(each) / 1e6 for each in notes.read_text().split())


def _let_begin(processes: list[subprocess.Popen[str]]) -> None:
    """Wait until all are ready, and give them the word."""
    for each in processes:
        assert each.stdout
        if each.stdout.readline() != "ready\n":
            raise RuntimeError("a peer's worker did not start")
    for each in processes:
        assert each.stdin
        each.stdin.write("\n")
        each.stdin.flush()


def installed(kind: str, python: str | None, names: list[str] | None = None) -> list[Peer]:
    """The peers that work on this kind of store and are installed; tells which are not."""
    found = []
    for name, kinds in STORES.items():
        if kind in kinds and name in (names or STORES):
            peer = Peer(name, python or sys.executable)
            if peer.version():
                found.append(peer)
            else:
                print(f"({name} is not installed in {peer.python}: left out)")
    return found


def verb(name: str, asked: Facts) -> None:
    """What a peer's process does: one verb, whose answer is printed."""
    answer = PEERS[name](asked)
    assert not isinstance(answer, Coroutine)
    print(json.dumps(answer), flush=True)


def main() -> None:
    """Print a table of all peers, or do a peer's part."""
    if sys.argv[1:2] == ["--verb"]:
        verb(sys.argv[2], json.loads(sys.argv[3]))
        return
    import stores

    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--python")
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for kind in ("sqlite", "postgres"):
        with stores.place(kind) as place:
            for peer in installed(kind, given.python, given.names):
                print(f"{peer.name} {peer.version()} on {kind}", flush=True)
                show(peer, place, given.runs // FEWER[peer.name], given.rounds)


def show(peer: Peer, place: Any, runs: int, rounds: int) -> None:
    """Measure one peer on one kind of store, and print its lines."""
    bulk: list[float] = []
    for title, way in WAYS[peer.name].items():
        rates = []
        for _ in range(rounds):
            url = place.empty()
            bulk.append(peer.fill(url, runs) or 0.0)
            rates.append(peer.drain(url, runs, **way))
        print(f"    {'drain, ' + title:32}{statistics.median(rates):>9,.0f}/s", flush=True)
    one = [peer.submit(place.empty(), 1000) for _ in range(rounds)]
    print(f"    {'submit one by one':32}{statistics.median(one):>9,.0f}/s")
    if any(bulk):
        print(f"    {'submit in bulk':32}{statistics.median(bulk):>9,.0f}/s")
    waits = peer.latency(place.empty(), 100, place.folder)
    p50, p95 = statistics.median(waits), waits[int(len(waits) * 0.95)]
    print(f"    {'submit to start, p50 and p95':32}{p50:>9.1f} and {p95:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
