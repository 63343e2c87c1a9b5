"""The schema: made on first use, checked on every other, and never quietly different."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest
from clean_copies import clean
from sqlalchemy import inspect, text
from store_hands import add, asked
from waiting import until

from jobreg import BadInput, SchemaMismatch, StoreError, StoreUnavailable
from jobreg.proc import is_stopped
from jobreg.store import exists, open_store, schema, sqlite
from jobreg.store.tables import metadata
from jobreg.store.version import VERSION, VERSION_TABLE

WRITES = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("begun", flush=True)
sys.stdin.read()
"""


def open_and_add(url, start, told):
    """Open a store that may not be there yet, as one of several at once."""
    try:
        start.wait()
        told.send(add(open_store(url)).run_id)
    except BaseException as error:
        told.send(f"{type(error).__name__}: {error}")


def write_version(store, version):
    with store.writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{version}'"))


def test_the_migrations_make_what_the_tables_say(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    options = {"version_table": VERSION_TABLE, "compare_type": True}
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, metadata)

    assert differences == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_narrow_indexes_hold_the_rows_that_the_tables_say(store):
    told = {
        index.name: index.info.get("where") for t in metadata.sorted_tables for index in t.indexes
    }
    with store.reading() as connection:
        made = inspect(connection)
        found = [each for name in metadata.tables for each in made.get_indexes(name)]

    where = {each["name"]: each.get("dialect_options", {}).get("sqlite_where") for each in found}
    assert {name: None if rows is None else str(rows) for name, rows in where.items()} == told
    assert sum(rows is not None for rows in told.values()) == 5


def test_who_upgrades_after_another_is_told_what_the_other_left(empty_url, monkeypatch):
    stores = opened, other = [open_store(empty_url, check=False) for _ in range(2)]
    config, found = schema._config, []

    def meanwhile():
        monkeypatch.setattr(schema, "_config", config)
        found.append(schema.upgrade(other))
        return config()

    monkeypatch.setattr(schema, "_config", meanwhile)

    found.append(schema.upgrade(opened))

    assert found == [None, VERSION]
    for each in stores:
        each.close()


