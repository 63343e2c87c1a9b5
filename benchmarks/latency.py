"""Submit to start on an idle worker, and how long short runs wait beside a long one.

    python benchmarks/latency.py [sqlite] [postgres] [mysql] [--runs 200] [--idle 60]
        [--parts idle mixed] [--peers-python PATH]

*idle*: a run at a time, each on a worker that has nothing else to do. The submitter takes the time
before it calls submit, the job in its first line, both on this machine; then the submitter rests a
moment, since who asks for the result at once takes one of the cores. Beside it, in turns, the plain
driver's way from one process to another and on to a third (``relay.py``). A second table has what
was submitted after nobody had anything to do for ``--idle`` seconds, several times; each way has
stood still for twice as long then, since the other had its turn.
*mixed*: runs of 1 ms of three queues and three priorities come at a steady pace, half of what one
child can do, to a worker with two children, without and with one run of ten seconds among them. A
run waits from its submit to its first line. Then the same runs are all queued at once and one child
takes them: *out of order* is how many of higher priority, at most, began after one of lower.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import peers
import relay
import stores
import workers
from stores import Place

from jobreg import Client, Registry, Run
from jobreg.store import open_store

QUEUES = ("mail", "default", "reports")
PRIORITIES = (0, 5, 10)
_IDLE_TIMES = 5
_REST = 0.03


def quantiles(waits: list[float]) -> tuple[float, float]:
    """The median and the 95th percentile."""
    ordered = sorted(waits)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)]


def started(run: Run) -> int:
    """When its code began, in nanoseconds since 1970; it says so itself."""
    value: list[int] = run.result(60)
    return value[2]


def one_run(client: Client, numbers: Iterator[int]) -> float:
    """Milliseconds from before a submit to the start of its run."""
    params = {"x": next(numbers)}
    before = time.time_ns()
    run = client.submit(workers.STAMP, params)
    time.sleep(_REST)
    return (started(run) - before) / 1e6


def in_turns(
    ways: dict[str, Callable[[], float]], number: int, pause: float
) -> dict[str, list[float]]:
    """So many waits of each way, each after a pause."""
    waits: dict[str, list[float]] = {title: [] for title in ways}
    for _ in range(number):
        for title, way in ways.items():
            # Not in step with whatever the worker does at intervals.
            time.sleep(pause + random.uniform(0.02, 0.08))
            waits[title].append(way())
    return waits


def idle(place: Place, folder: Path, registry: Registry, asked: Any) -> None:
    """Print what an idle worker, and one idle for long, take to start a run."""
    url, numbers = place.fresh(), count()
    store = open_store(url)
    client = Client(store, registry)
    with workers.working(url, folder) as worker, relay.relay(place.fresh()) as plain:
        ways = {"jobreg": partial(one_run, client, numbers), "driver": plain.wait}
        one_run(client, numbers)
        in_turns(ways, 20, 0.0)
        waits = in_turns(ways, asked.runs, 0.0)
        if asked.idle:
            late = in_turns(ways, _IDLE_TIMES, asked.idle)
            waits |= {f"{title}, {asked.idle:g} s idle": found for title, found in late.items()}
    workers.check(store, next(numbers), [worker.pid])
    client.close()
    for title, found in waits.items():
        _print_quantiles(title, found)
    for peer in peers.installed(place.kind, asked.peers_python):
        _print_quantiles(peer.name, peer.latency(place.empty(), asked.runs, place.folder))


def _print_quantiles(title: str, waits: list[float]) -> None:
    p50, p95 = quantiles(waits)
    print(f"    {title:24} p50 {p50:7.2f} ms   p95 {p95:7.2f} ms   of {len(waits)}", flush=True)


def paced(client: Client, numbers: Iterator[int], number: int, long: bool) -> list[float]:
    """Milliseconds that each short run waited, submitted at a steady pace from one client."""
    submitted = []
    slow = None
    due = time.perf_counter()
    for n in range(number):
        if long and n == number // 10:
            params = {"x": next(numbers), "seconds": 10.0}
            slow = client.submit(workers.REST, params, queue=QUEUES[n % 3])
        due += 0.02
        time.sleep(max(0.0, due - time.perf_counter()))
        options = {"queue": QUEUES[n % 3], "priority": PRIORITIES[n // 3 % 3]}
        params = {"x": next(numbers), "seconds": 0.001}
        before = time.time_ns()
        run = client.submit(workers.REST, params, **options)
        submitted.append((before, run))
    waits = [(started(run) - before) / 1e6 for before, run in submitted]
    if slow is not None:
        slow.result(60)
    return waits


def mixed(place: Place, folder: Path, registry: Registry, asked: Any) -> None:
    """Print how short runs fare beside a long one, and whether priorities are kept."""
    url, numbers = place.fresh(), count()
    store = open_store(url)
    client = Client(store, registry)
    with workers.working(url, folder, concurrency=2) as worker:
        client.submit(workers.REST, {"x": next(numbers), "seconds": 0.0}).result(60)
        paced(client, numbers, 50, long=False)
        plain = paced(client, numbers, 500, long=False)
        beside = paced(client, numbers, 500, long=True)
    _print_quantiles("short runs alone", plain)
    _print_quantiles("beside a run of 10 s", beside)
    print(f"    p95 beside to p95 alone: {quantiles(beside)[1] / quantiles(plain)[1]:.2f} x")
    chosen = [(PRIORITIES[n % 3], QUEUES[n // 3 % 3]) for n in range(600)]
    runs = client.submit_many(
        {
            "job_name": workers.REST,
            "params": {"x": next(numbers), "seconds": 0.001},
            "priority": priority,
            "queue": queue,
        }
        for priority, queue in chosen
    )
    with workers.working(url, folder, concurrency=1) as alone:
        begun = [started(run) for run in runs]
    workers.check(store, next(numbers), [worker.pid, alone.pid])
    in_order = [chosen[n][0] for n in sorted(range(len(runs)), key=begun.__getitem__)]
    print(f"    out of order, at most: {out_of_order(in_order)} of {len(runs)}", flush=True)
    client.close()


def out_of_order(priorities: list[int]) -> int:
    """How many of higher priority began after one of lower priority; the most of any one."""
    worst = 0
    for position, priority in enumerate(priorities):
        worst = max(worst, sum(later > priority for later in priorities[position + 1 :]))
    return worst


def main() -> None:
    """Measure on each kind of store asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", type=stores.kind, default=stores.KINDS)
    parser.add_argument("--runs", type=stores.some, default=200)
    parser.add_argument("--idle", type=float, default=60.0)
    parts = {"idle": idle, "mixed": mixed}
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--peers-python")
    asked = parser.parse_args()
    for kind in asked.kinds:
        with stores.place(kind) as place:
            folder = place.folder / "plugins"
            registry = workers.install(folder)
            for part in asked.parts:
                print(f"\n{kind}: {part}", flush=True)
                parts[part](place, folder, registry, asked)


if __name__ == "__main__":
    main()
