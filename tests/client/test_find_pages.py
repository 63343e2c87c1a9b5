"""find and page: iterating over runs, newest first."""

from __future__ import annotations

import pytest

from jobreg import BadInput
from jobreg.client import PAGE

NAME = "reports.render"


def submit(client, number, name=NAME):
    return [run.id for run in client.submit_many([(name, {"n": n}) for n in range(number)])]


def ids(runs):
    return [run.id for run in runs]


@pytest.fixture
def reads(client, monkeypatch):
    """How many runs each read of the store asked for."""
    asked, find = [], client.store.find

    def count(*wanted, **said):
        asked.append(said["most"])
        return find(*wanted, **said)

    monkeypatch.setattr(client.store, "find", count)
    return asked


def test_an_empty_store_has_none(client):
    assert list(client.find()) == []


def test_all_are_found_over_several_pages(client, reads):
    made = submit(client, 2 * PAGE + 5)

    found = ids(client.find())

    assert found == made[::-1]
    assert reads == [PAGE, PAGE, PAGE]


def test_pages_are_read_as_they_are_needed(client, reads):
    submit(client, PAGE + 5)

    found = client.find()
    next(found)

    assert reads == [PAGE]


@pytest.mark.parametrize(
    ("limit", "asked"), [(0, []), (1, [1]), (PAGE, [PAGE]), (PAGE + 3, [PAGE, 3])]
)
def test_the_limit_is_the_total_and_no_more_is_read(client, reads, limit, asked):
    made = submit(client, PAGE + 5)

    found = ids(client.find(limit=limit))

    assert found == made[::-1][:limit]
    assert reads == asked


def test_runs_are_found_by_job_and_state(client):
    submit(client, 2, "reports.profile")
    mine = submit(client, 3)
    client.cancel(mine[1])

    assert ids(client.find(job_name=NAME)) == mine[::-1]
    assert ids(client.find(job_name=NAME, state="queued")) == [mine[2], mine[0]]
    assert ids(client.find(state="cancelled")) == [mine[1]]
    assert ids(client.find(job_name="no.such_job")) == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"state": "done"}, "state: 'done' is none of scheduled, queued, running"),
        ({"limit": -1}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"limit": True}, "limit"),
    ],
    ids=str,
)
def test_a_bad_question_is_refused_at_once_and_not_at_the_first_run(client, said, told):
    with pytest.raises(BadInput, match=told):
        client.find(**said)


def test_pages_are_joined_by_their_cursors(client):
    made = submit(client, 5)

    first, cursor = client.page(limit=2)
    second, following = client.page(limit=2, cursor=cursor)
    third, end = client.page(limit=2, cursor=following)

    assert ids(first + second + third) == made[::-1]
    assert (len(second), len(third), end) == (2, 1, None)


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "²", "9" * 30, "1; DROP TABLE"])
def test_a_cursor_that_no_page_gave_is_refused(client, cursor):
    with pytest.raises(BadInput, match=r"^cursor: "):
        client.page(cursor=cursor)


@pytest.mark.parametrize("limit", [0, 1001, "5"])
def test_a_page_has_one_to_a_thousand_runs(client, limit):
    with pytest.raises(BadInput, match=r"^limit: "):
        client.page(limit=limit)
