"""submit and submit_many: what is checked before anything is stored."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from store_hands import add_worker, claim, offer, row_of

import jobreg
from jobreg import BadInput, Client, Conflict, JobConflict, Registry, UnknownJob
from jobreg.lifecycle import State
from jobreg.request import new_run_id
from jobreg.store import open_store

NAME = "reports.render"
EAST = timezone(timedelta(hours=5))

# option: values that are refused, and what the message must name
BAD = [
    ("delay", -1, "delay"),
    ("delay", "soon", "delay"),
    ("delay", float("nan"), "delay"),
    ("at", datetime(2030, 1, 1), "at: .* time zone"),
    ("at", "2030-01-01T00:00:00Z", "at: .* time zone"),
    ("at", datetime.min.replace(tzinfo=EAST), "at: "),
    ("at", datetime.max.replace(tzinfo=timezone(-timedelta(hours=5))), "at: "),
    ("queue", "no good", "queue"),
    ("queue", "", "queue"),
    ("queue", 5, "queue"),
    ("priority", 1.5, "priority"),
    ("priority", "high", "priority"),
    ("priority", 40_000, "priority"),
    ("timeout", 0, "timeout"),
    ("timeout", "-5s", "timeout"),
    ("max_attempts", 0, "max_attempts"),
    ("max_attempts", True, "max_attempts"),
    ("max_crashes", -1, "max_crashes"),
    ("run_id", "not-a-uuid", "run id"),
    ("run_id", 5, "run id"),
    ("tags", "one text", "tags"),
    ("tags", ["x" * 101], "tags"),
    ("tags", [""], "tags"),
    ("tags", ["a\nb"], "tags"),
    ("tags", [5], "tags"),
    ("tags", ["x"] * 21, "tags"),
    ("tags", 5, "tags"),
]
BAD_PARAMS = [["a", "list"], "text", 5, {"when": b"now"}, {"x": {1, 2}}, {5: "x"}]


def stored(client):
    return [run.id for run in client.find()]


def test_a_run_is_stored_as_it_was_asked(client):
    run = client.submit(
        NAME, {"account": 42}, delay="5m", queue="mail", priority=-3, timeout="90s",
        max_attempts=4, max_crashes=2, tags=["nightly", "eu"],
    )  # fmt: skip

    record = client.get(run.id).record
    assert (run.job_name, run.params, run.state) == (NAME, {"account": 42}, State.SCHEDULED)
    assert (record.queue, record.priority, record.timeout) == ("mail", -3, 90.0)
    assert (record.max_attempts, record.max_crashes) == (4, 2)
    assert record.tags == ("nightly", "eu")
    waits = record.scheduled_at - record.created_at
    assert timedelta(minutes=5) <= waits < timedelta(minutes=5, seconds=5)


def test_a_name_alone_is_enough(client):
    run = client.submit(NAME)

    assert (run.state, run.attempt, run.params) == (State.QUEUED, 0, {})
    assert run.reason is run.error is run.progress is run.provider is None


def test_submitting_imports_no_code(client):
    client.submit(NAME)

    assert [name for name in sys.modules if name.split(".")[0] == "acme"] == []


@pytest.mark.parametrize(("option", "value", "named"), BAD, ids=lambda each: repr(each)[:30])
def test_a_bad_option_is_refused_by_name_and_nothing_is_stored(client, option, value, named):
    with pytest.raises(BadInput, match=named):
        client.submit(NAME, {}, **{option: value})

    assert stored(client) == []


def test_typed_parameters_are_stored_as_the_json_a_job_would_be_given(client):
    when = datetime(2026, 1, 31, 12, tzinfo=UTC)

    run = client.submit("reports.render", {"when": when, "file": Path("a.csv")})

    stored_params = client.get(run.id).params
    assert stored_params == {"when": "2026-01-31T12:00:00+00:00", "file": "a.csv"}


@pytest.mark.parametrize("params", BAD_PARAMS, ids=repr)
def test_parameters_that_are_no_json_object_are_refused(client, params):
    with pytest.raises(BadInput, match=r"^params"):
        client.submit(NAME, params)

    assert stored(client) == []


def test_parameters_over_the_cap_are_refused(client):
    with pytest.raises(BadInput, match=r"^params is 300,\d+ bytes .*JOBREG_MAX_PARAMS"):
        client.submit(NAME, {"x": "y" * 300_000})


def test_delay_and_at_cannot_both_be_given(client):
    with pytest.raises(BadInput, match="delay or at, not both"):
        client.submit(NAME, delay=5, at=datetime.now(UTC))


def test_a_moment_in_any_zone_is_kept_in_utc(client):
    moment = datetime(2040, 1, 1, 5, 0, tzinfo=EAST)

    run = client.submit(NAME, at=moment)

    assert run.record.scheduled_at == moment
    assert run.record.scheduled_at.isoformat() == "2040-01-01T00:00:00+00:00"


@pytest.mark.parametrize("name", [None, 5, b"reports.render", ["reports.render"]])
def test_a_job_name_must_be_a_text(client, name):
    with pytest.raises(BadInput, match="is not the name of a job"):
        client.submit(name)


def test_a_run_id_may_be_given_and_repeated(client):
    chosen = uuid4()

    first = client.submit(NAME, {"a": 1}, run_id=chosen)
    second = client.submit(NAME, {"a": 1}, run_id=str(chosen).upper())

    assert first.id == second.id == str(chosen)
    assert stored(client) == [str(chosen)]


def test_a_run_id_with_other_parameters_is_a_conflict(client):
    run = client.submit(NAME, {"a": 1})

    with pytest.raises(Conflict, match=run.id):
        client.submit(NAME, {"a": 2}, run_id=run.id)


def test_run_ids_are_uuids_of_version_7_and_later_ones_sort_later():
    ids, last = [], 0
    for _ in range(200):  # each in a millisecond later than the one before
        ids.append(new_run_id())
        last = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == last:
            pass

    assert ids == sorted(ids)
    assert {(UUID(each).version, UUID(each).variant) for each in ids} == {
        (7, "specified in RFC 4122")
    }
    assert abs((UUID(ids[-1]).int >> 80) - last) < 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_and_its_parent_make_different_run_ids():
    new_run_id()  # what chance gives is asked for ahead
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(theirs, " ".join(new_run_id() for _ in range(20)).encode())
        os._exit(0)
    made = {new_run_id()[14:] for _ in range(20)}
    os.waitpid(child, 0)
    told = os.read(ours, 4096).decode().split()

    assert len(told) == 20
    assert not made & {each[14:] for each in told}


def test_threads_make_different_run_ids():
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: new_run_id(), range(5_000)))

    assert len({each[14:] for each in ids}) == 5_000


def test_run_ids_do_not_collide():
    assert len({new_run_id() for _ in range(20_000)}) == 20_000


def test_an_unknown_name_is_refused_with_close_ones(client):
    with pytest.raises(UnknownJob) as refused:
        client.submit("reports.rendr")

    told = str(refused.value)
    assert "No job named 'reports.rendr' is installed here" in told
    assert "'reports.render' (acme-reports 1.0)" in told
    assert "acme.render" not in told
    assert stored(client) == []


def test_a_name_that_only_a_live_worker_provides_is_accepted(client):
    add_worker(client.store, names=["far.job"])

    run = client.submit("far.job")

    assert client.get(run.id).state is State.QUEUED


def test_a_name_that_only_a_dead_worker_provided_is_unknown(client):
    gone = add_worker(client.store, names=["far.job"])
    client.store.rescue(row_of(client.store, gone))

    with pytest.raises(UnknownJob):
        client.submit("far.job")


def test_a_name_whose_provider_let_its_lease_run_out_is_unknown(client):
    add_worker(client.store, names=["far.job"], lease=-1.0)

    with pytest.raises(UnknownJob):
        client.submit("far.job")


def test_a_name_in_conflict_is_refused_though_a_worker_provides_it(client, fake_plugins):
    fake_plugins.add("other-reports", "2.0", {NAME: "other:run"})
    client = Client(client.store, Registry(path=[str(fake_plugins.path)]))
    add_worker(client.store)

    with pytest.raises(JobConflict, match=r"acme-reports 1\.0 and other-reports 2\.0"):
        client.submit(NAME)

    assert stored(client) == []


def test_many_are_submitted_as_pairs_and_mappings_in_order(client):
    runs = client.submit_many(
        [
            (NAME, {"n": 1}),
            {"job_name": "reports.profile", "params": {"n": 2}, "priority": 5, "delay": "1m"},
            [NAME, None],
            {"job_name": NAME},
        ]
    )

    assert [run.params for run in runs] == [{"n": 1}, {"n": 2}, {}, {}]
    assert [run.job_name for run in runs] == [NAME, "reports.profile", NAME, NAME]
    assert (runs[1].record.priority, runs[1].state) == (5, State.SCHEDULED)
    assert stored(client) == [run.id for run in reversed(runs)]


def test_many_may_come_from_a_generator_or_be_none(client):
    assert len(client.submit_many((NAME, {"n": n}) for n in range(3))) == 3
    assert client.submit_many([]) == []


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ((NAME, {"x": {1}}), "params.x is a set"),
        ((NAME, {}, "more"), "give a pair"),
        (NAME, "give a pair"),
        (5, "give a pair"),
        ({"job_name": NAME, "priority": "high"}, "priority"),
        ({"job_name": NAME, "colour": "red"}, "no option colour"),
        ({"job_name": NAME, "self": 1}, "no option self"),
        ({"job_name": NAME, 5: 1}, "no option 5"),
        ({"params": {}}, "not the name of a job"),
    ],
    ids=str,
)
def test_one_bad_run_of_many_is_told_by_its_index_and_none_is_stored(client, bad, told):
    with pytest.raises(BadInput, match=rf"^run 2: .*{told}"):
        client.submit_many([(NAME, {}), (NAME, {}), bad, (NAME, {})])

    assert stored(client) == []


def test_one_unknown_name_of_many_stores_none(client):
    with pytest.raises(UnknownJob, match=r"reports\.rendr"):
        client.submit_many([(NAME, {}), ("reports.rendr", {})])

    assert stored(client) == []


def test_one_conflict_of_many_stores_none(client):
    there = client.submit(NAME, {"a": 1})

    with pytest.raises(Conflict):
        client.submit_many([(NAME, {}), {"job_name": NAME, "params": {}, "run_id": there.id}])

    assert stored(client) == [there.id]


def test_what_was_submitted_can_be_claimed(client, worker):
    runs = client.submit_many([(NAME, {"n": n}) for n in range(3)])

    claims = claim(client.store, worker, offer())

    assert [taken.run_id for taken in claims] == [run.id for run in runs]


@pytest.mark.parametrize("kind", ["url", "text", "path", "store", "variable"])
def test_a_store_is_named_by_url_or_path_or_given_open_or_by_the_variable(
    file, registry, kind, monkeypatch
):
    if kind == "variable":
        monkeypatch.setenv("JOBREG_STORE", str(file))
    given = {
        "url": f"sqlite:///{file}",
        "text": str(file),
        "path": file,
        "store": open_store(f"sqlite:///{file}"),
        "variable": None,
    }[kind]

    run = Client(given, registry).submit(NAME)

    assert open_store(f"sqlite:///{file}").get(run.id).job_name == NAME


def test_the_modules_verbs_use_the_store_that_the_settings_name(file, registry, monkeypatch):
    monkeypatch.setenv("JOBREG_STORE", str(file))
    add_worker(open_store(f"sqlite:///{file}"), names=["far.job"])

    one = jobreg.submit("far.job", {"n": 0})
    two, three = jobreg.submit_many([("far.job", {"n": 1}), ("far.job", {"n": 2})])

    assert jobreg.get(one.id).params == {"n": 0}
    assert [run.id for run in jobreg.find(job_name="far.job")] == [three.id, two.id, one.id]
