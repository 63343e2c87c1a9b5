"""An import that falls into an installation counts for nothing, for the run and its tries."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from jobreg import Client, Registry
from jobreg.errors import JobLoadError
from jobreg.events import listen
from jobreg.lifecycle import Provider
from jobreg.registry.motion import was_moved
from jobreg.worker.probing import hellos

SOURCE = "from .version import VERSION\ndef work(): return VERSION\n"
MODULES = {"torn/__init__.py": "", "torn/version.py": "VERSION = '{}'\n", "torn/jobs.py": SOURCE}


def install(fake_plugins: Any, version: str) -> Path:
    modules = {name: source.format(version) for name, source in MODULES.items()}
    return fake_plugins.add("torn", version, {"torn.work": "torn.jobs:work"}, modules)


def touch(fake_plugins: Any) -> None:
    os.utime(fake_plugins.path)


def test_a_module_that_is_gone_for_a_moment_costs_no_attempt(
    client: Client, start_worker: Any, fake_plugins: Any
) -> None:
    install(fake_plugins, "1.0")
    part = fake_plugins.path / "torn" / "version.py"
    hidden = part.rename(part.with_suffix(".hidden"))
    told: list[str] = []
    deaf = listen(lambda name, facts: told.append(name) if facts.get("text") is None else None)
    start_worker()
    touch(fake_plugins)
    run = client.submit("torn.work", max_attempts=1)
    until(lambda: "child.ended" in told, 20, "an import has failed and its child was ended")
    hidden.rename(part)
    touch(fake_plugins)

    assert run.result(20) == "1.0"
    deaf()
    assert [each.outcome for each in run.attempts()] == ["succeeded"]
    assert run.record.tries == 0


def test_the_end_of_a_rest_is_looked_after_though_nothing_else_happens(
    client: Client, start_worker: Any, fake_plugins: Any, monkeypatch: Any
) -> None:
    install(fake_plugins, "1.0")
    client.submit("hostile.echo", {"value": 1})
    worker = start_worker(lease="10m")
    until(lambda: not any(client.store.counts()[each] for each in ("queued", "running")), 20)
    monkeypatch.setattr("jobreg.worker.worker._LOOK_EVERY", 600.0)
    monkeypatch.setattr("jobreg.worker.claimer.REST", 4.0)  # what the submit wakes is over by then
    worker.claimer.rest("torn.work")

    run = client.submit("torn.work")

    assert run.result(30) == "1.0"


def test_what_stays_broken_fails_when_the_installation_is_over(
    client: Client, start_worker: Any, fake_plugins: Any
) -> None:
    install(fake_plugins, "1.0")
    (fake_plugins.path / "torn" / "version.py").unlink()
    os.utime(fake_plugins.path, (1, 1))
    start_worker()

    run = client.submit("torn.work").wait(20)

    assert (run.state, run.error and run.error.type) == ("failed", "JobLoadError")
    assert run.record.tries == 1


def test_who_probes_waits_until_the_installation_is_over(
    fake_plugins: Any, monkeypatch: Any
) -> None:
    install(fake_plugins, "1.0")
    part = fake_plugins.path / "torn" / "version.py"
    part.unlink()
    touch(fake_plugins)
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    ref = Registry(path=[str(fake_plugins.path)]).ref("torn.work")

    ((_, hello),) = hellos([ref])

    assert hello.options is not None
    assert "No module named 'torn.version'" in (hello.cause or "")


@pytest.mark.parametrize(
    ("cause", "moved"),
    [
        (ModuleNotFoundError("no", name="torn.jobs"), True),
        (ModuleNotFoundError("no", name="torn"), True),
        (ImportError("cannot import name"), True),
        (AttributeError("no work"), True),
        (ModuleNotFoundError("no", name="pandas"), False),
        (SyntaxError("bad"), False),
        (SystemExit(1), False),
    ],
)
def test_only_what_pip_may_have_caused_is_forgiven(
    fake_plugins: Any, monkeypatch: Any, cause: BaseException, moved: bool
) -> None:
    monkeypatch.setattr("sys.path", [str(fake_plugins.path)])
    error = JobLoadError("no")
    error.__cause__ = cause
    provider = Provider("torn", "1.0")

    young = was_moved("torn.work", "torn.jobs:work", provider, error, time.time_ns())
    os.utime(fake_plugins.path, (1, 1))
    old = was_moved("torn.work", "torn.jobs:work", provider, error, time.time_ns())

    assert (young, old) == (moved, False)


def test_a_good_import_of_another_version_than_was_asked_for_is_not_trusted(
    fake_plugins: Any, monkeypatch: Any
) -> None:
    install(fake_plugins, "1.0")
    monkeypatch.setattr("sys.path", [str(fake_plugins.path)])

    def moved(version: str, target: str = "torn.jobs:work") -> bool:
        return was_moved("torn.work", target, Provider("torn", version), None, time.time_ns())

    assert (moved("1.0"), moved("1.1"), moved("1.0", "torn.old:work")) == (False, True, True)
    (fake_plugins.path / "torn-1.0.dist-info" / "entry_points.txt").unlink()
    touch(fake_plugins)
    assert moved("1.0")
    assert not was_moved("a.b", "m:f", Provider("application", ""), None, time.time_ns())


def test_an_import_that_takes_long_is_looked_at_from_its_begin(
    fake_plugins: Any, monkeypatch: Any
) -> None:
    install(fake_plugins, "1.1")
    monkeypatch.setattr("sys.path", [str(fake_plugins.path)])
    now = time.time_ns()
    os.utime(fake_plugins.path, ns=(now, now - 30 * 10**9))

    def moved(seconds_ago: int) -> bool:
        since = now - seconds_ago * 10**9
        return was_moved("torn.work", "torn.jobs:work", Provider("torn", "1.0"), None, since)

    assert [moved(ago) for ago in (60, 27, 10)] == [True, True, False]


# The second import, which is that of the child that has the runs, waits for the upgrade.
SLOW = """
import time
from pathlib import Path

here = Path({folder!r})
with open(here / "imports", "a") as file:
    file.write("x")
while (here / "imports").read_text() == "xx" and not (here / "go").exists():
    time.sleep(0.01)
from .version import VERSION
from jobreg import job

async def aio(): return VERSION

@job(engine="threads")
def threads(): return VERSION
"""


@pytest.mark.parametrize("engine", ["aio", "threads"])
def test_neighbours_of_an_import_that_was_moved_do_not_begin(
    client: Client, start_worker: Any, fake_plugins: Any, tmp_path: Path, engine: str
) -> None:
    jobs = {"torn.work": f"torn.jobs:{engine}"}
    modules = {**MODULES, "torn/jobs.py": SLOW.format(folder=str(tmp_path))}
    fake_plugins.add("torn", "1.0", jobs, {**modules, "torn/version.py": "VERSION = '1.0'\n"})
    runs = client.submit_many([("torn.work", {})] * 12)
    start_worker(concurrency=1)

    imports = tmp_path / "imports"
    until(lambda: imports.exists() and imports.read_text() == "xx", 30, "the child imports")
    shutil.rmtree(fake_plugins.path / "torn-1.0.dist-info")
    # Of another length: what was compiled is told from its source by that and the second.
    fake_plugins.add("torn", "2.0.0", jobs, {**modules, "torn/version.py": "VERSION = '2.0.0'\n"})
    touch(fake_plugins)
    (tmp_path / "go").touch()

    results = [(run.result(30), run.record.provider) for run in runs]
    assert results == [("2.0.0", Provider("torn", "2.0.0"))] * 12
