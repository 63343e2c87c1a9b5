"""Submit, drain and latency on SQLite, beside what the plain driver can do on the same tables.

    python benchmarks/throughput.py [--runs 5000] [--concurrency 2]

Every run's stored result is checked, and that it executed once, in a child. The ratios carry
over to another machine; the absolute figures do not.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from jobreg import Client, Registry, Worker

JOB = "bench.noop"
BATCH = 100


def install(folder: Path) -> Registry:
    """Advertise a no-op job in a folder, without pip."""
    info = folder / "bench-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[jobreg.jobs]\n{JOB} = bench_noop:noop\n")
    (folder / "bench_noop.py").write_text(
        "import os\n\ndef noop(x):\n    return [x, os.getpid()]\n"
    )
    sys.path.insert(0, str(folder))
    return Registry(path=[str(folder)])


def raw_limit(file: Path, runs: int) -> float:
    """Claim and settle per second by the plain driver: same columns, batches of 100, no job."""
    connection = sqlite3.connect(file, isolation_level=None)
    begun, done = time.perf_counter(), 0
    while done < runs:
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(
            "SELECT seq, run_id FROM jobreg_live WHERE state = 'queued' AND queue = 'default' "
            "AND job_name = ? ORDER BY priority DESC, due_at, seq LIMIT ?",
            (JOB, BATCH),
        ).fetchall()
        connection.executemany(
            "UPDATE jobreg_live SET state = 'running', attempt = attempt + 1, worker_id = 'w' "
            "WHERE seq = ?",
            [(seq,) for seq, _ in rows],
        )
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO jobreg_attempts (run_id, attempt, outcome, worker_id, host, pid, dist, "
            "version, started_at, finished_at) VALUES (?, 1, 'succeeded', 'w', 'h', 1, 'd', '1', "
            "1, 1)",
            [(run_id,) for _, run_id in rows],
        )
        connection.executemany("DELETE FROM jobreg_live WHERE seq = ?", [(s,) for s, _ in rows])
        connection.executemany(
            "UPDATE jobreg_runs SET state = 'succeeded', result = '[1]', attempt = 1, "
            "finished_at = 1 WHERE run_id = ?",
            [(run_id,) for _, run_id in rows],
        )
        connection.execute("COMMIT")
        done += len(rows)
    return runs / (time.perf_counter() - begun)


def drain(client: Client, runs: int, concurrency: int) -> float:
    """Runs per second from a full queue to the last stored result."""
    submitted = client.submit_many([(JOB, {"x": n}) for n in range(runs)])
    worker = Worker(
        client.settings.store, registry=client.registry, concurrency=concurrency, until_idle=True
    )
    begun = time.perf_counter()
    worker.run()
    seconds = time.perf_counter() - begun
    for number, run in enumerate(submitted):
        value, pid = run.refresh().result(0)
        assert value == number
        assert pid != os.getpid()
        assert run.attempt == 1
    return runs / seconds


def latency(client: Client, samples: int) -> list[float]:
    """Milliseconds from submit to the start of the job's code, on an idle worker, sorted."""
    worker = Worker(client.settings.store, registry=client.registry, concurrency=1).start()
    client.submit(JOB, {"x": 0}).result(30)
    waits = []
    for number in range(samples):
        run = client.submit(JOB, {"x": number}).wait(30)
        started, created = run.record.started_at, run.record.created_at
        assert started is not None
        assert created is not None
        waits.append((started - created).total_seconds() * 1000)
    worker.stop()
    return sorted(waits)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=5000)
    options.add_argument("--concurrency", type=int, default=2)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = install(folder)
        raw = Client(str(folder / "raw.db"), registry)
        raw.submit_many([(JOB, {"x": n}) for n in range(asked.runs)])
        limit = raw_limit(folder / "raw.db", asked.runs)
        client = Client(str(folder / "jobs.db"), registry)
        begun = time.perf_counter()
        for number in range(500):
            client.submit(JOB, {"x": number})
        one_by_one = 500 / (time.perf_counter() - begun)
        rate = drain(client, asked.runs, asked.concurrency)
        waits = latency(client, 200)
    print(f"plain driver, claim and settle    {limit:8,.0f} /s")
    print(f"drain, results stored, processes  {rate:8,.0f} /s   {rate / limit:5.2f} of the driver")
    print(f"submit one by one                 {one_by_one:8,.0f} /s")
    print(f"submit to start, idle worker      p50 {statistics.median(waits):.1f} ms, "
          f"p95 {waits[int(len(waits) * 0.95)]:.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
