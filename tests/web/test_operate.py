"""While something is wrong: names that are none, a store that is away or hangs, tokens revoked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import aclosing
from itertools import count
from typing import Any

import pytest
from sqlalchemy import make_url
from starlette.testclient import TestClient
from store_hands import Ending, add_worker, claim_one, outcome, settle
from tcp_proxy import Proxy
from waiting import until

from jobreg import Client, Registry, StoreUnavailable, web
from jobreg.lifecycle import Progress
from jobreg.store import open_store
from jobreg.web import access, application, live, serving
from jobreg.web.access import new_token
from jobreg.web.routes import ROUTES
from jobreg.web.streams import ALIVE

RUN_ID = "01a00000-0000-7000-8000-000000000001"
PARTS = {"job_name": "a.b", "run_id": RUN_ID, "queue": "mail", "worker_id": RUN_ID}


@pytest.fixture
def elsewhere(store_url: str) -> Any:
    """Asks an application on each database in turn, as who may do anything."""
    client = Client(open_store(store_url), Registry(path=[]))
    headers = {"Authorization": f"Bearer {new_token(client.store)}"}
    with TestClient(web.app(client), "http://localhost", headers=headers) as http:
        yield http
    client.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/jobs/%00"),
        ("GET", "/api/v1/jobs/%F0%9F%92%A5"),
        ("POST", "/api/v1/workers/%00/drain"),
        ("POST", "/workers/%00/drain"),
    ],
)
def test_a_name_that_no_database_takes_is_one_that_is_not_there(elsewhere, method, path):
    assert elsewhere.request(method, path).status_code == 404


def test_wrong_tokens_from_an_address_do_not_shut_out_a_good_one_that_is_known(http, tokens):
    def ask(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return int(http.get("/api/v1/jobs", headers=headers).status_code)

    # Nobody is let off while the test takes its time.
    http.app.state.house._guesses._per_second = 1e-6
    before = ask(tokens["read"])
    wrong = [ask(f"wrong{number}") for number in range(25)]

    assert (before, wrong[-1]) == (200, 429)
    assert ask(tokens["read"]) == 200


def test_who_has_no_token_is_not_told_where_the_store_is(client, http, monkeypatch):
    def away(_: Any) -> None:
        raise StoreUnavailable("The store postgresql://jobreg@db.example/jobs cannot be reached.")

    monkeypatch.setattr("jobreg.web.operate.require", away)

    answer = http.get("/api/v1/ready")

    assert (answer.status_code, answer.json()["type"]) == (
        503,
        "urn:jobreg:problem:store-unavailable",
    )
    assert "db.example" not in answer.text
    assert answer.headers["retry-after"] == "5"


def test_a_store_that_hangs_does_not_hang_the_answer_that_this_process_is_here(
    client, http, tokens, monkeypatch
):
    held, asked = threading.Event(), []

    def hang(*_: Any) -> Any:
        asked.append(1)
        held.wait(20)
        return []

    monkeypatch.setattr(type(client.store.tokens), "all", hang)
    headers = {"Authorization": f"Bearer {tokens['read']}"}
    waiting = [
        threading.Thread(target=http.get, args=("/api/v1/jobs",), kwargs={"headers": headers})
        for _ in range(12)
    ]
    for each in waiting:
        each.start()
    until(lambda: asked, what="one hangs")
    answers: list[Any] = []
    here = threading.Thread(target=lambda: answers.append(http.get("/api/v1/health")))
    here.start()

    here.join(5)

    told = [each.status_code for each in answers]
    held.set()
    for each in (*waiting, here):
        each.join(20)
    assert told == [200]


@pytest.mark.parametrize(
    ("host", "asked"), [("::1", "[::1]"), ("2001:db8::1", "[2001:db8::1]"), ("::", "[::]")]
)
def test_it_may_be_asked_for_by_the_address_it_listens_on(client, tokens, host, asked):
    application = web.app(client, hosts=[serving.in_url(host)])
    with TestClient(application, "http://localhost") as http:
        headers = {"Host": f"{asked}:8070", "Authorization": f"Bearer {tokens['read']}"}

        assert http.get("/api/v1/jobs", headers=headers).status_code == 200


@pytest.fixture
def proxied(postgres: Any) -> Iterator[tuple[Proxy, TestClient]]:
    """An application whose database is behind a proxy, asked by who may do anything."""
    url = make_url(postgres.fresh())
    proxy = Proxy(str(url.host), int(url.port or 0))
    near = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    client = Client(open_store(near), Registry(path=[]))
    headers = {"Authorization": f"Bearer {new_token(client.store)}"}
    with TestClient(web.app(client), "http://localhost", headers=headers) as http:
        yield proxy, http
    client.close()
    proxy.close()


def test_while_the_store_is_away_each_route_says_so_and_goes_on_once_it_is_back(proxied):
    proxy, http = proxied
    asking = [each for each in ROUTES if each.path != "/health" and not each.always_streams]

    def statuses() -> dict[str, int]:
        return {
            f"{each.method} {each.path}": http.request(
                each.method,
                "/api/v1" + each.path.format_map(PARTS),
                json={"all": True} if each.body and each.path != "/runs" else {"job_name": "a.b"},
            ).status_code
            for each in asking
        }

    before = statuses()
    proxy.set("reset")
    away, ready = statuses(), http.get("/api/v1/ready")
    health = http.get("/api/v1/health").status_code
    proxy.set("pass")

    assert set(away.values()) == {503}
    assert ready.headers["content-type"] == "application/problem+json"
    assert ready.json()["type"] == "urn:jobreg:problem:store-unavailable"
    assert int(ready.headers["retry-after"]) >= 1
    assert (before["GET /ready"], health) == (200, 200)
    until(lambda: statuses() == before, 20, "all is as it was")


def test_a_stream_ends_when_its_token_is_revoked(client, http, tokens, monkeypatch):
    for module in (application, live):
        monkeypatch.setattr(module, "ALIVE_EVERY", 0.05)
    monkeypatch.setattr(access, "_KEEP", 0.05)
    run = client.submit("reports.render", {"account": 1})
    headers = {"Authorization": f"Bearer {tokens['read']}"}
    ended = threading.Event()

    def follow() -> None:
        answer = http.get(f"/api/v1/runs/{run.id}/events", headers=headers)
        assert "event: end" not in answer.text
        ended.set()

    thread = threading.Thread(target=follow)
    thread.start()
    until(lambda: http.app.state.house.live._followers, what="it follows")

    client.store.tokens.revoke(access.digest(tokens["read"]))

    thread.join(10)
    assert ended.is_set()
    assert run.refresh().state == "queued"


@pytest.mark.parametrize("path", ["/runs/{}/events", "/events", "/runs/{}/logs?follow=true"])
def test_every_stream_of_a_revoked_token_ends_soon(client, http, tokens, monkeypatch, path):
    monkeypatch.setattr(access, "_KEEP", 0.05)
    run = client.submit("reports.render", {"account": 1})
    headers = {"Authorization": f"Bearer {tokens['read']}"}
    address = f"/api/v1{path.format(run.id)}"
    asking = [
        threading.Thread(target=http.get, args=[address], kwargs={"headers": headers}, daemon=True)
        for _ in range(8)
    ]
    for each in asking:
        each.start()
    until(lambda: len(http.app.state.house.live._followers) == 8, what="they follow")

    client.store.tokens.revoke(access.digest(tokens["read"]))

    until(lambda: not any(each.is_alive() for each in asking), 4, "all streams end")
    assert http.app.state.house.live._followers == []


@pytest.mark.parametrize(
    "path",
    ["/api/v1/runs/{}/events", "/api/v1/events", "/api/v1/runs/{}/logs?follow=true", "/live"],
)
def test_the_head_of_a_stream_is_its_headers_and_nothing_follows(
    client, http, tokens, monkeypatch, path
):
    monkeypatch.setattr(access, "_KEEP", 0.05)
    run = client.submit("reports.render", {"account": 1})
    headers = {"Authorization": f"Bearer {tokens['read']}"}
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(http.head(path.format(run.id), headers=headers)), daemon=True
    )
    asking.start()

    asking.join(5)

    told = [(each.status_code, each.headers["content-type"], each.text) for each in answers]
    client.store.tokens.revoke(access.digest(tokens["read"]))  # which ends what goes on
    asking.join(10)
    assert told == [(200, "text/event-stream; charset=utf-8", "")]
    assert http.app.state.house.live._followers == []


def test_a_log_without_news_is_kept_alive_while_its_run_tells_how_far_it_is(
    client, ask, monkeypatch
):
    for module, name in (
        (application, "ALIVE_EVERY"), (application, "CHECK_EVERY"), (live, "ALIVE_EVERY"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 0.5)
    monkeypatch.setattr(live, "TURN", 0.1)
    monkeypatch.setattr(live, "_SOON", 0.1)
    worker = add_worker(client.store)
    run = client.submit("reports.render", {"account": 1})
    claim = claim_one(client.store, worker)
    thrice, silences, ticking = threading.Event(), count(1), application.ticking

    async def seen(stream: Any, every: float) -> Any:
        async with aclosing(ticking(stream, every)) as telling:
            async for told in telling:
                if told is None and next(silences) == 3:
                    thrice.set()
                yield told

    monkeypatch.setattr(application, "ticking", seen)

    def work() -> None:
        for number in range(400):
            client.store.note_progress(worker, [(run.id, claim.attempt, Progress(number))])
            if thrice.wait(0.05):
                break
        settle(client.store, worker, outcome(claim, Ending.SUCCEEDED))

    working = threading.Thread(target=work)
    working.start()

    answer = ask("GET", f"/runs/{run.id}/logs?follow=true")
    working.join(30)

    assert answer.text.count(ALIVE) >= 3
    assert answer.text.endswith("event: end\ndata: {}\n\n")
