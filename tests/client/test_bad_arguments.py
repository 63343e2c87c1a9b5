"""Every public name, called wrongly: a clear error of ours, and nothing stored.

A public name without its rows makes the test red.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from store_hands import everything

import jobreg
from jobreg import errors, verbs
from jobreg.store import Store

JOB = "reports.render"
NO_RUN = "00000000-0000-7000-8000-000000000000"
ERRORS = {name for name in jobreg.__all__ if isinstance(vars(errors).get(name), type)}


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def run_of(client):
    return client.submit(JOB)


SUBMITS = [
    (lambda submit: submit("reports.rendr"), jobreg.UnknownJob, "Did you mean 'reports.render'"),
    (lambda submit: submit(5), jobreg.BadInput, "job_name: '5' is not the name of a job"),
    (lambda submit: submit(None), jobreg.BadInput, "job_name"),
    (lambda submit: submit(""), jobreg.UnknownJob, "No job named ''"),
    (lambda submit: submit("x" * 10**6), jobreg.UnknownJob, "No job named 'xxx"),
    (lambda submit: submit(JOB, [1]), jobreg.BadInput, "params is a list"),
    (lambda submit: submit(JOB, "x"), jobreg.BadInput, "params is a str"),
    (lambda submit: submit(JOB, {1: 2}), jobreg.BadInput, "has the key 1"),
    (lambda submit: submit(JOB, {"a": {1}}), jobreg.BadInput, "params.a is a set"),
    (lambda submit: submit(JOB, {"a": float("nan")}), jobreg.BadInput, "params.a is nan"),
    (lambda submit: submit(JOB, {"a": "\udcff"}), jobreg.BadInput, "not Unicode"),
    (lambda submit: submit(JOB, {"a": nested(500)}), jobreg.BadInput, "levels deep"),
    (lambda submit: submit(JOB, {"a": "x" * 300_000}), jobreg.BadInput, "the cap is 262,144"),
    (lambda submit: submit(JOB, delay=-1), jobreg.BadInput, "delay: '-1' is not a duration"),
    (lambda submit: submit(JOB, delay="5 weeks"), jobreg.BadInput, "delay: '5 weeks'"),
    (lambda submit: submit(JOB, delay=float("inf")), jobreg.BadInput, "delay: 'inf'"),
    (lambda submit: submit(JOB, delay=10**400), jobreg.BadInput, "delay: '1000"),
    *[
        (lambda submit, name=name: submit(JOB, **{name: 10**5000}), jobreg.BadInput, "thousands")
        for name in (
            "delay",
            "at",
            "queue",
            "priority",
            "timeout",
            "max_attempts",
            "max_crashes",
            "max_age",
            "run_id",
            "tags",
            "unique_key",
            "unique_policy",
        )
    ],
    (lambda submit: submit(10**5000), jobreg.BadInput, "job_name: 'a number of thousands"),
    (lambda submit: submit(JOB, {10**5000: 1}), jobreg.BadInput, "has the key a number of"),
    (lambda submit: submit(JOB, at="2026-01-31"), jobreg.BadInput, "at: '2026-01-31' is not a"),
    (lambda submit: submit(JOB, at=datetime(2026, 1, 31)), jobreg.BadInput, "time zone"),
    (
        lambda submit: submit(JOB, at=datetime.now(UTC), delay=5),
        jobreg.BadInput,
        "delay or at, not both",
    ),
    (lambda submit: submit(JOB, timeout=0), jobreg.BadInput, "timeout: must be more than 0"),
    (lambda submit: submit(JOB, timeout=-5), jobreg.BadInput, "timeout: '-5' is not a duration"),
    (lambda submit: submit(JOB, timeout=True), jobreg.BadInput, "timeout: 'True'"),
    (lambda submit: submit(JOB, queue="no good"), jobreg.BadInput, "queue: 'no good'"),
    (lambda submit: submit(JOB, queue=5), jobreg.BadInput, "queue: '5'"),
    (lambda submit: submit(JOB, priority="high"), jobreg.BadInput, "priority: 'high'"),
    (lambda submit: submit(JOB, priority=2**40), jobreg.BadInput, "priority: '1099511627776'"),
    (lambda submit: submit(JOB, max_attempts=0), jobreg.BadInput, "max_attempts: '0'"),
    (lambda submit: submit(JOB, max_crashes=1.5), jobreg.BadInput, "max_crashes: '1.5'"),
    (lambda submit: submit(JOB, run_id="x"), jobreg.BadInput, "run id: 'x' is not a UUID"),
    (lambda submit: submit(JOB, tags="one"), jobreg.BadInput, "tags: 'one' is not a list"),
    (lambda submit: submit(JOB, tags=["\x1b"]), jobreg.BadInput, "tags: "),
    (lambda submit: submit(JOB, tags=["x"] * 21), jobreg.BadInput, "21 are too many"),
]
MANY = [
    (lambda many: many([(JOB, {}), ("reports.rendr", {})]), jobreg.UnknownJob, "reports.rendr"),
    (lambda many: many([(JOB, {}), (JOB, [1])]), jobreg.BadInput, "run 1: params is a list"),
    (lambda many: many([(JOB,)]), jobreg.BadInput, "run 0: give a pair"),
    (lambda many: many([5]), jobreg.BadInput, "run 0: give a pair"),
    (lambda many: many([{"params": {}}]), jobreg.BadInput, "run 0: job_name"),
    (lambda many: many([{"job_name": JOB, "later": 1}]), jobreg.BadInput, "no option later"),
    (lambda many: many(5), jobreg.BadInput, "runs: a int is not a list"),
    (lambda many: many(None), jobreg.BadInput, "runs: a NoneType is not a list"),
]
GETS = [
    (lambda get: get("x"), jobreg.BadInput, "run id: 'x' is not a UUID"),
    (lambda get: get(None), jobreg.BadInput, "run id: 'None' is not a UUID"),
    (lambda get: get("x" * 10**6), jobreg.BadInput, "is not a UUID"),
    (lambda get: get(NO_RUN), jobreg.UnknownRun, f"No run {NO_RUN} in the store"),
    (lambda get: get(UUID(NO_RUN)), jobreg.UnknownRun, f"No run {NO_RUN} in the store"),
]
FINDS = [
    (lambda find: find(state="done"), jobreg.BadInput, "state: 'done' is none of scheduled"),
    (lambda find: find(state=5), jobreg.BadInput, "state: '5' is none of"),
    (lambda find: find(limit=-1), jobreg.BadInput, "limit: '-1'"),
    (lambda find: find(limit="many"), jobreg.BadInput, "limit: 'many'"),
    (lambda find: find(job_name=5), jobreg.BadInput, "job_name: '5'"),
    (lambda find: find(job_name="\x00"), jobreg.BadInput, "job_name: "),
    (lambda find: find(queue="no good"), jobreg.BadInput, "queue: 'no good'"),
    (lambda find: find(queue=5), jobreg.BadInput, "queue: '5'"),
]
CLIENTS = [
    *((lambda c, call=call: call(c.submit), *rest) for call, *rest in SUBMITS),
    *((lambda c, call=call: call(c.submit_many), *rest) for call, *rest in MANY),
    *((lambda c, call=call: call(c.get), *rest) for call, *rest in GETS),
    *((lambda c, call=call: call(c.cancel), *rest) for call, *rest in GETS),
    *((lambda c, call=call: call(c.retry), *rest) for call, *rest in GETS),
    *((lambda c, call=call: call(c.find), *rest) for call, *rest in FINDS),
    *((lambda c, call=call: call(c.page), *rest) for call, *rest in FINDS),
    (lambda c: c.page(limit=0), jobreg.BadInput, "limit: '0'"),
    (lambda c: c.page(cursor="x"), jobreg.BadInput, "cursor: 'x'"),
    (lambda c: c.page(cursor=5.5), jobreg.BadInput, "cursor: '5.5'"),
    (lambda c: c.find_id("x"), jobreg.BadInput, "run id: 'x' is not a UUID, nor"),
    (lambda c: c.find_id("0badcafe"), jobreg.UnknownRun, "begins with '0badcafe'"),
    (lambda _: jobreg.Client(store=5), jobreg.BadInput, "store: a int is not"),
    (lambda _: jobreg.Client(store="a\0b"), jobreg.BadInput, "null byte"),
    (lambda _: jobreg.Client("nonsense://").get(NO_RUN), jobreg.BadInput, "speak to nonsense"),
    (lambda _: jobreg.Client("/").get(NO_RUN), jobreg.StoreUnavailable, "Is a directory"),
    (lambda _: jobreg.Client("/dev/null/x").get(NO_RUN), jobreg.StoreUnavailable, "Not a dir"),
]
ROWS = {
    "submit": [(lambda _, call=call: call(jobreg.submit), *rest) for call, *rest in SUBMITS],
    "submit_many": [(lambda _, call=call: call(jobreg.submit_many), *rest) for call, *rest in MANY],
    "get": [(lambda _, call=call: call(jobreg.get), *rest) for call, *rest in GETS],
    "find": [(lambda _, call=call: call(jobreg.find), *rest) for call, *rest in FINDS],
    "Client": CLIENTS,
    "Run": [
        (lambda c: run_of(c).wait(-1), jobreg.BadInput, "timeout: '-1' is not a duration"),
        (lambda c: run_of(c).wait("soon"), jobreg.BadInput, "timeout: 'soon' is not a duration"),
        (lambda c: run_of(c).wait(0), jobreg.WaitTimeout, "was still queued after 0 s"),
        (lambda c: run_of(c).result("soon"), jobreg.BadInput, "timeout: 'soon'"),
        (lambda c: run_of(c).retry(), jobreg.Conflict, "only a failed or cancelled run can"),
        (lambda c: run_of(c).cancel().result(), jobreg.RunCancelled, "was cancelled"),
    ],
    "Worker": [
        (lambda _: jobreg.Worker(concurrency=0), jobreg.BadInput, "concurrency: '0'"),
        (lambda _: jobreg.Worker(concurrency="x"), jobreg.BadInput, "concurrency: 'x'"),
        (lambda _: jobreg.Worker(queues=["no good"]), jobreg.BadInput, "queues: 'no good'"),
        (lambda _: jobreg.Worker(queues=5), jobreg.BadInput, "queues: '5'"),
        (lambda _: jobreg.Worker(lease=0.1), jobreg.BadInput, "lease: 0.1 is outside"),
        (lambda _: jobreg.Worker(grace=-1), jobreg.BadInput, "grace: '-1'"),
        (lambda _: jobreg.Worker(kill_grace="soon"), jobreg.BadInput, "kill_grace: 'soon'"),
        (lambda _: jobreg.Worker(store=5), jobreg.BadInput, "store: a int is not"),
        (lambda _: jobreg.Worker("/").run(), jobreg.StoreUnavailable, "Is a directory"),
        (lambda _: jobreg.Worker("nonsense://").start(), jobreg.BadInput, "speak to nonsense"),
    ],
    "Registry": [
        (lambda c: c.registry.ref("reports.rendr"), jobreg.UnknownJob, "Did you mean"),
        (lambda c: c.registry.ref(5), jobreg.UnknownJob, "No job named '5'"),
        (lambda c: c.registry.load(JOB), jobreg.JobLoadError, "could not be imported"),
        (lambda c: c.registry.add("Bad", run_of), jobreg.InvalidJob, "is not a job name"),
        (lambda c: c.registry.add(5, run_of), jobreg.InvalidJob, "is not a job name"),
        (lambda c: c.registry.add("a.b", lambda: None), jobreg.InvalidJob, "lambda"),
        (lambda c: c.registry.add("a.b", 5), jobreg.InvalidJob, "not a plain function"),
        (lambda c: c.registry.add(JOB, run_of), jobreg.JobConflict, "is claimed by"),
    ],
    "job": [
        (lambda _: jobreg.job(timeout=-1)(run_of), jobreg.BadInput, "timeout: '-1'"),
        (lambda _: jobreg.job(max_attempts=0)(run_of), jobreg.BadInput, "max_attempts: '0'"),
        (lambda _: jobreg.job(concurrency="x")(run_of), jobreg.BadInput, "concurrency: 'x'"),
        (lambda _: jobreg.job(later=1)(run_of), jobreg.BadInput, "later"),
        (lambda _: jobreg.job(retry_on=5)(run_of), jobreg.BadInput, "retry_on: 5"),
        (lambda _: jobreg.job()(5), jobreg.InvalidJob, "@job was put on a int"),
    ],
    "Backoff": [
        (lambda _: jobreg.Backoff(first=-1), jobreg.BadInput, "backoff: '-1'"),
        (lambda _: jobreg.Backoff(factor=0), jobreg.BadInput, "backoff factor: 0"),
        (lambda _: jobreg.Backoff(longest="soon"), jobreg.BadInput, "backoff: 'soon'"),
    ],
    "current_run": [(lambda _: jobreg.current_run(), jobreg.NotInRun, "outside a run")],
}
TAKES_NOTHING = {"__version__", "default_registry"}
ASYNC = {"AsyncClient", "AsyncRun"}
"""Their verbs are the client's own, and called wrongly in test_async_client.py."""


