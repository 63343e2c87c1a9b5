"""The dashboard's pages without a browser: who gets them, what they take, what they never show."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from store_hands import Ending, add_worker, claim_one, outcome, settle

from jobreg import web
from jobreg.catalogue import Entry
from jobreg.errors import BadInput, StoreUnavailable
from jobreg.lifecycle import ErrorReport, LogChunk, Progress, Provider, RunRecord
from jobreg.options import JobOptions
from jobreg.store import LogRow
from jobreg.web.access import COOKIE
from jobreg.web.pages import fields, filters, forms, rendering
from jobreg.web.pages.table import PAGES

NAME = "reports.render"
EVIL = "<script>alert(1)</script>\"'&\u202e\x1b[31m" + "x" * 10_000
SCHEMA = {
    "type": "object",
    "properties": {
        "account": {"type": "integer", "description": "Whose report it is."},
        "title": {"type": "string", "default": "Monthly"},
        "kind": {"$ref": "#/$defs/Kind", "default": "full"},
        "draft": {"type": "boolean", "default": False},
        "share": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        "day": {"type": "string", "format": "date", "default": "2026-01-01"},
        "at": {"type": "string", "format": "date-time", "default": "2026-01-01T00:00:00Z"},
        "rows": {"type": "array", "items": {"type": "integer"}, "default": []},
        "owner": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["account", "owner"],
    "additionalProperties": False,
    "$defs": {"Kind": {"title": "Kind", "enum": ["full", "short"]}},
}


@pytest.fixture
def page(http, tokens):
    """``page("GET", "/runs", role="read", data=...)`` as a browser asks that has logged in."""

    def asked(method: str, path: str, role: str = "operate", **more: Any) -> Any:
        http.cookies.set(COOKIE, tokens[role])
        return http.request(method, path, headers={"Accept": "text/html"}, **more)

    return asked


@pytest.fixture
def known(client):
    """The job with a schema that has one of each kind of field."""
    options = JobOptions(redact=("secret",)).to_wire()
    entry = Entry(
        job_name=NAME, provider=Provider("acme-reports", "1.0"), params_schema=SCHEMA,
        options=options, summary="Render a report.",
    )  # fmt: skip
    client.store.catalogue.learn([entry], "sync")


def text_of(answer: Any) -> str:
    return unescape(answer.text)


def run_with(client: Any, ending: Ending, message: str = "no such account", **said: Any) -> str:
    """The id of a run that has ended so, of which something was logged."""
    worker = add_worker(client.store)
    record = client.store.insert([RunRecord(run_id=_new_id(), job_name=NAME, **said)])[0]
    claim = claim_one(client.store, worker)
    chunk = LogChunk(1_800_000_000_000_000, "stdout", "INFO", None, message)
    client.store.write_logs(worker, [LogRow(record.run_id, claim.attempt, 1, (chunk,))])
    ended = outcome(claim, ending)
    if ending is Ending.ERROR:
        ended = evolve(ended, error=ErrorReport("ValueError", message, f"Traceback\n{message}"))
    settle(client.store, worker, ended)
    client.store.forget(worker)
    return str(record.run_id)


def _new_id() -> str:
    from jobreg.request import new_run_id

    return new_run_id()


# Logging in and out.


def test_who_has_no_token_is_asked_for_one_and_led_where_they_wanted_to_go(http, tokens):
    asked = http.get("/runs?q=state:failed")

    assert asked.status_code == 401
    assert asked.headers["www-authenticate"].startswith("Bearer")
    assert 'value="/runs?q=state:failed"' in text_of(asked)

    sent = http.post("/login", data={"token": tokens["read"], "next": "/runs?q=state:failed"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/runs?q=state:failed")
    assert http.get("/runs?q=state:failed").status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_hosts(http, tokens, client):
    plain = http.post("/login", data={"token": tokens["read"]}).headers["set-cookie"].lower()
    with TestClient(web.app(client), "https://localhost", follow_redirects=False) as secure:
        over_tls = secure.post("/login", data={"token": tokens["read"]}).headers["set-cookie"]

    assert "httponly" in plain
    assert "samesite=strict" in plain
    assert "path=/" in plain
    assert "secure" not in plain
    assert "secure" in over_tls.lower()


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ({"Origin": "https://localhost"}, True),
        ({"Origin": "HTTPS://LOCALHOST"}, True),
        ({"Origin": "http://localhost"}, False),
        ({"X-Forwarded-Proto": "https", "Forwarded": "proto=https"}, False),
    ],
)
def test_behind_a_proxy_that_speaks_tls_the_cookie_is_for_tls_alone(http, tokens, headers, secure):
    answer = http.post("/login", data={"token": tokens["read"]}, headers=headers)

    assert answer.status_code == 303
    assert ("; secure" in answer.headers["set-cookie"].lower()) is secure


@pytest.mark.parametrize("path", ["/runs/", "/api/v1/runs/", "//evil.example/runs/"])
def test_nobody_is_led_to_an_address_without_tls(http, path):
    answer = http.request("GET", f"http://localhost{path}", headers={"Accept": "text/html"})

    assert (answer.status_code, answer.headers.get("location")) == (404, None)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\nx",
        "",
    ],
)
def test_a_login_leads_nowhere_else(http, tokens, elsewhere):
    answer = http.post("/login", data={"token": tokens["read"], "next": elsewhere})

    assert answer.headers["location"] == "/"


def test_a_wrong_token_is_told_and_counted_as_a_guess(http):
    answers = [http.post("/login", data={"token": f"wrong{n}"}) for n in range(25)]

    assert answers[0].status_code == 401
    assert "not a token" in answers[0].text
    assert "set-cookie" not in answers[0].headers
    assert answers[-1].status_code == 429


def test_a_cookie_that_is_no_longer_good_is_taken_away(http):
    http.cookies.set(COOKIE, "jobreg_revoked")

    answer = http.get("/")

    assert answer.status_code == 401
    assert "max-age=0" in answer.headers["set-cookie"].lower()


def test_logging_out_forgets_the_token(page):
    answer = page("POST", "/logout", role="read")

    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "max-age=0" in answer.headers["set-cookie"].lower()


def test_too_weak_a_role_is_told_which_one_is_wanted(page):
    answer = page("POST", "/queues/mail/pause", role="submit")

    assert answer.status_code == 403
    assert "operate" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


# The filter bar.


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("", {}),
        ("state:failed state:queued,running", {"state": ["failed", "queued", "running"]}),
        ("job:reports.*", {"job_name": "reports.*"}),
        ("provider:acme-reports==1.0", {"provider": "acme-reports", "version": "1.0"}),
        ("provider:acme", {"provider": "acme"}),
        ("reason:timeout queue:mail", {"reason": "timeout", "queue": "mail"}),
        ('tag:nightly tag:"two words"', {"tags": ["nightly", "two words"]}),
        ("since:2h until:2026-01-31T12:00:00Z", {"since": "2h", "until": "2026-01-31T12:00:00Z"}),
        (r'key:"say \"so\""', {"unique_key": 'say "so"'}),
        ("params.account.id:42 since:1d", {"params": {"account.id": 42}, "since": "1d"}),
        ('params.name:"42" since:1d', {"params": {"name": "42"}, "since": "1d"}),
        ("params.name:Ann since:1d", {"params": {"name": "Ann"}, "since": "1d"}),
    ],
)
def test_what_is_written_in_the_bar_is_read(text, given):
    assert filters.read(text).given == given


def test_ids_stand_alone():
    assert filters.read("id:01a20a6e,01a20a6f").ids == ("01a20a6e", "01a20a6f")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stat:failed", "Did you mean state?"),
        ("nonsense:1", "There are: state, job"),
        ("failed", "is no qualifier"),
        ("state:", "nothing is written after it"),
        ("state:faild", "is none of"),
        ('tag:"open', "quotation mark"),
        ("job:a job:b", "twice"),
        ("job:re*s", "star"),
        ("id:01a20a6e state:failed", "stands alone"),
        ("params:1", "say which one"),
        ("x" * 3000, "characters"),
    ],
)
def test_what_cannot_be_read_is_told(text, told):
    with pytest.raises(BadInput, match=re.escape(told)):
        filters.read(text)


@pytest.mark.parametrize("text", ["stat:failed", "params.a:1", "state:failed cursor"])
def test_a_fault_of_the_filter_is_told_at_the_bar_and_nothing_is_listed(page, client, text):
    client.submit(NAME, {"account": 1})

    answer = page("GET", "/runs", params={"q": text})

    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert 'id="run-' not in answer.text


@pytest.mark.parametrize(
    "text",
    ["state:,", 'state:""', 'state:",,"', "state:failed state:,", "id:,", 'id:""', 'job:""',
     'queue:""', 'key:""', 'reason:""', "provider:==", 'provider:""', "provider:==1.0",
     "provider:acme==", 'since:""', 'until:""', 'tag:""', 'tag:nightly tag:""'],
)  # fmt: skip
def test_a_qualifier_that_says_nothing_is_a_fault_and_never_all_runs(page, client, text):
    run = client.submit(NAME, {"account": 1})

    listed = page("GET", "/runs", params={"q": text})
    cancelled = page("POST", "/runs/cancel", data={"q": text, "confirmed": "yes"})

    assert (listed.status_code, cancelled.status_code) == (422, 422)
    assert "nothing is written after it" in text_of(listed)
    assert run.refresh().state == "queued"


def test_a_prefix_stands_for_all_jobs_that_begin_so(page, client):
    runs = [client.submit(name).id for name in ("reports.broken",)]
    runs.append(client.submit(NAME, {"account": 1}).id)

    answer = page("GET", "/runs", params={"q": "job:reports.* state:queued,running"})

    assert [each for each in runs if f'id="run-{each}"' in answer.text] == runs


def test_the_bar_takes_how_long_ago_of_many_digits(page, client):
    run = client.submit(NAME, {"account": 1})

    assert run.id in page("GET", "/runs?q=since:604800s").text


def test_pages_of_runs_lead_to_older_ones_and_back(page, client):
    made = [run.id for run in client.submit_many([(NAME, {"account": n}) for n in range(120)])]
    seen: list[str] = []
    path = "/runs?q=state:queued"

    while path:
        answer = page("GET", path)
        seen += re.findall(r'id="run-([0-9a-f-]{36})"', answer.text)
        older = re.search(r'rel="next" href="([^"]+)"', answer.text)
        path = unescape(older[1]) if older else ""

    assert sorted(seen) == sorted(made)
    assert "Newest" in answer.text


# Forms.


def test_each_kind_of_property_has_an_input_that_fits():
    kinds = {each.name: each.kind for each in fields.fields(SCHEMA)}

    assert kinds == {
        "account": "number", "owner": "text", "title": "text", "kind": "select",
        "draft": "select", "share": "number", "day": "date", "at": "datetime-local",
        "rows": "json",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("format_", "kind", "sent", "read"),
    [
        ("time-of-day", "time", "21:30", "21:30:00"),
        ("partial-time", "time", "21:30:05", "21:30:05"),
        ("time", "text", "21:30+02:00", "21:30+02:00"),
        ("date-time", "datetime-local", "2026-02-03T04:05", "2026-02-03T04:05:00Z"),
        ("date-time", "datetime-local", "2026-02-03T04:05:06", "2026-02-03T04:05:06Z"),
    ],
)
def test_a_time_is_read_as_browsers_send_it(format_, kind, sent, read):
    schema = {"properties": {"at": {"type": "string", "format": format_}}, "required": ["at"]}
    (field,) = fields.fields(schema)

    assert (field.kind, forms.read([field], {"param.at": sent})) == (kind, {"at": read})


def test_a_form_gives_back_the_params_that_were_put_in_it():
    params = {
        "account": 42, "owner": None, "title": "Two\nlines", "kind": "short", "draft": True,
        "share": 0.25, "day": "2026-02-03", "at": "2026-02-03T04:05:06Z", "rows": [1, 2],
        "strange": {"a": ["b"]},
    }  # fmt: skip

    made, rest, _ = forms.filled(fields.fields(SCHEMA), params)
    form = {each.key: each.value for each in made} | {forms.REST: rest}

    assert forms.read(made, form) == params


@pytest.mark.parametrize("value", ["", None, 5, "\u202e", "\x00", True, [], "2026-01-01"])
def test_what_does_not_fit_an_input_is_kept_as_json(value):
    made, rest, _ = forms.filled(fields.fields(SCHEMA), {"title": value})

    form = {each.key: each.value for each in made} | {forms.REST: rest}
    read = forms.read(made, form)

    assert read["title"] == value
    assert type(read["title"]) is type(value)


def test_what_is_left_empty_is_left_out():
    assert forms.read(fields.fields(SCHEMA), {"param.account": "1"}) == {
        "account": 1, "owner": None,
    }  # fmt: skip


def test_all_faults_of_a_form_are_told_at_once():
    with pytest.raises(BadInput) as caught:
        forms.read(
            fields.fields(SCHEMA),
            {"param.account": "1.5", "param.rows": "[1", "params": "[]", "param.share": "NaN"},
        )

    assert len(caught.value.faults) == 4


def test_hidden_values_are_never_put_in_a_form():
    made, rest, hidden = forms.filled(
        fields.fields(SCHEMA), {"title": "[redacted]", "rows": ["[redacted]"], "account": 1}
    )

    assert hidden == ("title", "rows")
    assert rest == ""
    assert {each.value for each in made} == {"", "1"}


@pytest.mark.usefixtures("known")
def test_a_run_is_submitted_by_its_form_once_however_often_it_is_sent(page, client):
    shown = page("GET", f"/jobs/{NAME}", role="submit")
    run_id = re.search(r'name="run_id" value="([^"]+)"', shown.text)[1]
    form = {
        "run_id": run_id, "param.account": "42", "param.owner": "Ann", "param.draft": "true",
        "tags": "a\r\nb", "priority": "3", "queue": "mail", "delay": "1h",
    }  # fmt: skip

    first = page("POST", f"/jobs/{NAME}", role="submit", data=form)
    again = page("POST", f"/jobs/{NAME}", role="submit", data=form)

    assert first.headers["location"] == again.headers["location"] == f"/runs/{run_id}"
    (run,) = client.find()
    assert run.params == {"account": 42, "owner": "Ann", "draft": True}
    told = run.record
    assert (told.queue, told.priority, told.tags) == ("mail", 3, ("a", "b"))


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"param.owner": "Ann"}, "missing 'account'"),
        ({"param.account": "x"}, "is not a number"),
        ({"param.account": "1", "params": '{"acount": 1}'}, "unknown 'acount'"),
        ({"params": '{"account": 1, "account": 2}'}, "'account' stands twice in one object"),
        ({"param.account": "1", "priority": "high"}, "priority"),
        ({"param.account": "1", "delay": "soon"}, "delay"),
        ({"param.account": "1", "queue": "<b>"}, "queue"),
    ],
)
def test_what_cannot_be_submitted_is_told_and_what_was_typed_stays(page, client, form, told):
    answer = page("POST", f"/jobs/{NAME}", data=form | {"param.title": "Typed <&>"})

    assert answer.status_code == 422
    assert told in text_of(answer)
    assert 'value="Typed &lt;&amp;&gt;"' in answer.text
    assert list(client.find()) == []


@pytest.mark.usefixtures("known")
def test_a_run_is_submitted_again_with_changes(page, client):
    run = client.submit(NAME, {"account": 7, "owner": None, "title": "Old"}, tags=["q4"])

    answer = page("GET", f"/jobs/{NAME}?like={run.id}")

    assert 'value="7"' in answer.text
    assert 'value="Old"' in answer.text
    assert "q4" in answer.text


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(("timeout", "text"), [("14d", "1209600"), (100001.5, "100001.5")])
def test_the_time_limit_of_a_run_stands_in_its_form_as_it_is(page, client, timeout, text):
    run = client.submit(NAME, {"account": 7, "owner": None}, timeout=timeout)

    answer = page("GET", f"/jobs/{NAME}?like={run.id}")

    assert re.search(r'name="timeout"[^>]* value="([^"]*)"', answer.text)[1] == text


def test_large_numbers_are_shown_in_full(page, client):
    worker = add_worker(client.store)
    run = client.submit(NAME, {"account": 7})
    claim = claim_one(client.store, worker)
    client.store.note_progress(worker, [(run.id, claim.attempt, Progress(1_234_567, 10**7))])

    assert "<span>1234567 of 10000000</span>" in page("GET", f"/runs/{run.id}").text


# One run, and many.


def test_a_run_says_why_it_is_where_it_is(page, client):
    failed = run_with(client, Ending.ERROR)
    waiting = client.submit(NAME, {"account": 1}).id

    assert "Attempt 1 ended with ValueError: no such account." in text_of(
        page("GET", f"/runs/{failed}")
    )
    assert "No worker is running on this store." in text_of(page("GET", f"/runs/{waiting}"))


def test_the_last_lines_of_a_log_come_first_and_older_ones_on_request(page, client):
    worker = add_worker(client.store)
    run = client.submit(NAME, {"account": 1})
    claim = claim_one(client.store, worker)
    rows = [
        LogRow(run.id, claim.attempt, n, (LogChunk(1_800_000_000_000_000, "stdout", "INFO", None,
               f"line {n} a\nline {n} b"),))
        for n in range(1, 301)
    ] + [
        LogRow(run.id, claim.attempt, n, (LogChunk(1_800_000_000_000_000, "stdout", "INFO", None,
               f"line {n} a"),))
        for n in range(301, 451)
    ]  # fmt: skip
    client.store.write_logs(worker, rows)
    seen: list[str] = []
    first = 0
    path = f"/runs/{run.id}"

    while path:
        answer = page("GET", path)
        lines = re.findall(r"line \d+ [ab]", answer.text)
        seen = lines + seen
        first = first or len(lines)
        assert len(lines) <= 200
        older = re.search(r'href="([^"]+before=[^"]+)"', answer.text)
        path = unescape(older[1]) if older else ""

    both = [f"line {n} {each}" for n in range(1, 301) for each in "ab"]
    assert seen == [*both, *(f"line {n} a" for n in range(301, 451))]
    assert first == 200  # as many as there may be, though the last rows have a line each


def test_cancel_and_retry_lead_back_to_the_run(page, client):
    run = client.submit(NAME, {"account": 1})

    cancelled = page("POST", f"/runs/{run.id}/cancel")
    again = page("POST", f"/runs/{run.id}/retry")
    not_now = page("POST", f"/runs/{run.id}/retry")

    assert cancelled.headers["location"] == again.headers["location"] == f"/runs/{run.id}"
    assert run.refresh().state == "queued"
    assert not_now.status_code == 409
    assert not_now.headers["content-type"].startswith("text/html")


def test_all_that_match_are_counted_before_anything_is_done(page, client):
    run_ids = {client.submit(NAME, {"account": n}).id for n in range(3)}
    other = client.submit("reports.broken")

    asked = page("POST", "/runs/cancel", data={"q": f"job:{NAME}"})
    before = {run.id for run in client.find(state="queued")}
    done = page("POST", "/runs/cancel", data={"q": f"job:{NAME}", "confirmed": "yes"})

    assert "Cancel 3 runs?" in text_of(asked)
    assert before == {*run_ids, other.id}
    assert "3 runs cancelled" in text_of(done)
    assert {run.id for run in client.find(state="queued")} == {other.id}


@pytest.mark.parametrize("text", ["stat:failed", "state:succeeded"])
def test_what_cannot_be_changed_in_bulk_is_refused(page, client, text):
    client.submit(NAME, {"account": 1})

    answer = page("POST", "/runs/retry", data={"q": text, "confirmed": "yes"})

    assert answer.status_code == 422


# What is shown, and where.


def test_hostile_text_is_shown_harmless_everywhere(page, client, known):
    run_id = run_with(
        client, Ending.ERROR, EVIL, params=f'{{"account": {rendering.json.dumps(EVIL)}}}',
        tags=("<b>tag</b>",),
    )  # fmt: skip

    for path in ("/", "/runs", f"/runs/{run_id}", f"/jobs/{NAME}?like={run_id}", "/workers",
                 f"/runs?q={'%3Cscript%3E' * 3}", "/jobs?q=%3Cscript%3E%E2%80%AE"):  # fmt: skip
        shown = page("GET", path).text
        assert "<script>alert" not in shown, path
        assert "<b>tag" not in shown, path
        assert not re.search("[\u202e\x1b]", shown), path


def test_no_page_holds_a_script_a_style_or_an_address_of_its_own(page, client):
    run_id = run_with(client, Ending.ERROR)

    for path in ("/", "/runs", f"/runs/{run_id}", "/jobs", f"/jobs/{NAME}", "/workers", "/login"):
        shown = page("GET", path).text
        assert not re.search(r"<script(?! src=\"/static/)", shown), path
        assert not re.search(r"<style|\sstyle=|\son\w+=|https?://", shown), path


def test_no_page_names_a_module_or_function(page):
    for path in ("/jobs", f"/jobs/{NAME}"):
        assert "acme_web" not in page("GET", path).text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/jobs/no.such", 404), ("GET", "/static/../x", 404),
     ("GET", "/runs/01a00000-0000-7000-8000-000000000001", 404), ("PUT", "/runs", 405)],
)  # fmt: skip
def test_what_is_not_there_is_a_page_with_a_way_back(page, method, path, status):
    answer = page(method, path)

    assert answer.status_code == status
    assert 'href="/"' in answer.text


@pytest.fixture
def mounted(client, tokens):
    """The dashboard under a prefix in somebody else's application."""
    outer = Starlette(routes=[Mount("/ops/jobs", web.app(client))])
    with TestClient(outer, "http://localhost", follow_redirects=False) as made:
        made.post("/ops/jobs/login", data={"token": tokens["operate"]})
        yield made


