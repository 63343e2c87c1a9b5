"""What callers are told when a database is away, refuses, is full of locks, or loses an answer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import quote

import pytest
import servers
from sqlalchemy import NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError
from store_hands import add, add_worker, asked, claim, offer, outcome, row_of, settle, states

from jobreg import SchemaMismatch, StoreError, StoreUnavailable, SubmitUncertain
from jobreg.store import (
    Store,
    claim_statements,
    database,
    mysql,
    open_store,
    postgresql,
    worker_statements,
)
from jobreg.store.transacting import Unanswered
from jobreg.worker.settler import Settler

SERVERS = ("postgres", "mysql")


@pytest.fixture(params=SERVERS)
def databases(request: pytest.FixtureRequest) -> servers.Databases:
    found: servers.Databases = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def ours(databases: servers.Databases) -> servers.Databases:
    """A server that may be stopped and frozen."""
    if databases.server is None:
        pytest.skip("the server is the user's own")
    return databases


def changed(url: str, **parts: object) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)


def told(url: str) -> str:
    """What opening a store says; one line, without the password."""
    with pytest.raises(StoreError) as refused:
        open_store(url)
    message = str(refused.value)
    assert "\n" not in message
    assert "s3cret" not in message
    assert refused.value.exit_code == 5
    return message


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "mysql", "mariadb"])
def test_a_server_that_is_not_there_is_said_at_once(scheme):
    begun = time.monotonic()

    message = told(f"{scheme}://user:s3cret@127.0.0.1:1/jobs")

    assert "cannot be reached" in message
    assert "efused" in message
    assert "host, port" in message
    assert time.monotonic() - begun < 5


def test_a_host_without_a_name_is_said():
    for scheme in ("postgresql", "mysql"):
        assert "cannot be reached" in told(f"{scheme}://user:s3cret@no-such-host.invalid/jobs")


def test_a_wrong_password_is_said_and_not_shown(ours):
    if ours.postgres:
        ours.run("DROP ROLE IF EXISTS locked_out", "CREATE ROLE locked_out LOGIN PASSWORD 'right'")
    else:
        ours.run("CREATE OR REPLACE USER locked_out@'%' IDENTIFIED BY 'right'")
    url = changed(ours.empty(), username="locked_out", password="s3cret")

    message = told(url)

    assert "locked_out" in message
    assert "Check user, password and database" in message


def test_a_server_that_lets_nobody_in_any_more_is_said(ours):
    if ours.postgres:
        ours.run("DROP ROLE IF EXISTS crowd", "CREATE ROLE crowd LOGIN CONNECTION LIMIT 1")
    else:
        ours.run("CREATE OR REPLACE USER crowd@'%' WITH MAX_USER_CONNECTIONS 1")
    there = "postgres" if ours.postgres else "information_schema"
    url = changed(ours.named(there), username="crowd")
    driver = "postgresql+psycopg" if ours.postgres else "mysql+pymysql"

    with create_engine(changed(url, drivername=driver), poolclass=NullPool).connect():
        message = told(url)

    assert "cannot be reached" in message
    assert message.endswith("let fewer processes use it: a worker wants four.")


def test_a_database_that_is_not_there_is_said(databases):
    message = told(databases.named("no_such_database"))

    assert "no_such_database" in message
    assert "Check user, password and database" in message


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("postgresql://host/jobs", "psycopg", "postgres"),
        ("mariadb://host/jobs", "pymysql", "mysql"),
    ],
)
def test_a_missing_driver_names_the_extra(monkeypatch, url, module, extra):
    monkeypatch.setitem(sys.modules, module, None)

    assert f"pip install 'jobreg[{extra}]'" in told(url)


def test_a_database_without_tables_is_told_how_to_get_them(databases):
    url = databases.empty()

    message = told(url)

    assert "no tables of jobreg yet" in message
    assert "jobreg store upgrade" in message
    with pytest.raises(SchemaMismatch):
        open_store(url)


def test_tables_that_vanish_are_told_of(databases):
    store = open_store(databases.fresh())
    with store.writing() as connection:
        connection.exec_driver_sql("DROP TABLE jobreg_live")

    with pytest.raises(StoreError, match=r"jobreg_live.* See? ?.*jobreg store status|jobreg_live"):
        add(store)


def test_a_replica_that_takes_no_writes_is_said(ours):
    url = ours.fresh()
    name = make_url(url).database
    if ours.postgres:
        ours.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    else:
        ours.run(
            "CREATE OR REPLACE USER plain@'%'",
            f"GRANT ALL ON {name}.* TO plain@'%'",
            "SET GLOBAL read_only = 1",
        )
        url = changed(url, username="plain")
    try:
        store = open_store(url)

        with pytest.raises(StoreUnavailable, match=r"read-only.* name the primary"):
            add(store)
    finally:
        if not ours.postgres:
            ours.run("SET GLOBAL read_only = 0")
    assert store.find() == ([], None)


def test_a_table_that_somebody_locks_does_not_hold_a_submit_for_long(databases, monkeypatch):
    monkeypatch.setattr("jobreg.store.mysql._SESSION", "SET SESSION lock_wait_timeout = 1")
    url = databases.fresh()
    if databases.postgres:
        store = open_store(f"{url}?options={quote('-c lock_timeout=200')}")
        lock = "LOCK TABLE jobreg_runs IN ACCESS EXCLUSIVE MODE"
    else:
        store = open_store(url)
        lock = "LOCK TABLES jobreg_runs WRITE"
    other = open_store(url)

    with other.writing() as connection:
        connection.exec_driver_sql(lock)
        with pytest.raises(StoreUnavailable, match="holds a lock for too long"):
            add(store)
        if not databases.postgres:
            connection.exec_driver_sql("UNLOCK TABLES")

    assert add(store).attempt == 0


def test_a_worker_that_stands_still_in_a_claim_does_not_hold_its_locks(databases, monkeypatch):
    idle = "idle_in_transaction_session_timeout"
    monkeypatch.setitem(postgresql._SERVER, idle, "1s")
    session = mysql._SESSION.replace(
        "idle_transaction_timeout = 15", "idle_transaction_timeout = 1"
    )
    monkeypatch.setattr(mysql, "_SESSION", session)
    store = open_store(databases.fresh())
    if not databases.postgres and not store.engine.dialect.is_mariadb:
        pytest.skip("MySQL ends no idle transaction before the connection's 60 s")
    worker = add_worker(store)
    row = row_of(store, worker)

    rescued: list[int | None] = []

    def claims_and_stands_still():
        with store.writing() as connection:
            connection.execute(worker_statements.worker_is_live(), {"of_worker": worker}).one()
            rescued.append(store.rescue(row))  # waits for the claim, and then no longer
            connection.execute(
                claim_statements.take_one(store.now),
                {"of_run": "", **claim_statements.claiming(worker, offer().basis)},
            )

    with pytest.raises(StoreUnavailable):
        claims_and_stands_still()

    assert rescued == [0]
    assert store.workers() == []


def test_a_server_that_stands_still_is_given_up_within_the_bound(ours):
    store = open_store(ours.fresh())
    add(store)

    threads = ThreadPoolExecutor(1)
    ours.server.freeze()
    begun = time.monotonic()
    # PostgreSQL has been sent what stores the run, and may do it when it moves again.
    uncertain = SubmitUncertain if ours.postgres else StoreUnavailable
    try:
        with pytest.raises(uncertain, match="cannot be reached"):
            threads.submit(add, store).result(20)
        by_kept_connection = time.monotonic() - begun
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            threads.submit(add, store).result(20)
        by_new_connection = time.monotonic() - begun - by_kept_connection
    finally:
        ours.server.thaw()

    assert by_kept_connection < database.ANSWER_WITHIN + 1.5
    assert by_new_connection < database.ANSWER_WITHIN + 1.5
    assert add(store).attempt == 0


def test_a_server_that_was_restarted_is_used_again(ours, monkeypatch):
    monkeypatch.setattr(database, "PING_AFTER", 0.0)
    store = open_store(ours.fresh())
    with ThreadPoolExecutor(3) as threads:  # more than one connection is kept
        list(threads.map(lambda _: add(store), range(6)))

    ours.server.stop()
    ours.server.start()
    add(store)
    ours.server.stop()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        add(store)
    ours.server.start()

    assert add(store).attempt == 0
    assert states(store) == {"queued": 8}


def test_after_a_restart_of_the_server_the_next_call_goes_through_at_once(ours):
    store = open_store(ours.fresh())
    run = store.get(add(store).run_id)
    ours.server.stop()
    ours.server.start()

    assert store.get(run.run_id) == run


def test_a_connection_that_was_lost_while_busy_fails_once_and_only_once(ours, monkeypatch):
    store = open_store(ours.fresh())
    run = store.get(add(store).run_id)
    ours.server.stop()
    ours.server.start()
    monkeypatch.setattr(store.database, "is_gone", lambda _: False)  # it was not seen before

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.get(run.run_id)

    assert store.get(run.run_id) == run


def test_who_finds_one_connection_dead_lets_go_of_all(ours, monkeypatch):
    monkeypatch.setattr(database, "PING_AFTER", 1000.0)
    store = open_store(ours.fresh())
    run = store.get(add(store).run_id)  # one that SQLAlchemy keeps, and one that is lent
    ours.server.stop()
    ours.server.start()
    monkeypatch.setattr(store.database, "is_gone", lambda _: False)  # as behind a dead network

    with pytest.raises(StoreUnavailable):
        store.get(run.run_id)

    assert add(store).attempt == 0


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("times", [1, 2, 1000])
def test_a_commit_without_an_answer_is_asked_after_and_safe_to_repeat(
    databases, monkeypatch, done, times
):
    store = open_store(databases.fresh())
    dialect = store.engine.dialect
    commit = dialect.do_commit
    run = asked(unique_key="k")  # or PostgreSQL would be sent no COMMIT
    lost = []

    def loses(connection):
        lost.append(connection)
        if len(lost) == times:
            monkeypatch.undo()
        if done:
            commit(connection)
        connection.dbapi_connection.close()  # as the network would have it
        if databases.postgres:
            raise dialect.loaded_dbapi.OperationalError("the connection is closed")
        raise dialect.loaded_dbapi.OperationalError(2013, "Lost connection")

    monkeypatch.setattr(dialect, "do_commit", loses)
    if times < 1000:
        assert [each.run_id for each in store.insert([run])] == [run.run_id]
    else:
        monkeypatch.setattr("jobreg.store.submitting.ANSWER_WITHIN", 1.0)
        begun = time.monotonic()
        told = rf"{run.run_id}.*submit again with the same run id"
        with pytest.raises(SubmitUncertain, match=told):
            store.insert([run])
        assert time.monotonic() - begun < 1.0 + 1.5
        monkeypatch.undo()
        assert states(store) == ({"queued": 1} if done else {})

    assert len(lost) == times or times == 1000
    (again,) = store.insert([run])
    assert again.run_id == run.run_id
    assert states(store) == {"queued": 1}


@pytest.mark.parametrize(
    "said", ["SSL error: unexpected eof while reading", "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF"]
)
def test_an_answer_that_is_lost_with_tls_is_a_lost_answer_all_the_same(databases, said):
    store = open_store(databases.fresh())
    driver = store.engine.dialect.loaded_dbapi.OperationalError
    number = () if databases.postgres else (2013,)
    text = f"consuming input failed: {said}" if databases.postgres else f"Lost connection ({said})"
    lost = OperationalError("COMMIT", None, driver(*number, text), connection_invalidated=True)

    told = store._told(lost, committing=True)

    assert isinstance(told, Unanswered)
    assert "See that its server runs" in str(told)
    store.close()


def test_a_server_whose_certificate_does_not_do_leads_to_the_options_of_the_url(databases):
    store = open_store(databases.fresh())
    driver = store.engine.dialect.loaded_dbapi.OperationalError
    said = "SSL error: certificate verify failed"
    refused = driver(f"connection failed: {said}") if databases.postgres else driver(2003, said)

    told = store._told(OperationalError("", None, refused, connection_invalidated=True))

    assert type(told) is StoreUnavailable
    assert "Check what stands after the '?'" in str(told)
    store.close()


@pytest.mark.parametrize("verb", ["cancel", "reopen", "pause"])
def test_a_lost_answer_to_another_verb_is_told_and_safe_to_ask_for_again(
    databases, monkeypatch, verb
):
    store = open_store(databases.fresh())
    dialect = store.engine.dialect
    run = add(store)
    if verb == "reopen":
        run = store.cancel(run.run_id)
    asks = {"cancel": (run.run_id,), "reopen": (run,), "pause": ("queue", "default")}
    commit = dialect.do_commit

    def loses(connection):
        monkeypatch.undo()
        commit(connection)
        connection.dbapi_connection.close()
        if databases.postgres:
            raise dialect.loaded_dbapi.OperationalError("the connection is closed")
        raise dialect.loaded_dbapi.OperationalError(2013, "Lost connection")

    monkeypatch.setattr(dialect, "do_commit", loses)
    with pytest.raises(StoreUnavailable, match="Whether it was done all the same") as lost:
        getattr(store, verb)(*asks[verb])

    assert lost.type is StoreUnavailable
    getattr(store, verb)(*asks[verb])
    assert states(store) == ({"cancelled": 1} if verb == "cancel" else {"queued": 1})


def test_a_transaction_that_is_undone_every_time_is_told_by_a_public_class(databases, monkeypatch):
    store = open_store(databases.fresh())
    run = add(store)
    monkeypatch.setattr("jobreg.store.transacting._PAUSE", 0.0)
    monkeypatch.setattr(store.database, "trouble", lambda _: database.Trouble.UNDONE)
    failing = store.engine.dialect.loaded_dbapi.OperationalError("undone")

    def fails(connection):
        raise failing

    monkeypatch.setattr(store.engine.dialect, "do_commit", fails)
    with pytest.raises(StoreUnavailable) as told:
        store.cancel(run.run_id)
    monkeypatch.undo()
    store.close()  # what it has begun would be in the way of whoever drops the database

    assert told.type is StoreUnavailable


def test_a_text_that_does_not_fit_is_refused_and_never_cut(databases):
    store = open_store(databases.fresh())

    with pytest.raises(StoreError, match="too long"):
        add(store, queue="q" * 65)

    assert store.find() == ([], None)


@pytest.fixture
def small(mysql: servers.Databases) -> Iterator[str]:
    """A store on a server that takes 64 KiB at a time."""
    if mysql.server is None:
        pytest.skip("the server is the user's own")
    usual = mysql.value("SELECT @@GLOBAL.max_allowed_packet")
    url = mysql.fresh()
    mysql.run("SET GLOBAL max_allowed_packet = 65536")
    yield url
    mysql.run(f"SET GLOBAL max_allowed_packet = {usual}")


TOO_LARGE = r"bytes in one statement are more than its max_allowed_packet of 65,536"


@pytest.mark.parametrize("text", ["x" * 65_536, "'" * 33_000, "ü" * 33_000, "x" * 9_000_000])
@pytest.mark.parametrize("number", [1, 3])
def test_what_is_more_than_a_server_takes_at_a_time_is_no_outage(small, text, number):
    store = open_store(small)

    with pytest.raises(StoreError, match=TOO_LARGE) as told:
        store.insert([asked(params=json.dumps({"text": text}, ensure_ascii=False))] * number)

    assert not isinstance(told.value, StoreUnavailable)
    assert states(store) == {}


def test_runs_that_fit_one_by_one_are_stored_together(small):
    store = open_store(small)
    params = json.dumps({"text": "\\'" * 10_000})

    stored = store.insert([asked(params=params) for _ in range(5)])

    assert len(stored) == 5
    assert states(store) == {"queued": 5}


def test_an_outcome_that_is_more_than_a_server_takes_does_not_hold_up_the_others(small):
    store = open_store(small)
    worker = add_worker(store)
    for _ in range(3):
        add(store)
    settler = Settler(store, "host")
    held = settler.take(claim(store, worker, offer(most=3)) or [])
    for each, result in zip(held, ("1", json.dumps("x" * 65_536), "3"), strict=True):
        settler.add(outcome(each, result=result))

    assert len(settler.settle(worker)) == 3

    runs = [store.get(each.run_id) for each in held]
    assert [each.state for each in runs] == ["succeeded", "failed", "succeeded"]
    assert "The store refused what came out of it" in runs[1].error.message
    assert "max_allowed_packet of 65,536" in runs[1].error.message
    assert settler.holds == 0


def test_a_server_that_is_away_is_so_for_large_statements_too(small, mysql):
    store = open_store(small)
    add(store)
    mysql.server.stop()
    try:
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            add(store, params=json.dumps({"text": "x" * 60_000}))
    finally:
        mysql.server.start()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://host", "names no database"),
        ("mysql://host/jobs?no_such_option=1", "no_such_option"),
        ("postgresql://host/jobs?no_such_option=1", "no_such_option"),
        ("postgresql://host/jobs?schema=a-b", "not the name of a schema"),
        ("postgresql+psycopg2://host/jobs", "does not speak to postgresql\\+psycopg2"),
        ("mssql://host/jobs", "does not speak to mssql"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_before_anything_is_asked(url, words):
    with pytest.raises(ValueError, match=words):
        open_store(url)


def test_more_threads_than_connections_wait_or_are_told(databases, monkeypatch):
    store: Store = open_store(databases.fresh())
    monkeypatch.setattr(store.engine.pool, "_timeout", 0.05)

    with ExitStack() as stack:
        for _ in range(15):
            stack.enter_context(store.reading())
        with pytest.raises(StoreUnavailable, match=r"All connections .* in use"):
            store.find()

    worker = add_worker(store)
    add(store)
    assert len(claim(store, worker, offer()) or []) == 1


def test_the_command_line_says_it_in_one_line_and_exits_with_5(run_cli):
    for scheme in ("postgresql", "mysql"):
        url = f"{scheme}://user:s3cret@127.0.0.1:1/jobs"
        for command in (("runs", "list"), ("store", "status"), ("store", "upgrade"), ("worker",)):
            done = run_cli(*command, "--store", url)

            assert (done.returncode, done.stdout) == (5, ""), command
            assert done.stderr.count("\n") == 1, done.stderr
            assert "cannot be reached" in done.stderr
            assert "s3cret" not in done.stderr


def test_the_command_line_makes_the_tables_and_tells_of_the_store(databases, run_cli):
    url = databases.empty()

    empty = run_cli("store", "status", "--store", url, "--json", check=True)
    first = run_cli("store", "upgrade", "--store", url, check=True)
    again = run_cli("store", "upgrade", "--store", url, check=True)
    full = run_cli("store", "status", "--store", url, check=True)

    assert '"schema_version": null' in empty.stdout
    assert "went from version none to" in first.stdout
    assert "already" in again.stdout
    assert "schema version" in full.stdout
    assert run_cli("runs", "list", "--store", url).returncode == 0


def test_clients_and_workers_need_no_right_to_change_the_tables(ours):
    url = ours.fresh()
    name = make_url(url).database
    if ours.postgres:
        admin = open_store(url)
        ours.run("DO $$BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN others THEN NULL; END$$")
        with admin.writing() as connection:
            for grant in (
                "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES",
                "USAGE ON ALL SEQUENCES",
            ):
                connection.exec_driver_sql(f"GRANT {grant} IN SCHEMA public TO plain")
    else:
        ours.run(
            "CREATE OR REPLACE USER plain@'%'",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO plain@'%'",
        )
    store = open_store(changed(url, username="plain"))
    worker = add_worker(store)
    add(store)

    (taken,) = claim(store, worker, offer(concurrency=1)) or []
    assert settle(store, worker, outcome(taken)) == []

    store.forget(worker)
    assert states(store) == {"succeeded": 1}
    with (
        pytest.raises(StoreError, match="Check user, password and database"),
        store.writing() as connection,
    ):
        connection.exec_driver_sql("DROP TABLE jobreg_live")
