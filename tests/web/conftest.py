"""The application in this process, asked as over HTTP, with a token of each role."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from jobreg import Client, Registry, web
from jobreg.store import open_store
from jobreg.web.access import ROLES, new_token

NAME = "reports.render"
SOURCE = """
from pathlib import Path

from jobreg import job

Path(__file__).with_name("imported").touch()


@job(queue="reports", redact=["secret"])
def run(account: int, title: str = "Monthly", secret: str = "") -> dict:
    "Render a report."
    print("account", account)
    return {"rows": account * 2}


def broken(what: str = "it"):
    raise ValueError(f"cannot do {what}")
"""
JOBS = {NAME: "acme_web:run", "reports.broken": "acme_web:broken"}

Ask = Callable[..., Any]


@pytest.fixture
def url(tmp_path: Path, prepared: Path) -> str:
    """An empty store in a SQLite file."""
    shutil.copy(prepared, tmp_path / "jobs.db")
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
def client(url: str, tmp_path: Path, fake_plugins: Any) -> Iterator[Client]:
    """A client with two jobs installed."""
    fake_plugins.add("acme-reports", "1.0", JOBS, {"acme_web.py": SOURCE})
    made = Client(open_store(url), Registry(path=[str(fake_plugins.path)]))
    yield made
    made.close()


@pytest.fixture
def tokens(client: Client) -> dict[str, str]:
    """A token of each role."""
    return {role: new_token(client.store, role) for role in ROLES}


@pytest.fixture
def http(client: Client) -> Iterator[TestClient]:
    """Asks the application; sends no token by itself, and lets errors of the server through."""
    with TestClient(web.app(client), "http://localhost", follow_redirects=False) as made:
        yield made


@pytest.fixture
def ask(http: TestClient, tokens: dict[str, str]) -> Ask:
    """``ask("GET", "/runs", role="read", json=...)`` under /api/v1, as somebody of a role."""

    def asked(method: str, path: str, role: str = "operate", **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {tokens[role]}"} | more.pop("headers", {})
        return http.request(method, f"/api/v1{path}", headers=headers, **more)

    return asked
