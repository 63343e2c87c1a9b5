"""Drain and submit, beside what the plain driver does on the same tables, and beside peers.

    python benchmarks/throughput.py [sqlite] [postgres] [mysql] [--runs 50000] [--rounds 3]
        [--parts drain submit variants] [--workers 1x1 1x2 2x1] [--names 1] [--rows 1000000]
        [--peers-python PATH]

*drain*: real ``jobreg worker --until-idle`` processes empty a queue. The rate is that from the
first claim to the moment when nothing is left that is not settled, as seen by who looks at the
tables every hundredth of a second; in *whole* the start and the end of the worker count too.
*1x2* is one worker with two children. Every run is looked at afterwards: it succeeded in one
attempt, its result is stored and right, and holds the pid of a process that is no worker.
*submit*: one by one with a kept client, and all at once.
*variants*: the drain with 200 names for one, and behind ``--rows`` finished, scheduled, or queued
runs of jobs that no worker here has, each on a store of its own that is kept, in turns with the
plain one.

Everything is measured in turns and the medians are shown; ratios are those of the same run. The
driver's batch size is the best of those tried. SQLite is measured at synchronous FULL and NORMAL;
the servers keep what they answered for. What was set for the peers is told in peers.py.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import backlog
import limits
import peers
import stores
import workers
from stores import Place

from jobreg import Client, Registry
from jobreg.store import Store, open_store

Way = Callable[[], float]
_SUBMITS = 2_000
_PREFIX = "0000000{}-0000-7000-8000-"
VARIANTS = {
    "finished": ("a", workers.NOOP, "succeeded"),
    "scheduled": ("b", workers.NOOP, "scheduled"),
    "of others": ("c", "foreign.job", "queued"),
}


class Bench:
    """What is measured on one kind of store."""

    def __init__(self, place: Place, folder: Path, registry: Registry, sync: str, asked: Any):
        self.place = place
        self.folder = folder
        self.registry = registry
        self.sync = sync
        self.asked = asked
        self.whole: dict[str, list[float]] = {}
        self.bulk: list[float] = []

    def fill(self, store: Store, names: int) -> None:
        """Queue the runs, of so many jobs in turn."""
        client = Client(store, self.registry)
        jobs = workers.noops(names)
        wanted = [(jobs[n % names], {"x": n}) for n in range(self.asked.runs)]
        begun = time.perf_counter()
        client.submit_many(wanted)
        self.bulk.append(len(wanted) / (time.perf_counter() - begun))

    def jobreg(self, title: str) -> Way:
        """A drain by as many workers and children as its title says."""
        some, each = map(int, title.split("x"))

        def drain() -> float:
            url = self.place.fresh()
            store = open_store(url, sqlite_sync=self.sync)
            self.fill(store, self.asked.names)
            runs = self.asked.runs
            done = workers.drain(store, url, self.folder, runs, some, each, self.sync)
            store.close()
            self.whole.setdefault(f"jobreg {title}", []).append(done.whole)
            return done.rate

        return drain

    def driver(self, processes: int, batch: int) -> Way:
        """What the driver does in so many processes."""
        runs = self.asked.runs
        return lambda: limits.drain(self.place.fresh(), runs, batch, processes, self.sync)

    def peer(self, peer: peers.Peer, way: dict[str, Any]) -> Way:
        """A drain by a peer, in one of its ways."""
        runs = max(self.asked.runs // peers.FEWER[peer.name], 100)

        def drain() -> float:
            url = self.place.empty()
            peer.fill(url, runs)
            return peer.drain(url, runs, **way)

        return drain

    def drains(self, others: list[peers.Peer]) -> None:
        """Print the table of drains."""
        driver: dict[str, Way] = {}
        for processes in (1, 2):
            for batch in limits.BATCHES:
                title = f"driver, {processes} connection{'s' * (processes - 1)}, batch {batch}"
                driver[title] = self.driver(processes, batch)
        ours = {f"jobreg {title}": self.jobreg(title) for title in self.asked.workers}
        theirs = {
            f"{peer.name}, {title}": self.peer(peer, way)
            for peer in others
            for title, way in peers.WAYS[peer.name].items()
        }
        found = in_turns({**driver, **ours, **theirs}, self.asked.rounds)
        limit = max(driver, key=lambda title: found[title])
        print(f"    limit: {limit}, {found[limit]:,.0f}/s")
        for title in (*driver, *ours, *theirs):
            whole = self.whole.get(title)
            more = f"   whole {statistics.median(whole):,.0f}/s" if whole else ""
            print(row(title, found[title], {"of the limit": found[limit]}) + more, flush=True)
        best = max(found[title] for title in ours)
        for peer in others:
            of_peer = max(found[title] for title in theirs if title.startswith(peer.name))
            print(f"    jobreg, best, to {peer.name}, best: {best / of_peer:.2f} x", flush=True)

    def submits(self, others: list[peers.Peer]) -> None:
        """Print the table of submits, one by one and all at once."""
        runs, place, sync = self.asked.runs, self.place, self.sync
        ways: dict[str, Way] = {
            "driver, one by one": lambda: limits.one_by_one(place.fresh(), _SUBMITS, sync),
            "jobreg, one by one": self.one_by_one,
        }
        for peer in others:
            ways[f"{peer.name}, one by one"] = partial(self.peer_submit, peer)
        ways["driver, in bulk"] = lambda: limits.in_bulk(place.fresh(), runs, sync)
        ways["jobreg, in bulk"] = self.in_bulk
        for peer in others:
            if peer.name in peers.IN_BULK:
                ways[f"{peer.name}, in bulk"] = partial(self.peer_fill, peer)
        found = in_turns(ways, self.asked.rounds)
        for title, rate in found.items():
            manner = title.partition(", ")[2]
            print(row(title, rate, {"of the driver": found[f"driver, {manner}"]}), flush=True)

    def peer_submit(self, peer: peers.Peer) -> float:
        """A peer's submits a second, each for itself."""
        return peer.submit(self.place.empty(), _SUBMITS)

    def peer_fill(self, peer: peers.Peer) -> float:
        """A peer's submits a second, all at once."""
        return peer.fill(self.place.empty(), self.asked.runs) or 0.0

    def one_by_one(self) -> float:
        """Submits a second, each for itself, by a kept client that is warm."""
        store = open_store(self.place.fresh(), sqlite_sync=self.sync)
        client = Client(store, self.registry)
        job = workers.noops()[0]
        for number in range(30):
            client.submit(job, {"x": number})
        begun = time.perf_counter()
        for number in range(30, 30 + _SUBMITS):
            client.submit(job, {"x": number})
        rate = _SUBMITS / (time.perf_counter() - begun)
        workers.check_queued(store, 30 + _SUBMITS)
        client.close()
        return rate

    def in_bulk(self) -> float:
        """Submits a second by submit_many."""
        store = open_store(self.place.fresh(), sqlite_sync=self.sync)
        self.fill(store, self.asked.names)
        workers.check_queued(store, self.asked.runs)
        store.close()
        return self.bulk[-1]

    def variants(self) -> None:
        """Print the table of drains from other queues than a plain one."""
        some, each = map(int, self.asked.workers[0].split("x"))
        kept: dict[str, tuple[str, Store]] = {}
        for title in ("plain", f"{workers.MOST_NAMES} names", *VARIANTS):
            url = self.place.fresh()
            kept[title] = (url, open_store(url, sqlite_sync=self.sync))
            if title in VARIANTS:
                letter, name, state = VARIANTS[title]
                prefix = _PREFIX.format(letter)
                backlog.add_rows(kept[title][1], prefix, name, state, self.asked.rows)

        def drain(title: str) -> Way:
            url, store = kept[title]
            names = workers.MOST_NAMES if title.endswith("names") else 1

            def once() -> float:
                self.fill(store, names)
                backlog.vacuum(store)
                runs = self.asked.runs
                return workers.drain(store, url, self.folder, runs, some, each, self.sync).rate

            return once

        found = in_turns({title: drain(title) for title in kept}, self.asked.rounds)
        for title, rate in found.items():
            more = f"{self.asked.rows:,} {title}" if title in VARIANTS else title
            longer = f"   {found['plain'] / rate:.2f} x as long"
            print(row(f"jobreg, {more}", rate, {}) + longer, flush=True)
        for _, store in kept.values():
            store.close()


