"""Whatever is wrong with the store, each command says so on one line and exits with 5."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import servers
from commands import NAME
from sqlalchemy import make_url, text

from jobreg.store import open_store
from jobreg.store.version import VERSION_TABLE

# A client waits at most 5 s for its database; starting Python, twice as long again on a busy
# machine.
BOUND = 15.0

COMMANDS = (
    ("submit", NAME),
    ("run", NAME),
    ("runs", "list"),
    ("runs", "cancel", "--all"),
    ("status",),
    ("jobs", "sync"),
    ("worker", "--until-idle"),
)


def _changed(url: str, **parts: object) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)


def _read_only(databases: servers.Databases) -> str:
    """A database as a replica shows it."""
    url = databases.fresh()
    name = make_url(url).database
    if databases.postgres:
        databases.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        return url
    databases.run(
        "CREATE OR REPLACE USER reader@'%'", f"GRANT SELECT ON {name}.* TO reader@'%'",
        "SET GLOBAL read_only = 1",
    )  # fmt: skip
    return _changed(url, username="reader")


def _wrong_password(databases: servers.Databases) -> str:
    if databases.postgres:
        databases.run(
            "DO $$BEGIN CREATE ROLE locked_out LOGIN PASSWORD 'right'; "
            "EXCEPTION WHEN others THEN NULL; END$$"
        )
    else:
        databases.run("CREATE OR REPLACE USER locked_out@'%' IDENTIFIED BY 'right'")
    return _changed(databases.fresh(), username="locked_out", password="s3cret")


def _version(databases: servers.Databases, version: str) -> str:
    url = databases.fresh()
    opened = open_store(url)
    with opened.writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{version}'"))
    opened.close()
    return url


# What is wrong, and what is said of it.
TROUBLE: dict[str, tuple[Callable[[servers.Databases], str], str]] = {
    "away": (lambda databases: _changed(databases.fresh(), port=1), "cannot be reached"),
    "password": (_wrong_password, "Check user, password and database"),
    "no database": (lambda databases: _changed(databases.fresh(), database="nowhere"), "nowhere"),
    "no tables": (lambda databases: databases.empty(), "jobreg store upgrade"),
    "old": (lambda databases: _version(databases, "0001"), "jobreg store upgrade"),
    "newer": (lambda databases: _version(databases, "9999"), "upgrade jobreg"),
}


@pytest.fixture(params=["postgres", "mysql"])
def databases(request: pytest.FixtureRequest) -> servers.Databases:
    found: servers.Databases = request.getfixturevalue(request.param)
    if found.server is None:
        pytest.skip("the server is the user's own")
    return found


def _refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 5, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("trouble", TROUBLE)
def test_each_command_says_it_and_exits_with_5(databases, run_cli, plugin, environ, trouble):
    make, words = TROUBLE[trouble]
    url = make(databases)

    # They all open the store in one way: each is asked of one trouble.
    for command in COMMANDS if trouble == "away" else COMMANDS[:1]:
        begun = time.monotonic()
        done = run_cli(*command, "--store", url, env=environ)

        _refused(done, words)
        assert time.monotonic() - begun < BOUND, command


def test_a_replica_is_refused_by_what_writes_and_read_by_what_reads(
    databases, run_cli, plugin, environ
):
    url = _read_only(databases)
    try:
        for command in (("submit", NAME), ("run", NAME)):
            _refused(run_cli(*command, "--store", url, env=environ), "name the primary")
        worker = run_cli("worker", "--until-idle", "--store", url, env=environ)
        assert worker.returncode == 5
        assert "name the primary" in worker.stderr.splitlines()[-1]  # after what it logged
        for command in (("runs", "list"), ("status",)):
            assert run_cli(*command, "--store", url, env=environ).returncode == 0, command
    finally:
        if not databases.postgres:
            databases.run("SET GLOBAL read_only = 0")


def test_a_missing_driver_is_named_with_its_extra(tmp_path, run_cli, plugin, environ):
    for module, url, extra in (
        ("psycopg", "postgresql://u@127.0.0.1:1/x", "jobreg[postgres]"),
        ("pymysql", "mysql://u@127.0.0.1:1/x", "jobreg[mysql]"),
    ):
        folder = tmp_path / module
        folder.mkdir()
        (folder / f"{module}.py").write_text("raise ImportError('planted')\n")
        path = os.pathsep.join([str(folder), environ.get("PYTHONPATH", "")])
        done = run_cli("submit", NAME, "--store", url, env={**environ, "PYTHONPATH": path})
        _refused(done, extra)


# Run where a file system of its own can be mounted: a namespace, which most users may make.
_ON_A_FULL_DISK = """
import subprocess, sys
from pathlib import Path

folder, name = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
store = ["--store", f"{folder}/jobs.db"]
params = ["--params", '{"text": "' + "x" * 100_000 + '"}']

def call(*command):
    whole = [sys.executable, "-m", "jobreg", *command]
    done = subprocess.run(whole, capture_output=True, text=True)
    print(repr((done.returncode, done.stdout, done.stderr)))

call("submit", name, *store)
with open(folder / "filler", "wb", buffering=0) as filler:
    try:
        while True:
            filler.write(b"x" * 4096)
    except OSError:
        pass
call("submit", name, *params, *store)
(folder / "filler").unlink()
call("submit", name, *params, *store)
call("runs", "list", "--json", *store)
"""


def test_a_full_disk_is_said_and_a_submit_after_it_works(tmp_path, environ, plugin):
    unshare = shutil.which("unshare")
    allowed = unshare and subprocess.run([unshare, "-rm", "true"], check=False).returncode == 0
    if not allowed:
        pytest.skip("no file system can be mounted here")

    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        [unshare, "-rm", sys.executable, "-c", _ON_A_FULL_DISK, str(folder), NAME],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    first, full, after, listed = map(eval, done.stdout.splitlines())
    assert (first[0], after[0]) == (0, 0)
    assert (full[0], full[1]) == (5, "")
    assert full[2].count("\n") == 1
    assert "The disk is full" in full[2]
    assert "no room left" in full[2]
    assert listed[1].count('"run_id"') == 2
