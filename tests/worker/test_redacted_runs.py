"""Secrets in parameters reach the job, and nothing else that people or programs read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from store_hands import everything
from waiting import until

from jobreg import BadInput, Client, JobRegError, RunFailed
from jobreg.events import listen
from jobreg.lifecycle import State

SECRETS = ("hunter22", "deep-key", "sk-abcdef")
PARAMS = {"password": "hunter22", "login": {"key": "deep-key"}, "mail": "by sk-abcdef"}


@pytest.fixture
def jobreg(client: Client, run_cli: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("JOBREG_REDACT", "sk-[a-z]+")
    client.settings = Client(client.settings.store).settings
    return lambda *arguments: run_cli(
        *arguments, "--store", client.settings.store, env={"JOBREG_REDACT": "sk-[a-z]+"}
    )


@pytest.mark.parametrize("then", ["return", "raise"])
def test_secrets_are_in_nothing_but_the_stored_parameters(
    client: Client, jobreg: Any, start_worker: Any, then: str
) -> None:
    told: list[str] = []
    deaf = listen(lambda name, facts: told.append(f"{name} {facts}"))
    start_worker()

    run = client.submit("hostile.knows_secrets", PARAMS | {"then": then}, unique_key="by hunter22")
    run.wait(20)
    deaf()

    assert run.state is (State.SUCCEEDED if then == "return" else State.FAILED)
    assert run.params == PARAMS | {"then": then}
    rows = everything(client.store)
    for row in rows["jobreg_runs"]:
        row.pop("params")
        row.pop("unique_key")
    printed = [jobreg("runs", word, run.id, *more) for word in ("show", "logs") for more in
               ((), ("--json",))]  # fmt: skip
    printed += [jobreg("runs", "list", "--json"), jobreg("runs", "wait", run.id, "--json")]
    assert [each.returncode for each in printed][:5] == [0] * 5
    read = [str(rows), *told, *(each.stdout + each.stderr for each in printed)]
    assert [secret for secret in SECRETS if any(secret in text for text in read)] == []
    lines = sorted(line.text for line in run.logs())
    assert lines == [
        "logged [redacted]", "mail by [redacted]", "printed [redacted]", "{'key': '[redacted]'}",
    ]  # fmt: skip
    assert run.progress is not None
    assert run.progress.message == "with [redacted]"
    if then == "raise":
        assert run.error is not None
        assert run.error.message == "wrong password: [redacted], by [redacted]"
        assert "KeyError" in run.error.traceback


def test_what_is_shown_of_a_run(client: Client, jobreg: Any, start_worker: Any) -> None:
    start_worker()
    run = client.submit("hostile.knows_secrets", PARAMS, unique_key="by hunter22").wait(20)

    told = json.loads(jobreg("runs", "show", run.id, "--json").stdout)

    assert told["params"] == {
        "password": "[redacted]", "login": "[redacted]", "mail": "by [redacted]",
    }  # fmt: skip
    assert told["unique_key"] == "by [redacted]"


def test_a_run_made_here_and_now_shows_no_secret(
    client: Client, run_cli: Any, fake_plugins: Any
) -> None:
    params = [f"{name}={json.dumps(value)}" for name, value in PARAMS.items()]

    done = run_cli(
        "run", "hostile.knows_secrets", *params, "then=raise", "--store", client.settings.store,
        env=fake_plugins.env(JOBREG_REDACT="sk-[a-z]+"),
    )  # fmt: skip

    assert done.returncode == 1
    assert "printed [redacted]" in done.stderr
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []


def test_no_refusal_shows_a_secret(client: Client, jobreg: Any, start_worker: Any) -> None:
    params = {"user": "sk-abcdef", "password": "hunter22"}
    worker = start_worker()
    assert client.submit("hostile.logs_in", params).result(20) == 8
    worker.stop()
    client.forget_jobs()

    first = client.submit("hostile.logs_in", params).cancel()
    second = client.submit("hostile.logs_in", params)
    many = {"job_name": "hostile.logs_in", "params": params, "unique_policy": "reject"}
    refused = []
    for ask in (
        lambda: client.submit("hostile.logs_in", params, unique_policy="reject"),
        lambda: client.submit_many([many, many]),
        lambda: first.retry(),
        lambda: client.submit("hostile.logs_in", {"user": 1, "password": 12345678}),
        lambda: client.submit("hostile.logs_in", {"user": ["sk-abcdef"], "password": "hunter22"}),
    ):
        with pytest.raises(JobRegError) as error:
            ask()
        refused.append(f"{error.value} {getattr(error.value, 'faults', '')}")
    refused += [jobreg("runs", "retry", first.id, *more).stderr for more in ((), ("--json",))]

    assert second.id in refused[0]
    assert "password: expected str, got int [redacted]" in refused[3]
    assert [each for each in refused if re.search("hunter22|sk-abcdef|12345678", each)] == []
    assert all(refused)


LONG = "-----BEGIN KEY-----\n" + "'one' \"two\" ü".ljust(100, "z") + "\nlast line"


@pytest.mark.parametrize("known", [True, False], ids=["at submit", "in the child"])
@pytest.mark.parametrize(
    "params",
    [
        {"key": LONG}, {"key": "y" * 100}, {"keys": {"a": LONG, "b": "y" * 61}},
        {"number": "." * 50 + "sk-" + "y" * 50}, {"number": LONG, "key": LONG},
    ],
    ids=str,
)  # fmt: skip
def test_of_a_long_secret_no_refusal_shows_the_beginning(
    client: Client, jobreg: Any, start_worker: Any, known: bool, params: dict[str, Any]
) -> None:
    start_worker()
    if known:
        client.submit("hostile.takes_numbers", {"key": 1}).result(20)
        client.forget_jobs()
        with pytest.raises(BadInput) as error:
            client.submit("hostile.takes_numbers", params)
        refused = f"{error.value} {error.value.faults}"
    else:
        run = client.submit("hostile.takes_numbers", params).wait(20)
        assert run.error is not None
        refused = f"{run.error.message} {run.error.traceback}"

    assert "expected int, got str" in refused
    assert re.search("BEGIN|one|two|zz|last|yy", refused) is None


def test_a_job_that_hides_what_it_does_not_take_is_refused(
    client: Client, start_worker: Any
) -> None:
    start_worker()

    run = client.submit("hostile.hides_what_it_does_not_take", {"password": "hunter22"})

    with pytest.raises(RunFailed, match="takes no 'passwort'"):
        run.result(20)
    assert until(lambda: client.store.catalogue.known([run.job_name])[0].trouble)
