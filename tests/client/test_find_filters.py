"""The filters of find as a client gives them: checked, and with what is known of names here."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from store_hands import add

from jobreg import BadInput, Client, Registry

NAME = "reports.render"


def ids(runs):
    return [run.id for run in runs]


def test_the_aliases_of_a_job_are_found_together(fake_plugins, file):
    both = {"reports.render": "acme.render:run", "reports.old_render": "acme.render:run"}
    fake_plugins.add("acme-reports", "1.0", both | {"reports.other": "acme.other:run"})
    client = Client(store=str(file), registry=Registry(path=[str(fake_plugins.path)]))
    made = [client.submit(name).id for name in (*both, "reports.other", *both)]
    wanted = [made[n] for n in (4, 3, 1, 0)]

    assert ids(client.find(job_name="reports.render")) == wanted
    assert ids(client.find(job_name="reports.old_render")) == wanted
    assert ids(client.find(job_name="reports.old_render", limit=3)) == wanted[:3]
    assert ids(client.find(job_name="reports.other")) == [made[2]]


def test_a_name_that_is_not_installed_is_found_as_it_is(client):
    run = add(client.store, "long.gone")

    assert ids(client.find(job_name="long.gone")) == [run.run_id]


def test_times_are_moments_or_how_long_ago_by_the_clock_of_the_store(client):
    run = client.submit(NAME)
    now = client.store.time()

    assert ids(client.find(since="1m")) == [run.id]
    assert ids(client.find(since=60, until=now + timedelta(hours=1))) == [run.id]
    assert ids(client.find(until="1m")) == []
    assert ids(client.find(since=run.record.created_at)) == [run.id]
    assert ids(client.find(until=run.record.created_at)) == []


def test_values_of_parameters_are_found_as_they_are_submitted(client):
    given = {"day": date(2026, 1, 31), "wait": timedelta(hours=1), "pair": (1, UUID(int=5))}
    run = client.submit(NAME, given)
    client.submit(NAME, {**given, "day": date(2026, 2, 1), "pair": (1, UUID(int=6))})

    for path in ("day", "pair"):
        assert ids(client.find(job_name=NAME, params={path: given[path]})) == [run.id]
    assert len(ids(client.find(job_name=NAME, params={"wait": given["wait"]}))) == 2


def test_a_page_goes_on_by_the_cursor_of_its_filters(client):
    made = ids(client.submit_many([(NAME, {"n": n}) for n in range(5)]))[::-1]

    for filters in ({}, {"state": "queued"}, {"since": "1h"}, {"job_name": NAME}):
        first, cursor = client.page(limit=3, **filters)
        rest, end = client.page(limit=3, cursor=cursor, **filters)

        assert ids(first) + ids(rest) == made, filters
        assert end is None


def test_the_provider_is_found_in_any_spelling(client, worker):
    assert list(client.find(provider="Acme_Reports", version="1.0")) == []


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"reason": "luck"}, "reason: 'luck' is none of"),
        ({"provider": 1}, "provider: '1' is not a printable text"),
        ({"version": ""}, "version: '' is not a printable text"),
        ({"tags": "one"}, "tags: 'one' is not a list of short texts"),
        ({"since": "soon"}, "since: 'soon' is no moment"),
        ({"since": datetime(2026, 1, 1)}, "since: '2026-01-01 00:00:00' is not a datetime with"),
        ({"until": -1}, "until: '-1' is no moment"),
        ({"params": {"a": 1}}, "params: give job_name or since too"),
        ({"params": [1], "job_name": "a"}, "params: '.1.' is not a mapping"),
        ({"params": {"a": {1}}, "job_name": "a"}, "params: a: no JSON value"),
        ({"params": {"a": float("nan")}, "job_name": "a"}, "params: a: no JSON value"),
        ({"params": {"": 1}, "job_name": "a"}, "params: '' is not the name"),
        ({"colour": "red"}, "find has no filter colour. It has: job_name, params,"),
        (
            {"since": datetime(2026, 2, 1, tzinfo=UTC), "until": datetime(2026, 1, 1, tzinfo=UTC)},
            "until: 2026-01-01T00:00:00.* is not after since",
        ),
    ],
)
def test_a_filter_that_cannot_be_used_is_refused_before_anything_is_read(client, filters, told):
    with pytest.raises(BadInput, match=told):
        client.find(**filters)
    with pytest.raises(BadInput, match=told):
        client.page(**filters)
