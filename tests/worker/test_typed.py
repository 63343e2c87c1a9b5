"""Typed parameters and results through a real worker: submit, child, store, and back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import pytest
from waiting import until

from jobreg import Client, Registry, RunFailed
from jobreg.catalogue import Hello
from jobreg.engines.processes import ProcessEngine
from jobreg.lifecycle import Provider, State
from jobreg.settings import load

SOURCE = '''
from __future__ import annotations

import dataclasses, enum, sys, uuid
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs
from jobreg import job

if TYPE_CHECKING:
    from nowhere import Gone


class Colour(enum.Enum):
    RED = "red"


@attrs.define
class Line:
    item: uuid.UUID
    count: int = 1


@dataclasses.dataclass
class Report:
    at: datetime
    file: Path
    colour: Colour
    lines: list[Line]


@job(max_attempts=3)
def typed(
    at: datetime, file: Path, colour: Colour, lines: list[Line], mode: Literal["a", "b"] = "a",
    gone: Gone = None, *, day: date | None = None, **rest: float,
) -> Report:
    """Report what came."""
    assert type(at) is datetime and type(lines[0]) is Line and mode == "a", (at, lines, mode)
    assert all(type(each) is float for each in rest.values()), rest
    return Report(at, file, colour, lines)


def lossy() -> dict:
    return {"found": [1, {"ids": {2}}]}


def lies() -> date:
    return datetime(2026, 1, 31)


def plain(value):
    return [value, "msgspec._core" in sys.modules]
'''
JOBS = {f"typed.{name}": f"typed_plugin:{name}" for name in ("typed", "lossy", "lies", "plain")}
ID = UUID("6f1d8a4e-5c55-4a3e-9d6e-1a2b3c4d5e6f")


class Colour(Enum):
    """The submitter's own; the job's it cannot import."""

    RED = "red"


@attrs.define
class Line:
    item: UUID


@pytest.fixture
def registry(fake_plugins: Any, monkeypatch: pytest.MonkeyPatch) -> Registry:
    fake_plugins.add("typed", "1.0", JOBS, {"typed_plugin.py": SOURCE})
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    return Registry(path=[str(fake_plugins.path)])


def test_typed_values_go_all_the_way_and_come_back_as_json(
    client: Client, start_worker: Any
) -> None:
    start_worker()
    given = {
        "at": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "file": Path("a.csv"),
        "colour": Colour.RED,
        "lines": [Line(ID)],
        "day": date(2026, 1, 31),
        "score": 5,
    }

    run = client.submit("typed.typed", given)

    assert run.result(20) == {
        "at": "2026-01-31T12:00:00+00:00",
        "file": "a.csv",
        "colour": "red",
        "lines": [{"item": str(ID), "count": 1}],
    }
    assert run.params["day"] == "2026-01-31"


def test_params_that_do_not_fit_fail_the_run_as_refused_and_are_never_tried_again(
    client: Client, start_worker: Any
) -> None:
    start_worker()

    run = client.submit(
        "typed.typed",
        {"at": "soon", "file": 5, "lines": [{"item": "x"}, {}], "mode": "c", "score": "high"},
    )

    with pytest.raises(RunFailed) as failed:
        run.result(20)
    assert (failed.value.reason, failed.value.error_type) == ("refused", "ParamsRefused")
    assert len(run.attempts()) == 1
    (attempt,) = run.attempts()
    assert attempt.error is not None
    for fault in (
        "Job 'typed.typed' of typed 1.0 refuses these params: missing 'colour'; ",
        'at: expected datetime, got str "soon"',
        "file: expected Path, got int 5",
        'lines[0].item: expected UUID, got str "x"',
        "lines[1].item: missing",
        "mode: expected Literal['a', 'b'], got str \"c\"",
        'score: expected float, got str "high"',
    ):
        assert fault in attempt.error.message


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("typed.lossy", "result.found[1].ids is a set, which JSON cannot hold"),
        ("typed.lies", "result: expected date, got str"),
    ],
)
def test_a_result_that_would_not_come_back_fails_the_run_with_its_path(
    client: Client, start_worker: Any, name: str, told: str
) -> None:
    start_worker()

    run = client.submit(name)

    with pytest.raises(RunFailed, match="ResultRefused") as failed:
        run.result(20)
    assert failed.value.reason == "error"
    assert told in str(failed.value)
    assert run.state is State.FAILED


class _Groups:
    def watch(self, group: int) -> None: ...

    def forget(self, group: int) -> None: ...


@pytest.fixture(params=["forkserver", "spawn"])
def engine(
    request: pytest.FixtureRequest, tmp_path: Path, registry: Registry
) -> Iterator[ProcessEngine]:
    made = ProcessEngine(load(store=str(tmp_path / "jobs.db")), _Groups(), request.param)
    made.start()
    yield made
    made.close()


def test_a_hello_from_a_child_tells_signature_schema_and_findings(engine: ProcessEngine) -> None:
    provider = Provider("typed", "1.0")
    engine.probe("typed.typed", JOBS["typed.typed"], provider)

    def heard() -> Hello | None:
        return next((each for each in engine.collect(0.05) if isinstance(each, Hello)), None)

    hello = until(heard, 20)

    assert hello.provider == provider
    assert hello.summary == "Report what came."
    assert hello.seconds is not None
    assert hello.signature is not None
    assert str(hello.signature).startswith("(at: datetime, file: Path, colour: Colour, ")
    assert '"additionalProperties":{"type":"number"}' in hello.signature.schema
    (finding,) = hello.signature.findings
    assert "NameError: name 'Gone' is not defined" in finding


def test_the_supervisor_loads_nothing_of_what_converts_for_children(
    tmp_path: Path, fake_plugins: Any
) -> None:
    fake_plugins.add("typed", "1.0", JOBS, {"typed_plugin.py": SOURCE})
    code = (
        "import sys, jobreg\n"
        "run = jobreg.submit('typed.typed', {'at': '2026-01-31T12:00:00Z', 'file': 'a',"
        f" 'colour': 'red', 'lines': [{{'item': '{ID}'}}]}})\n"
        "jobreg.Worker(concurrency=1, until_idle=True).run()\n"
        "print(run.result(20)['colour'], 'jobreg.signature.conversion' in sys.modules)\n"
    )
    env = fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"))
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )

    assert done.stdout == "red False\n", done.stderr
