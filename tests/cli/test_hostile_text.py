"""Hostile text in names, parameters, errors and metadata is shown harmless by every command."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest
from commands import DONE, FAILED, NAME, QUEUED, VALID, call
from store_hands import Ending, ErrorReport, add_worker, claim_one, outcome, settle

from jobreg.cli import run
from jobreg.lifecycle import RunRecord

EVIL = (
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\r\n\x08\x9b2J\u202egnp.exe\u2066\u200f\u061c\u2028\x00\x7f"
)
HARMFUL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
LONG = EVIL + "x" * 1_000_000
STORE_RUNS = ("runs list", "runs show", "runs wait", "runs logs", "runs why", "runs cancel",
              "runs retry", "status", "submit")  # fmt: skip


@pytest.fixture
def poisoned(file, kept):
    """Write hostile text wherever the store holds text, whatever checks it would have to pass."""
    kept.insert([RunRecord(run_id="03a00000-0000-7000-8000-000000000000", job_name=NAME)])
    worker = add_worker(kept)
    taken = claim_one(kept, worker)
    error = ErrorReport(EVIL[:200], LONG[:60_000], "\n".join([LONG[:30_000], EVIL]))
    settle(kept, worker, outcome(taken, Ending.ERROR, error=error))
    claim_one(kept, worker)
    texts = {
        "jobreg_runs": ("job_name", "queue", "dist", "version", "error_type", "error_message",
                        "error_traceback"),
        "jobreg_live": ("job_name", "queue", "dist", "version"),
        "jobreg_attempts": ("host", "dist", "version", "error_type", "error_message"),
        "jobreg_workers": ("host", "pid_started", "jobreg_version"),
    }  # fmt: skip
    with sqlite3.connect(file) as connection:
        for table, columns in texts.items():
            for column in columns:
                connection.execute(f"UPDATE {table} SET {column} = ?", (EVIL,))
        connection.execute("UPDATE jobreg_runs SET error_message = ?, params = ?, tags = ?",
                           (LONG, json.dumps({EVIL: LONG}), json.dumps([EVIL])))  # fmt: skip
        said = {"at": 1_800_000_000_000_000, "stream": EVIL, "level": EVIL, "logger": EVIL}
        body = json.dumps([said | {"text": EVIL}, said | {"text": LONG}])
        connection.execute("UPDATE jobreg_logs SET body = ?", (body,))
        connection.execute("UPDATE jobreg_runs SET result = ?, progress = ?",
                           (json.dumps(LONG), json.dumps([1, 2, EVIL])))  # fmt: skip
        connection.execute("UPDATE jobreg_workers SET queues = ?, names = ?",
                           (json.dumps([EVIL]), json.dumps([EVIL])))  # fmt: skip
    connection.close()


def harmless(text):
    return HARMFUL.search(text) is None


@pytest.mark.parametrize("path", STORE_RUNS)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["people", "json"])
@pytest.mark.parametrize("run_id", [QUEUED, FAILED, DONE])
def test_what_the_store_holds(poisoned, plugin, file, monkeypatch, capsys, path, form, run_id):
    from jobreg import Registry

    monkeypatch.setattr("jobreg.registry._default", Registry(path=[str(plugin.parents[1])]))
    monkeypatch.setenv("JOBREG_STORE", str(file))
    words = call(path, *form)
    if words[-len(form) - 1] in (QUEUED, FAILED, DONE):
        words[-len(form) - 1] = run_id
    if path == "runs wait":
        words += ["--timeout", "0"]

    code = run(words)

    out, err = capsys.readouterr()
    assert code in (0, 1, 4, 6)
    assert out or err
    assert harmless(out)
    assert harmless(err)
    assert len(err) < 2000
    if form and out:
        json.loads(out)


def test_a_table_of_hostile_rows_still_fits(poisoned, file, capsys):
    for words in (["runs", "list"], ["status"], ["runs", "cancel", "--all", "--dry-run"]):
        run([*words, "--store", str(file)])

        lines = capsys.readouterr().out.splitlines()
        assert len(lines) > 1
        assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("path", ["jobs list", "jobs show", "jobs doctor", "completion"])
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["people", "json"])
def test_what_distributions_say_of_themselves(jobreg, fake_plugins, path, form):
    evil = EVIL.replace("\x00", "").replace("\r", "").replace("\n", "")
    lines = ["[jobreg.jobs]", f"{evil} = m:f", f"a = {evil}", f"{'x' * 1_000_000} = m:f", "b = m:f"]
    fake_plugins.add_raw(f"dist{evil[:60]}", f"1{evil[:60]}", "\n".join(lines).encode())
    fake_plugins.add("rival", f"1.0{evil}", {"b": "r:f"})

    done = jobreg(*path.split(), *(["b"] if path == "jobs show" else VALID[path]), *form)

    assert done.returncode == (1 if path == "jobs doctor" else 0)
    assert harmless(done.stdout)
    assert harmless(done.stderr)
    if form:
        json.loads(done.stdout)


@pytest.mark.parametrize(
    "words",
    [
        ["submit", EVIL[:-2]], ["submit", NAME, f"{EVIL[:-2]}"], ["run", EVIL[:-2]],
        ["submit", NAME, "--run-id", EVIL[:-2]], ["submit", NAME, "--queue", EVIL[:-2]],
        ["submit", NAME, "--tag", EVIL[:-2]], ["submit", NAME, "--at", EVIL[:-2]],
        ["submit", NAME, "--params", EVIL[:-2]], ["submit", NAME, "--params", f"@{EVIL[:-2]}"],
        ["runs", "list", "--job-name", EVIL[:-2]], ["runs", "list", "--state", EVIL[:-2]],
        ["runs", "show", EVIL[:-2]], ["runs", "cancel", EVIL[:-2]], ["jobs", "show", EVIL[:-2]],
        [EVIL[:-2]], ["runs", EVIL[:-2]], ["runs", "list", f"--{EVIL[:-2]}"],
        ["runs", "list", "--limit", EVIL[:-2]], ["completion", EVIL[:-2]],
        ["status", "--store", f"{EVIL[:-2]}://"], ["jobs", "list", EVIL[:-2]],
    ],
    ids=lambda words: ascii(" ".join(words))[:30],
)  # fmt: skip
def test_what_is_typed(jobreg, words):
    done = jobreg(*words)

    assert done.returncode in (2, 3)
    assert harmless(done.stderr)
    assert done.stderr.count("\n") == 1


def test_what_a_job_says_when_it_fails_here(jobreg, fake_plugins):
    source = f"class Evil(Exception): pass\ndef run(): raise Evil({EVIL!r} + 'x' * 1_000_000)\n"
    fake_plugins.add("acme-reports", "1.0", {NAME: "acme:run"}, {"acme.py": source})

    done = jobreg("run", NAME)

    assert done.returncode == 1
    assert harmless(done.stdout)
    assert harmless(done.stderr)
    assert "Evil" in done.stderr


def test_what_a_job_returns_here(jobreg, fake_plugins):
    source = f"def run(): return {{{EVIL!r}: {EVIL!r}}}\n"
    fake_plugins.add("acme-reports", "1.0", {NAME: "acme:run"}, {"acme.py": source})

    done = jobreg("run", NAME)

    assert (done.returncode, done.stderr) == (0, "")
    assert harmless(done.stdout)
    assert json.loads(done.stdout) == {EVIL: EVIL}


def test_what_the_log_of_a_worker_tells(jobreg, fake_plugins, kept):
    source = f"raise ImportError({EVIL!r})\n"
    fake_plugins.add("acme-reports", "1.0", {NAME: "acme:run"}, {"acme.py": source})

    done = jobreg("worker", "--until-idle")

    assert done.returncode == 0
    assert harmless(done.stderr)
    assert kept.get(QUEUED).state == "failed"
