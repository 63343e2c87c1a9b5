"""A submit in the caller's own transaction: there with its commit, gone with its rollback."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from store_hands import states

from jobreg import BadInput, Client, Conflict, Registry, UnknownRun

NAME = "reports.render"
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


@pytest.fixture
def client(store_url: str, registry: Registry) -> Iterator[Client]:
    made = Client(store=store_url, registry=registry)
    yield made
    made.close()


@pytest.fixture
def engine(client: Client) -> Iterator[Any]:
    """An engine of the caller's, with a table of the caller's, on the store's database."""
    url = make_url(client.store.full_url)
    made = create_engine(url.set(drivername=DRIVERS[url.get_backend_name()]))
    with made.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS orders"))
        kind = " ENGINE=InnoDB" if url.get_backend_name() == "mysql" else ""
        connection.execute(text("CREATE TABLE orders (number INTEGER)" + kind))
    yield made
    with made.begin() as connection:
        connection.execute(text("DROP TABLE orders"))
    made.dispose()


def plain(client: Client, **options: Any) -> Any:
    """A plain connection of the store's driver."""
    url = make_url(client.store.full_url)
    match url.get_backend_name():
        case "sqlite":
            return sqlite3.connect(str(url.database), **options)
        case "postgresql":
            import psycopg

            return psycopg.connect(client.store.full_url.replace("+psycopg", ""), **options)
    import pymysql

    assert url.host is not None
    return pymysql.connect(
        host=url.host, port=url.port or 3306, user=url.username, database=url.database, **options
    )


def with_connection(engine: Any, _: Client) -> Any:
    return engine.connect()


def with_session(engine: Any, _: Client) -> Any:
    return Session(engine)


def with_scoped_session(engine: Any, _: Client) -> Any:
    return scoped_session(sessionmaker(engine))


def with_plain(_: Any, client: Client) -> Any:
    return plain(client)


KINDS = (with_connection, with_session, with_scoped_session, with_plain)
Open = Callable[[Any, Client], Any]


def order(given: Any) -> None:
    """What the caller's own transaction is about."""
    sql = "INSERT INTO orders VALUES (1)"
    if isinstance(given, Connection | Session | scoped_session):
        given.execute(text(sql))
    else:
        cursor = given.cursor()
        cursor.execute(sql)


def orders(engine: Any) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM orders")).scalar_one())


@pytest.mark.parametrize("first", ["order", "submit"])
@pytest.mark.parametrize("open_one", KINDS)
def test_a_commit_makes_the_run_and_a_rollback_leaves_none(client, engine, open_one: Open, first):
    given = open_one(engine, client)
    steps = [lambda: order(given), lambda: client.submit(NAME, {"n": 1}, connection=given)]
    for end in ("rollback", "commit"):
        for step in steps if first == "order" else steps[::-1]:
            step()
        seen = states(client.store)
        getattr(given, end)()

        assert seen == {}  # by nobody else before the commit
        done = int(end == "commit")
        assert orders(engine) == done
        assert states(client.store) == ({"queued": 1} if done else {})
    given.close()


@pytest.mark.parametrize("open_one", KINDS)
def test_an_error_leaves_the_callers_transaction_as_it_was(client, engine, open_one: Open):
    client.submit(NAME, unique_key="k")
    given = open_one(engine, client)
    order(given)

    with pytest.raises(Conflict):
        client.submit(NAME, unique_key="k", unique_policy="reject", connection=given)
    client.submit(NAME, connection=given)
    given.commit()
    given.close()

    assert orders(engine) == 1
    assert states(client.store) == {"queued": 2}


@pytest.mark.parametrize("open_one", KINDS)
def test_many_are_submitted_in_one_transaction_of_the_callers(client, engine, open_one: Open):
    given = open_one(engine, client)
    runs = client.submit_many([(NAME, {"n": n}) for n in range(700)], connection=given)

    with pytest.raises(UnknownRun):
        runs[0].refresh()
    given.commit()
    given.close()

    assert runs[-1].refresh().state == "queued"
    assert states(client.store) == {"queued": 700}


def test_a_run_of_an_open_transaction_is_returned_in_it_and_not_outside(client, engine):
    with engine.connect() as given:
        run = client.submit(NAME, unique_key="k", connection=given)
        again = client.submit(NAME, unique_key="k", connection=given)
        given.rollback()

    assert again.id == run.id
    assert client.submit(NAME, unique_key="k").id != run.id


def test_what_the_caller_set_on_the_connection_stays(client, engine):
    with engine.connect() as given:
        given = given.execution_options(schema_translate_map={"mine": None}, mark=1)
        client.submit(NAME, connection=given)
        kept = given.get_execution_options()
        given.rollback()

    assert (kept["schema_translate_map"], kept["mark"]) == ({"mine": None}, 1)


