"""Who asks over HTTP names a job and nothing else: the same bytes whatever version runs it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from waiting import until

Curl = Callable[..., tuple[int, str]]
# What may differ: ids, times, and the version that is named as the provider's.
DIFFERS = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r'"dist":"acme-reports","version":"[^"]+"', '"dist":"acme-reports","version":"V"'),
)


@pytest.fixture
def curl(environment: Any) -> Iterator[Curl]:
    """Ask ``jobreg web`` of an interpreter that has no plugin at all, as a client in C would."""
    here = {**environment.environ, "PYTHONPATH": ""}
    jobreg = [sys.executable, "-m", "jobreg"]
    token = subprocess.run(
        [*jobreg, "web", "token"], env=here, check=True, capture_output=True, text=True
    ).stdout.strip()
    out = environment.folder / "web.json"
    with out.open("wb") as told:
        web = subprocess.Popen([*jobreg, "web", "--port", "0", "--json"], env=here, stdout=told)
    until(lambda: out.read_bytes().endswith(b"}\n"), 30, "it listens")
    url = json.loads(out.read_text())["url"]

    def ask(path: str, body: object = None) -> tuple[int, str]:
        command = ["curl", "-s", "-w", "\n%{http_code}", f"{url}/api/v1{path}",
                   "-H", f"Authorization: Bearer {token}"]  # fmt: skip
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    yield ask
    web.terminate()
    assert web.wait(30) == 0


def test_the_same_requests_give_the_same_bytes_under_both_versions(
    environment: Any, curl: Curl
) -> None:
    log, table = environment.folder / "app.log", environment.folder / "table.csv"
    log.write_text("INFO started\nWARNING odd\nERROR broken\n\n" * 100)
    table.write_text("name,size\none,1\ntwo,2.5\n")
    profile = {"job_name": "reports.profile", "params": {"path": str(log)}, "tags": ["nightly"]}
    render = {"job_name": "reports.render", "params": {"csv": str(table)}}
    answers: dict[str, list[str]] = {"1.0": [], "2.0": []}

    for version, told in answers.items():
        environment.install(f"acme_reports-{version}")
        environment.jobreg("jobs", "sync")
        for asked in (profile, render):
            status, submitted = curl("/runs", asked)
            assert status == 201
            environment.jobreg("worker", "--until-idle")
            path = f"/runs/{json.loads(submitted)['run_id']}"
            status, read = curl(path)
            assert json.loads(read)["provider"] == {"dist": "acme-reports", "version": version}
            told += [submitted, read, curl(f"{path}/logs")[1]]

    assert json.loads(answers["1.0"][1])["result"]["lines"] == 400
    assert json.loads(answers["1.0"][4])["result"]["rows"] == 2
    first, second = (list(map(_without_what_differs, told)) for told in answers.values())
    assert first == second


def test_a_request_is_judged_where_no_plugin_is_installed(environment: Any, curl: Curl) -> None:
    environment.install("acme_reports-1.0")
    environment.jobreg("jobs", "sync")

    status, told = curl("/runs", {"job_name": "reports.profile", "params": {"paht": 5}})
    jobs = {each["name"]: each["state"] for each in json.loads(curl("/jobs")[1])["jobs"]}

    assert status == 422
    faults = json.loads(told)["faults"]
    assert faults[0] == "missing 'path'"
    assert "did you mean 'path'?" in faults[1]
    assert jobs == {"reports.profile": "elsewhere", "reports.render": "elsewhere"}
    assert curl("/runs", {"job_name": "reports.profil"})[0] == 404


def _without_what_differs(text: str) -> str:
    for pattern, word in DIFFERS:
        text = re.sub(pattern, word, text)
    return text
