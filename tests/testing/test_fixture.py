"""The pytest plugin: the fixture, found wherever jobreg is installed, at no cost to others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = """
import pytest
from jobreg import RunFailed, current_run, job


@job(max_attempts=2)
def flaky(marks):
    open(marks, "a").write("x")
    if len(open(marks).read()) < 2:
        raise ValueError("the first time")
    return current_run().attempt


@pytest.mark.parametrize("time", range(3))
def test_every_test_has_a_fresh_store(jobreg, tmp_path, time):
    jobreg.plugin({"fake.flaky": flaky})
    run = jobreg.submit("fake.flaky", {"marks": str(tmp_path / "marks")})
    assert run.state == "scheduled"
    jobreg.clock.advance("1m")
    assert run.refresh().result() == 2
    jobreg.assert_submitted("fake.flaky", times=1)
    assert list(jobreg.find()) and jobreg.get(run.id).id == run.id


def test_code_under_test_submits_by_the_module(jobreg):
    import jobreg as module

    jobreg.plugin({"fake.fails": lambda: 1 // 0})
    module.submit_many([("fake.fails", {})] * 2)
    jobreg.assert_submitted("fake.fails", times=2)
    with pytest.raises(RunFailed):
        jobreg.submitted("fake.fails")[0].result()
    jobreg.raises = True
    with pytest.raises(ZeroDivisionError):
        module.submit("fake.fails")


def test_the_store_of_the_user_is_not_touched():
    import os

    assert "JOBREG_STORE" not in os.environ
"""


def run_pytest(folder: Path, env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_fixture_gives_each_test_a_store_an_inline_engine_and_a_clock(
    tmp_path: Path, fake_plugins: Any
) -> None:
    (tmp_path / "test_kit.py").write_text(TESTS)

    told = run_pytest(tmp_path, fake_plugins.env())

    assert "5 passed" in told


def test_a_missing_assertion_is_reported_at_the_line_of_the_test(
    tmp_path: Path, fake_plugins: Any
) -> None:
    (tmp_path / "test_kit.py").write_text(
        "def test_mail(jobreg):\n    jobreg.assert_submitted('mail.send')\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=fake_plugins.env(),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "test_kit.py:2: AssertionError" in done.stdout
    assert "jobs.py" not in done.stdout
    assert "Nothing was submitted" in done.stdout


def test_the_plugin_loads_nothing_for_those_who_do_not_use_it(
    tmp_path: Path, fake_plugins: Any
) -> None:
    (tmp_path / "test_other.py").write_text(
        "import json, sys\n"
        "def test_other():\n"
        "    open('loaded', 'w').write(json.dumps(sorted(sys.modules)))\n"
    )

    run_pytest(tmp_path, fake_plugins.env())

    loaded = json.loads((tmp_path / "loaded").read_text())
    ours = {name for name in loaded if name.startswith("jobreg")}
    assert ours == {"jobreg", "jobreg.pytest_plugin"}
    assert not {"sqlalchemy", "alembic", "multiprocess", "click"} & set(loaded)


def test_the_fixture_works_in_this_suite_too(jobreg: Any) -> None:
    jobreg.plugin({"fake.work": lambda: 7})

    assert jobreg.submit("fake.work").result() == 7
    assert os.environ["JOBREG_STORE"].endswith("jobs.db")


@pytest.mark.parametrize("name", ["RunFailed", "job", "nonsense"])
def test_a_name_of_the_module_says_that_the_fixture_hides_it(jobreg: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=name) as refused:
        getattr(jobreg, name)

    assert ("from jobreg import" in str(refused.value)) == (name != "nonsense")


def test_what_a_run_that_is_over_has_logged_can_be_read(jobreg: Any) -> None:
    jobreg.plugin({"fake.prints": lambda: print("hello")})
    run = jobreg.submit("fake.prints")

    assert [line.text for line in run.logs()] == [line.text for line in run.logs(follow=True)]