def test_under_a_prefix_every_address_has_it(mounted, client):
    run_id = run_with(client, Ending.ERROR)

    for path in ("/", "/runs", f"/runs/{run_id}", "/jobs", f"/jobs/{NAME}", "/workers", "/login"):
        answer = mounted.get(f"/ops/jobs{path}")
        assert answer.status_code == 200, path
        addresses = re.findall(r'(?:href|src|action|data-live)="([^"#]+)', answer.text)
        assert [each for each in addresses if not each.startswith("/ops/jobs/")] == [], path
        for each in addresses:
            if "/static/" in each:
                assert mounted.get(each).status_code == 200


def test_under_a_prefix_logins_and_forms_stay_there(mounted, tokens):
    mounted.cookies.clear()

    asked = mounted.get("/ops/jobs/runs?q=state:failed")
    sent = mounted.post(
        "/ops/jobs/login",
        data={"token": tokens["operate"], "next": "/ops/jobs/runs?q=state:failed"},
    )
    outside = mounted.post("/ops/jobs/login", data={"token": tokens["operate"], "next": "/other"})
    paused = mounted.post("/ops/jobs/queues/mail/pause")

    assert 'value="/ops/jobs/runs?q=state:failed"' in text_of(asked)
    assert "path=/ops/jobs" in sent.headers["set-cookie"].lower()
    assert sent.headers["location"] == "/ops/jobs/runs?q=state:failed"
    assert outside.headers["location"] == "/ops/jobs/"
    assert paused.headers["location"] == "/ops/jobs/"


