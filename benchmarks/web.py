"""What the web interface takes to answer behind a long history, and what it asks of the store.

    python benchmarks/web.py [sqlite] [postgres] [mysql] [--runs 1000000] [--requests 50]

A store with ``--runs`` runs (a fifth of them on SQLite), of ten jobs and of every state, is asked
in this process for each page and for the REST list with each filter that has an index, then for a
page far down. Figures are milliseconds of the server alone, median, 95th percentile and worst, and
the median's ratio to the same rows read by the store's own verb. The servers are those of the
tests.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import stores
from backlog import add_rows, urls
from starlette.testclient import TestClient
from store_hands import add_worker

from jobreg import Client, Registry, web
from jobreg.catalogue import Entry
from jobreg.lifecycle import Provider
from jobreg.options import DEFAULTS
from jobreg.store import Store, open_store
from jobreg.web.access import new_token

GOAL = 200.0
"""Milliseconds in which each is to answer."""

LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "job_name": {"job_name": "own.job3"},
    "job_name, all below": {"job_name": "own.*"},
    "state failed": {"state": "failed"},
    "state queued": {"state": "queued"},
    "state, several": {"state": ["cancelled", "failed"]},
    "job_name and state": {"job_name": "own.job3", "state": "succeeded"},
    "since": {"since": "2025-06-01T00:00Z"},
    "since and until": {"since": "2025-06-01T00:00Z", "until": "2025-07-01T00:00Z"},
}
PAGES = ("/", "/runs", "/runs?q=state:failed+job:own.*", "/jobs", "/jobs/own.job3", "/workers")


def fill(store: Store, runs: int) -> None:
    """Nine tenths succeeded, the rest in three other states."""
    shares = {"succeeded": 0.9, "failed": 0.06, "queued": 0.03, "scheduled": 0.01}
    for number, (state, share) in enumerate(shares.items()):
        add_rows(store, f"0{number}a00000-0000-7000-8000-", "own.job", state, int(runs * share))
    add_worker(store)
    told, provider = DEFAULTS.to_wire(), Provider("acme-own", "1.0")
    names = (f"own.job{number}" for number in range(10))
    entries = [Entry(job_name=name, provider=provider, options=told) for name in names]
    store.catalogue.learn(entries, "sync")


def timed(ask: Callable[[], Any], times: int) -> list[float]:
    """Milliseconds of each of so many calls, after one that is not counted."""
    ask()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        found.append((time.perf_counter() - began) * 1000)
    return sorted(found)


def tell(title: str, found: list[float], beside: float | None = None) -> None:
    """A line of the table."""
    middle, late = statistics.median(found), found[int(len(found) * 0.95)]
    ratio = "" if beside is None else f"{middle / beside:6.1f} x"
    over = "  OVER THE GOAL" if late > GOAL else ""
    print(f"    {title:<38}{middle:8.1f}{late:8.1f}{found[-1]:8.1f}  {ratio}{over}")


def measure(kind: str, url: str, runs: int, times: int) -> None:
    """Print what each takes on one store."""
    client = Client(open_store(url), Registry(path=[]))
    fill(client.store, runs)
    headers = {"Authorization": f"Bearer {new_token(client.store)}"}
    raw = statistics.median(timed(lambda: client.store.find(most=50), times))
    print(f"\n{kind}, {runs:,} runs; the plain verb {raw:.1f} ms")
    print(f"    {'':<38}{'median':>8}{'p95':>8}{'worst':>8}")
    with TestClient(web.app(client), "http://localhost") as http:

        def ask(path: str, **query: Any) -> Callable[[], Any]:
            def asked() -> Any:
                answer = http.get(path, params=query or None, headers=headers)
                assert answer.status_code == 200, answer.text[:300]
                return answer

            return asked

        for title, query in LISTS.items():
            tell(f"GET runs, {title}", timed(ask("/api/v1/runs", **query), times), raw)
        query: dict[str, Any] = {"limit": 1000}
        for _ in range(20):
            following = ask("/api/v1/runs", **query)().json()["next"]
            query["cursor"] = following or query["cursor"]
        deep = timed(ask("/api/v1/runs", cursor=query["cursor"]), times)
        tell("GET runs, 20,000 down", deep, raw)
        for path in ("/api/v1/status", "/api/v1/queues", "/api/v1/jobs"):
            tell(f"GET {path.removeprefix('/api/v1/')}", timed(ask(path), times), raw)
        for path in PAGES:
            tell(f"page {path}", timed(ask(path), times), raw)
        whole = timed(lambda: client.store.activity(3600.0, 60), times)
        tell("activity, which the overview keeps", whole, raw)
    client.close()


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", type=stores.kind, default=["sqlite", "postgres"])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=50)
    asked = parser.parse_args()
    for kind in asked.kinds:
        with tempfile.TemporaryDirectory() as folder:
            runs = asked.runs // 5 if kind == "sqlite" else asked.runs
            with closing(urls(kind, Path(folder))) as made:
                measure(kind, next(made), runs, asked.requests)


if __name__ == "__main__":
    main()
