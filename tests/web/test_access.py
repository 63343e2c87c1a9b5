"""Who is let in: every route and page by its role, hosts and origins, sizes and numbers."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from jobreg import web
from jobreg.web import access, admission
from jobreg.web.access import COOKIE, ROLES, digest, new_token
from jobreg.web.pages.table import PAGES
from jobreg.web.routes import BASE, ROUTES

OPEN = {("GET", f"{BASE}/health"), ("GET", f"{BASE}/ready"), ("GET", "/login"), ("POST", "/login"),
        ("GET", "/static/{name}")}  # fmt: skip
GUARDED = [(each.method, BASE + each.path, each.role) for each in ROUTES if each.role]
GUARDED += [(each.method, each.path, each.role) for each in PAGES if each.role]
HEADERS = ("content-security-policy", "x-content-type-options", "x-frame-options",
           "referrer-policy", "cache-control")  # fmt: skip


def address(path: str) -> str:
    """A path with something in place of each of its parts."""
    return re.sub(r"\{\w+\}", "01a00000-0000-7000-8000-000000000001", path)


def served(http: TestClient) -> Iterator[tuple[str, str]]:
    """What the application's own router answers, whatever the tables say."""
    application: Any = http.app
    for route in application.routes:
        yield from ((method, route.path) for method in route.methods - {"HEAD"})


def test_nothing_is_served_that_no_table_names(http):
    tables = OPEN | {(method, path) for method, path, _ in GUARDED}

    assert set(served(http)) == tables
    assert len(GUARDED) > 35


@pytest.mark.parametrize(("method", "path", "role"), GUARDED)
def test_each_route_refuses_who_has_no_token_a_wrong_one_or_too_weak_a_role(
    http, tokens, method, path, role
):
    def status(token=None, **more):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return http.request(method, address(path), headers=headers | more)

    missing, wrong = status(), status("jobreg_wrong")
    weaker = [status(tokens[each]) for each in ROLES[: ROLES.index(role)]]

    assert (missing.status_code, wrong.status_code) == (401, 401)
    assert missing.headers["www-authenticate"].startswith("Bearer")
    assert [each.status_code for each in weaker] == [403] * len(weaker)
    assert status(Authorization=f"Basic {tokens['operate']}").status_code == 401
    assert all(set(HEADERS) <= set(each.headers) for each in (missing, wrong, *weaker))


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [each for each in GUARDED if "live" not in each[1] and "events" not in each[1]],
)
def test_each_route_lets_in_its_own_role(http, tokens, method, path, role):
    answer = http.request(
        method, address(path), headers={"Authorization": f"Bearer {tokens[role]}"}
    )

    assert answer.status_code not in (401, 403, 500), answer.text


@pytest.mark.parametrize(("method", "path"), sorted(OPEN))
def test_what_is_open_asks_for_no_token(http, method, path):
    answer = http.request(method, path.replace("{name}", "jobreg.css"))

    assert answer.status_code == (401 if (method, path) == ("POST", "/login") else 200)


def test_a_token_is_kept_by_its_digest_alone(client, url):
    token = new_token(client.store, "read")

    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        dump = "\n".join(connection.iterdump())

    assert digest(token) in dump
    assert token not in dump
    assert token.removeprefix("jobreg_") not in dump


def test_a_revoked_token_is_refused_within_the_time_that_is_told(client, http, monkeypatch):
    token = new_token(client.store)
    headers = {"Authorization": f"Bearer {token}"}
    assert http.get("/api/v1/jobs", headers=headers).status_code == 200

    client.store.tokens.revoke(digest(token))
    later = access.clock.seconds() + access._KEEP
    monkeypatch.setattr(access.clock, "seconds", lambda: later)

    assert http.get("/api/v1/jobs", headers=headers).status_code == 401


def test_the_cookie_of_the_dashboard_is_a_token_too(http, tokens):
    http.cookies.set(COOKIE, tokens["read"])
    of_a_proxy = {"Authorization": "Basic dXNlcjpwYXNz"}

    assert http.get("/api/v1/jobs").status_code == 200
    assert http.get("/api/v1/jobs", headers=of_a_proxy).status_code == 200
    assert http.post("/api/v1/runs", json={"job_name": "a"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:81"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_page_of_another_host_is_refused(http, tokens, headers):
    http.cookies.set(COOKIE, tokens["operate"])

    answers = [
        http.post(path, headers=headers)
        for path in ("/api/v1/runs/cancel", "/runs/cancel", "/queues/a/pause", "/login")
    ]

    assert [each.status_code for each in answers] == [403] * 4
    assert "access-control-allow-origin" not in answers[0].headers


def test_a_page_of_this_host_is_not_refused(http, ask):
    answer = ask("POST", "/queues/mail/pause", headers={"Origin": "http://localhost"})

    assert answer.json()["changed"] is True


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:8070", 200), ("127.0.0.1:1", 200), ("[::1]:8070", 200),
        ("[::1]", 200), ("jobs.example.com", 200), ("jobs.example.com:443", 200),
        ("evil.example", 421), ("localhost.evil.example", 421), ("", 421), ("127.0.0.1.evil", 421),
        ("127.0.0.1:80@evil", 421),
    ],
)  # fmt: skip
def test_a_request_for_another_host_is_refused(client, tokens, host, status):
    application = web.app(client, hosts=["jobs.example.com"])
    with TestClient(application, "http://localhost") as http:
        headers = {"Host": host, "Authorization": f"Bearer {tokens['read']}"}

        assert http.get("/api/v1/jobs", headers=headers).status_code == status
        assert http.get("/runs", headers=headers).status_code == status
        assert http.get("/api/v1/health", headers=headers).status_code == 200