@pytest.fixture
def away(client, monkeypatch):
    """The store, but for what is known of tokens, cannot be reached."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("The database at db.example cannot be reached. Is it started?")

    def leave() -> None:
        monkeypatch.setattr(type(client.store), "_transaction", refuse)

    return leave


def test_an_outage_is_told_and_the_page_asks_again_by_itself(page, away):
    assert page("GET", "/workers").status_code == 200
    away()

    for path in ("/", "/runs", "/jobs", f"/jobs/{NAME}", "/workers"):
        answer = page("GET", path)
        assert (answer.status_code, answer.headers["refresh"]) == (503, "5"), path
        assert "db.example cannot be reached" in answer.text
    changed = page("POST", "/queues/mail/pause")
    assert changed.status_code == 503
    assert "refresh" not in changed.headers


def test_a_job_that_nobody_knows_is_not_paused(page, client):
    assert page("POST", "/jobs/reports.rendr/pause").status_code == 404
    assert client.store.pauses() == []


def test_files_are_kept_by_browsers_under_an_address_that_changes_with_them(page, http):
    shown = page("GET", "/").text
    address = re.search(r'href="(/static/jobreg.css[^"]+)"', shown)[1]

    answer = http.get(address)

    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    style = Path(web.__file__).with_name("static") / "jobreg.css"
    assert answer.content == style.read_bytes()


def test_whatever_changes_something_wants_a_role_that_may():
    others = {
        f"{each.method} {each.path}": each.role
        for each in PAGES
        if each.role != {"GET": "read", "POST": "operate"}[each.method]
    }

    assert others == {
        "GET /login": None, "POST /login": None, "GET /static/{name}": None,
        "POST /logout": "read", "POST /jobs/{job_name}": "submit",
    }  # fmt: skip


def test_a_job_that_several_claim_is_found_by_each_of_them(page, fake_plugins):
    fake_plugins.add("other-reports", "1.0", {NAME: "acme_web:run"})

    for dist in ("acme-rep", "OTHER"):
        assert f'href="/jobs/{NAME}"' in page("GET", f"/jobs?q={dist}").text
    assert f'href="/jobs/{NAME}"' not in page("GET", "/jobs?q=nobody").text
