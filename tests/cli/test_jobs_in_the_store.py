"""jobs sync, adopt, set, list --owners, show: the store's word on names and options."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from jobreg import Client, Registry
from jobreg.catalogue import Entry, Hello
from jobreg.cli import run
from jobreg.lifecycle import Provider
from jobreg.options import JobOptions
from jobreg.store import open_store

RENDER = (
    "from jobreg import job\n"
    "@job(timeout='5m')\n"
    "def render(account: int, title: str = 'x'):\n"
    '    """Render a report."""\n'
    "    return 'by {}'\n"
)
NAME = "reports.render"


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield opened
    opened.close()


@pytest.fixture
def jobreg(run_cli, fake_plugins, store):
    """Run a command with that store, with --json; gives its code and what it told."""

    def run(*arguments):
        done = run_cli(*arguments, "--json", env=fake_plugins.env(JOBREG_STORE=store.full_url))
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    return run


def install(fake_plugins, dist, *names, source=RENDER):
    module = f"{dist}_module"
    jobs = dict.fromkeys(names or (NAME,), f"{module}:render")
    return fake_plugins.add(dist, "1.0", jobs, {f"{module}.py": source.replace("{}", dist)})


def test_sync_tells_the_store_what_each_job_is(jobreg, fake_plugins, store):
    install(fake_plugins, "acme")
    install(fake_plugins, "broken", "broken.job", source="import no_such_module\n")

    code, told = jobreg("jobs", "sync")

    assert code == 1
    good = {"name": NAME, "state": "ok", "dist": "acme", "version": "1.0", "owner": "acme",
            "summary": "Render a report.", "trouble": None}  # fmt: skip
    bad, got = told["jobs"]
    assert got == good
    assert (bad["name"], bad["state"], bad["owner"]) == ("broken.job", "error", None)
    assert "No module named 'no_such_module'" in bad["trouble"]
    entries = {each.job_name: each for each in store.catalogue.known()}
    assert str(entries[NAME].takes()) == "(account: int, title: str = 'x')"
    assert entries[NAME].params_schema["required"] == ["account"]
    assert "no_such_module" in entries["broken.job"].trouble
    assert {name: owner.pinned_by for name, owner in store.catalogue.owners().items()} == {
        NAME: "sync"
    }


def test_sync_names_what_the_database_refuses_and_keeps_the_others(
    postgres, fake_plugins, monkeypatch, capsys
):
    def hellos(refs):
        for ref in refs:
            version = "1" * 129 if ref.name == "long.job" else ref.version
            provider = Provider(ref.dist, version)
            yield ref, Hello(job_name=ref.name, provider=provider, options=JobOptions())

    url = postgres.for_tests()
    install(fake_plugins, "acme")
    install(fake_plugins, "long", "long.job")
    monkeypatch.setattr("jobreg.worker.probing.hellos", hellos)
    monkeypatch.setattr("jobreg.registry._default", Registry(path=[str(fake_plugins.path)]))

    code = run(["jobs", "sync", "--json", "--store", url])

    bad, good = json.loads(capsys.readouterr().out)["jobs"]
    assert (code, good["state"], good["owner"]) == (1, "ok", "acme")
    assert (bad["name"], bad["dist"], bad["state"], bad["owner"]) == (
        "long.job", "long", "error", None
    )  # fmt: skip
    assert "The store does not keep what long says of it: " in bad["trouble"]
    with closing(open_store(url)) as opened:
        assert [each.job_name for each in opened.catalogue.known()] == [NAME]


def test_a_job_that_is_invalid_for_its_distribution_is_shown_with_the_problem(jobreg, fake_plugins):
    fake_plugins.add("acme", "1" * 129, {NAME: "m:f"}, {"m.py": "def f(): pass"})

    code, told = jobreg("jobs", "show", NAME)
    _, found = jobreg("jobs", "doctor")

    assert (code, told["state"]) == (0, "invalid")
    assert [each["code"] for each in told["problems"]] == ["bad_provider"]
    assert [each["code"] for each in found["problems"]] == ["bad_provider"]


def test_after_sync_whoever_has_no_plugin_is_told_what_is_wrong(
    jobreg, fake_plugins, store, run_cli
):
    install(fake_plugins, "acme")
    jobreg("jobs", "sync")

    done = run_cli("submit", NAME, "acount=1", "title=5", "--store", store.full_url)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    for fault in ("missing 'account'", "unknown 'acount' (did you mean 'account'?)", "title: "):
        assert fault in done.stderr
    assert sum(store.counts().values()) == 0
    assert run_cli("submit", NAME, "account=1", "--store", store.full_url).returncode == 0


def test_adopt_settles_a_conflict_for_everybody(jobreg, fake_plugins, store):
    install(fake_plugins, "acme")
    install(fake_plugins, "rival")
    assert jobreg("jobs", "sync")[1]["jobs"][0]["state"] == "conflict"
    (row,) = jobreg("jobs", "list", "--owners")[1]["jobs"]
    assert (row["state"], row["owner"]) == ("conflict", None)

    code, told = jobreg("jobs", "adopt", NAME, "--from", "Rival")

    assert (code, told) == (0, {"name": NAME, "owner": "rival", "before": None})
    (row,) = jobreg("jobs", "list", "--owners")[1]["jobs"]
    assert (row["state"], row["dist"], row["owner"]["dist"]) == ("ok", "rival", "rival")
    assert row["owner"]["pinned_by"] == "adopt"
    assert [each["dist"] for each in row["claimants"]] == ["acme", "rival"]
    (plain,) = jobreg("jobs", "list")[1]["jobs"]
    assert plain["state"] == "conflict"  # of what is installed, whatever the store says
    assert jobreg("run", NAME, "account=1")[1]["result"] == "by rival"


def test_a_stranger_is_refused_when_the_owner_is_gone_until_it_adopts_the_name(
    jobreg, fake_plugins, store
):
    install(fake_plugins, "rival")
    store.catalogue.adopt(NAME, "acme")

    listed = jobreg("jobs", "list", "--owners")[1]["jobs"][0]["state"]
    synced = jobreg("jobs", "sync")
    adopted = jobreg("jobs", "adopt", NAME, "--from", "rival")

    assert listed == "refused"
    assert (synced[0], synced[1]["jobs"][0]["state"]) == (1, "refused")
    assert f"jobreg jobs adopt {NAME} --from rival" in synced[1]["jobs"][0]["trouble"]
    assert adopted[1]["before"] == "acme"
    assert jobreg("jobs", "sync")[0] == 0


def test_adopt_takes_only_who_is_known_to_provide_the_name(run_cli, fake_plugins, store):
    install(fake_plugins, "acme")

    done = run_cli(
        "jobs",
        "adopt",
        NAME,
        "--from",
        "stranger",
        env=fake_plugins.env(JOBREG_STORE=store.full_url),
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (f"jobreg: 'stranger' is not known to provide '{NAME}'; known is acme.\n")
    assert store.catalogue.owners() == {}


def test_what_an_application_registers_can_own_no_name(run_cli, fake_plugins, store):
    install(fake_plugins, "acme")
    of_an_application = Provider("application", "")
    store.catalogue.learn(
        [Entry(job_name=NAME, provider=of_an_application, options={}, params_schema=None)], "hello"
    )
    env = fake_plugins.env(JOBREG_STORE=store.full_url)

    done = run_cli("jobs", "adopt", NAME, "--from", "application", env=env)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("jobreg: What an application registers belongs to nobody")
    assert store.catalogue.owners() == {}


def test_set_overrides_and_takes_back(jobreg, fake_plugins, store):
    install(fake_plugins, "acme")

    first = jobreg("jobs", "set", NAME, "timeout=10m", "queue=night", "concurrency=2")
    seen = jobreg("jobs", "set", NAME)
    second = jobreg("jobs", "set", NAME, "timeout=", "queue=5")

    assert first == (0, {"name": NAME, "set": {"concurrency": 2, "queue": "night", "timeout": 600}})
    assert seen == first
    assert second[1]["set"] == {"concurrency": 2, "queue": "5"}


def test_show_gives_the_source_of_every_option_and_what_the_store_knows(
    jobreg, fake_plugins, store
):
    file = install(fake_plugins, "acme")
    jobreg("jobs", "sync")
    jobreg("jobs", "set", NAME, "concurrency=2")
    client = Client(store, Registry(path=[str(fake_plugins.path)]))
    client.submit(NAME, {"account": 1})
    client.submit(NAME, {"account": 1}).cancel()

    code, told = jobreg("jobs", "show", NAME)

    assert code == 0
    assert told["file"] == str(file.parents[1] / "acme_module.py")
    assert told["line"] == 3
    assert told["signature"] == "(account: int, title: str = 'x')"
    assert told["summary"] == "Render a report."
    assert told["owner"]["dist"] == "acme"
    assert told["known_as"] == {"dist": "acme", "version": "1.0"}
    assert told["runs"] == {"cancelled": 1, "queued": 1}
    options = told["options"]
    assert options["timeout"] == {"value": 300.0, "source": "job"}
    assert options["concurrency"] == {"value": 2, "source": "set"}
    assert options["max_attempts"] == {"value": 1, "source": "default"}


def test_show_tells_of_a_job_that_only_the_store_knows(jobreg, fake_plugins, store):
    metadata = install(fake_plugins, "acme")
    jobreg("jobs", "sync")
    metadata.unlink()

    code, told = jobreg("jobs", "show", NAME)

    assert (code, told["state"], told["target"]) == (0, "elsewhere", None)
    assert told["known_as"] == {"dist": "acme", "version": "1.0"}
    assert told["signature"] == "(account: int, title: str = 'x')"


def test_show_tells_why_a_job_cannot_be_imported(jobreg, fake_plugins, store):
    install(fake_plugins, "broken", source="import no_such_module\n")
    jobreg("jobs", "sync")

    _, told = jobreg("jobs", "show", NAME)

    assert "No module named 'no_such_module'" in told["trouble"]
    assert told["options"] is None
    assert store.catalogue.owners() == {}


def test_people_read_it(run_cli, fake_plugins, store):
    install(fake_plugins, "acme")
    install(fake_plugins, "rival")

    def told(*arguments):
        environ = fake_plugins.env(JOBREG_STORE=store.full_url)
        done = run_cli(*arguments, env=environ)
        assert (done.stderr, [line for line in done.stdout.splitlines() if len(line) > 120]) == (
            "",
            [],
        )
        return done.stdout

    assert "is claimed by acme 1.0 and rival 1.0" in told("jobs", "sync")
    assert told("jobs", "adopt", NAME, "--from", "acme") == (
        f"{NAME} belongs to acme now (before: nobody).\n"
    )
    assert "ok" in told("jobs", "sync")
    assert "(adopt)" in told("jobs", "list", "--owners")
    assert told("jobs", "set", NAME) == f"Nothing is set for {NAME}; its own options hold.\n"
    shown = told("jobs", "show", NAME)
    assert "Claimed by several; it belongs to acme:" in shown
    assert [line.split() for line in shown.splitlines() if "timeout" in line] == [
        ["timeout", "300.0", "job"]
    ]
