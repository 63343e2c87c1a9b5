"""Runs over HTTP: submitted, found, followed, cancelled and retried; and what is wrong, told."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from store_hands import Ending, add_worker, claim_one, outcome, settle

from jobreg.catalogue import Entry
from jobreg.lifecycle import LogChunk, Provider
from jobreg.options import DEFAULTS
from jobreg.store import LogRow

NAME = "reports.render"
SCHEMA = {
    "type": "object",
    "properties": {"account": {"type": "integer"}, "title": {"type": "string"}},
    "required": ["account"],
    "additionalProperties": False,
}
ELSEWHERE = Entry(
    job_name="mail.send", provider=Provider("acme-mail", "2.0"), options={},
    params_schema={**SCHEMA, "properties": {"to": {"type": "string"}}, "required": ["to"]},
)  # fmt: skip


@pytest.fixture
def worker(client: Any) -> str:
    return add_worker(client.store)


def end(
    client: Any, worker: str, ending: Ending = Ending.SUCCEEDED, lines: tuple[str, ...] = ()
) -> Any:
    """Let the next queued run end so, having printed lines, each written by itself."""
    taken = claim_one(client.store, worker)
    for number, text in enumerate(lines, 1):
        chunk = LogChunk(1_800_000_000_000_000 + number, "stdout", "INFO", None, text)
        client.store.write_logs(worker, [LogRow(taken.run_id, taken.attempt, number, (chunk,))])
    settle(client.store, worker, outcome(taken, ending))
    return taken


def submit(ask: Any, role: str = "submit", **body: Any) -> Any:
    return ask("POST", "/runs", role=role, json={"job_name": NAME} | body)


def test_a_run_is_submitted_and_read_back(ask):
    run_id = str(uuid4())
    answer = submit(
        ask, params={"account": 42}, run_id=run_id, queue="mail", priority=5, timeout="5m",
        delay=60, max_attempts=3, max_crashes=2, tags=["nightly"], unique_key="k",
    )  # fmt: skip

    told = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/runs/{run_id}"
    assert (told["run_id"], told["state"], told["queue"], told["timeout"]) == (
        run_id, "scheduled", "mail", 300,
    )  # fmt: skip
    assert told["params"] == {"account": 42}
    assert ask("GET", f"/runs/{run_id}", role="read").json() == told
    assert ask("GET", f"/runs/{run_id[:8]}", role="read").json() == told


def test_the_same_id_is_the_same_run_and_another_run_is_a_conflict(ask):
    run_id = str(uuid4())
    first, again = (submit(ask, params={"account": 1}, run_id=run_id) for _ in range(2))
    other = submit(ask, params={"account": 2}, run_id=run_id)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (other.status_code, other.json()["type"]) == (409, "urn:jobreg:problem:conflict")


def test_an_id_in_another_spelling_is_of_the_run_that_is_made(ask):
    run_id = str(uuid4())

    answer = submit(ask, params={"account": 1}, run_id=f"urn:uuid:{run_id}", unique_key="k")

    assert (answer.status_code, answer.json()["run_id"]) == (201, run_id)
    assert answer.headers["location"].endswith(run_id)


def test_a_unique_key_returns_rejects_or_replaces(ask):
    first = submit(ask, params={"account": 1}, unique_key="k")
    returned = submit(ask, params={"account": 2}, unique_key="k")
    rejected = submit(ask, params={"account": 3}, unique_key="k", unique_policy="reject")
    replaced = submit(ask, params={"account": 4}, unique_key="k", unique_policy="replace")

    assert (returned.status_code, returned.json()["run_id"]) == (200, first.json()["run_id"])
    assert rejected.status_code == 409
    assert replaced.status_code == 201
    assert ask("GET", f"/runs/{first.json()['run_id']}").json()["reason"] == "replaced"


def test_all_faults_of_parameters_are_told_also_of_a_job_that_is_elsewhere(ask, client):
    client.store.catalogue.learn([ELSEWHERE], "sync")

    answer = submit(ask, job_name="mail.send", params={"too": 1, "cc": 2})

    told = answer.json()
    assert answer.status_code == 422
    assert told["faults"] == [
        "missing 'to'", "unknown 'too' (did you mean 'to'?)", "unknown 'cc'",
    ]  # fmt: skip
    assert list(client.find()) == []


def test_close_names_are_offered_also_of_jobs_that_are_elsewhere(ask, client):
    client.store.catalogue.learn([ELSEWHERE], "sync")

    here, there = submit(ask, job_name="report.render"), submit(ask, job_name="mail.sent")

    assert (here.status_code, here.json()["close"][0]) == (404, NAME)
    assert (there.status_code, there.json()["close"]) == (404, ["mail.send"])
    assert "acme-mail 2.0" in there.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 415, "Send the body as JSON"),
        (b"{", 400, "not JSON"),
        (b'{"job_name": "a", "params": {"x": NaN}}', 400, "NaN is no JSON"),
        (b'{"job_name": "a", "params": {"x": 1, "x": 2}}', 400, "body: 'x' stands twice"),
        (b'{"job_name": "\xff"}', 400, "not JSON in UTF-8"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[]", 422, "give a JSON object"),
        (b"{}", 422, "job_name is missing"),
        (b'{"job_name": null}', 422, "job_name is missing"),
        (b'{"job_name": 5}', 422, "is not the name of a job"),
        (b'{"job_nam": "a"}', 422, "Did you mean 'job_name'?"),
        (b'{"job_name": "reports.render", "params": []}', 422, "a job takes named parameters"),
        (b'{"job_name": "reports.render", "delay": -1}', 422, "delay"),
        (b'{"job_name": "reports.render", "delay": 1e400}', 422, "delay"),
        (b'{"job_name": "reports.render", "priority": 99999999999999999999}', 422, "priority"),
        (b'{"job_name": "reports.render", "at": "2026-01-31T12:00"}', 422, "offset from UTC"),
        (b'{"job_name": "reports.render", "at": "2026-01-31T12:00Z", "delay": 1}', 422, "not both"),
        (b'{"job_name": "reports.render", "run_id": "x"}', 422, "is not a UUID"),
        (b'{"job_name": "reports.render", "tags": "x"}', 422, "not a list"),
        (b'{"job_name": "reports.render", "tags": {"x": 1}}', 422, "not a list"),
        (b'{"job_name": "reports.render", "unique_policy": "x"}', 422, "none of return"),
        (b'{"job_name": "reports.render", "unique_key": "a\\u0000"}', 422, "printable"),
    ],
    ids=lambda value: value.decode("latin-1")[:40] if isinstance(value, bytes) else None,
)
def test_what_cannot_be_used_is_told_and_nothing_is_stored(ask, client, body, status, told):
    headers = {"Content-Type": "application/json"} if body else {}

    answer = ask("POST", "/runs", content=body, headers=headers)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.json()["detail"]
    assert list(client.find()) == []


def test_half_a_character_in_parameters_is_refused(ask):
    body = rb'{"job_name": "reports.render", "params": {"account": 1, "title": "\ud800"}}'

    answer = ask("POST", "/runs", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert "params.title holds text that is not Unicode" in answer.json()["detail"]


def test_runs_are_found_by_each_filter(ask, client, worker):
    submit(ask, params={"account": 1}, tags=["a", "b"], unique_key="k")
    submit(ask, params={"account": 2}, queue="mail")
    submit(ask, job_name="reports.broken")
    for ending in (Ending.SUCCEEDED, Ending.ERROR):
        end(client, worker, ending)

    def found(**query: Any) -> int:
        answer = ask("GET", "/runs", role="read", params=query)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["runs"])

    assert found() == 3
    assert found(job_name=NAME) == 2
    assert found(job_name="reports.*") == 3
    assert found(job_name="mail.*") == 0
    assert found(state="succeeded") == 1
    assert found(state=["failed", "succeeded"]) == 2
    assert found(reason="error") == 1
    assert found(queue="mail") == 1
    assert found(tag=["a", "b"]) == 1
    assert found(tag=["a", "c"]) == 0
    assert found(unique_key="k") == 1
    assert found(since="1h") == 3
    assert found(since="604800s") == 3
    assert found(since="172800") == 3
    assert found(until="1h") == 0
    assert found(job_name=NAME, params='{"account": 2}') == 1
    assert found(provider="nobody") == 0


def test_pages_of_several_states_hold_each_run_once(ask, client, worker):
    for number in range(7):
        submit(ask, params={"account": number})
    for ending in (Ending.SUCCEEDED, Ending.ERROR, Ending.SUCCEEDED):
        end(client, worker, ending)
    seen, cursor = [], None

    while True:
        query = {"state": ["queued", "failed", "succeeded"], "limit": 2} | (
            {"cursor": cursor} if cursor else {}
        )
        answer = ask("GET", "/runs", params=query).json()
        seen += [(each["state"], each["run_id"]) for each in answer["runs"]]
        cursor = answer["next"]
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 7
    assert [state for state, _ in seen] == ["queued"] * 4 + ["failed"] + ["succeeded"] * 2


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"stat": "failed"}, "Did you mean 'state'?"),
        ({"state": "done"}, "state: 'done' is none of"),
        ({"limit": "many"}, "limit: 'many' is not a whole number"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "x"}, "cursor: 'x' is not one"),
        ({"cursor": "9:x", "state": ["failed", "queued"]}, "cursor"),
        ({"params": "5", "job_name": NAME}, "give a JSON object"),
        ({"params": '{"a": 1}'}, "give job_name or since too"),
        ({"since": "2026-01-31T12:00"}, "offset from UTC"),
        ({"since": "yesterday"}, "since"),
    ],
    ids=str,
)
def test_a_filter_that_cannot_be_used_is_told(ask, query, told):
    answer = ask("GET", "/runs", params=query)

    assert answer.status_code in (400, 422)
    assert told in answer.json()["detail"]


def test_a_log_is_read_by_pages_and_followed_from_where_one_was_left(ask, client, worker):
    run_id = submit(ask, params={"account": 1}).json()["run_id"]
    end(client, worker, lines=("one\ntwo", "three"))

    first = ask("GET", f"/runs/{run_id}/logs", params={"limit": 2}).json()
    second = ask("GET", f"/runs/{run_id}/logs", params={"cursor": first["next"]}).json()
    followed = ask(
        "GET", f"/runs/{run_id}/logs", params={"follow": "true"},
        headers={"Last-Event-ID": "1.1.1"},
    )  # fmt: skip

    assert [line["text"] for line in first["lines"]] == ["one", "two"]
    assert ([line["text"] for line in second["lines"]], second["next"]) == (["three"], None)
    events = parse(followed.text)
    assert [data.get("text") for _, data in events] == ["two", "three", None]
    assert [name for name, _ in events] == ["line", "line", "end"]
    assert ask("GET", f"/runs/{run_id}/logs", params={"level": "error"}).json()["lines"] == []


def parse(text: str) -> list[tuple[str, Any]]:
    """The events of a stream: name and data of each."""
    found = []
    for part in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in part.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_the_events_of_a_run_that_is_over_are_that_and_the_end(ask, client, worker):
    run_id = submit(ask, params={"account": 1}).json()["run_id"]
    end(client, worker)

    answer = ask("GET", f"/runs/{run_id}/events", role="read")

    assert answer.headers["content-type"].startswith("text/event-stream")
    (name, run), last = parse(answer.text)
    assert (name, run["state"], last) == ("run", "succeeded", ("end", {}))


def test_attempts_cancel_and_retry(ask, client, worker):
    run_id = submit(ask, params={"account": 1}).json()["run_id"]

    cancelled = ask("POST", f"/runs/{run_id}/cancel").json()
    again = ask("POST", f"/runs/{run_id}/retry").json()
    twice = ask("POST", f"/runs/{run_id}/retry")
    end(client, worker, Ending.SUCCEEDED)
    copy = ask("POST", f"/runs/{run_id}/retry").json()

    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "asked")
    assert again["state"] == "queued"
    assert (twice.status_code, twice.json()["type"]) == (409, "urn:jobreg:problem:conflict")
    assert copy["retried_from"] == run_id
    (attempt,) = ask("GET", f"/runs/{run_id}/attempts").json()["attempts"]
    assert attempt["outcome"] == "succeeded"


def test_many_are_counted_first_and_then_cancelled_and_retried(ask, client):
    for number in range(5):
        submit(ask, params={"account": number}, tags=["bulk"] if number < 3 else [])

    counted = ask("POST", "/runs/cancel", json={"tags": ["bulk"], "dry_run": True}).json()
    some = ask("POST", "/runs/cancel", json={"tags": ["bulk"], "limit": 2}).json()
    rest = ask("POST", "/runs/cancel", json={"tags": ["bulk"]}).json()
    retried = ask("POST", "/runs/retry", json={"all": True}).json()

    assert (counted["count"], counted["dry_run"], counted["more"]) == (3, True, False)
    assert (some["count"], some["more"], rest["count"]) == (2, True, 1)
    assert retried["count"] == 3
    assert {run.state for run in client.find()} == {"queued"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "Say which runs to cancel"),
        ({"dry_run": True}, "Say which runs to cancel"),
        ({"all": True, "job_name": NAME}, "Say which runs to cancel"),
        ({"run_ids": ["x"]}, "is not a UUID"),
        ({"state": ["failed"]}, "cancel finds only runs that are"),
        ({"limit": 0, "all": True}, "limit"),
        ({"al": True}, "Did you mean 'all'?"),
        ({"tags": []}, "tags: it is empty"),
        ({"state": []}, "state: it is empty"),
        ({"params": {}}, "params: it is empty"),
        ({"run_ids": []}, "run_ids: it is empty"),
        ({"job_name": None, "state": ["queued"]}, "job_name: it is empty"),
        ({"all": True, "dry_run": None}, "dry_run: it is empty"),
        ({"all": True, "dry_run": 0}, "dry_run: '0' is neither true nor false"),
        ({"all": 1}, "all: '1' is not true"),
        ({"state": 5}, "state: '5' is not a list"),
        ({"state": {"queued": 1}}, "is not a list"),
    ],
    ids=str,
)
def test_a_choice_that_may_not_be_meant_is_refused(ask, client, body, told):
    submit(ask, params={"account": 1})

    answer = ask("POST", "/runs/cancel", json=body)

    assert (answer.status_code, told in answer.json()["detail"]) == (422, True)
    assert next(client.find()).state == "queued"


def test_what_a_job_hides_is_not_shown(ask, client):
    options = DEFAULTS.to_wire() | {"redact": ["secret"]}
    entry = Entry(job_name=NAME, provider=Provider("acme-reports", "1.0"), options=options)
    client.store.catalogue.learn([entry], "sync")

    told = submit(ask, params={"account": 1, "secret": "s3cret"}).json()

    assert told["params"] == {"account": 1, "secret": "[redacted]"}
    assert "s3cret" not in ask("GET", "/runs").text


def test_no_answer_names_a_function_or_a_file(ask, client, fake_plugins):
    answers = [ask("GET", path).text for path in ("/jobs", f"/jobs/{NAME}", "/openapi.json")]
    answers.append(submit(ask, params={"account": 1}).text)

    assert all(NAME in text for text in answers[:2])
    assert not any("acme_web" in text or str(fake_plugins.path) in text for text in answers)


def test_a_job_that_nobody_knows_is_not_paused(ask, client):
    answer = ask("POST", "/jobs/reports.rendr/pause")

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:jobreg:problem:unknown-job")
    assert NAME in answer.json()["close"]
    assert ask("POST", "/jobs/Not.A.Job/pause").status_code == 422
    assert ask("POST", "/jobs/reports.rendr/resume").json()["changed"] is False
    assert client.store.pauses() == []


def test_queues_jobs_workers_and_the_whole(ask, client, worker):
    submit(ask, params={"account": 1})

    paused = ask("POST", "/queues/mail/pause").json()
    job = ask("POST", f"/jobs/{NAME}/pause").json()
    held = ask("GET", "/queues", role="read").json()["paused"]
    drained = ask("POST", f"/workers/{worker}/drain").json()
    unknown = ask("POST", "/workers/nobody/drain")

    assert paused == {"kind": "queue", "name": "mail", "state": "paused", "changed": True}
    assert job["changed"] is True
    assert {(each["kind"], each["name"]) for each in held} == {("queue", "mail"), ("job", NAME)}
    assert drained == {"asked": [worker]}
    assert unknown.status_code == 404
    assert ask("GET", "/status").json()["queues"][0]["job_name"] == NAME
    assert ask("GET", "/workers").json()["workers"][0]["state"] == "draining"
    assert ask("POST", "/queues/mail/resume").json()["changed"] is True