@pytest.fixture(autouse=True)
def _here(file, registry, client, monkeypatch):
    """The functions of the module work on the same store and registry as the client."""
    monkeypatch.setenv("JOBREG_STORE", str(file))
    monkeypatch.setattr("jobreg.registry._default", registry)
    monkeypatch.setattr(verbs, "_default", client)


def test_every_public_name_has_its_rows():
    assert set(ROWS) | TAKES_NOTHING | ASYNC | ERRORS == set(jobreg.__all__)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        pytest.param(name, row, id=f"{name}-{index}")
        for name, rows in ROWS.items()
        for index, row in enumerate(rows)
    ],
)
def test_whatever_is_given_it_is_an_error_of_ours_and_nothing_is_stored(client, name, row):
    call, kind, told = row
    before = everything(client.store)

    with pytest.raises(jobreg.JobRegError) as raised:
        call(client)

    message = str(raised.value)
    assert type(raised.value) is kind
    assert told in message
    assert "\n" not in message
    assert len(message) < 1000
    after = everything(client.store)
    if name == "Run":
        assert len(after["jobreg_runs"]) == 1  # the one that the call is about
    else:
        assert after == before


@pytest.mark.parametrize("name", sorted(ERRORS - {"RunFailed", "Interrupted"}))
def test_every_error_can_be_made_and_says_its_words(name):
    kind = getattr(jobreg, name)

    words = ("1h",) if name == "Snooze" else ()
    error = kind(*words, "what, where, what next")

    assert isinstance(error, jobreg.JobRegError)
    assert str(error) == "what, where, what next"
    assert error.exit_code in range(1, 7)


def test_the_verbs_of_a_store_are_reached_only_through_checks(client, monkeypatch):
    def never(*_args, **_options):
        raise AssertionError("the store was asked")

    for verb in ("insert", "find", "get", "cancel", "reopen"):
        monkeypatch.setattr(Store, verb, never)

    for call, kind, _ in (SUBMITS[1], *SUBMITS[5:]):
        with pytest.raises(kind):
            call(client.submit)
    for call, kind, _ in FINDS:
        with pytest.raises(kind):
            call(client.find)
