"""Wrong commands: a clear word on stderr, the right exit code, nothing on stdout, no traceback."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from commands import DOCTOR, DONE, NAME, QUEUED, STORELESS, VALID, call, every_command
from permissions import OBEY_PERMISSIONS
from store_hands import everything

from jobreg import Registry
from jobreg.cli import run
from jobreg.store.version import VERSION_TABLE

NO_RUN = "00000000-0000-7000-8000-000000000000"

USAGE = [
    # what the command line itself does not understand
    (["submt"], "No such command 'submt'. Did you mean 'submit'?"),
    (["runs", "shwo", NO_RUN], "Did you mean 'show'?"),
    (["submit"], "Missing argument 'NAME'"),
    (["submit", NAME, "--no-such-option"], "No such option"),
    (["submit", NAME, "--priority", "high"], "'high' is not a valid int"),
    (["runs", "list", "--limit", "many"], "'many' is not a valid int"),
    (["runs", "show"], "Missing argument 'ID'"),
    (["runs", "show", NO_RUN, "more"], "unexpected extra argument"),
]
BAD = [
    # what a command refuses
    (["submit", NAME, "account"], "'account' is not key=value"),
    (["submit", NAME, "=5"], "'=5' is not key=value"),
    (["submit", NAME, "account=1", "account=2"], "account= is given twice. Give it once."),
    (["submit", NAME, "--params", "{a}"], "--params is not JSON"),
    (["submit", NAME, "--params", "[1]"], "--params must be an object"),
    (["submit", NAME, "--params", '{"a": NaN}'], "params.a is nan"),
    (["submit", NAME, "--params", "[" * 100_000], "--params is not JSON"),
    (["submit", NAME, "--params", '{"a": 1, "a": 2}'], "'a' stands twice in one object"),
    (["submit", NAME, 'a={"b": {"c": 1, "d": 1, "c": 2}}'], "'c' stands twice in one object"),
    (["submit", NAME, "--params", '{"a": [%s]}' % ("9" * 5000)], "999... is a number of thousands"),
    (["submit", NAME, "a=1e999"], "params.a is inf"),
    (["submit", NAME, "a=-" + "9" * 5000], "999... is a number of thousands of digits"),
    (["submit", NAME, "a=" + "[" * 150 + "]" * 150], "levels deep"),
    (["submit", NAME, "--delay", "soon"], "delay: 'soon' is not a duration"),
    (["submit", NAME, "--delay", "-5s"], "delay: '-5s' is not a duration"),
    (["submit", NAME, "--timeout", "0"], "timeout: must be more than 0"),
    (["submit", NAME, "--at", "tomorrow"], "--at 'tomorrow' is not an ISO 8601 time"),
    (["submit", NAME, "--at", "0001-01-01T00:00"], "0001-01-01"),
    (["submit", NAME, "--at", "0001-01-01T00:00+05:00"], "0001-01-01"),
    (["submit", NAME, "--at", "9999-12-31T23:59-05:00"], "9999-12-31"),
    (["submit", NAME, "--at", "2090-01-01T00:00Z", "--delay", "5"], "delay or at, not both"),
    (["submit", NAME, "--queue", "no good"], "queue: 'no good' is not a queue name"),
    (["submit", NAME, "--priority", "99999"], "priority: '99999' is not a whole number"),
    (["submit", NAME, "--max-attempts", "0"], "max_attempts"),
    (["submit", NAME, "--max-crashes", "-1"], "max_crashes"),
    (["submit", NAME, "--run-id", "x"], "run id: 'x' is not a UUID"),
    (["submit", NAME, "--tag", ""], "tags"),
    (["submit", NAME, "--store", "oracle://x/y"], "does not speak to oracle"),
    (["submit", NAME, "--store", "postgresql:/u:p@db/jobs"], "'postgresql:' is no URL"),
    (["run", NAME, "--delay", "soon"], "delay: 'soon' is not a duration"),
    (["runs", "list", "--state", "done"], "state: 'done' is none of scheduled, queued"),
    (["runs", "list", "--limit", "0"], "limit: '0' is not a whole number from 1 to 1000"),
    (["runs", "list", "--cursor", "x"], "cursor: 'x'"),
    (["runs", "show", "x"], "run id: 'x' is not a UUID"),
    (["web", "--port", "8070", "token"], "--port is for serving: jobreg web token does not"),
    (["web", "--host", "::1", "tokens"], "--host is for serving: jobreg web tokens does not"),
    (["web", "--allowed-host", "a", "token"], "--allowed-host is for serving"),
]
OTHER = [
    (["submit", "reports.rendr"], 3, "No job named 'reports.rendr' is installed here. Did you"),
    (["run", "reports.rendr"], 3, "No job named 'reports.rendr' is installed here. Did you"),
    (["runs", "show", NO_RUN], 3, f"No run {NO_RUN} in the store"),
    (["runs", "wait", NO_RUN], 3, f"No run {NO_RUN} in the store"),
    (["submit", "torn.job"], 4, "Job 'torn.job' is claimed by"),
    (["runs", "list", "--store", "/dev/null/jobs.db"], 5, "cannot be opened: "),
]


@pytest.fixture
def jobreg(run_cli, fake_plugins, tmp_path):
    fake_plugins.add("acme-reports", "1.0", {NAME: "acme.render:run", "torn.job": "acme.t:run"})
    fake_plugins.add("other", "1.0", {"torn.job": "other:run"})
    environ = fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"))
    return lambda *arguments, **more: run_cli(*arguments, env={**environ, **more})


def short(value):
    return " ".join(value)[:40] if isinstance(value, list) else None


@pytest.mark.parametrize(("arguments", "told"), USAGE, ids=short)
def test_a_command_that_is_not_understood_is_told_with_its_usage(jobreg, arguments, told):
    done = jobreg(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("arguments", "told"), BAD, ids=short)
def test_a_value_that_cannot_be_is_refused_in_one_line(
    fake_plugins, tmp_path, monkeypatch, capsys, arguments, told
):
    # In this process, because there are many: what escaped run() would fail the test.
    fake_plugins.add("acme-reports", "1.0", {NAME: "acme.render:run"})
    monkeypatch.setattr("jobreg.registry._default", Registry(path=[str(fake_plugins.path)]))
    monkeypatch.setenv("JOBREG_STORE", str(tmp_path / "jobs.db"))

    code = run([*arguments, "--json"])

    stdout, stderr = capsys.readouterr()
    assert (code, stdout) == (2, "")
    assert stderr.startswith("jobreg: ")
    assert told in stderr
    assert stderr.count("\n") == 1
    assert len(stderr) < 1000


@pytest.mark.parametrize(("arguments", "code", "told"), OTHER, ids=short)
def test_what_is_not_there_or_torn_or_broken_has_a_code_of_its_own(jobreg, arguments, code, told):
    done = jobreg(*arguments, "--json")

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("jobreg: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert "acme.render" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("JOBREG_LEASE", "soon"), ("JOBREG_CONCURRENCY", "²"), ("JOBREG_MAX_PARAMS", "256KiB")],
)
def test_a_bad_variable_is_refused_by_its_name(jobreg, variable, value):
    done = jobreg("runs", "list", **{variable: value})

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"jobreg: {variable}: ")


def test_control_characters_of_an_argument_are_escaped(jobreg):
    done = jobreg("submit", "a\x1b[31mb\n")

    assert done.returncode == 3
    assert "\x1b" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["runs"], ["store"], ["submit"], ["runs", "wait"]])
def test_help_exits_0_and_names_the_command(jobreg, command):
    done = jobreg(*command, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(" ".join(["Usage: jobreg", *command]))


# Every command and every way to call it wrongly. A command without its rows makes the test red.

LONG = "x" * 100_000
ROWS = {
    "jobs list": [(["jobs", "list", "more"], 2, "unexpected extra argument")],
    "jobs show": [
        (["jobs", "show"], 2, "Missing argument 'NAME'"),
        (["jobs", "show", "reports.rendr"], 3, "Did you mean 'reports.render'"),
        (["jobs", "show", LONG], 3, "No job named 'xxx"),
        (["jobs", "show", "\x1b[31m\n"], 3, r"\x1b[31m"),
    ],
    "jobs doctor": [(["jobs", "doctor", "more"], 2, "unexpected extra argument")],
    "jobs sync": [(["jobs", "sync", "more"], 2, "unexpected extra argument")],
    "jobs adopt": [
        (["jobs", "adopt", NAME], 2, "Missing option '--from'"),
        (["jobs", "adopt", "reports.rendr", "--from", "x"], 3, "Did you mean 'reports.render'"),
        (["jobs", "adopt", NAME, "--from", "other"], 2, "'other' is not known to provide"),
        (["jobs", "adopt", NAME, "--from", "\x1b[31m"], 2, r"\x1b[31m"),
    ],
    "jobs lazy-check": [
        (["jobs", "lazy-check"], 2, "Missing argument 'MODULE'"),
        (["jobs", "lazy-check", "no-module"], 2, "'no-module' is not the name of a module"),
        (["jobs", "lazy-check", "a..b"], 2, "is not the name of a module"),
        (["jobs", "lazy-check", "\x1b[31m"], 2, r"\x1b[31m"),
        (["jobs", "lazy-check", "no_such_module.web"], 3, "There is no module 'no_such_module"),
    ],
    "jobs set": [
        (["jobs", "set"], 2, "Missing argument 'NAME'"),
        (["jobs", "set", "reports.rendr", "priority=1"], 3, "Did you mean 'reports.render'"),
        (["jobs", "set", NAME, "priorty=1"], 2, "Did you mean 'priority'"),
        (["jobs", "set", NAME, "priority"], 2, "with =VALUE"),
        (["jobs", "set", NAME, "priority=1", "priority="], 2, "priority= is given twice"),
        (["jobs", "set", NAME, "timeout=soon"], 2, "timeout: 'soon' is not a duration"),
        (["jobs", "set", NAME, "max_attempts=0"], 2, "max_attempts: '0' is not"),
        (["jobs", "set", NAME, "queue=no good"], 2, "queue: 'no good' is not a queue name"),
        (["jobs", "set", NAME, "backoff=1"], 2, "is not one of queue, priority"),
        (["jobs", "set", NAME, "concurrency=[1]"], 2, "concurrency: "),
    ],
    "submit": [
        (["submit", "reports.rendr"], 3, "Did you mean 'reports.render'"),
        (["submit", NAME, "--params", "@/no/such/file"], 2, "'/no/such/file' cannot be read: No"),
        (["submit", NAME, "--params", "@/"], 2, "'/' cannot be read: Is a directory"),
        (["submit", NAME, "--params", "@/dev/zero"], 2, "--params is not JSON"),
        (["submit", NAME, "--params", "null"], 2, "--params must be an object"),
        (["submit", NAME, f"a={'x' * 262_144}"], 2, "the cap is 262,144 (JOBREG_MAX_PARAMS)"),
        (["submit", NAME, "--timeout", "-1"], 2, "timeout: '-1' is not a duration"),
        (["submit", NAME, "--delay", "5 weeks"], 2, "delay: '5 weeks' is not a duration"),
        (["submit", NAME, "--run-id", DONE[:-1]], 2, "is not a UUID"),
        (["submit", NAME, "--run-id", DONE, "a=1"], 4, "exists with another job or other params"),
        (["submit", NAME, "\udcff=1"], 2, "params"),
        (["submit", NAME, "--tag", "\x1b[31m"], 2, "tags: "),
        (["submit", NAME, "--unique-key", " k"], 2, "neither begins nor ends with a space"),
        (["submit", NAME, "--unique-key", "k", "--unique-policy", "ask"], 2, "is none of return,"),
        (["submit", NAME, "--queue", LONG], 2, "is not a queue name"),
    ],
    "run": [
        (["run", "reports.rendr"], 3, "Did you mean 'reports.render'"),
        (["run", NAME, "--params", "{"], 2, "--params is not JSON"),
        (["run", NAME, "--params", "@/no/such/file"], 2, "cannot be read: No such file"),
        (["run", NAME, "--timeout", "0"], 2, "timeout: must be more than 0"),
        (["run", NAME, "--max-attempts", "0"], 2, "max_attempts: '0' is not"),
        (["run", NAME, "--at", "now", "--delay", "5"], 2, "--at 'now' is not an ISO 8601 time"),
        (["run", NAME, "--run-id", DONE], 4, "Give each new run an id of its own"),
    ],
    "runs list": [
        (["runs", "list", "--state", "fialed"], 2, "state: 'fialed' is none of"),
        (["runs", "list", "--limit", "-1"], 2, "limit: '-1' is not a whole number"),
        (["runs", "list", "--limit", "1001"], 2, "limit: '1001' is not a whole number"),
        (["runs", "list", "--cursor", "-1"], 2, "cursor: '-1'"),
        (["runs", "list", "--cursor", "9" * 19], 2, "cursor: '999"),
        (["runs", "list", "--cursor", "²"], 2, "cursor: "),
        (["runs", "list", "--job-name", "a\nb"], 2, "job_name: "),
        (["runs", "list", "--queue", "no good"], 2, "queue: 'no good' is not a queue name"),
        (["runs", "list", "--reason", "bad luck"], 2, "reason: 'bad luck' is none of error,"),
        (["runs", "list", "--provider", ""], 2, "provider: '' is not a printable text"),
        (["runs", "list", "--version", "\x1b"], 2, "version: "),
        (["runs", "list", "--unique-key", "k" * 257], 2, "unique_key: 'kkk"),
        (["runs", "list", "--tag", "a\nb"], 2, "tags: "),
        (["runs", "list", "--since", "yesterday"], 2, "since: 'yesterday' is no moment"),
        (["runs", "list", "--since", "2026-13-01"], 2, "--since '2026-13-01' is not an ISO 8601"),
        (["runs", "list", "--since", "12345678"], 2, "--since '12345678' is not an ISO 8601"),
        (["runs", "list", "--since", "1h", "--until", "2h"], 2, "is not after since"),
        (["runs", "list", "--param", "account=1"], 2, "give job_name or since too"),
        (["runs", "list", "--param", "account", "--since", "1h"], 2, "is not key=value"),
        (["runs", "list", "--since", "1h", "--cursor", "12"], 2, "cursor: '12' is not one"),
    ],
    "runs show": [
        (["runs", "show", NO_RUN], 3, f"No run {NO_RUN} in the store"),
        (["runs", "show", LONG], 2, "is not a UUID"),
        (["runs", "show", "\x1b\u202e"], 2, r"\x1b\u202e"),
    ],
    "workers list": [(["workers", "list", "more"], 2, "unexpected extra argument")],
    "workers drain": [
        (["workers", "drain"], 2, "Give the ids of workers"),
        (["workers", "drain", "x", "--all"], 2, "Give the ids of workers"),
        (["workers", "drain", "short"], 3, "No live worker has an id that begins with 'short'"),
        (["workers", "drain", NO_RUN], 3, "See: jobreg workers list"),
    ],
    "queues list": [(["queues", "list", "more"], 2, "unexpected extra argument")],
    "queues pause": [
        (["queues", "pause"], 2, "Missing argument 'NAME'"),
        (["queues", "pause", "no good"], 2, "queue: 'no good' is not a queue name"),
        (["queues", "pause", "Not.A.Job", "--job"], 2, "Not.A.Job"),
        (["queues", "pause", "reports.rendr", "--job"], 3, "Did you mean 'reports.render'"),
    ],
    "queues resume": [
        (["queues", "resume", "no good"], 2, "queue: 'no good' is not a queue name"),
        (["queues", "resume", "Not.A.Job", "--job"], 2, "Not.A.Job"),
    ],
    "selftest": [
        (["selftest", "--kills", "0"], 2, "--kills: 0 is not a whole number from 1 to 100000"),
        (["selftest", "--kills", "many"], 2, "'many' is not a valid int"),
        (["selftest", "--store", "oracle://x/y"], 2, "does not speak to oracle"),
    ],
    "bench": [
        (["bench", "--runs", "99"], 2, "--runs: 99 is not a whole number from 100 to 1000000"),
        (["bench", "--runs", "1000001"], 2, "--runs: 1000001 is not a whole number from 100"),
        (["bench", "--runs", "many"], 2, "'many' is not a valid int"),
        (["bench", "more"], 2, "unexpected extra argument"),
        (["bench", "--store", "oracle://x/y"], 2, "does not speak to oracle"),
    ],
    "runs wait": [
        (["runs", "wait", NO_RUN], 3, f"No run {NO_RUN} in the store"),
        (["runs", "wait", QUEUED, "--timeout", "soon"], 2, "timeout: 'soon' is not a duration"),
        (["runs", "wait", QUEUED, "--timeout", "-1"], 2, "timeout: '-1' is not a duration"),
        (["runs", "wait", QUEUED, "--timeout", "0"], 6, "was still queued after 0 s"),
    ],
    "runs logs": [
        (["runs", "logs"], 2, "Missing argument 'ID'"),
        (["runs", "logs", NO_RUN], 3, f"No run {NO_RUN} in the store"),
        (["runs", "logs", LONG], 2, "is not a UUID"),
        (["runs", "logs", DONE, "--attempt", "many"], 2, "'many' is not a valid int"),
        (["runs", "logs", DONE, "--attempt", "0"], 2, "attempt: '0' is not a whole number"),
        (["runs", "logs", DONE, "--attempt", str(10**20)], 2, "attempt: '1000"),
        (["runs", "logs", DONE, "--level", "lots"], 2, "level: 'lots' is none of"),
        (["runs", "logs", DONE, "--level", "\x1b[31m"], 2, r"\x1b[31m"),
    ],
    "runs why": [
        (["runs", "why"], 2, "Missing argument 'ID'"),
        (["runs", "why", NO_RUN], 3, f"No run {NO_RUN} in the store"),
    ],
    "runs cancel": [
        (["runs", "cancel"], 2, "Say which runs to cancel"),
        (["runs", "cancel", "x"], 2, "run id: 'x' is not a UUID"),
        (["runs", "cancel", NO_RUN], 3, f"No run {NO_RUN} in the store"),
        (["runs", "cancel", DONE], 4, "what is over cannot be cancelled"),
        (["runs", "cancel", "--state", "gone"], 2, "state: 'gone' is none of"),
        (["runs", "cancel", "--all", "--limit", "many"], 2, "'many' is not a valid int"),
        (["runs", "cancel", "--queue", "no good"], 2, "queue: 'no good'"),
    ],
    "runs retry": [
        (["runs", "retry"], 2, "Say which runs to retry"),
        (["runs", "retry", "x"], 2, "run id: 'x' is not a UUID"),
        (["runs", "retry", NO_RUN], 3, f"No run {NO_RUN} in the store"),
        (["runs", "retry", QUEUED], 4, "only a failed or cancelled run can be queued again"),
        (["runs", "retry", "--state", "running"], 2, "--state running: retry finds only"),
        (["runs", "retry", "--job-name", "\x00"], 2, "job_name: "),
    ],
    "status": [(["status", "more"], 2, "unexpected extra argument")],
    "worker": [
        (["worker", "--concurrency", "0"], 2, "concurrency: '0' is not a whole number"),
        (["worker", "--concurrency", "many"], 2, "'many' is not a valid int"),
        (["worker", "--queue", "no good"], 2, "queues: 'no good' is not a queue name"),
        (["worker", "--until-idle", "--queue", ""], 2, "queues: an empty name"),
        (["worker", "--until-idle", "--queue", "a", "--queue", " "], 2, "queues: an empty name"),
        (["worker", "--until-idle", "--allow", ""], 2, "allow_dists: an empty name"),
        (["worker", "--until-idle", "--deny", ""], 2, "deny_dists: an empty name"),
        (["worker", "--lease", "0.1"], 2, "lease: '0.1' is outside"),
        (["worker", "--grace", "-1"], 2, "grace: '-1' is not a duration"),
        (["worker", "--kill-grace", "soon"], 2, "kill_grace: 'soon' is not a duration"),
    ],
    "store status": [(["store", "status", "more"], 2, "unexpected extra argument")],
    "store prune": [
        (
            ["store", "prune", "--retain", "queued=1d"],
            2,
            "retain: 'queued=1d' names no final state",
        ),
        (["store", "prune", "--retain", "failed=soon"], 2, "retain: failed: 'soon' is not a dur"),
    ],
    "store rename-job": [
        (["store", "rename-job", NAME], 2, "Missing argument 'NEW'"),
        (["store", "rename-job", NAME, "no name"], 2, "'no name' is not a job name"),
        (["store", "rename-job", NAME, NAME], 2, f"The job is called {NAME!r} already"),
        (["store", "rename-job", "no.job", "some.job"], 3, "Nothing in the store has the job name"),
        (["store", "rename-job", "\udcff", "some.job"], 3, "Nothing in the store has the job name"),
    ],
    "store import-mlflow": [
        (["store", "import-mlflow"], 2, "Missing argument 'URL'"),
        (["store", "import-mlflow", "what"], 2, "'what' is not a database URL"),
        (["store", "import-mlflow", "oracle://host/db"], 2, "cannot be read here"),
        (["store", "import-mlflow", "sqlite:////no/file.db"], 5, "unable to open database file"),
        (["store", "import-mlflow", "sqlite:///x.db", "--map", "/no/map"], 2, "--map: '/no/map'"),
    ],
    "store upgrade": [
        (["store", "upgrade", "more"], 2, "unexpected extra argument"),
        (["store", "upgrade", "--to", "0002"], 2, "it cannot go back to 0002: versions only add"),
        (["store", "upgrade", "--to", "9"], 2, "--to '9' is none of the versions 0001,"),
    ],
    "web token": [
        (["web", "token", "more"], 2, "unexpected extra argument"),
        (["web", "token", "--role", "root"], 2, "role: 'root' is none of read, submit, operate"),
    ],
    "web tokens": [(["web", "tokens", "more"], 2, "unexpected extra argument")],
    "web revoke": [
        (["web", "revoke"], 2, "Missing argument"),
        (["web", "revoke", "0123456789ab"], 3, "No token has the id '0123456789ab'"),
        (["web", "revoke", ""], 3, "No token has the id ''"),
        (["web", "revoke", "\x1b[31m"], 3, r"\x1b[31m"),
    ],
    "completion": [
        (["completion"], 2, "Missing argument"),
        (["completion", "tcsh"], 2, "'tcsh' is not one of"),
    ],
}
URLS = [
    ("oracle://somewhere/db", 2, "does not speak to oracle"),
    ("nonsense://", 2, "jobreg"),
    ("://", 2, "is not a store URL"),
    ("sqlite://", 2, "A SQLite store needs a file"),
    ("sqlite:///:memory:", 2, "A SQLite store needs a file"),
    ("sqlite:///jobs.db?mode=ro", 2, "the driver of SQLite knows no option 'mode'"),
    ("sqlite:///file:jobs.db?uri=true", 2, "the driver of SQLite knows no option 'uri'"),
    ("what?.db", 2, "holds a '?'"),
    ("/dev/null/jobs.db", 5, "cannot be opened: Not a directory"),
    ("/", 5, "cannot be opened: Is a directory"),
    ("/proc/none/jobs.db", 5, "cannot be opened: "),
    ("\udcff\udcfe", 2, "not UTF-8"),
    ("sqlite:///a\x00b", 2, "null byte"),
]


@pytest.fixture
def here(fake_plugins, plugin, file, kept, monkeypatch, capsys):
    """Run a command in this process; what escaped run() fails the test, as does any change."""
    monkeypatch.setattr("jobreg.registry._default", Registry(path=[str(fake_plugins.path)]))
    monkeypatch.setenv("JOBREG_STORE", str(file))
    monkeypatch.chdir(file.parent)
    before = everything(kept)

    def call(*arguments):
        code = run(list(arguments))
        out, err = capsys.readouterr()
        assert everything(kept) == before
        return code, out, err

    return call


def test_every_command_has_its_rows():
    assert set(ROWS) == {path for path, _ in every_command()}


def test_the_rows_of_a_command_call_that_command():
    assert [row for path, rows in ROWS.items() for row in rows if not call_is(path, row[0])] == []


def call_is(path, arguments):
    return " ".join(arguments).startswith(path)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [row for rows in ROWS.values() for row in rows],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_whatever_is_given_it_is_one_line_the_right_code_and_nothing_stored(
    here, arguments, code, told
):
    got, out, err = here(*arguments)

    assert got == code
    assert told in err
    assert err.startswith("jobreg: ")
    assert err.count("\n") == 1
    assert len(err) < 1000
    assert "\x1b" not in err
    assert arguments[0] == "runs" or out == ""


@pytest.mark.parametrize("path", sorted(VALID))
def test_no_command_takes_an_option_it_does_not_have(here, path):
    code, out, err = here(*call(path), "--no-such-option")

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "No such option" in err
    assert f"Try: jobreg {path} --help" in err


@pytest.mark.parametrize("path", sorted(set(VALID) - STORELESS))
@pytest.mark.parametrize(("url", "code", "told"), URLS, ids=[ascii(url) for url, *_ in URLS])
def test_a_store_that_cannot_be_is_one_line(here, path, url, code, told):
    if path in {"status", "store status", "jobs show", "jobs doctor"}:
        # They look whether there is a store, and make none.
        code, told = (code if code == 2 else None), (told if code == 2 else "")

    got, out, err = here(*call(path), "--store", url)

    if path == "jobs doctor" and got == 1:
        assert out.startswith("error: store: The store ")
        return
    assert got == code or (code is None and got in (0, 5))
    assert told in err
    assert "Traceback" not in err
    assert (err.count("\n"), out) == (1, "") or got == 0


@pytest.mark.parametrize("path", sorted(STORELESS))
def test_a_command_that_needs_no_store_does_not_mind_which(here, path):
    code, out, err = here(*call(path), "--store", "nonsense://")

    assert (code, err) == (0, "")
    assert out


def newer(file):
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    connection.close()


def damaged(file):
    file.write_bytes(b"no database at all, sorry" * 100)


def half(file):
    with sqlite3.connect(file) as connection:
        for table in ("jobreg_runs", "jobreg_live", "jobreg_workers", "jobreg_catalogue",
                      "jobreg_overrides", "jobreg_pauses", "jobreg_tokens"):  # fmt: skip
            connection.execute(f"DROP TABLE {table}")
    connection.close()


@pytest.mark.parametrize("path", sorted(set(VALID) - STORELESS - DOCTOR))
@pytest.mark.parametrize("spoil", [newer, damaged, half])
def test_a_store_that_is_spoilt_is_one_line(run_cli, fake_plugins, plugin, file, path, spoil):
    spoil(file)

    done = run_cli(*call(path), env=fake_plugins.env(JOBREG_STORE=str(file)))

    if (path, spoil) in {("store status", newer), ("store upgrade", half)}:
        assert (done.returncode, done.stderr) == (0, "")  # it speaks of versions only
        return
    *log, told = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (5, "")
    assert told.startswith("jobreg: The store sqlite:///")
    # Those that execute runs log beside it what happened to the store.
    assert not log or (path in ("run", "worker") and spoil is half)
    assert not any("Traceback" in line for line in log)


@pytest.fixture
def shared(tmp_path):
    """A folder that may lose its permissions, and gets them back."""
    folder = tmp_path / "shared"
    folder.mkdir()
    yield folder
    folder.chmod(0o755)


@pytest.mark.parametrize("path", sorted(set(VALID) - STORELESS - DOCTOR))
@pytest.mark.parametrize("locked", ["file", "folder", "unreadable"])
def test_a_store_without_permission_is_one_line(
    warm, fake_plugins, plugin, file, shared, path, locked
):
    store = Path(shutil.copy(file, shared / "jobs.db"))
    store.chmod({"file": 0o444, "folder": 0o666, "unreadable": 0o000}[locked])
    shared.chmod(0o555)
    environ = fake_plugins.env(JOBREG_STORE=str(store))

    done = warm.run(call(path), environ, "/", first=OBEY_PERMISSIONS)

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("jobreg: The store ")
    assert done.stderr.count("\n") == 1
    assert "permission" in done.stderr.lower()


def test_params_come_from_a_file_or_from_stdin(environ, tmp_path):
    (tmp_path / "params.json").write_text('{"a": 1}')

    def told(*arguments, stdin=""):
        done = subprocess.run(
            [sys.executable, "-m", "jobreg", "submit", NAME, "--json", *arguments],
            env=environ, cwd=tmp_path, input=stdin, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)["params"]

    assert told("--params", "@params.json") == {"a": 1}
    assert told("--params", "-", "b=2", stdin='{"a": 3}') == {"a": 3, "b": 2}


def test_params_that_are_not_text_are_refused(here, tmp_path):
    (tmp_path / "params.json").write_bytes(b"\xff\xfe")

    code, _, err = here("submit", NAME, "--params", f"@{tmp_path / 'params.json'}")

    assert code == 2
    assert "cannot be read: it is not UTF-8. Give JSON, @FILE, or - for stdin." in err
