"""``jobreg web``: tokens made, listed and revoked; the server from its first word to its end."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until


@pytest.fixture
def store(tmp_path: Path, prepared: Path, fake_plugins: Any) -> Any:
    """An environment with an empty store."""
    file = tmp_path / "jobs.db"
    file.write_bytes(prepared.read_bytes())
    return fake_plugins.env(JOBREG_STORE=str(file))


@pytest.fixture
def served(store: dict[str, str], tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The server as a process, and its URL."""
    out = tmp_path / "out"
    with out.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobreg", "web", "--port", "0", "--json"],
            env=store, stdout=told, stderr=subprocess.PIPE,
        )  # fmt: skip
    until(lambda: out.read_bytes().endswith(b"}\n"), 30, "it listens")
    yield process, json.loads(out.read_text())["url"]
    process.kill()
    process.communicate(timeout=30)


def test_a_token_is_printed_alone_and_listed_without_itself(run_cli: Any, store: Any) -> None:
    made = run_cli("web", "token", "--role", "read", env=store, check=True)
    (listed,) = json.loads(run_cli("web", "tokens", "--json", env=store).stdout)["tokens"]
    table = run_cli("web", "tokens", env=store).stdout

    token = made.stdout.rstrip("\n")
    assert (token.split(), made.stderr) == ([token], "")
    assert len(token) > 40
    assert (listed["role"], token in json.dumps(listed), token in table) == ("read", False, False)
    assert listed["id"] in table


def test_a_token_may_do_everything_unless_said_otherwise(run_cli: Any, store: Any) -> None:
    made = json.loads(run_cli("web", "token", "--json", env=store, check=True).stdout)

    assert made["role"] == "operate"


def test_a_connection_goes_on_after_the_head_of_a_stream(
    run_cli: Any, store: Any, served: tuple[subprocess.Popen[bytes], str]
) -> None:
    token = run_cli("web", "token", env=store, check=True).stdout.strip()
    host = served[1].rstrip("/").rpartition("/")[2]
    headers = {"Authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection(host, timeout=10)

    answers = []
    for method, path in (("HEAD", "/api/v1/events"), ("GET", "/api/v1/jobs")):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answers.append((answer.status, answer.getheader("content-type"), answer.read()[:7]))
    connection.close()

    assert answers == [
        (200, "text/event-stream; charset=utf-8", b""),
        (200, "application/json", b'{"jobs"'),
    ]


@pytest.mark.parametrize("by", ["id", "token"])
def test_a_token_is_revoked_by_its_id_or_itself_and_no_other(
    run_cli: Any, store: Any, by: str
) -> None:
    token, _ = (run_cli("web", "token", env=store).stdout.strip() for _ in range(2))
    listed = json.loads(run_cli("web", "tokens", "--json", env=store).stdout)["tokens"]

    told = run_cli("web", "revoke", listed[0]["id"] if by == "id" else token, env=store, check=True)

    left = json.loads(run_cli("web", "tokens", "--json", env=store).stdout)["tokens"]
    assert told.stdout == f"revoked: {listed[0]['id']}\n"
    assert left == listed[1:]


def test_what_stands_before_the_name_of_a_command_is_for_it(
    run_cli: Any, store: Any, tmp_path: Path
) -> None:
    other = str(tmp_path / "other.db")

    made = run_cli("web", "--store", other, "--json", "token", "--role", "read", env=store)
    there = run_cli("web", "tokens", "--store", other, "--json", env=store, check=True)
    here = run_cli("web", "tokens", "--json", env=store, check=True)

    assert json.loads(made.stdout)["role"] == "read"
    assert [each["role"] for each in json.loads(there.stdout)["tokens"]] == ["read"]
    assert json.loads(here.stdout) == {"tokens": []}


def test_no_address_is_not_every_address(run_cli: Any, store: Any) -> None:
    done = run_cli("web", "--host", "", "--port", "0", env=store)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("jobreg: --host is empty. Give an address")


@pytest.mark.parametrize("host", ["a" * 64 + ".example", ".example", "é..x", "\u202ex", "é" * 70])
def test_an_address_that_can_be_none_is_told_in_a_line(run_cli: Any, store: Any, host: str) -> None:
    done = run_cli("web", "--host", host, "--port", "0", env=store)

    assert (done.returncode, done.stdout) == (2, "")
    assert "port 0 cannot be listened on: " in done.stderr
    assert done.stderr.count("\n") == 1


def test_streams_are_over_when_it_ends_and_nothing_went_wrong(
    run_cli: Any, store: Any, served: tuple[subprocess.Popen[bytes], str]
) -> None:
    token = run_cli("web", "token", env=store, check=True).stdout.strip()
    process, url = served
    asked = urllib.request.Request(
        f"{url}/api/v1/events", headers={"Authorization": f"Bearer {token}"}
    )

    with urllib.request.urlopen(asked, timeout=20) as stream:
        stream.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 0
    assert b"ERROR" not in err
    assert b"Traceback" not in err


def test_it_listens_on_this_machine_alone_and_ends_with_0_at_sigterm(served: Any) -> None:
    process, url = served

    with urllib.request.urlopen(f"{url}/api/v1/health", timeout=10) as answer:
        told = json.loads(answer.read())
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)

    assert url.startswith("http://127.0.0.1:")
    assert told["status"] == "ok"
    assert process.returncode == 0
    assert b"there is no token yet" in err
    assert b"Traceback" not in err


def test_an_address_in_the_request_line_does_not_pass_for_the_host(served: Any) -> None:
    _, url = served
    port = int(url.rpartition(":")[2])

    def status(line: bytes, host: bytes) -> int:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            request = b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (line, host)
            connection.sendall(request)
            return int(connection.makefile("rb").readline().split()[1])

    assert status(b"/api/v1/jobs", b"localhost") == 401
    assert status(b"/api/v1/jobs", b"evil.example") == 421
    assert status(b"http://localhost/api/v1/jobs", b"evil.example") == 421
    assert status(b"http://evil.example/api/v1/jobs", b"localhost") in (400, 401, 404, 421)
    assert status(b"http://evil.example/x/api/v1/health", b"evil.example") in (400, 404, 421)
