"""Submits a second by AsyncClient, beside Client: one after another, and eight at a time.

    python benchmarks/asyncio_submit.py [sqlite] [postgres] [mysql] [--runs 2000]

Eight at a time are eight tasks of one loop, or eight threads. In turns, after one turn that does
not count; the figures are medians, the ratio is to Client in the same manner. The servers are
those of the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import servers

from jobreg import AsyncClient, Client, Registry
from jobreg.store import open_store
from jobreg.testing import write_plugin

JOB = "submit.job"
TURNS = 3


def by_client(client: Client, number: int, at_once: int) -> None:
    """Submit from so many threads."""

    def some(_: int) -> None:
        for n in range(number // at_once):
            client.submit(JOB, {"x": n})

    if at_once == 1:
        some(0)
        return
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(some, range(at_once)))


async def by_async_client(client: AsyncClient, number: int, at_once: int) -> None:
    """Submit from so many tasks."""

    async def some() -> None:
        for n in range(number // at_once):
            await client.submit(JOB, {"x": n})

    await asyncio.gather(*(some() for _ in range(at_once)))


def compare(url: str, registry: Registry, number: int) -> None:
    """Take turns on one store, and print what was measured."""
    store = open_store(url)
    client, other = Client(store, registry), AsyncClient(store, registry)
    for at_once in (1, 8):
        took: dict[str, list[float]] = {"client": [], "async": []}
        for _ in range(TURNS + 1):
            began = time.perf_counter()
            by_client(client, number, at_once)
            between = time.perf_counter()
            asyncio.run(by_async_client(other, number, at_once))
            took["client"].append(between - began)
            took["async"].append(time.perf_counter() - between)
        plain, ours = (number / statistics.median(each[1:]) for each in took.values())
        print(
            f"{store.engine.dialect.name:11} {at_once:>8} {plain:>10,.0f}/s {ours:>10,.0f}/s "
            f"{ours / plain:6.2f} x",
            flush=True,
        )
    store.close()


def main() -> None:
    """Measure on each database asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("stores", nargs="*", default=["sqlite", "postgres", "mysql"])
    parser.add_argument("--runs", type=int, default=2_000)
    asked = parser.parse_args()
    print(f"{'':11} {'at once':>8} {'Client':>12} {'AsyncClient':>12} {'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        write_plugin(Path(folder), {JOB: "submit_jobs:run"}, modules={"submit_jobs.py": ""})
        registry = Registry(path=[folder])
        for name in asked.stores:
            with servers.store_url(name, folder) as url:
                compare(url, registry, asked.runs)


if __name__ == "__main__":
    main()
