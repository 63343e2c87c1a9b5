"""`jobreg jobs`, and what every command shares: help, errors, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

import jobreg
from jobreg import cli


def listed(run_cli: Callable, env: dict[str, str]) -> dict:
    return json.loads(run_cli("jobs", "list", "--json", env=env, check=True).stdout)


def shown(run_cli: Callable, env: dict[str, str], name: str) -> dict:
    return json.loads(run_cli("jobs", "show", name, "--json", env=env, check=True).stdout)


def test_list_gives_each_job_its_state(run_cli, fake_plugins):
    fake_plugins.add("acme", "1.0", {"a": "m:f", "b": "m:f", "shared": "m:g", "Bad": "m:h"})
    fake_plugins.add("rival", "2.0", {"shared": "r:g"})
    fake_plugins.add("evil", "6.6", {"kept.out": "e:f"})

    found = listed(run_cli, fake_plugins.env(JOBREG_DENY_DISTS="evil"))

    acme = {"dist": "acme", "version": "1.0"}
    location = str(fake_plugins.path)
    assert found["jobs"] == [
        {"name": "Bad", "target": "m:h", **acme, "state": "invalid"},
        {"name": "a", "target": "m:f", **acme, "state": "ok"},
        {"name": "b", "target": "m:f", **acme, "state": "alias", "alias_of": "a"},
        {"name": "kept.out", "target": "e:f", "dist": "evil", "version": "6.6", "state": "denied"},
        {
            "name": "shared",
            "target": None,
            "dist": None,
            "version": None,
            "state": "conflict",
            "claimants": [
                {**acme, "target": "m:g", "location": location},
                {"dist": "rival", "version": "2.0", "target": "r:g", "location": location},
            ],
        },
    ]


def test_list_gives_each_problem_its_place(run_cli, fake_plugins):
    file = fake_plugins.add_raw("acme", "1.0", b"[jobreg.jobs]\n\nBad = m:f\n")

    found = listed(run_cli, fake_plugins.env())

    (problem,) = found["problems"]
    assert problem.pop("message").startswith("'Bad' is not a job name")
    assert problem == {
        "code": "bad_name",
        "file": str(file),
        "line": 3,
        "dist": "acme",
        "name": "Bad",
    }


def test_list_for_people_is_a_table_with_problems_on_stderr(run_cli, fake_plugins):
    fake_plugins.add("acme", "1.0", {"reports.render": "acme.render:render", "Bad": "m:f"})

    done = run_cli("jobs", "list", env=fake_plugins.env())

    header, *rows = done.stdout.splitlines()
    assert header.split() == ["NAME", "PROVIDER", "STATE", "TARGET"]
    assert rows[1].split() == ["reports.render", "acme", "1.0", "ok", "acme.render:render"]
    assert "entry_points.txt:3: 'Bad' is not a job name" in done.stderr
    assert done.returncode == 0


def test_list_without_jobs_is_friendly(run_cli):
    done = run_cli("jobs", "list")

    assert done.stdout == (
        "No jobs are installed here. Install a plugin that advertises some with pip.\n"
    )
    assert done.returncode == 0


def test_list_escapes_what_a_plugin_wrote(run_cli, fake_plugins):
    fake_plugins.add("acme", "1.0\x1b[31m", {"a": "m:f"})

    done = run_cli("jobs", "list", env=fake_plugins.env())

    assert "\x1b" not in done.stdout
    assert r"1.0\x1b[31m" in done.stdout


def test_show_tells_where_a_job_comes_from_without_importing_it(run_cli, fake_plugins):
    source = "raise SystemExit('imported')"
    jobs = {"a": "pack.work:f", "old.a": "pack.work:f"}
    info = fake_plugins.add("acme", "1.0", jobs, {"pack/work.py": source}).parent
    direct = {"url": "file:///src/my%20acme", "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(direct))

    found = shown(run_cli, fake_plugins.env(), "a")

    assert found == {
        "name": "a",
        "target": "pack.work:f",
        "dist": "acme",
        "version": "1.0",
        "state": "ok",
        "owner": None,
        "file": str(fake_plugins.path / "pack" / "work.py"),
        "line": None,
        "location": str(fake_plugins.path),
        "editable": "/src/my acme",
        "aliases": ["old.a"],
        "problems": [],
        "summary": None,
        "signature": None,
        "params_schema": None,
        "not_enforced": [],
        "trouble": None,
        "import_seconds": None,
        "known_as": None,
        "options": None,
        "runs": {},
    }


def test_show_finds_the_file_of_an_editable_installation(run_cli, fake_plugins, tmp_path):
    (tmp_path / "project" / "src").mkdir(parents=True)
    (tmp_path / "project" / "src" / "work.py").write_text("")
    info = fake_plugins.add("acme", "1.0", {"a": "work:f"}).parent
    direct = {"url": f"file://{tmp_path}/project", "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(direct))

    found = shown(run_cli, fake_plugins.env(), "a")

    assert found["file"] == f"{tmp_path}/project/src/work.py"


def test_show_survives_a_broken_direct_url(run_cli, fake_plugins):
    info = fake_plugins.add("acme", "1.0", {"a": "m:f"}).parent
    (info / "direct_url.json").write_text("[]")

    found = shown(run_cli, fake_plugins.env(), "a")

    assert found["editable"] is None


def test_show_of_a_conflict_lists_the_claimants(run_cli, fake_plugins):
    fake_plugins.add("acme", "1.0", {"shared": "m:f"})
    fake_plugins.add("rival", "2.0", {"shared": "r:f"})

    done = run_cli("jobs", "show", "shared", env=fake_plugins.env())

    assert "conflict" in done.stdout
    assert [line.split()[:2] for line in done.stdout.splitlines()[-2:]] == [
        ["acme", "1.0"],
        ["rival", "2.0"],
    ]
    assert done.returncode == 0


def test_show_of_a_denied_and_of_an_invalid_job_says_so(run_cli, fake_plugins):
    fake_plugins.add("acme", "1.0", {"kept.out": "m:f"})
    fake_plugins.add("rival", "1.0", {"wrong": "no-colon"})
    env = fake_plugins.env(JOBREG_DENY_DISTS="acme")

    denied, invalid = shown(run_cli, env, "kept.out"), shown(run_cli, env, "wrong")

    assert denied["state"] == "denied"
    assert invalid["state"] == "invalid"
    assert [each["code"] for each in invalid["problems"]] == ["bad_target"]


def test_show_of_an_unknown_job_exits_3_with_close_names(run_cli, fake_plugins):
    fake_plugins.add("acme", "1.0", {"reports.render": "m:f"})

    done = run_cli("jobs", "show", "report.render", "--json", env=fake_plugins.env())

    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == (
        "jobreg: No job named 'report.render' is installed here. "
        "Did you mean 'reports.render' (acme 1.0)? See: jobreg jobs list\n"
    )


def test_help_names_every_command_though_none_is_imported(run_cli):
    done = run_cli("--help", check=True)

    for name in ("jobs", "submit", "run", "runs", "worker", "store"):
        assert any(line.split()[:1] == [name] for line in done.stdout.splitlines())


def test_version(run_cli):
    done = run_cli("--version", check=True)

    assert done.stdout == f"jobreg {jobreg.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["jbos"], "Did you mean 'jobs'"), (["jobs", "lsit"], "Did you mean 'list'")],
)
def test_an_unknown_command_offers_close_names(run_cli, arguments, hint):
    done = run_cli(*arguments)

    assert done.returncode == 2
    assert hint in done.stderr


def test_a_wrong_option_is_a_usage_error(run_cli):
    done = run_cli("jobs", "list", "--colour")

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_bad_setting_is_one_line_on_stderr(run_cli, fake_plugins):
    done = run_cli("jobs", "list", env=fake_plugins.env(JOBREG_LEASE="soon\x1b[2J"))

    assert done.returncode == 2
    assert done.stderr.startswith("jobreg: JOBREG_LEASE: ")
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(fake_plugins):
    fake_plugins.add("acme", "1.0", {f"job_{number}": f"m:f{number}" for number in range(5000)})
    command = [sys.executable, "-m", "jobreg", "jobs", "list"]

    with subprocess.Popen(
        command, env=fake_plugins.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()

    assert told == b""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (jobreg.UnknownRun("gone"), 3),
        (jobreg.StoreUnavailable("locked"), 5),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.exceptions.Exit(4), 4),
        (click.UsageError("no"), 2),
    ],
)
def test_whatever_ends_a_command_becomes_its_exit_code(monkeypatch, raised, code):
    @click.command()
    def broken() -> None:
        raise raised

    monkeypatch.setitem(cli.cli.commands, "broken", broken)

    assert cli.run(["broken"]) == code


def test_a_command_may_return_its_exit_code(monkeypatch):
    command = click.Command("six", callback=lambda: 6)
    monkeypatch.setitem(cli.cli.commands, "six", command)

    assert cli.run(["six"]) == 6


def test_an_ascii_terminal_gets_escapes_not_a_traceback(run_cli, fake_plugins):
    fake_plugins.add("acme", "1.0", {"a": "m\u00fcll:f"})
    env = fake_plugins.env(PYTHONIOENCODING="ascii")

    done = run_cli("jobs", "list", env=env, check=True)

    assert r"m\xfcll:f" in done.stdout
