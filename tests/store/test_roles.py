"""Owner, worker, submitter: the SQL that docs/guides/database-roles.md gives them is enough."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from servers import Databases
from sqlalchemy import create_engine, make_url
from store_hands import JOB, add, add_worker, asked, claim, offer, outcome, settle, states

from jobreg import SchemaMismatch, StoreUnavailable
from jobreg.lifecycle import Ending, State
from jobreg.store import open_store, schema

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "database-roles.md"
TESTS = Path(__file__).parent


def statements(label: str) -> list[str]:
    """The statements of the block of the guide that begins with this label."""
    (block,) = re.findall(rf"```sql\n-- {label}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    return [each for each in block.split(";\n") if each.strip()]


class Roles(NamedTuple):
    """The URL of one database, as each of the three."""

    owner: str
    worker: str
    submitter: str


@pytest.fixture(params=["postgres", "mysql"])
def roles(request: pytest.FixtureRequest) -> Iterator[Roles]:
    """A database that was set up as the guide says, up to the last word."""
    found: Databases = request.getfixturevalue(request.param)
    url = make_url(found.empty())
    label = "postgresql" if found.postgres else "mysql"
    mine = f"r{os.getpid()}"
    admin = create_engine(
        url.set(drivername="postgresql+psycopg" if found.postgres else "mysql+pymysql"),
        isolation_level="AUTOCOMMIT",
    )

    def run(when: str) -> None:
        with admin.connect() as connection:
            for each in statements(f"{label} {when}"):
                said = each.replace("jobreg_owner", f"{mine}_owner")
                said = said.replace("jobreg_worker", f"{mine}_worker")
                said = said.replace("jobreg_submitter", f"{mine}_submitter")
                connection.exec_driver_sql(said.replace(" jobs.", f" {url.database}."))

    def as_user(role: str) -> str:
        given = url.set(username=f"{mine}_{role}", password="choose-one")
        return given.render_as_string(hide_password=False)

    made = Roles(*map(as_user, Roles._fields))
    run("before")
    try:
        opened = open_store(made.owner, check=False)
        schema.upgrade(opened)
        opened.close()
        run("after")
        yield made
    finally:
        with admin.connect() as connection:
            for role in Roles._fields:
                if found.postgres:
                    connection.exec_driver_sql(f"DROP OWNED BY {mine}_{role} CASCADE")
                    connection.exec_driver_sql(f"DROP ROLE {mine}_{role}")
                else:
                    connection.exec_driver_sql(f"DROP USER {mine}_{role}")
        admin.dispose()


def test_a_submitter_submits_waits_and_looks_and_nothing_else(roles):
    opened = open_store(roles.submitter)
    run = add(opened)
    keyed = add(opened, unique_key="march")
    assert add(opened, unique_key="march").run_id == keyed.run_id
    assert len(opened.insert([asked(), asked()])) == 2

    assert opened.get(run.run_id) == run
    assert len(opened.find()[0]) == 4
    assert opened.attempts(run.run_id) == opened.logs(run.run_id) == []
    assert opened.workers() == []
    assert opened.catalogue.known([JOB]) is not None
    for refused in (
        lambda: opened.cancel(run.run_id),
        lambda: add_worker(opened),
        lambda: opened.names.rename(JOB, "reports.draw"),
        lambda: add(opened, unique_key="march", unique_policy="replace"),
    ):
        with pytest.raises(StoreUnavailable, match=r"(?i)denied"):
            refused()
    assert states(opened) == {"queued": 4}
    opened.close()


def test_a_worker_works_and_cannot_change_tables(roles):
    opened = open_store(roles.worker)
    worker = add_worker(opened)
    run = add(opened)
    (taken,) = claim(opened, worker, offer(most=1))
    assert settle(opened, worker, outcome(taken, Ending.SUCCEEDED)) == []
    assert opened.get(run.run_id).state is State.SUCCEEDED
    assert opened.cancel(add(opened).run_id).state is State.CANCELLED
    assert opened.history.prune("succeeded", -1.0) == 1
    opened.names.rename(JOB, "reports.draw")

    with pytest.raises(StoreUnavailable, match=r"(?i)denied"), opened.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE jobreg_more (a INTEGER)")
    opened.close()


def test_tables_that_a_later_upgrade_adds_are_the_worker_s_too(roles):
    owner = open_store(roles.owner)
    with owner.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE jobreg_later (a INTEGER)")
    worker = open_store(roles.worker)

    with worker.writing() as connection:
        connection.exec_driver_sql("INSERT INTO jobreg_later VALUES (1)")
        connection.exec_driver_sql("DELETE FROM jobreg_later")

    for opened in (owner, worker):
        opened.close()


def test_who_may_not_upgrade_is_told(roles):
    owner = open_store(roles.owner)
    of_table = "" if "postgresql" in owner.url else " ON jobreg_runs"
    with owner.writing() as connection:
        connection.exec_driver_sql(f"DROP INDEX jobreg_runs_by_time{of_table}")
        connection.exec_driver_sql(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0001'")
    owner.close()

    with pytest.raises(SchemaMismatch, match="run: jobreg store upgrade"):
        open_store(roles.worker)
    with pytest.raises(StoreUnavailable, match=r"(?i)denied|must be owner"):
        schema.upgrade(open_store(roles.worker, check=False))


QUICK = ["test_every_verb.py", "test_claim.py"]


@pytest.mark.parametrize(
    "files", [QUICK, pytest.param(["."], marks=pytest.mark.slow)], ids=["quick", "whole"]
)
def test_the_suite_passes_as_the_worker(files):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k",
         "(postgres or mysql) and not roles", "-m", "not slow and not ddl", *files],
        cwd=TESTS,
        env={**os.environ, "JOBREG_TEST_ROLE": "worker"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