def in_turns(ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """The median of each way's rates."""
    found: dict[str, list[float]] = {title: [] for title in ways}
    for _ in range(rounds):
        for title, way in ways.items():
            found[title].append(way())
    return {title: statistics.median(rates) for title, rates in found.items()}


def row(title: str, rate: float, against: dict[str, float]) -> str:
    """A line of a table."""
    ratios = "".join(f"{rate / base:8.2f} {name}" for name, base in against.items())
    return f"    {title:34}{rate:>10,.0f}/s{ratios}"


def measure(kind: str, sync: str, asked: Any) -> None:
    """All parts, on one kind of store."""
    with stores.place(kind) as place:
        folder = place.folder / "plugins"
        registry = workers.install(folder)
        bench = Bench(place, folder, registry, sync, asked)
        # Huey and DBOS have one durability on SQLite: their default, which is FULL.
        has_peers = not asked.no_peers and sync == "full"
        others = peers.installed(kind, asked.peers_python) if has_peers else []
        for part in asked.parts:
            print(f"\n{kind}{' ' + sync if kind == 'sqlite' else ''}: {part}", flush=True)
            if part == "variants":
                bench.variants()
            elif part == "drain":
                bench.drains(others)
            else:
                bench.submits(others)


def main() -> None:
    """Measure on each kind of store asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", type=stores.kind, default=["sqlite", "postgres"])
    parser.add_argument("--runs", type=stores.some, default=50_000)
    parser.add_argument("--rounds", type=stores.some, default=3)
    parser.add_argument("--rows", type=stores.some, default=1_000_000)
    parser.add_argument("--names", type=int, default=1)
    parts = ("drain", "submit", "variants")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts[:2])
    parser.add_argument("--workers", nargs="+", default=["1x1", "1x2", "2x1"])
    syncs = ("full", "normal")
    parser.add_argument("--sync", nargs="+", choices=syncs, default=syncs)
    parser.add_argument("--peers-python")
    parser.add_argument("--no-peers", action="store_true")
    asked = parser.parse_args()
    for kind in asked.kinds:
        for sync in asked.sync if kind == "sqlite" else ("full",):
            measure(kind, sync, asked)


if __name__ == "__main__":
    main()
