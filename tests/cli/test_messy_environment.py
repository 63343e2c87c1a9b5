"""In an environment full of other packages' malformed metadata every command does its work."""

from __future__ import annotations

import json

import pytest

MESS = {
    "bytes": b"[console_scripts]\n\xff\xfe = x:y\n",
    "line": b"[console_scripts]\nno equals sign\n",
    "headless": b"no group\n= = =\n",
    "ours": b"[jobreg.jobs]\nBad Name = m:f\n\xff = m:f\n",
}


@pytest.fixture
def messy(run_cli, fake_plugins, tmp_path):
    for name, data in MESS.items():
        fake_plugins.add_raw(name, "1.0", data)
        fake_plugins.add_raw(f"no-header-{name}", "1.0", data).with_name("METADATA").unlink()
    fake_plugins.add("acme", "1.0", {"a.job": "acme:f"}, {"acme.py": "def f(n=1): return n\n"})
    environ = fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"))

    def run(*arguments, code=0):
        done = run_cli(*arguments, env=environ)
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize(
    "first", ["store upgrade", "submit a.job", "worker --until-idle", "run a.job"]
)
def test_a_store_can_be_made(messy, first):
    messy(*first.split())

    assert json.loads(messy("store", "status", "--json"))["schema_version"] is not None


def test_a_job_is_found_submitted_executed_and_shown(messy):
    listed = json.loads(messy("jobs", "list", "--json"))
    messy("jobs", "sync")
    run_id = messy("submit", "a.job", "n=3").strip()
    messy("worker", "--until-idle")

    assert [each["name"] for each in listed["jobs"] if each["state"] == "ok"] == ["a.job"]
    assert json.loads(messy("runs", "show", run_id, "--json"))["result"] == 3
    assert json.loads(messy("jobs", "show", "a.job", "--json"))["runs"] == {"succeeded": 1}
    assert messy("run", "a.job", "n=4").strip() == "4"
    codes = {
        each["code"] for each in json.loads(messy("jobs", "doctor", "--json", code=1))["problems"]
    }
    assert {"other_line", "other_encoding", "bad_name", "bad_encoding"} <= codes
