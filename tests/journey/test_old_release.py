"""The release before works on while the store is upgraded under it, and afterwards.

``tests/old_release`` holds the package as it was before the newest schema. Whoever adds a version
of the schema puts the release before in its place:
``git archive COMMIT jobreg | gzip -9n > tests/old_release/schema-NNNN.tar.gz``.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from jobreg import Client, SchemaMismatch
from jobreg.store import open_store, schema
from jobreg.store.version import VERSION

ARCHIVE = next((Path(__file__).parent.parent / "old_release").glob("schema-*.tar.gz"))
BEFORE = ARCHIVE.name[len("schema-") : -len(".tar.gz")]
NAME = "reports.render"
JOB = """
from pathlib import Path

def run(folder, number):
    with open(Path(folder) / str(number), "a") as file:
        file.write("x")
    return number
"""


@pytest.fixture
def old(tmp_path: Path, fake_plugins: Any, empty_url: str) -> dict[str, str]:
    """An environment in which jobreg is the release before, with one job and an empty store."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "old", filter="data")
    fake_plugins.add("acme-reports", "1.0", {NAME: "acme:run"}, {"acme.py": JOB})
    environ: dict[str, str] = fake_plugins.env(JOBREG_STORE=empty_url)
    path = os.pathsep.join([str(tmp_path / "old"), environ["PYTHONPATH"]])
    return {**environ, "PYTHONPATH": path}


def call(environ: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", *command], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SUBMITS = """
import sys
import jobreg

folder, number = sys.argv[1], 0
for line in sys.stdin:
    run = jobreg.submit("reports.render", {"folder": folder, "number": int(line)})
    print(run.id, flush=True)
"""


def test_the_archive_is_of_the_version_before():
    assert int(BEFORE) == int(VERSION) - 1


def test_workers_and_clients_of_the_release_before_go_on(old, empty_url, tmp_path, fake_plugins):
    call(old, "-m", "jobreg", "store", "upgrade")
    opened = open_store(empty_url, check=False)
    assert schema.version_of(opened) == BEFORE
    with pytest.raises(SchemaMismatch, match=rf"version {BEFORE}.*jobreg store upgrade"):
        open_store(empty_url)
    folder = tmp_path / "done"
    folder.mkdir()
    log = (tmp_path / "worker.log").open("w")
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "jobreg", "worker", "--concurrency", "2"], env=old, stderr=log
    )
    submitter = subprocess.Popen(
        [sys.executable, "-P", "-c", SUBMITS, str(folder)],
        env=old,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    numbers = itertools.count()

    def submit_old(many: int) -> None:
        for _ in range(many):
            print(next(numbers), file=submitter.stdin, flush=True)
            assert submitter.stdout.readline(), "the client of the release before gave up"

    def all_done() -> bool:
        return len(list(folder.iterdir())) == made

    try:
        submit_old(made := 5)
        until(all_done, within=60, what="the old worker runs old submits on the old schema")

        submit_old(20)
        schema.upgrade(opened)
        submit_old(20)
        client = Client(empty_url, registry=_registry(fake_plugins))
        for number in range(1000, 1020):
            client.submit(NAME, {"folder": str(folder), "number": number})
        made += 60

        until(all_done, within=60, what="the old worker runs all of them on the new schema")
        until(lambda: client.store.counts()["succeeded"] == made, what="it settles them")
    finally:
        worker.terminate()
        submitter.stdin.close()
        assert worker.wait(60) == 0
        submitter.wait(60)
        log.close()
    assert {file.read_text() for file in folder.iterdir()} == {"x"}
    assert {run.attempt for run in client.find()} == {1}
    told = (tmp_path / "worker.log").read_text()
    assert "store.down" not in told
    assert "ERROR" not in told
    client.close()


def _registry(fake_plugins: Any) -> Any:
    from jobreg import Registry

    return Registry(path=[str(fake_plugins.path)])


RUN_ID = "01a00000-0000-7000-8000-000000000001"
FIRST = (
    "INSERT INTO jobreg_runs (run_id, job_name, params, queue, priority, tags, created_at, "
    f"scheduled_at, attempt, tries, crashes) VALUES ('{RUN_ID}', '{NAME}', '{{}}', 'default', 0, "
    "'[]', 1, 1, 0, 0, 0)",
    "INSERT INTO jobreg_live (run_id, job_name, state, queue, priority, queue_by_default, "
    "priority_by_default, due_at, attempt, tries, crashes, cancel_requested) VALUES "
    f"('{RUN_ID}', '{NAME}', 'queued', 'default', 0, 1, 1, 1, 0, 0, 0, 0)",
)


def test_a_store_of_the_first_version_is_upgraded_and_keeps_its_runs(
    empty_url,
):
    first = open_store(empty_url, check=False)
    schema.upgrade(first, "0001")
    with first.writing() as connection:
        for statement in FIRST:
            connection.exec_driver_sql(statement)

    schema.upgrade(first)

    opened = open_store(empty_url)
    assert schema.version_of(opened) == VERSION
    run = opened.get(RUN_ID)
    assert (run.state, run.job_name, run.params) == ("queued", NAME, "{}")
    assert opened.logs(RUN_ID) == []
