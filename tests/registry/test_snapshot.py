"""The registry: conflicts, denials, aliases, freshness, and what it says when it refuses."""

from __future__ import annotations

import os
import threading
import time

import pytest

from jobreg import InvalidJob, JobConflict, Registry, UnknownJob, clock, default_registry


def own_job() -> str:
    return "own"


def other_job() -> str:
    return "other"


class Callable:
    def __call__(self) -> None: ...


@pytest.fixture
def registry(fake_plugins):
    return Registry([str(fake_plugins.path)])


@pytest.fixture
def ticking(monkeypatch):
    """A clock that stands still until the test moves it."""
    now = [1000.0]
    monkeypatch.setattr(clock, "seconds", lambda: now[0])
    return now


def age(*paths):
    """Make paths look as if they were last written a minute ago."""
    for path in paths:
        os.utime(path, (time.time() - 60, time.time() - 60))


def test_names_are_sorted_and_found(fake_plugins, registry):
    fake_plugins.add("acme", "1.0", {"b": "m:g", "a": "m:f"})

    names = registry.names()

    assert names == ["a", "b"]
    assert registry.ref("b").target == "m:g"


def test_a_name_claimed_twice_fails_alone_and_names_both_owners(fake_plugins, registry):
    fake_plugins.add("acme", "1.0", {"shared": "m:f", "mine": "m:g"})
    fake_plugins.add("rival", "2.0", {"shared": "r:f"})

    with pytest.raises(JobConflict) as caught:
        registry.ref("shared")

    assert registry.names() == ["mine"]
    assert "acme 1.0 and rival 2.0" in str(caught.value)
    assert "Uninstall" in str(caught.value)
    assert "JOBREG_DENY_DISTS=rival" in str(caught.value)


def test_claimants_do_not_depend_on_the_order_of_the_path(fake_plugins):
    fake_plugins.add("acme", "1.0", {"shared": "m:f"}, folder="one")
    fake_plugins.add("rival", "2.0", {"shared": "r:f"}, folder="two")
    path = [str(fake_plugins.path / "one"), str(fake_plugins.path / "two")]

    there, back = Registry(path).snapshot(), Registry(path[::-1]).snapshot()

    assert there.conflicts == back.conflicts
    assert list(there.conflicts) == ["shared"]


def test_denying_one_claimant_settles_a_conflict(fake_plugins):
    fake_plugins.add("acme", "1.0", {"shared": "m:f"})
    fake_plugins.add("Rival.Jobs", "2.0", {"shared": "r:f"})

    registry = Registry([str(fake_plugins.path)], deny=["rival_jobs"])

    assert registry.ref("shared").dist == "acme"


@pytest.mark.parametrize("lists", [{"deny": ["Acme"]}, {"allow": ["someone-else"]}])
def test_a_denied_job_says_that_it_is_denied(fake_plugins, lists):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    registry = Registry([str(fake_plugins.path)], **lists)

    with pytest.raises(UnknownJob, match="denied here"):
        registry.ref("a")

    assert registry.names() == []


def test_allowed_distributions_run(fake_plugins):
    fake_plugins.add("acme-reports", "1.0", {"a": "m:f"})

    registry = Registry([str(fake_plugins.path)], allow=["Acme_Reports"])

    assert registry.names() == ["a"]


def test_several_names_of_one_target_are_aliases_of_the_first(fake_plugins, registry):
    fake_plugins.add("acme", "1.0", {"z": "m:f", "b": "m:f", "other": "m:g"})

    snapshot = registry.snapshot()

    assert dict(snapshot.aliases) == {"z": "b"}
    assert list(snapshot.jobs) == ["b", "other", "z"]
    assert set(snapshot.names_of("m:f")) == {"b", "z"}


def test_one_target_in_two_distributions_is_no_alias(fake_plugins, registry):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    fake_plugins.add("rival", "1.0", {"b": "m:f"})

    snapshot = registry.snapshot()

    assert dict(snapshot.aliases) == {}


def test_a_shadowed_distribution_is_no_conflict(fake_plugins):
    fake_plugins.add("acme", "2.0", {"a": "m:new"}, folder="one")
    fake_plugins.add("acme", "1.0", {"a": "m:old"}, folder="two")
    path = [str(fake_plugins.path / "one"), str(fake_plugins.path / "two")]

    snapshot = Registry(path).snapshot()

    assert snapshot.jobs["a"].version == "2.0"
    assert [ref.version for ref in snapshot.shadowed] == ["1.0"]


def test_a_snapshot_cannot_be_changed(fake_plugins, registry):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    snapshot = registry.snapshot()

    with pytest.raises(TypeError):
        del snapshot.jobs["a"]
    with pytest.raises(AttributeError):
        snapshot.jobs = {}


