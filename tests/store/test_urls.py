"""What is secret in a URL is shown to nobody, wherever it stands and however it is spelt."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from sqlalchemy import make_url

from jobreg import BadInput, Client
from jobreg.lifecycle import RunRecord
from jobreg.request import new_run_id
from jobreg.store import direct, exists, open_store, urls
from jobreg.store.scratch import scratch_store

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:s3cret@host/jobs", "postgresql://user:***@host/jobs"),
        (
            "postgresql://host/jobs?password=s3cret&user=u",
            "postgresql://host/jobs?password=***&user=u",
        ),
        ("mysql://host/jobs?passwd=s3cret", "mysql://host/jobs?passwd=***"),
        (
            "postgresql://host/jobs?sslpassword=s3cret&sslmode=require",
            "postgresql://host/jobs?sslmode=require&sslpassword=***",
        ),
        ("sqlite:////var/lib/jobs.db", "sqlite:////var/lib/jobs.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert urls.shown(make_url(url)) == shown


def test_who_names_several_hosts_as_libpq_does_is_told_how():
    told = r"Several hosts stand behind the '\?': //user@/jobs\?host=one:5432&host=two:5432"

    with pytest.raises(BadInput, match=told):
        open_store("postgresql://user@one:5432,two:5433/jobs?target_session_attrs=any")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cret@host:abc/jobs",
        "postgresql://user:x@s3cret@host:abc/jobs",
        "postgresql://user:x/s3cret@host:5432x/jobs",
        "postgresql://host:abc/jobs?user=u&password=s3cret",
        "://user:s3cret@host",
        "postgresql:/user:s3cret@host/jobs",
    ],
)
def test_what_is_no_url_is_refused_without_its_password(url):
    with pytest.raises(BadInput, match="is not a store URL") as refused:
        open_store(url)

    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    ["postgresql://user:p@s3cret@127.0.0.1:1/jobs", "mysql://user:p@x/s3cret@127.0.0.1:1/jobs"],
)
def test_a_password_with_an_at_sign_is_told_how_to_be_written(url):
    with pytest.raises(BadInput, match="write that as %40") as refused:
        open_store(url)

    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite://data/jobs.db", "names a host, 'data', and SQLite has none. Write three slashes"),
        ("sqlite:///jobs.db?timeout=abc", "could not convert string to float: 'abc'"),
        ("sqlite:///jobs.db?timeout=1&timeout=2", "not 'tuple'"),
        ("sqlite:///jobs.db?check_same_thread=maybe", "'maybe'"),
    ],
)
def test_a_url_of_sqlite_that_cannot_be_used_is_refused_before_a_file_is_made(
    url, told, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(BadInput) as refused:
        open_store(url)

    assert told in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_relative_url_means_the_same_file_wherever_the_process_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///jobs.db")
    monkeypatch.chdir("/")
    store.close()

    assert store.find() == ([], None)
    assert store.database.file == tmp_path / "jobs.db"


@pytest.mark.parametrize("given", ["sqlite:///jobs.db", "jobs.db"])
def test_where_nobody_can_say_what_a_path_is_relative_to_it_is_refused(
    tmp_path, monkeypatch, given
):
    gone, odd = tmp_path / "gone", tmp_path / "a?b"
    gone.mkdir(), odd.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(BadInput, match=r"working directory cannot be told.*Give the whole path"):
        Client(given)
    monkeypatch.chdir(odd)
    with pytest.raises(BadInput, match=r"a\?b' holds a '\?'"):
        Client(given)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_is_away_is_told_of_without_its_password(run_cli, scheme):
    name = "password" if scheme == "postgresql" else "passwd"
    url = f"{scheme}://127.0.0.1:1/jobs?{name}=s3cret&user=u"
    for command in (("runs", "list"), ("store", "status"), ("worker",)):
        done = run_cli(*command, "--store", url)

        assert "127.0.0.1" in done.stderr, command
        assert SECRET not in done.stdout + done.stderr, command


@pytest.mark.parametrize(
    "name", ["a%2Fb", "a%20b", "100%", "a#b;c", "a b", "%C3%A9", "é", "a+b@c:d"]
)
def test_a_file_is_the_one_that_is_named_with_its_percent_signs(tmp_path, name):
    (tmp_path / name).mkdir()
    file = tmp_path / name / "50%41 jobs.db"
    url, run = f"sqlite:///{file}", RunRecord(run_id=new_run_id(), job_name="a.b")

    assert not exists(url)
    with closing(open_store(url)) as store:
        first = direct.insert(url, "normal", run, lambda _: run)
        assert (store.url, store.full_url, store.database.file) == (url, url, file)
    with closing(open_store(store.full_url)) as again:
        assert again.get(run.run_id) == first
    for client in (Client(file), Client(again)):
        assert [each.id for each in client.find()] == [run.run_id]
    with scratch_store(url) as beside:
        assert beside.database.file.parent.parent == file.parent
    assert exists(url)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert urls.written(urls.read(f"{url}?timeout=7", "", "")) == f"{url}?timeout=7"


def test_a_worker_and_its_children_use_the_file_that_was_named(run_cli, fake_plugins, tmp_path):
    module = "import jobreg\ndef first(): jobreg.submit('a.second')\ndef second(): pass\n"
    jobs = {"a.first": "acme_jobs:first", "a.second": "acme_jobs:second"}
    fake_plugins.add("acme", jobs=jobs, modules={"acme_jobs.py": module})
    there, env = tmp_path / "a%2Fb", fake_plugins.env()
    there.mkdir()
    store = ("--store", f"{there}/jobs.db")

    run_cli("submit", "a.first", *store, env=env, check=True)
    run_cli("submit", "a.first", *store, env=env, check=True)
    run_cli("worker", "--until-idle", *store, env=env, check=True)
    told = run_cli("runs", "list", "--json", *store, env=env, check=True)

    assert [each["state"] for each in json.loads(told.stdout)["runs"]] == ["succeeded"] * 4
    assert not (tmp_path / "a").exists()
