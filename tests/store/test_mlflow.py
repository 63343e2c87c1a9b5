"""The jobs of an MLflow database become runs: once each, and nothing is changed there."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from mlflow_table import CREATED, fill, mlflow_file, mlflow_row
from sqlalchemy import create_engine, make_url
from store_hands import JOB, add_worker, claim, offer, states

from jobreg import BadInput, Registry, StoreError
from jobreg.lifecycle import Reason, State
from jobreg.mlflow import Taking, name_of, read_map
from jobreg.settings import load
from jobreg.store import mlflow_jobs
from jobreg.store.mlflow_jobs import Jobs

OLD = "acme.render.run"


@pytest.fixture
def registry(fake_plugins):
    fake_plugins.add(
        "acme", "1.0", {JOB: "acme.render:run", "other.job": "acme.other:run"}, {"acme.py": ""}
    )
    return Registry(path=[str(fake_plugins.path)])


@pytest.fixture
def take(registry, sqlite_store):
    """Import what a database holds into a store of its own; gives what was met."""

    def taken(url, given=None, write=True):
        jobs = Jobs(url)
        taking = Taking(given or {}, registry.snapshot(), load())
        taking.take(jobs, sqlite_store, write=write)
        jobs.close()
        return taking

    return taken


@pytest.mark.ddl
@pytest.mark.parametrize("column", ["function_fullname", "job_name"])
def test_history_and_waiting_runs_come_over_from_every_database(store, take, sqlite_store, column):
    rows = [
        mlflow_row(0, OLD, 0),
        mlflow_row(1, OLD, 1, retry_count=3),
        mlflow_row(2, OLD, 2, result='{"größe": "\U0001f600"}', retry_count=1),
        mlflow_row(3, OLD, 3, result="it \U0001f600 broke"),
        mlflow_row(4, OLD, 4, timeout=2.5),
        mlflow_row(5, OLD, 5),
        mlflow_row(6, OLD, 6, retry_count=2),
    ]
    with store.writing() as connection:
        fill(connection, rows, column, ["workspace", "status_details"])

    try:
        taking = take(store.full_url)
        again = take(store.full_url)
    finally:
        with store.writing() as connection:
            connection.exec_driver_sql("DROP TABLE jobs")

    assert (taking.known, dict(taking.taken)) == (
        0,
        {"queued": 3, "succeeded": 1, "failed": 2, "cancelled": 1},
    )
    assert (again.known, dict(again.taken)) == (7, {})
    assert states(sqlite_store) == {"queued": 3, "succeeded": 1, "failed": 2, "cancelled": 1}
    came = [sqlite_store.get(row["id"]) for row in rows]
    pending, running, good, broken, late, cancelled, interrupted = came
    created = datetime.fromtimestamp(CREATED / 1000, UTC)
    assert {run.job_name for run in came} == {JOB}
    assert (pending.state, pending.attempt, pending.created_at) == (State.QUEUED, 0, created)
    assert (running.state, running.attempt, running.tries) == (State.QUEUED, 0, 0)
    assert (interrupted.state, interrupted.attempt, interrupted.tries) == (State.QUEUED, 0, 0)
    assert json.loads(good.result) == {"größe": "\U0001f600"}
    assert (good.tries, json.loads(good.params)) == (2, {"number": 2})
    assert good.finished_at == created + timedelta(milliseconds=502)
    assert (broken.reason, broken.error.message) == (Reason.ERROR, "it \U0001f600 broke")
    assert (late.reason, late.timeout, late.error) == (Reason.TIMEOUT, 2.5, None)
    assert (cancelled.state, cancelled.reason) == (State.CANCELLED, Reason.ASKED)
    worker = add_worker(sqlite_store)
    assert [each.run_id for each in claim(sqlite_store, worker, offer())] == [
        pending.run_id,
        running.run_id,
        interrupted.run_id,
    ]


def test_the_file_of_the_source_stays_as_it_is(take, tmp_path):
    file = mlflow_file(tmp_path / "ml flow%.db", [mlflow_row(1, OLD)])
    before = hashlib.sha256(file.read_bytes()).digest()

    assert take(f"sqlite:///{file}").taken == {"succeeded": 1}

    assert hashlib.sha256(file.read_bytes()).digest() == before
    assert [each.name for each in tmp_path.glob("ml*")] == [file.name]


@pytest.mark.ddl
def test_a_database_cannot_be_written_through_it(store):
    with store.writing() as connection:
        fill(connection, [mlflow_row(1, OLD)])
    jobs = Jobs(store.full_url)
    try:
        with pytest.raises(Exception, match=r"(?i)read.?only"), jobs._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM jobs")
    finally:
        jobs.close()
        with store.writing() as connection:
            connection.exec_driver_sql("DROP TABLE jobs")


def test_what_the_url_asks_of_a_postgresql_session_stands_and_only_reads(postgres):
    url, search = postgres.empty(), "options=-csearch_path%3Dmlflow"
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        fill(connection, [mlflow_row(1, OLD)])
        connection.exec_driver_sql("CREATE SCHEMA mlflow")
        connection.exec_driver_sql("SET search_path = mlflow")
        fill(connection, [mlflow_row(2, OLD)])
    engine.dispose()

    for query in (search, f"{search}&connect_timeout=7", f"{search}&options=-cjit%3Doff"):
        with closing(Jobs(f"{url}?{query}")) as jobs:
            ids = [row["id"][-1] for rows in jobs.slices() for row in rows]
            with jobs._engine.connect() as connection:
                told = connection.connection.driver_connection.info.get_parameters()
                only = connection.exec_driver_sql("SHOW transaction_read_only").scalar()
                jit = connection.exec_driver_sql("SHOW jit").scalar()

        assert (ids, only) == (["2"], "on")
        assert told["connect_timeout"] == ("7" if "timeout" in query else "10")
        assert (jit == "off") or "jit" not in query


def test_no_option_of_a_postgresql_url_makes_it_write(postgres):
    url = postgres.empty()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        fill(connection, [])
    engine.dispose()

    with (
        closing(Jobs(f"{url}?options=-cdefault_transaction_read_only%3Doff")) as jobs,
        pytest.raises(Exception, match=r"(?i)read.?only"),
        jobs._engine.begin() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM jobs")


def test_what_the_url_asks_of_a_mysql_session_stands_and_only_reads(mysql):
    url = mysql.empty()
    engine = create_engine(make_url(url).set(drivername="mysql+pymysql"))
    with engine.begin() as connection:
        fill(connection, [])
    engine.dispose()
    query = "init_command=SET%20%40said%3D7&connect_timeout=7"

    with closing(Jobs(f"{url}?{query}")) as jobs:
        with jobs._engine.connect() as connection:
            said = connection.exec_driver_sql("SELECT @said").scalar()
            waits = connection.connection.driver_connection.connect_timeout
        with pytest.raises(Exception, match=r"(?i)read.?only"), jobs._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM jobs")

    assert (said, waits) == (7, 7)


def test_what_cannot_be_taken_is_told_row_by_row(take, tmp_path, sqlite_store):
    rows = [
        mlflow_row(1, "acme.unknown.run"),
        mlflow_row(2, OLD, params="[1]"),
        mlflow_row(3, OLD, params="{"),
        mlflow_row(4, OLD, result="not json"),
        mlflow_row(5, OLD, 9),
        mlflow_row(6, OLD, params='{"a": NaN}'),
        mlflow_row(7, OLD, params=json.dumps({"a": "x" * 300_000})),
        mlflow_row(8, OLD, params="[" * 100_000),
        mlflow_row(9, OLD, creation_time=10**30 % 2**63),
        mlflow_row(10, OLD, timeout=-1.0),
        mlflow_row(11, OLD, retry_count=2**31 - 1),
        mlflow_row(12, OLD, 0, retry_count=-1),
        mlflow_row(13, OLD),
        mlflow_row(14, OLD, retry_count=1_000_000),
    ]
    taking = take(f"sqlite:///{mlflow_file(tmp_path / 'm.db', rows)}")

    assert taking.unmapped == {"acme.unknown.run": 1}
    told = {each.id[-2:]: each.why for each in taking.unreadable}
    assert set(told) == {f"{number:02d}" for number in range(2, 13)}
    assert told["02"] == "params: not a JSON object"
    assert told["03"].startswith("params: not JSON (")
    assert told["04"].startswith("result: not JSON (")
    assert told["05"] == "status: 9 is none of 0 to 6"
    assert "params.a is nan" in told["06"]
    assert "the cap is 262,144 (JOBREG_MAX_PARAMS)" in told["07"]
    assert "creation_time" in told["09"]
    assert told["10"] == "timeout: -1.0 is not a number of seconds"
    assert told["11"] == "retry_count: '2147483647' is not a whole number from 0 to 1000000"
    assert states(sqlite_store) == {"succeeded": 2}


@pytest.mark.parametrize("slice", [1, 500])
def test_of_ids_that_are_the_same_uuid_the_first_is_taken(
    take, tmp_path, sqlite_store, monkeypatch, slice
):
    id = mlflow_row(1, OLD)["id"]
    same = [id, id.upper(), id.replace("-", ""), f"{{{id}}}"]
    rows = [mlflow_row(number, OLD, id=each) for number, each in enumerate(same)]
    monkeypatch.setattr(mlflow_jobs, "SLICE", slice)
    url = f"sqlite:///{mlflow_file(tmp_path / 'm.db', rows)}"

    seen, done, again = take(url, write=False), take(url), take(url)

    assert [(each.known, each.taken.total()) for each in (seen, done, again)] == [
        (3, 1),
        (3, 1),
        (4, 0),
    ]
    assert json.loads(sqlite_store.get(id).params) == {"number": 0}


def test_text_that_is_none_and_an_id_that_is_null_are_told_row_by_row(take, tmp_path, sqlite_store):
    rows = [mlflow_row(number, OLD, 3 if number == 2 else 2) for number in range(1, 8)]
    file = mlflow_file(tmp_path / "m.db", rows)
    broken = {1: "params", 2: "result", 3: "id", 5: "job_name"}
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE loose AS SELECT * FROM jobs")  # ids may be NULL
        connection.execute("DROP TABLE jobs")
        connection.execute("ALTER TABLE loose RENAME TO jobs")
        for number, column in broken.items():
            connection.execute(
                f"UPDATE jobs SET {column} = CAST(x'22ff22' AS TEXT) WHERE id = ?",
                [rows[number - 1]["id"]],
            )
        for number in (4, 6):
            connection.execute("UPDATE jobs SET id = NULL WHERE id = ?", [rows[number - 1]["id"]])
        connection.commit()

    taking = take(f"sqlite:///{file}")

    told = sorted((each.id[-3:], each.why) for each in taking.unreadable)
    assert told == [
        ('"\udcff"', "id: not text in UTF-8"),
        ("001", "params: not text in UTF-8"),
        ("002", "result: not text in UTF-8"),
        ("ULL", "id: there is none"),
        ("ULL", "id: there is none"),
    ]
    assert taking.unmapped == {'"\udcff"': 1}
    assert states(sqlite_store) == {"succeeded": 1}


def test_a_timeout_over_a_century_is_none(take, tmp_path, sqlite_store):
    over = 100 * 365 * 86_400.0
    rows = [
        mlflow_row(1, OLD, 0, timeout=1e10),
        mlflow_row(2, OLD, 0, timeout=over),
        mlflow_row(3, OLD, 4, timeout=1e300),
    ]

    taking = take(f"sqlite:///{mlflow_file(tmp_path / 'm.db', rows)}")

    assert taking.unreadable == []
    stored = [sqlite_store.get(row["id"]).timeout for row in rows]
    assert stored == [None, over, None]


def test_an_id_that_is_no_uuid_gets_one_that_is_always_the_same(take, tmp_path, sqlite_store):
    url = f"sqlite:///{mlflow_file(tmp_path / 'm.db', [mlflow_row(1, OLD, id='job-7')])}"

    assert (take(url).known, take(url).known) == (0, 1)
    assert states(sqlite_store) == {"succeeded": 1}


def test_what_a_name_means_is_said_by_the_file_then_by_the_name_then_by_the_target(registry):
    installed = registry.snapshot()

    assert name_of(OLD, {OLD: "other.job"}, installed) == "other.job"
    assert name_of(JOB, {}, installed) == JOB
    assert name_of(OLD, {}, installed) == JOB
    assert name_of("acme.render.runs", {}, installed) is None


def test_two_jobs_with_one_target_are_not_guessed_between(fake_plugins):
    for dist, name in (("one", "one.job"), ("two", "two.job")):
        fake_plugins.add(dist, "1.0", {name: "acme.render:run"})
    installed = Registry(path=[str(fake_plugins.path)]).snapshot()

    assert set(installed.jobs) >= {"one.job", "two.job"}
    assert name_of(OLD, {}, installed) is None


def test_another_name_of_the_same_function_in_one_package_is_no_second_job(fake_plugins):
    fake_plugins.add("one", "1.0", {"a.job": "acme.render:run", "b.job": "acme.render:run"})

    assert name_of(OLD, {}, Registry(path=[str(fake_plugins.path)]).snapshot()) == "a.job"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "names.json: not JSON"),
        ('{"a.b": "reports.a", "a.b": "reports.b"}', "names.json: 'a.b' stands twice"),
        ("[" * 100_000, "names.json: not JSON"),
        ("[]", "names.json: give a JSON object of job names"),
        ('{"a": 5}', "names.json: give a JSON object of job names"),
        ('{"a": "No Name"}', "names.json: 'No Name' is not a job name"),
    ],
)
def test_a_mapping_file_that_is_none_is_told(text, told):
    with pytest.raises(BadInput) as raised:
        read_map(text, "names.json")
    assert told in str(raised.value)


@pytest.mark.ddl
def test_a_database_that_is_not_mlflow_s_is_told(store, tmp_path):
    with pytest.raises(BadInput, match="is not a backend database of MLflow 3: it has no table"):
        Jobs(store.full_url)
    with store.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE jobs (id INTEGER, params TEXT)")
    try:
        with pytest.raises(BadInput, match=r"lacks creation_time, .* job_name or function_full"):
            Jobs(store.full_url)
    finally:
        with store.writing() as connection:
            connection.exec_driver_sql("DROP TABLE jobs")
    with pytest.raises(StoreError, match="cannot be read: unable to open database file"):
        Jobs(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(StoreError, match=r"mysql://me:\*\*\*@127.0.0.1:1/m cannot be read: "):
        Jobs("mysql://me:secret@127.0.0.1:1/m")


def test_caps_are_the_settings(registry, tmp_path, sqlite_store):
    url = f"sqlite:///{mlflow_file(tmp_path / 'm.db', [mlflow_row(1, OLD)])}"
    taking = Taking({}, registry.snapshot(), load(max_params=5))

    taking.take(Jobs(url), sqlite_store, write=True)

    assert "the cap is 5" in taking.unreadable[0].why
