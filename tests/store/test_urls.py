"""What is secret in a URL is shown to nobody, wherever it stands and however it is spelt."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from jobreg import BadInput, Client
from jobreg.store import open_store, urls

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