def test_many_wrong_tokens_from_one_address_are_refused_unread(http, tokens):
    # Nobody is let off while the test takes its time.
    http.app.state.house._guesses._per_second = 1e-6
    answers = [
        http.get("/api/v1/jobs", headers={"Authorization": f"Bearer wrong{number}"})
        for number in range(25)
    ]
    statuses = [each.status_code for each in answers]

    last = http.get("/api/v1/jobs", headers={"Authorization": f"Bearer {tokens['read']}"})
    assert statuses[:20] == [401] * 20
    assert 429 in statuses
    assert "Too many wrong tokens from here" in answers[-1].json()["detail"]
    assert int(last.headers.get("retry-after", 1)) >= 1


def test_too_many_requests_are_told_when_to_come_again(client, tokens, monkeypatch):
    monkeypatch.setattr(admission.clock, "seconds", lambda: 1000.0)
    with TestClient(web.app(client), "http://localhost") as http:
        statuses = [http.get("/api/v1/health").status_code for _ in range(1001)]

    assert statuses.count(429) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_size_is_refused(ask, client, chunked):
    body = b'{"job_name": "' + b"x" * (3 * client.settings.max_params + 70_000) + b'"}'
    pieces = (body[at : at + 65536] for at in range(0, len(body), 65536))

    answer = ask("POST", "/runs", content=pieces if chunked else body,
                 headers={"Content-Type": "application/json"})  # fmt: skip

    assert (answer.status_code, answer.json()["type"]) == (413, "urn:jobreg:problem:too-large")


def posted(client, path: str, token: str, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What the application sends to who posts these messages and then nothing more."""
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode()),
                    (b"content-type", b"application/json"), (b"content-length", b"100")],
    }  # fmt: skip
    left, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        return left.pop(0) if left else await asyncio.sleep(60, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(web.app(client)(scope, receive, send))
    return sent


HALF = {"type": "http.request", "body": b"to", "more_body": True}


@pytest.mark.parametrize("path", ["/login", "/api/v1/runs"])
def test_who_leaves_in_the_middle_of_a_body_is_no_fault_of_ours(client, tokens, caplog, path):
    sent = posted(client, path, tokens["submit"], HALF, {"type": "http.disconnect"})

    assert sent == []
    assert caplog.records == []


@pytest.mark.parametrize("path", ["/login", "/api/v1/runs"])
def test_a_body_that_does_not_come_is_not_waited_for_long(client, tokens, monkeypatch, path):
    assert admission.BODY_WITHIN == 30.0
    monkeypatch.setattr(admission, "BODY_WITHIN", 0.2)

    start = posted(client, path, tokens["submit"], HALF)[0]

    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]


@pytest.mark.parametrize(
    ("method", "path", "accept", "status"),
    [
        ("GET", "/api/v1/nothing", "*/*", 404),
        ("GET", "/nothing", "text/html", 404),
        ("DELETE", "/api/v1/runs", "*/*", 405),
        ("PUT", "/runs", "text/html", 405),
    ],
)
def test_what_is_not_there_is_told_in_the_form_that_was_asked_for(
    http, method, path, accept, status
):
    answer = http.request(method, path, headers={"Accept": accept})

    assert answer.status_code == status
    kind = "text/html" if accept == "text/html" else "application/problem+json"
    assert answer.headers["content-type"].startswith(kind)
    assert set(HEADERS) <= set(answer.headers)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/runs", "GET, HEAD, POST"),
        ("/api/v1/runs/x/cancel", "POST"),
        ("/api/v1/runs/cancel", "POST"),
        ("/jobs", "GET, HEAD"),
    ],
)
def test_who_asks_by_a_wrong_method_is_told_all_right_ones(http, path, methods):
    answer = http.request("PATCH", path)

    assert (answer.status_code, answer.headers["allow"]) == (405, methods)


def test_a_fault_of_the_server_tells_nothing_of_itself(client, tokens, monkeypatch):
    monkeypatch.setattr(type(client.registry), "snapshot", lambda *_: 1 / 0)
    application = web.app(client)
    with TestClient(application, "http://localhost", raise_server_exceptions=False) as http:
        headers = {"Authorization": f"Bearer {tokens['read']}"}
        answers = http.get("/api/v1/jobs", headers=headers), http.get("/jobs", headers=headers)

    assert [each.status_code for each in answers] == [500, 500]
    assert all("division" not in each.text for each in answers)
    assert all(set(HEADERS) <= set(each.headers) for each in answers)


def test_no_plugin_is_imported_whatever_is_asked(http, tokens, client, fake_plugins):
    client.submit("reports.render", {"account": 1})

    for method, path, _ in GUARDED:
        if "live" not in path and "events" not in path:
            http.request(
                method, address(path), headers={"Authorization": f"Bearer {tokens['operate']}"}
            )

    assert not list(fake_plugins.path.rglob("imported"))
