"""Plugins without pip: installed for this process as any other, for as long as a block lasts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jobreg
from jobreg import InvalidJob, JobConflict, UnknownJob, default_registry, job
from jobreg.testing import inline, plugin


def test_any_function_can_be_a_job() -> None:
    class Callable:
        def __call__(self, x: int) -> int:
            return x + 1

    @job(name="fake.named", max_attempts=7)
    def named(x: int) -> int:
        return x - 1

    functions: dict[str, Any] = {
        "fake.lambda": lambda x: 2 * x,
        "fake.object": Callable(),
        "fake.named": named,
    }

    with inline(), plugin(functions):
        results = {name: jobreg.submit(name, {"x": 5}).result() for name in functions}

    assert results == {"fake.lambda": 10, "fake.object": 6, "fake.named": 4}


def test_it_is_installed_with_name_and_version_and_gone_afterwards() -> None:
    with plugin({"fake.job": lambda: None}, dist="Acme_Reports", version="2.5") as folder:
        assert default_registry().ref("fake.job").provider == "acme-reports 2.5"
        assert str(folder) in sys.path

    assert str(folder) not in sys.path
    assert not folder.exists()
    with pytest.raises(UnknownJob):
        default_registry().ref("fake.job")


def test_several_at_a_time_are_distributions_of_their_own() -> None:
    with plugin({"fake.a": lambda: 1}), plugin({"fake.b": lambda: 2}), plugin({"fake.c": print}):
        providers = [default_registry().ref(f"fake.{name}").provider for name in "abc"]

    assert providers == ["fake 1.0", "fake-2 1.0", "fake-3 1.0"]


def test_modules_are_imported_from_its_folder_and_forgotten() -> None:
    modules = {
        "kit_module.py": "VALUE = 7\ndef get():\n    return VALUE\n",
        "kit_package/__init__.py": "",
        "kit_package/inner.py": "def get():\n    return 8\n",
    }
    jobs = {"fake.module": "kit_module:get", "fake.package": "kit_package.inner:get"}

    with inline(), plugin(jobs, modules=modules):
        results = [jobreg.submit(name).result() for name in jobs]
        assert "kit_package.inner" in sys.modules

    assert results == [7, 8]
    assert not {"kit_module", "kit_package", "kit_package.inner"} & set(sys.modules)


def test_the_command_line_finds_one_with_modules(run_cli: Any, fake_plugins: Any) -> None:
    source = {"kit_cli.py": "def get():\n    return 'from a child'\n"}
    with inline(), plugin({"fake.cli": "kit_cli:get"}, modules=source) as folder:
        env = fake_plugins.env(PYTHONPATH=str(folder), JOBREG_STORE=os.environ["JOBREG_STORE"])

        done = run_cli("run", "fake.cli", env=env, check=True)

        (run,) = jobreg.find()
        assert '"from a child"' in done.stdout
        assert run.result() == "from a child"


def test_it_can_stand_in_for_an_installed_distribution(
    fake_plugins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_plugins.add("acme", "1.0", {"acme.a": "real:a", "acme.b": "real:b"})
    monkeypatch.syspath_prepend(str(fake_plugins.path))

    with pytest.raises(JobConflict, match=r"acme 1\.0.*dist='acme'"), plugin({"acme.a": print}):
        pass
    with inline(), plugin({"acme.a": lambda: "fake"}, dist="acme"):
        result = jobreg.submit("acme.a").result()
        names = [name for name in default_registry().names() if name.startswith("acme")]

    assert (result, names) == ("fake", ["acme.a"])


@pytest.mark.parametrize(
    ("jobs", "says"),
    [
        ({"Not A Name": print}, "not a job name"),
        ({"fake.job": 7}, "no function: 7"),
        ({"fake.job": None}, '"module:function"'),
    ],
)
def test_what_cannot_be_a_job_is_refused(jobs: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidJob, match=says), plugin(jobs):
        pass

    assert not [name for name in default_registry().names() if name.startswith("fake")]


def test_a_job_whose_code_cannot_be_imported_fails_with_the_cause() -> None:
    with inline(), plugin({"fake.gone": "kit_gone:get"}):
        run = jobreg.submit("fake.gone")

    assert (run.state, run.reason) == ("failed", "error")
    assert run.error is not None
    assert "kit_gone" in run.error.traceback


def test_a_script_can_run_its_own_functions(tmp_path: Path, fake_plugins: Any) -> None:
    script = tmp_path / "notebook.py"
    script.write_text(
        "import jobreg, jobreg.testing as testing\n"
        "def double(x):\n    return 2 * x\n"
        "with testing.inline(), testing.plugin({'my.double': double}):\n"
        "    print(jobreg.submit('my.double', {'x': 21}).result())\n"
    )

    done = subprocess.run(
        [sys.executable, str(script)],
        env=fake_plugins.env(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "42\n"
