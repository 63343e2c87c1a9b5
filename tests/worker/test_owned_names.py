"""A name belongs to the distribution that was first seen to provide it, until it is adopted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from jobreg import Client, JobConflict, Registry, Worker, clock
from jobreg.catalogue import Entry
from jobreg.events import listen
from jobreg.lifecycle import Provider
from jobreg.worker.alone import LoneWorker
from jobreg.worker.ownership import Ownership

NAME = "reports.render"


class Place:
    """A machine: a folder of plugins and the workers on it; all share one store."""

    def __init__(self, store: str, plugins: Any, folder: str) -> None:
        self.store, self._plugins, self._folder = store, plugins, folder
        self.registry = Registry(path=[str(plugins.path / folder)])

    def install(self, dist: str) -> None:
        module = f"plugin_{dist}_{self._folder}"
        source = f"def render():\n    return {dist!r}\n"
        jobs = {NAME: f"{module}:render", f"{dist}.own": f"{module}:render"}
        self._plugins.add(dist, "1.0", jobs, {f"{module}.py": source}, folder=self._folder)

    def work(self) -> None:
        Worker(self.store, registry=self.registry, concurrency=1, until_idle=True).run()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    made = Client(tmp_path / "jobs.db", Registry(path=[]))
    yield made
    made.close()


@pytest.fixture
def place(client: Client, fake_plugins: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(folder: str, *dists: str) -> Place:
        made = Place(client.settings.store, fake_plugins, folder)
        (fake_plugins.path / folder).mkdir()
        monkeypatch.syspath_prepend(str(fake_plugins.path / folder))
        for dist in dists:
            made.install(dist)
        return made

    return make


def submit_on(place: Place, name: str = NAME) -> Any:
    return Client(place.store, place.registry).submit(name)


def test_the_first_hello_gives_the_name_away(client: Client, place: Any) -> None:
    here = place("one", "acme")
    run = submit_on(here)

    here.work()

    assert run.result(timeout=5) == "acme"
    owners = client.store.catalogue.owners()
    assert {name: (owner.dist, owner.pinned_by) for name, owner in owners.items()} == {
        NAME: ("acme", "hello")
    }
    [known] = client.store.catalogue.known()
    assert (known.job_name, known.provider.dist, known.provider.version) == (NAME, "acme", "1.0")


def test_another_distribution_that_claims_an_owned_name_is_refused(
    client: Client, place: Any
) -> None:
    here, there = place("one", "acme"), place("two", "evil")
    submit_on(here)
    here.work()
    waiting, own = submit_on(there), submit_on(there, "evil.own")

    there.work()

    assert own.result(timeout=5) == "evil"
    assert (waiting.refresh().state, waiting.attempt) == ("queued", 0)
    here.work()
    assert waiting.result(timeout=5) == "acme"


def test_a_distribution_called_application_runs_nothing_of_others(
    client: Client, place: Any
) -> None:
    here, there = place("one", "acme"), place("two", "application")
    waiting = submit_on(here)
    here.work()
    then = submit_on(here)

    there.work()

    assert waiting.result(timeout=5) == "acme"
    assert (then.refresh().state, then.attempt) == ("queued", 0)
    snapshot = there.registry.snapshot()
    assert {ref.name for ref in snapshot.invalid} == {NAME, "application.own"}
    [problem] = snapshot.problems
    assert (problem.code, problem.dist) == ("bad_provider", "application")


def test_an_owner_settles_a_conflict_and_adopting_changes_who(client: Client, place: Any) -> None:
    here, both = place("one", "acme"), place("two", "acme", "evil")
    with pytest.raises(JobConflict):
        submit_on(both)
    submit_on(here)
    here.work()

    first = submit_on(both)
    both.work()
    client.store.catalogue.adopt(NAME, "evil")
    then = submit_on(both)
    both.work()

    assert first.result(timeout=5) == "acme"
    assert then.result(timeout=5) == "evil"


def test_a_name_is_adopted_while_workers_run(client: Client, place: Any) -> None:
    here = place("one", "evil")
    client.store.catalogue.adopt(NAME, "acme")
    run = submit_on(here)
    worker = Worker(here.store, registry=here.registry, concurrency=1).start()
    try:
        client.store.catalogue.adopt(NAME, "evil")

        assert run.result(timeout=20) == "evil"
        names = lambda: client.store.workers()[0].names  # noqa: E731
        until(lambda: NAME in names(), 30, "the worker says that it provides the name")
    finally:
        worker.stop()


def test_run_here_obeys_the_owner(client: Client, place: Any) -> None:
    here = place("one", "evil")
    client.store.catalogue.adopt(NAME, "acme")
    lone = LoneWorker(here.store, registry=here.registry, concurrency=1)

    with pytest.raises(
        JobConflict, match=r"belongs to acme.*jobs adopt reports\.render --from evil"
    ):
        lone.run_one(client.request(NAME))

    assert list(client.find()) == []


def test_what_operators_set_stands_before_what_the_job_says(client: Client, place: Any) -> None:
    here = place("one", "acme")
    client.store.catalogue.override(NAME, {"max_attempts": 3, "queue": "slow", "nonsense": 1})
    client.store.catalogue.override("acme.own", {"priority": 9, "queue": "slow"})
    broken, fine = submit_on(here), submit_on(here, "acme.own")

    here.work()

    assert broken.result(timeout=5) == "acme"
    record = fine.refresh().record
    assert (record.queue, record.priority) == ("slow", 9)


def test_a_plugin_that_is_installed_is_seen_though_nobody_writes_of_it(
    client: Client, place: Any
) -> None:
    """What waits for it is then claimed at the next turn, not at the next look at the database."""
    here = place("one", "other")
    ownership = Ownership(client.store, here.registry)
    assert ownership.look()
    assert not ownership.look()

    here.install("acme")

    here.registry.snapshot(recheck=True)  # done once a second
    assert ownership.look()
    assert "acme.own" in ownership.names()


def test_what_operators_adopt_is_read_again_once_somebody_has_written(
    client: Client, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.seconds()
    monkeypatch.setattr(clock, "seconds", lambda: now)
    ownership = Ownership(client.store, place("one", "acme").registry)
    ownership.look()
    client.store.catalogue.adopt(NAME, "other")

    now += 6
    assert not ownership.look()
    ownership.look_again()

    assert ownership.look()
    assert NAME not in ownership.names()


def test_what_the_database_refuses_of_a_job_is_told_once_and_holds_nothing_up(
    postgres: Any, place: Any
) -> None:
    with closing(Client(postgres.for_tests(), Registry(path=[]))) as client:
        ownership = Ownership(client.store, place("one").registry)
        told: list[dict[str, Any]] = []
        stop_listening = listen(lambda name, facts: told.append({"event": name, **facts}))
        ownership.learn(Entry(job_name="long.job", provider=Provider("long", "1" * 129)))
        ownership.learn(Entry(job_name=NAME, provider=Provider("acme", "1.0")))
        try:
            ownership.tell()
            ownership.tell()
        finally:
            stop_listening()

        assert [each.job_name for each in client.store.catalogue.known()] == [NAME]
        [unready] = told
        assert (unready["event"], unready["job_name"]) == ("job.unready", "long.job")
        assert "the store does not keep what long says: " in unready["trouble"]


def test_a_job_that_is_installed_between_two_looks_is_found(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place("here")
    client = Client(here.store, here.registry)
    ownership, before = Ownership(client.store, here.registry), here.registry.snapshot()
    ownership.look()
    here.install("acme")
    snapshot = here.registry.snapshot
    monkeypatch.setattr(
        here.registry,
        "snapshot",
        lambda recheck=False: snapshot(recheck=True) if recheck else before,
    )
    monkeypatch.setattr(ownership, "look", lambda: False)

    assert ownership.require(NAME).dist == "acme"