def test_an_unknown_name_offers_close_ones_with_their_provider(fake_plugins, registry):
    fake_plugins.add("acme-reports", "2.1.0", {"reports.render": "m:f"})

    with pytest.raises(UnknownJob) as caught:
        registry.ref("report.render")

    assert str(caught.value) == (
        "No job named 'report.render' is installed here. "
        "Did you mean 'reports.render' (acme-reports 2.1.0)? See: jobreg jobs list"
    )


def test_a_wrongly_advertised_name_says_so_without_its_target(fake_plugins, registry):
    fake_plugins.add("acme", "1.0", {"a": "secret_module"})

    with pytest.raises(UnknownJob, match="advertised wrongly") as caught:
        registry.ref("a")

    assert "secret_module" not in str(caught.value)


def test_a_hit_is_checked_once_a_second_and_a_miss_always(fake_plugins, registry, ticking):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    registry.ref("a")
    fake_plugins.add("later", "1.0", {"b": "m:f"})

    within = registry.names()
    missed = registry.ref("b")

    assert within == ["a"]
    assert missed.dist == "later"


def test_a_change_is_seen_after_a_second(fake_plugins, registry, ticking):
    file = fake_plugins.add("acme", "1.0", {"a": "m:f"})
    age(file, file.parent / "METADATA", fake_plugins.path)
    registry.names()
    file.write_text("[jobreg.jobs]\nb = m:f\n")

    ticking[0] += 1.1

    assert registry.names() == ["b"]


def test_what_is_settled_and_unchanged_is_not_read_again(fake_plugins, registry, ticking):
    file = fake_plugins.add("acme", "1.0", {"a": "m:f"})
    age(file, file.parent / "METADATA", fake_plugins.path)
    first = registry.snapshot()

    ticking[0] += 1.1

    assert registry.snapshot() is first


def test_a_stamp_under_two_seconds_old_is_not_trusted(fake_plugins, registry, ticking):
    file = fake_plugins.add("acme", "1.0", {"a": "m:f"})
    before = file.stat()
    registry.names()
    file.write_text("[jobreg.jobs]\nb = m:f\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # written in the same tick

    ticking[0] += 1.1

    assert registry.names() == ["b"]


def test_an_application_adds_its_own_function(registry):
    registry.add("own.job", own_job)

    ref = registry.ref("own.job")

    assert (ref.dist, ref.version, ref.provider) == ("application", "", "application")
    assert registry.load("own.job") is own_job


def test_adding_the_same_again_changes_nothing_but_another_function_is_refused(registry):
    registry.add("own.job", own_job)
    registry.add("own.job", own_job)

    with pytest.raises(InvalidJob, match="already added"):
        registry.add("own.job", other_job)


def test_allow_lists_do_not_concern_the_application(fake_plugins):
    registry = Registry([str(fake_plugins.path)], allow=["acme"])

    registry.add("own.job", own_job)

    assert registry.names() == ["own.job"]


def test_adding_a_name_that_is_installed_is_a_conflict(fake_plugins, registry):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})

    with pytest.raises(JobConflict, match=r"acme 1\.0 and application"):
        registry.add("a", own_job)

    assert registry.ref("a").dist == "acme"


def test_a_distribution_installed_after_an_added_name_is_a_conflict(fake_plugins, registry):
    registry.add("a", own_job)
    fake_plugins.add("acme", "1.0", {"a": "m:f"})

    snapshot = registry.snapshot(recheck=True)

    assert [ref.dist for ref in snapshot.conflicts["a"]] == ["acme", "application"]


def test_functions_that_no_worker_could_import_are_refused(registry, monkeypatch):
    def inner() -> None: ...

    for function, why in [
        (inner, "inside another function"),
        (lambda: None, "lambda"),
        (Callable(), "not a plain function"),
        (registry.names, "not what its module holds"),
    ]:
        with pytest.raises(InvalidJob, match=why):
            registry.add("own.job", function)
    monkeypatch.setattr(own_job, "__module__", "__main__")
    with pytest.raises(InvalidJob, match=r"__main__.*module.*jobreg\.testing\.inline\(\)"):
        registry.add("own.job", own_job)


def test_a_bad_name_cannot_be_added(registry):
    with pytest.raises(InvalidJob, match="not a job name"):
        registry.add("Own Job", own_job)


def test_the_default_registry_is_one_for_the_process_and_obeys_the_settings(
    fake_plugins, monkeypatch
):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    monkeypatch.setenv("JOBREG_DENY_DISTS", "Acme")
    monkeypatch.setattr("jobreg.registry._default", None)
    found = []
    threads = [threading.Thread(target=lambda: found.append(default_registry())) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, found))) == 1
    assert "a" not in found[0].names()
    assert [ref.name for ref in found[0].snapshot().denied] == ["a"]


def test_threads_may_look_and_add_at_once(fake_plugins, registry):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    failures = []

    def look(number: int) -> None:
        try:
            for _ in range(50):
                registry.add(f"own.job_{number}", own_job)
                assert registry.ref("a").name == "a"
                assert registry.ref(f"own.job_{number}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert registry.names() == ["a", *(f"own.job_{number}" for number in range(4))]