def test_autocommit_without_a_transaction_is_refused(client, engine):
    autocommit = (
        {"isolation_level": None} if engine.dialect.name == "sqlite" else {"autocommit": True}
    )
    given = plain(client, **autocommit)

    with pytest.raises(BadInput, match="it is in autocommit mode, and in no transaction"):
        client.submit(NAME, connection=given)
    given.cursor().execute("BEGIN")
    client.submit(NAME, connection=given)
    given.cursor().execute("COMMIT")
    given.close()

    assert states(client.store) == {"queued": 1}
    if engine.dialect.name != "sqlite":
        with (
            engine.connect().execution_options(isolation_level="AUTOCOMMIT") as alone,
            pytest.raises(BadInput, match="it is in autocommit mode"),
        ):
            client.submit(NAME, connection=alone)


def test_a_connection_that_cannot_be_joined_is_refused(client, engine, tmp_path):
    closed = engine.connect()
    closed.close()
    over = plain(client)
    over.close()
    other = "postgresql+psycopg" if engine.dialect.name == "sqlite" else "sqlite"
    elsewhere = create_engine("sqlite://") if other == "sqlite" else None

    with pytest.raises(BadInput, match="connection: it is closed"):
        client.submit(NAME, connection=closed)
    with pytest.raises(BadInput, match=r"connection: .*closed"):
        client.submit(NAME, connection=over)
    with pytest.raises(
        BadInput, match="a str is neither a Connection or Session of SQLAlchemy nor"
    ):
        client.submit(NAME, connection="postgresql://")
    if elsewhere is not None:
        with elsewhere.connect() as given, pytest.raises(BadInput, match="it is one to sqlite"):
            client.submit(NAME, connection=given)
    assert states(client.store) == {}


def test_a_connection_to_another_database_is_refused(client, registry, tmp_path, request):
    kind = client.store.engine.dialect.name
    server = {"postgresql": "postgres", "mysql": "mysql"}.get(kind)
    url = request.getfixturevalue(server).fresh() if server else f"{tmp_path}/another.db"
    other = Client(store=url, registry=registry)
    other.store.counts()  # it has our tables too

    given = plain(other)
    with pytest.raises(BadInput, match="it is one to another database than the store's"):
        client.submit(NAME, connection=given)
    given.close()

    assert states(client.store) == states(other.store) == {}
    other.close()


def test_a_file_may_be_attached_or_named_by_a_link(file, registry, tmp_path):
    client = Client(store=str(file), registry=registry)
    client.store.counts()
    (tmp_path / "link.db").symlink_to(file)
    other = Client(store=f"{tmp_path}/other.db", registry=registry)
    other.store.counts()
    attach = f"ATTACH '{file}' AS jobs"
    for name, statement in (("link.db", "SELECT 1"), ("own.db", attach)):
        given = sqlite3.connect(tmp_path / name)
        given.execute(statement)
        client.submit(NAME, connection=given)
        given.commit()
        given.close()
    given = sqlite3.connect(tmp_path / "other.db")  # its own tables come first
    given.execute(attach)
    with pytest.raises(BadInput, match="it is one to another database than the store's"):
        client.submit(NAME, connection=given)
    given.close()

    assert (states(client.store), states(other.store)) == ({"queued": 2}, {})


def test_a_store_under_another_name_than_the_servers_is_the_same(client, engine, monkeypatch):
    """A pooler may have names of its own for databases."""
    renamed = client.store.database.url.set(database="by_the_pooler")
    monkeypatch.setattr(client.store.database, "url", renamed)

    with engine.begin() as given:
        client.submit(NAME, connection=given)

    assert states(client.store) == {"queued": 1}


def test_a_copy_of_a_process_asks_by_a_connection_of_its_own(client, engine):
    """The parent's would be used by two."""
    states(client.store)
    before = client.store.database.engine.pool
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            # So that the store itself must be asked
            renamed = client.store.database.url.set(database="by_the_pooler")
            client.store.database.url = renamed
            given = plain(Client(store=client.settings.store, registry=client.registry))
            client.submit(NAME, connection=given)
            given.commit()
            code = 0 if client.store.database.engine.pool is not before else 2
        finally:
            os._exit(code)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert states(client.store) == {"queued": 1}


def test_a_file_that_has_none_of_our_tables_is_told(file, registry, tmp_path):
    client = Client(store=str(file), registry=registry)
    client.store.counts()
    with (
        create_engine(f"sqlite:///{tmp_path}/another.db").connect() as given,
        pytest.raises(BadInput, match="it is one to another database than the store's"),
    ):
        client.submit(NAME, connection=given)


def test_bad_runs_of_many_are_all_told(client):
    bad: list[Any] = [(NAME, {}), ("", 1, 2), (NAME, {"x": {1}}), {"job_name": NAME, "colour": 1}]

    with pytest.raises(BadInput, match=r"3 runs cannot be used\. run 1: .* run 2: .* run 3: "):
        client.submit_many(bad)
    with pytest.raises(BadInput, match=r"25 runs cannot be used\..* run 19: .* And 5 more\."):
        client.submit_many([1] * 25)
    assert states(client.store) == {}
