"""jobreg store: where it is, what is in it, which schema it has."""

from __future__ import annotations

import json
import sqlite3

import pytest
from store_hands import asked

from jobreg.cli import run
from jobreg.cli.store import _prune_all
from jobreg.settings import Settings
from jobreg.store import open_store, schema
from jobreg.store.version import VERSION, VERSION_TABLE


@pytest.fixture
def file(tmp_path):
    return tmp_path / "jobs.db"


@pytest.fixture
def made(file):
    """A store of the current schema, with nothing in it."""
    open_store(f"sqlite:///{file}").close()
    return file


def set_version(file, version):
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = ?", (version,))
    connection.close()


def test_the_status_of_a_store_that_is_not_there_makes_none(run_cli, file):
    done = run_cli("store", "status", "--json", "--store", str(file))

    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (told["exists"], told["url"]) == (False, f"sqlite:///{file}")
    assert told["needs_version"] == VERSION
    assert not file.exists()


def test_the_status_tells_version_runs_and_settings(run_cli, made):
    done = run_cli("store", "status", "--json", "--store", str(made))

    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(told) == {
        "url", "exists", "schema_version", "needs_version", "pending", "runs", "settings",
    }  # fmt: skip
    assert told["pending"] == []
    assert (told["exists"], told["schema_version"]) == (True, VERSION)
    assert told["runs"] == dict.fromkeys(
        ("scheduled", "queued", "running", "succeeded", "failed", "cancelled"), 0
    )
    assert set(told["settings"]) == set(Settings.__annotations__)


def test_the_status_for_people_names_the_variables(run_cli, made):
    done = run_cli("store", "status", "--store", str(made))

    assert done.returncode == 0
    for name in Settings.__annotations__:
        assert f"JOBREG_{name.upper()}" in done.stdout


def test_the_status_of_a_newer_store_is_told_and_is_no_error(run_cli, made):
    set_version(made, "9999")

    done = run_cli("store", "status", "--json", "--store", str(made))

    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert (told["schema_version"], told["needs_version"]) == ("9999", VERSION)
    assert told["pending"] == []


def test_what_an_upgrade_would_bring_is_told_and_taken_in_steps(run_cli, file):
    url = f"sqlite:///{file}"

    steps = run_cli("store", "upgrade", "--to", "0002", "--store", url, check=True)
    told = json.loads(run_cli("store", "status", "--json", "--store", url).stdout)
    plain = run_cli("store", "status", "--store", url, check=True).stdout
    back = run_cli("store", "upgrade", "--to", "0001", "--store", url)

    assert "from version none to 0002" in steps.stdout
    assert told["schema_version"] == "0002"
    pending = [each["version"] for each in told["pending"]]
    assert pending == ["0003", "0004", "0005", "0006", "0007", "0008"]
    assert "0004: Unique keys of runs" in plain
    assert max(map(len, plain.partition("SETTING")[0].splitlines()[1:])) <= 80
    assert (back.returncode, back.stdout) == (2, "")
    assert "cannot go back to 0001: versions only add" in back.stderr


def test_an_upgrade_makes_an_empty_store_and_then_changes_nothing(run_cli, file):
    first = run_cli("store", "upgrade", "--json", "--store", str(file))
    second = run_cli("store", "upgrade", "--json", "--store", str(file))

    url = f"sqlite:///{file}"
    assert (first.returncode, first.stderr, second.returncode, second.stderr) == (0, "", 0, "")
    assert json.loads(first.stdout) == {"url": url, "from": None, "to": VERSION}
    assert json.loads(second.stdout) == {"url": url, "from": VERSION, "to": VERSION}


def test_an_upgrade_that_another_did_first_is_not_told_as_its_own(file, monkeypatch, capsys):
    config = schema._config

    def meanwhile():
        monkeypatch.setattr(schema, "_config", config)
        open_store(f"sqlite:///{file}").close()
        return config()

    monkeypatch.setattr(schema, "_config", meanwhile)

    code = run(["store", "upgrade", "--store", f"sqlite:///{file}"])

    assert code == 0
    assert capsys.readouterr().out == f"sqlite:///{file} has version {VERSION} already.\n"


def test_an_upgrade_tells_people_what_it_did(run_cli, file):
    first = run_cli("store", "upgrade", "--store", str(file))
    second = run_cli("store", "upgrade", "--store", str(file))

    assert first.stdout == f"sqlite:///{file} went from version none to {VERSION}.\n"
    assert second.stdout == f"sqlite:///{file} has version {VERSION} already.\n"


@pytest.mark.parametrize("command", [["store", "upgrade"], ["runs", "list"]])
def test_a_newer_store_is_refused_with_what_to_do(run_cli, made, command):
    set_version(made, "9999")

    done = run_cli(*command, "--json", "--store", str(made))

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("jobreg: The store sqlite:///")
    assert "upgrade jobreg" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["store", "status"], ["store", "upgrade"], ["runs", "list"]])
def test_a_file_that_is_no_database_is_one_clear_line(run_cli, file, command):
    file.write_bytes(b"no database at all, sorry" * 100)

    done = run_cli(*command, "--json", "--store", str(file))

    assert (done.returncode, done.stdout) == (5, "")
    assert "file is not a database" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_store_is_by_default_in_the_users_data_folder(run_cli, tmp_path):
    done = run_cli("store", "status", "--json")

    assert json.loads(done.stdout)["url"].startswith(f"sqlite:///{tmp_path}/home/")


def test_between_two_batches_of_a_prune_others_get_the_one_lock(made, monkeypatch):
    store, rested = open_store(f"sqlite:///{made}"), []
    ids = [run.run_id for run in store.insert([asked() for _ in range(3)])]
    for each in ids:
        store.cancel(each)
    monkeypatch.setattr("jobreg.store.pruning.BATCH", 1)
    monkeypatch.setattr("jobreg.cli.store.time.sleep", rested.append)

    assert _prune_all(store, "cancelled", 0.0) == 3

    assert len(rested) == 3
    assert min(rested) >= 0.05
    store.close()