@pytest.mark.ddl
def test_the_comparison_with_the_migrations_can_fail(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.writing() as connection:
        connection.execute(text("ALTER TABLE jobreg_runs ADD COLUMN planted INTEGER"))
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        differences = compare_metadata(context, metadata)

    assert [each[0] for each in differences] == ["remove_column"]


def test_every_table_has_our_prefix():
    assert {name.partition("_")[0] for name in [*metadata.tables, VERSION_TABLE]} == {"jobreg"}


def test_an_empty_file_gets_its_tables_on_first_use(tmp_path):
    url = f"sqlite:///{tmp_path}/new/folder/jobs.db"

    opened = open_store(url)

    assert schema.version_of(opened) == VERSION
    assert add(opened).attempt == 0


def test_upgrading_twice_changes_nothing(store):
    run = add(store)

    schema.upgrade(store)

    assert schema.version_of(store) == VERSION
    assert store.get(run.run_id) == run


def test_a_store_can_be_looked_at_without_being_made(tmp_path):
    url = f"sqlite:///{tmp_path}/jobs.db"

    there = exists(url)
    opened = open_store(url, check=False)

    assert there is False
    assert schema.version_of(opened) is None


def first_store(file):
    """A store as the first version made it; what it holds is asked in journey/test_old_release."""
    opened = open_store(f"sqlite:///{file}", check=False)
    schema.upgrade(opened, "0001")
    return opened


def test_a_store_of_the_first_version_is_refused_with_what_to_do(tmp_path):
    opened = first_store(tmp_path / "jobs.db")

    with pytest.raises(SchemaMismatch, match=r"version 0001.*older, run: jobreg store upgrade"):
        open_store(opened.full_url)


def test_the_upgrade_only_adds(tmp_path):
    def columns(store):
        with store.reading() as connection:
            there = inspect(connection)
            return {
                name: [(each["name"], str(each["type"])) for each in there.get_columns(name)]
                for name in there.get_table_names()
            }

    opened = first_store(tmp_path / "jobs.db")
    before = columns(opened)

    schema.upgrade(opened)

    after = columns(opened)
    assert {name: after[name][: len(before[name])] for name in before} == before
    assert {
        name: after[name][len(before[name]) :] for name in before if after[name] != before[name]
    } == {
        "jobreg_runs": [("unique_key", "VARCHAR(256)"), ("max_age", "FLOAT")],
        "jobreg_live": [("unique_key", "VARCHAR(256)"), ("suspect", "SMALLINT")],
        "jobreg_attempts": [("peak_memory", "BIGINT")],
        "jobreg_workers": [("condition", "VARCHAR(16)"), ("asked", "VARCHAR(16)")],
    }
    assert set(after) - set(before) == {
        "jobreg_catalogue",
        "jobreg_logs",
        "jobreg_overrides",
        "jobreg_owners",
        "jobreg_pauses",
        "jobreg_tokens",
    }


def test_the_next_schema_is_one_this_code_works_on(store):
    write_version(store, f"{int(VERSION) + 1:04}")

    opened = open_store(store.full_url)

    assert opened.get(add(opened).run_id).state == "queued"


@pytest.mark.parametrize("version", [f"{int(VERSION) + 2:04}", "9999", "another"])
def test_a_newer_schema_is_refused_with_what_to_do(store, version):
    write_version(store, version)

    with pytest.raises(SchemaMismatch, match=rf"version {version}.*needs {VERSION}.*upgrade"):
        open_store(store.full_url)


def test_a_schema_nobody_knows_is_not_upgraded(store):
    write_version(store, "9999")

    with pytest.raises(SchemaMismatch, match="made by a newer jobreg"):
        schema.upgrade(store)

    assert schema.version_of(store) == "9999"


def test_eight_threads_may_open_a_new_file_at_once(tmp_path):
    url, start = f"sqlite:///{tmp_path}/jobs.db", threading.Barrier(8)
    heard: list[str] = []

    class Told:
        send = heard.append

    threads = [threading.Thread(target=open_and_add, args=(url, start, Told)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(heard) == sorted(run.run_id for run in open_store(url).find()[0])
    assert len(heard) == 8


def test_a_schema_that_another_makes_between_two_looks_is_seen(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/jobs.db"
    opened = open_store(url, check=False)

    def late(connection):
        monkeypatch.undo()
        open_store(url).close()
        return inspect(connection)

    monkeypatch.setattr(schema, "inspect", late)

    assert schema.version_of(opened) == VERSION


def test_four_processes_may_open_a_new_file_at_once(tmp_path):
    url = f"sqlite:///{tmp_path}/jobs.db"
    start = clean.Barrier(4)
    pipes = [clean.Pipe(duplex=False) for _ in range(4)]
    processes = [clean.Process(target=open_and_add, args=(url, start, told)) for _, told in pipes]

    for process in processes:
        process.start()
    answers = [heard.recv() if heard.poll(60) else "no answer" for heard, _ in pipes]
    for process in processes:
        process.join(60)

    assert sorted(answers) == sorted(run.run_id for run in open_store(url).find()[0])


def upgrade_and_add(url, start, told):
    """Upgrade a store, as one of several at once, and use it."""
    try:
        start.wait(60)
        schema.upgrade(open_store(url, check=False))
        told.send(add(open_store(url)).run_id)
    except BaseException as error:
        told.send(f"{type(error).__name__}: {error}")


def test_four_upgraders_at_once_make_one_schema(empty_url):
    start = threading.Barrier(4)
    heard: list[str] = []

    class Told:
        send = heard.append

    threads = [
        threading.Thread(target=upgrade_and_add, args=(empty_url, start, Told)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    opened = open_store(empty_url)
    assert sorted(heard) == sorted(run.run_id for run in opened.find()[0])
    assert schema.version_of(opened) == VERSION


def test_an_upgrade_that_was_cut_short_on_mysql_goes_on_where_it_stopped(mysql, monkeypatch):
    """MySQL commits each step by itself; each step is the last one once."""
    from alembic import op

    opened = open_store(mysql.empty(), check=False)
    done = 0

    def cut_short(step):
        def stop(*arguments, **options):
            nonlocal done
            done += 1
            if done > allowed:
                raise KeyboardInterrupt
            return step(*arguments, **options)

        return stop

    steps = {name: getattr(op, name) for name in ("create_table", "create_index", "add_column")}
    for allowed in range(40):
        done = 0
        for name, step in steps.items():
            monkeypatch.setattr(op, name, cut_short(step))
        try:
            schema.upgrade(opened)
            break
        except KeyboardInterrupt:
            assert schema.version_of(opened) != VERSION
            with opened.writing() as connection:  # from nothing again, one step further
                if allowed % 2:
                    for table in inspect(connection).get_table_names():
                        connection.exec_driver_sql(f"DROP TABLE {table}")
    monkeypatch.undo()

    assert schema.version_of(opened) == VERSION
    test_the_migrations_make_what_the_tables_say(opened)


class TestSqlite:
    """What only a file can do."""

    def test_opening_a_file_again_leaves_its_other_connections_their_locks(self, sqlite_store):
        file = sqlite_store.database.url.database
        first = add(sqlite_store)  # its connection is kept open
        open_store(sqlite_store.full_url)

        # Whoever leaves last deletes the write-ahead log. This one is not the last.
        leaves = (
            "import sqlite3, sys; made = sqlite3.connect(sys.argv[1]); "
            "made.execute('UPDATE jobreg_runs SET priority = 3'); made.commit(); made.close()"
        )
        subprocess.run([sys.executable, "-c", leaves, file], check=True)

        assert os.path.exists(f"{file}-wal")
        assert sqlite_store.get(add(sqlite_store).run_id).state == "queued"
        assert sqlite_store.get(first.run_id).run_id == first.run_id

    @pytest.fixture
    def file(self, tmp_path):
        return tmp_path / "jobs.db"

    @pytest.fixture
    def url(self, file):
        return f"sqlite:///{file}"

    def test_its_files_are_for_their_owner_alone(self, tmp_path, file, url):
        before = os.umask(0)
        try:
            opened = open_store(url)
            add(opened)
        finally:
            os.umask(before)

        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}

        assert modes["jobs.db"] == 0o600
        assert set(modes.values()) == {0o600}
        assert len(modes) > 1  # the write-ahead log too

    @pytest.mark.parametrize("data", [b"no database at all, sorry" * 100, b"\x00" * 4096])
    def test_a_corrupt_file_is_a_clear_error(self, file, url, data):
        file.write_bytes(data)

        with pytest.raises(StoreError, match=r"^The store sqlite:///.*jobs\.db cannot") as refused:
            open_store(url)

        assert "file is not a database. It is no file of SQLite's" in str(refused.value)
        assert file.read_bytes() == data

    def test_a_folder_that_cannot_be_made_is_a_clear_error(self, file):
        file.write_text("a file where a folder should be")

        with pytest.raises(StoreUnavailable, match=r"cannot be opened: .*--store or JOBREG_STORE"):
            open_store(f"sqlite:///{file}/below/jobs.db")

    def test_a_folder_in_place_of_the_file_is_a_clear_error(self, tmp_path):
        with pytest.raises(StoreUnavailable, match="cannot be opened: Is a directory"):
            open_store(f"sqlite:///{tmp_path}")

    @pytest.mark.parametrize(
        ("target", "told"),
        [
            ("gone.db", "it is a link to a file that is not there"),
            ("jobs.db", "Too many levels of symbolic links"),
        ],
    )
    def test_a_link_that_leads_nowhere_is_a_clear_error(self, tmp_path, file, url, target, told):
        file.symlink_to(tmp_path / target)

        with pytest.raises(StoreUnavailable, match=f"cannot be opened: {told}"):
            open_store(url)

        assert [each.name for each in tmp_path.iterdir()] == ["jobs.db"]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_an_unwritable_folder_is_a_clear_error(self, tmp_path, url):
        tmp_path.chmod(0o500)

        with pytest.raises(StoreUnavailable, match="cannot be opened: Permission denied"):
            open_store(url)

    def test_a_file_that_stays_locked_is_a_clear_error(self, url, monkeypatch):
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        opened, other = open_store(url), open_store(url)

        with (
            other.writing(),
            pytest.raises(StoreUnavailable, match=r"cannot do this: database is locked"),
        ):
            opened.insert([asked()])

        assert opened.find() == ([], None)

    @pytest.mark.skipif(not Path("/proc/locks").exists(), reason="nobody tells of locks here")
    def test_who_holds_the_file_is_named(self, url, monkeypatch):
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        opened = open_store(url)
        other = subprocess.Popen(
            [sys.executable, "-c", WRITES, opened.database.url.database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert other.stdout.readline() == b"begun\n"
            with pytest.raises(StoreUnavailable, match=rf"locked by process {other.pid}\. Check"):
                opened.insert([asked()])
            other.send_signal(signal.SIGSTOP)
            until(lambda: is_stopped(other.pid))
            with pytest.raises(StoreUnavailable, match=rf"or kill -CONT {other.pid}\. Check"):
                opened.insert([asked()])
        finally:
            other.kill()
            other.communicate()
        with (
            open_store(url).writing(),
            pytest.raises(StoreUnavailable, match=r"locked by this process\. Check"),
        ):
            opened.insert([asked()])
        opened.insert([asked()])

    @pytest.mark.parametrize(
        ("bad", "told"),
        [
            ("oracle://localhost/x", "does not speak to oracle"),
            ("nonsense", "is not a store URL"),
            ("nodb://x", "is not a store URL|does not speak"),
            ("sqlite://", "needs a file"),
            ("sqlite:///:memory:", "needs a file"),
        ],
    )
    def test_a_url_that_cannot_be_a_store_is_refused(self, bad, told):
        with pytest.raises(BadInput, match=told):
            open_store(bad)
        with pytest.raises(BadInput, match=told):
            exists(bad)

    @pytest.mark.parametrize(
        ("code", "calls"), [(sqlite3.SQLITE_BUSY, 2), (sqlite3.SQLITE_READONLY, 1)]
    )
    def test_the_switch_to_write_ahead_is_tried_again_while_it_is_locked(self, code, calls):
        class Connection:
            said: ClassVar[list[str]] = []

            def execute(self, statement):
                self.said.append(statement)
                if len(self.said) == 1:
                    error = sqlite3.OperationalError("as SQLite says at once, without waiting")
                    error.sqlite_errorcode = code
                    raise error

        try:
            sqlite._write_ahead(Connection())
        except sqlite3.OperationalError:
            assert code == sqlite3.SQLITE_READONLY

        assert Connection.said == ["PRAGMA journal_mode=WAL"] * calls

    def test_a_reader_is_not_kept_waiting_by_a_writer(self, url):
        opened, other = open_store(url), open_store(url)
        add(opened)

        with other.writing() as connection:
            connection.execute(text("DELETE FROM jobreg_live"))
            meanwhile = opened.counts()["queued"]

        assert meanwhile == 1

    @pytest.mark.parametrize(("sync", "level"), [("normal", 1), ("full", 2)])
    def test_the_log_is_written_ahead_and_synced_as_asked(self, url, sync, level):
        opened = open_store(url, sqlite_sync=sync)

        with opened.reading() as connection:
            mode = connection.execute(text("PRAGMA journal_mode")).scalar()
            synced = connection.execute(text("PRAGMA synchronous")).scalar()

        assert (mode, synced) == ("wal", level)

    def test_the_clock_is_the_databases_and_in_microseconds(self, url):
        import time

        before = time.time() * 1e6
        created = add(open_store(url)).created_at.timestamp() * 1e6
        after = time.time() * 1e6

        assert before - 2000 <= created <= after + 2000

    def test_a_watch_sees_what_others_commit(self, url):
        opened, other = open_store(url), open_store(url)
        watch = opened.watch()
        first = watch.changed()
        quiet = watch.changed()
        add(other)

        told = watch.changed(), watch.changed()
        watch.close()

        assert (first, quiet, told) == (True, False, (True, False))
