"""A submit is refused when the store knows that no version of the job would take it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobreg import BadInput, Client, Registry, UnknownJob
from jobreg.catalogue import Entry
from jobreg.lifecycle import Provider
from jobreg.options import JobOptions
from jobreg.store import Store, open_store

NEEDS_ACCOUNT = {
    "type": "object",
    "properties": {"account": {"type": "integer"}},
    "required": ["account"],
    "additionalProperties": False,
}
NEEDS_NOTHING = {"type": "object", "properties": {}, "additionalProperties": True}


def entry(version: str, schema: dict[str, Any] | None) -> Entry:
    return Entry(
        job_name="reports.render",
        provider=Provider("acme-reports", version),
        options=JobOptions().to_wire(),
        params_schema=schema,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield opened
    opened.close()


# Once by the driver alone, as a process's first submits go, and once by the open store.
@pytest.fixture(params=[False, True], ids=["by driver", "by store"])
def submitter(
    store: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Client:
    monkeypatch.setattr("jobreg.client._store_is_imported", lambda: request.param)
    return Client(store.full_url, Registry(path=[]))


def stored(store: Store) -> int:
    return sum(store.counts().values())


def test_parameters_that_no_version_takes_are_refused_and_nothing_is_stored(
    store: Store, submitter: Client
) -> None:
    store.catalogue.learn([entry("1.0", NEEDS_ACCOUNT)], "hello")

    with pytest.raises(BadInput) as refused:
        submitter.submit("reports.render", {"acount": "5"})

    assert str(refused.value) == (
        "Job 'reports.render' of acme-reports 1.0 refuses these params: missing 'account'; "
        "unknown 'acount' (did you mean 'account'?). See: jobreg jobs show reports.render"
    )
    assert stored(store) == 0


def test_a_name_known_to_the_store_alone_can_be_submitted(store: Store, submitter: Client) -> None:
    with pytest.raises(UnknownJob):
        submitter.submit("reports.render", {"account": 5})
    store.catalogue.learn([entry("1.0", NEEDS_ACCOUNT)], "sync")

    run = submitter.submit("reports.render", {"account": 5})

    assert store.get(run.id).params == '{"account":5}'


def test_one_refused_of_many_stores_none(store: Store, submitter: Client) -> None:
    store.catalogue.learn([entry("1.0", NEEDS_ACCOUNT)], "hello")

    with pytest.raises(BadInput, match="missing 'account'"):
        submitter.submit_many([("reports.render", {"account": 1}), ("reports.render", {})])

    assert stored(store) == 0


def test_what_one_version_of_late_takes_is_stored(store: Store, submitter: Client) -> None:
    store.catalogue.learn([entry("2.0", NEEDS_NOTHING)], "hello")
    store.catalogue.learn([entry("1.0", NEEDS_ACCOUNT)], "hello")

    submitter.submit("reports.render", {"other": 5})

    assert stored(store) == 1


def test_a_version_installed_here_that_the_store_never_saw_is_not_judged(
    store: Store, fake_plugins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_plugins.add("acme-reports", "2.0", {"reports.render": "acme:render"})
    client = Client(store.full_url, Registry(path=[str(fake_plugins.path)]))
    store.catalogue.learn([entry("1.0", NEEDS_ACCOUNT)], "hello")

    client.submit("reports.render", {"since": "yesterday"})

    assert stored(store) == 1


def test_a_client_that_knows_an_older_schema_looks_again_before_it_refuses(store: Store) -> None:
    client = Client(store.full_url, Registry(path=[]))
    store.catalogue.learn([entry("1.0", NEEDS_ACCOUNT)], "hello")
    client.submit("reports.render", {"account": 5})
    store.catalogue.learn([entry("2.0", NEEDS_NOTHING)], "hello")

    client.submit("reports.render", {"other": 5})

    assert stored(store) == 2


def test_a_version_that_could_not_be_imported_judges_nothing(
    store: Store, submitter: Client
) -> None:
    broken = Entry(
        job_name="reports.render", provider=Provider("acme-reports", "2.0"), trouble="no module"
    )
    store.catalogue.learn([entry("1.0", NEEDS_ACCOUNT), broken], "sync")

    with pytest.raises(BadInput, match=r"of acme-reports 1\.0 refuses these params: missing"):
        submitter.submit("reports.render", {})
    submitter.submit("reports.render", {"account": 5})

    assert stored(store) == 1
