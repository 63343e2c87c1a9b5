"""Settings: an argument stands before a variable, a variable before the default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobreg import BadInput
from jobreg.settings import RETAIN, Settings, load

# setting: (variable, what it means, argument, what that means)
READ = {
    "store": ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db", "/tmp/b.db", "sqlite:////tmp/b.db"),
    "lease": ("1m", 60.0, 2, 2.0),
    "grace": ("0", 0.0, "3s", 3.0),
    "kill_grace": ("1.5", 1.5, "1m", 60.0),
    "concurrency": ("1001", 1001, 1002, 1002),
    "child_runs": ("7", 7, 8, 8),
    "child_memory": ("512M", 512 * 2**20, "2GiB", 2**31),
    "queues": ("mail, default", ("mail", "default"), ["slow"], ("slow",)),
    "allow_dists": ("acme-reports,x", ("acme-reports", "x"), ("y",), ("y",)),
    "deny_dists": ("acme-reports", ("acme-reports",), ("y",), ("y",)),
    "max_params": ("1000", 1000, 5, 5),
    "max_result": ("1000", 1000, "5", 5),
    "max_error": ("1000", 1000, 5, 5),
    "max_log": ("1000", 1000, "5", 5),
    "retain": (
        "failed=1h",
        {**RETAIN, "failed": 3600.0},
        {"succeeded": None},
        {**RETAIN, "succeeded": None},
    ),
    "sqlite_sync": ("FULL", "full", "normal", "normal"),
    "schema": ("jobs", "jobs", "_other1", "_other1"),
    "log_level": ("Debug", "debug", "error", "error"),
    "redact": ("sk-[a-z]+", "sk-[a-z]+", "x{3}", "x{3}"),
}
BAD = {
    "lease": ["0.1", "2h", "-5s", "soon", "30 seconds"],
    "grace": ["-1", "forever"],
    "kill_grace": ["0", "-1", "x"],
    "child_runs": ["0", "-1", "many", "1000001"],
    "child_memory": ["0", "-1", "5T", "many", "1.5G", "M"],
    "concurrency": ["0", "-1", "1.5", "many", "1025", "²", "9" * 5000],
    "queues": ["a b", "x" * 65, "ü", ",", " , ", " "],
    "allow_dists": [",", " ,, "],
    "deny_dists": [","],
    "max_params": ["0", "256KiB", "-1", "1e3", "²", "67108865"],
    "max_result": ["0", "big"],
    "max_error": ["0", "big"],
    "max_log": ["0", "8MiB"],
    "retain": ["running=1d", "failed", "failed=soon", "failed=-1"],
    "sqlite_sync": ["off", "1"],
    "schema": ["a-b", "1st", "a;b", "ü", "x" * 64],
    "log_level": ["loud", "10"],
    "redact": ["(", "x*", "a|"],
}


def test_every_setting_is_covered_here():
    assert set(READ) == set(Settings.__annotations__)


@pytest.mark.parametrize("name", READ)
def test_an_argument_stands_before_a_variable_and_a_variable_before_the_default(name):
    text, of_variable, argument, of_argument = READ[name]
    environ = {f"JOBREG_{name.upper()}": text}

    default = getattr(load({}), name)
    by_variable = getattr(load(environ), name)
    by_argument = getattr(load(environ, **{name: argument}), name)

    assert (by_variable, by_argument) == (of_variable, of_argument)
    assert default != of_variable


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_bad_variable_is_refused_by_its_name(name, text):
    variable = f"JOBREG_{name.upper()}"

    with pytest.raises(BadInput) as refused:
        load({variable: text})

    assert str(refused.value).startswith(f"{variable}: ")
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lease", -1), ("concurrency", 2.5), ("concurrency", True), ("queues", 5), ("queues", [5]),
        ("queues", ["a b"]), ("queues", [""]), ("queues", ["mail", " "]), ("allow_dists", [""]),
        ("deny_dists", [None]), ("max_params", 0), ("grace", "soon"),
        ("log_level", 3),
    ],
)  # fmt: skip
def test_a_bad_argument_is_refused_by_its_name(name, value):
    with pytest.raises(BadInput, match=rf"^{name}: "):
        load({}, **{name: value})


def test_an_empty_variable_is_as_if_it_were_not_there():
    assert load({"JOBREG_LEASE": "", "JOBREG_QUEUES": ""}) == load({})


def test_a_bad_variable_does_no_harm_where_an_argument_stands_before_it():
    assert load({"JOBREG_LEASE": "soon"}, lease=3).lease == 3.0


def test_the_environment_of_this_process_is_read(monkeypatch):
    monkeypatch.setenv("JOBREG_GRACE", "7s")

    assert load().grace == 7.0


def test_the_defaults_are_those_that_are_documented():
    settings = load({}, store="x.db")

    assert (settings.lease, settings.grace, settings.kill_grace) == (30.0, 25.0, 2.0)
    assert (settings.max_params, settings.max_result, settings.max_error) == (
        256 * 1024, 1024 * 1024, 64 * 1024,
    )  # fmt: skip
    assert settings.max_log == 8 * 1024 * 1024
    assert (settings.queues, settings.allow_dists, settings.deny_dists) == ((), (), ())
    assert (settings.sqlite_sync, settings.log_level) == ("normal", "info")
    assert 1 <= settings.concurrency <= (os.cpu_count() or 1)


def test_the_store_is_by_default_a_file_in_the_users_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    url = load({}).store

    assert url.startswith(f"sqlite:///{tmp_path}")
    assert url.endswith("/jobreg.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["jobs.db", "folder/jobs.db", Path("jobs.db")])
def test_a_store_may_be_named_by_the_path_of_a_file(path):
    assert load({}, store=path).store == f"sqlite:///{Path.cwd() / path}"


@pytest.mark.parametrize(
    "text",
    ["postgresql:/jobs:s3cret@db/jobs", "postgres//jobs:s3cret@db/jobs", "mysql:/jobs:s3cret@db/x",
     "mariadb+pymysql:jobs:s3cret@db/x", "MySQL//jobs:s3cret@db/x", "sqlite:/s3cret.db"],
)  # fmt: skip
def test_a_mistyped_url_is_not_taken_for_a_file_and_its_password_is_not_told(text):
    with pytest.raises(BadInput, match="is no URL, and is not taken for a file") as refused:
        load({"JOBREG_STORE": text})

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("path", ["mysql.db", "./mysql:/jobs.db", "postgres/jobs.db"])
def test_a_file_may_have_the_name_of_a_database(path):
    assert load({"JOBREG_STORE": path}).store == f"sqlite:///{Path(path).absolute()}"


def test_a_path_may_begin_at_the_users_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))

    assert load({"JOBREG_STORE": "~/jobs.db"}).store == f"sqlite:///{tmp_path}/jobs.db"


@pytest.mark.parametrize(
    ("url", "carried"),
    [
        ("postgresql://host/jobs", "postgresql://host/jobs?schema=mine"),
        (
            "postgres://host/jobs?sslmode=require",
            "postgres://host/jobs?sslmode=require&schema=mine",
        ),
        ("postgresql://host/jobs?schema=its_own", "postgresql://host/jobs?schema=its_own"),
        ("mysql://host/jobs", "mysql://host/jobs"),
        ("sqlite:////tmp/jobs.db", "sqlite:////tmp/jobs.db"),
        ("sqlite:///jobs.db", f"sqlite:///{Path.cwd()}/jobs.db"),
        ("sqlite:///a/b.db?timeout=9", f"sqlite:///{Path.cwd()}/a/b.db?timeout=9"),
        ("sqlite+pysqlite:///jobs.db", f"sqlite+pysqlite:///{Path.cwd()}/jobs.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite:///", "sqlite:///"),
        ("sqlite:///?timeout=9", "sqlite:///?timeout=9"),
    ],
)
def test_a_schema_goes_with_the_url_of_a_postgresql_store(url, carried):
    assert load({"JOBREG_STORE": url, "JOBREG_SCHEMA": "mine"}).store == carried
