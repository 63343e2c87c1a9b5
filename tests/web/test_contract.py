"""The OpenAPI document holds: what it promises is tried by requests made from it (schemathesis)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from jsonschema_rs import Draft202012Validator
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from jobreg import Client, web
from jobreg.catalogue import Entry, Provider
from jobreg.store import open_store
from jobreg.web.access import new_token
from jobreg.web.admission import Allowance
from jobreg.web.openapi import document
from jobreg.web.routes import BASE, ROUTES

JOB = Entry(
    job_name="reports.render",
    provider=Provider("acme-reports", "1.0"),
    options={},
    params_schema={
        "type": "object",
        "properties": {
            "account": {"type": "integer"},
            "title": {"type": "string"},
            "range": {"$ref": "#/$defs/Range"},
        },
        "required": ["account"],
        "additionalProperties": False,
        "$defs": {
            "Range": {
                "type": "object",
                "properties": {"first": {"type": "integer"}},
                "required": ["first"],
            }
        },
    },
)
FITTING = {"job_name": JOB.job_name, "params": {"account": 1}}
# A stream has no end for who reads it whole; tests of their own follow them.
STREAMS = {each.path for each in ROUTES if each.always_streams}
QUICK = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
LONG = settings(QUICK, max_examples=300, derandomize=False)


@pytest.fixture(scope="module")
def _as_many_as_wanted() -> Iterator[None]:
    """Wrong tokens are tried with each request: refused unread, they would say nothing more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Allowance, "take", lambda *_, **__: None)
        yield


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, _as_many_as_wanted: None) -> Any:
    """The application on a store that knows one job and has a run, its schema, and a token."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('contract') / 'jobs.db'}")
    store.catalogue.learn([JOB], "sync")
    client = Client(store)
    client.submit("reports.render", {"account": 1}, delay="1h")
    application = web.app(client)
    schema = schemathesis.openapi.from_dict(document(client))
    schema.app = application
    return schema, {"Authorization": f"Bearer {new_token(store)}", "Host": "localhost"}


def operations() -> list[Any]:
    """Each route with what fits, and with what does not where it takes anything."""
    found = []
    for each in ROUTES:
        takes = bool(each.parameters or each.body or "{" in each.path)
        for mode in GenerationMode:
            if each.path not in STREAMS and (takes or mode is GenerationMode.POSITIVE):
                found.append((f"{each.method} {BASE}{each.path}", mode))
    return found


def sayable(case: Any) -> bool:
    """Is it what is asked for beyond what a schema can say?

    Keys, tags and names of providers are printable; runs are not looked for by parameters alone,
    and until when comes after since when. What a cursor is only a page says.
    """
    query, body = case.query or {}, case.body if isinstance(case.body, dict) else {}
    for said in (query, body):
        texts = [said.get(name) for name in ("unique_key", "provider", "version", "tag", "tags")]
        for text in texts:
            for one in text if isinstance(text, list) else [text]:
                if isinstance(one, str) and not (one.isprintable() and one == one.strip()):
                    return False
        if "params" in said and not said.keys() & {"job_name", "since"}:
            return said is body and "job_name" in body
        if {"since", "until"} <= said.keys() or "cursor" in said:
            return False
    return True


def try_out(asked: Any, operation: str, how: settings, mode: GenerationMode) -> None:
    """Ask one route with what the document allows, or with what it does not."""
    schema, headers = asked
    method, path = operation.split()

    @how
    @given(case=schema[path][method.lower()].as_strategy(generation_mode=mode))
    def each(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:
            assume(sayable(case))
        case.call_and_validate(headers=headers, base_url="http://localhost")

    each()


def test_the_document_names_every_route_and_no_other(asked: Any) -> None:
    schema, _ = asked
    told = {
        (method.upper(), path)
        for path, each in schema.raw_schema["paths"].items()
        for method in each
    }

    assert told == {(each.method, BASE + each.path) for each in ROUTES}


def test_every_reference_leads_somewhere(asked: Any) -> None:
    whole = asked[0].raw_schema

    def at(pointer: str) -> Any:
        found = whole
        for part in pointer.removeprefix("#/").split("/"):
            found = found[part]
        return found

    references = re.findall(r"'\$ref': '([^']+)'", str(whole))
    assert len(references) > 30
    assert all(at(each) for each in references)
    assert "params.reports.render" in whole["components"]["schemas"]


@pytest.mark.parametrize(
    ("operation", "said", "taken"),
    [
        ("GET /runs", {"since": "3600"}, True),
        ("GET /runs", {"until": "0"}, True),
        ("GET /runs", {"since": "1234567"}, True),
        ("GET /runs", {"since": "12345678"}, False),
        ("GET /runs", {"since": "123456789"}, True),
        ("GET /runs", {"since": "604800s"}, True),
        ("POST /runs/cancel", {"since": 3600, "dry_run": True}, True),
        ("POST /runs/retry", {"until": 0.5, "dry_run": True}, True),
        ("POST /runs/retry", {"until": -1, "dry_run": True}, False),
        ("POST /runs", {**FITTING, "tags": None}, True),
        ("POST /runs", {**FITTING, "tags": "a"}, False),
        ("GET /runs/{run_id}/logs", {"attempt": 1_000_000}, True),
        ("GET /runs/{run_id}/logs", {"attempt": 1_000_001}, False),
    ],
)
def test_what_is_taken_is_what_the_document_allows(
    asked: Any, operation: str, said: dict[str, Any], taken: bool
) -> None:
    whole, headers = asked[0].raw_schema, asked[1]
    method, path = operation.split()
    told = whole["paths"][BASE + path][method.lower()]
    with TestClient(asked[0].app, "http://localhost", headers=headers) as http:
        run_id = http.get(f"{BASE}/runs").json()["runs"][-1]["run_id"]
        where = {"json" if method == "POST" else "params": said}
        status = http.request(method, BASE + path.format(run_id=run_id), **where).status_code
    if method == "POST":
        schema = told["requestBody"]["content"]["application/json"]["schema"]
    else:
        schema = {
            "properties": {each["name"]: each.get("schema", {}) for each in told["parameters"]}
        }

    allowed = Draft202012Validator({**whole, **schema}, validate_formats=True)

    assert (status < 300, allowed.is_valid(said)) == (taken, taken)


@pytest.mark.parametrize(("operation", "mode"), operations())
def test_each_route_is_as_the_document_says(
    asked: Any, operation: str, mode: GenerationMode
) -> None:
    try_out(asked, operation, QUICK, mode)


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "mode"), operations())
def test_each_route_is_as_the_document_says_in_the_long_run(
    asked: Any, operation: str, mode: GenerationMode
) -> None:
    try_out(asked, operation, LONG, mode)
