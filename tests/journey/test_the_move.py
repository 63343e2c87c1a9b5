"""The promise: work queued under one version, interrupted, finishes under the next."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any

from waiting import until

RUNS = 100


def test_runs_of_a_job_whose_code_moved_finish_under_the_new_version(environment: Any) -> None:
    log = environment.folder / "app.log"
    log.write_text("INFO started\nWARNING odd\nERROR broken\n\n" * 8_000)
    store = f"file:{environment.folder / 'jobs.db'}?mode=ro"
    environment.install("acme_reports-1.0")
    submit = (
        "import jobreg; jobreg.submit_many("
        f"[('reports.profile', {{'path': {str(log)!r}}})] * {RUNS})"
    )
    environment.start("store", "upgrade").wait(30)
    _python(environment, submit)

    worker = environment.start("worker", "--concurrency", "2")
    connection = sqlite3.connect(store, uri=True)
    until(lambda: _finished(connection) >= RUNS // 4, 60, "a quarter is done")
    worker.kill()
    worker.wait()
    running = "SELECT count(*) FROM jobreg_live WHERE state = 'running'"
    in_flight = connection.execute(running).fetchone()[0]
    environment.install("acme_reports-2.0")
    environment.jobreg("worker", "--concurrency", "2", "--until-idle")

    runs = environment.json("runs", "list", "--job-name", "reports.profile", "--limit", "1000")
    runs = runs["runs"]
    assert Counter(run["state"] for run in runs) == {"succeeded": RUNS}
    assert all(run["result"]["lines"] == 32_000 for run in runs)
    versions = Counter(run["provider"]["version"] for run in runs)
    assert set(versions) == {"1.0", "2.0"}
    assert min(versions.values()) >= 1
    twice = [run for run in runs if run["attempt"] > 1]
    assert 0 < len(twice) <= in_flight <= 2 + 100
    text = environment.jobreg("runs", "list", "--job-name", "reports.profile", "--limit", "100")
    assert "acme-reports 1.0" in text
    assert "acme-reports 2.0" in text


def _finished(connection: sqlite3.Connection) -> int:
    query = "SELECT count(*) FROM jobreg_runs WHERE state IS NOT NULL"
    number: int = connection.execute(query).fetchone()[0]
    return number


def _python(environment: Any, source: str) -> None:
    import subprocess

    subprocess.run(
        [str(environment.python), "-c", source], env=environment.environ, check=True, timeout=60
    )
