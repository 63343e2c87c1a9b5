"""jobs lazy-check: which job code an application's import brings along, and how."""

from __future__ import annotations

import json

import pytest

APP = {
    "app/__init__.py": "",
    "app/main.py": "import app.views\n",
    "app/views.py": "def load():\n    from acme import render\n    return render\nload()\n",
    "app/lazy.py": "import jobreg\ndef view():\n    import acme.render\n",
    "app/broken.py": "import acme.render\n1 / 0\n",
    "app/ends.py": "import os\nos._exit(3)\n",
    "app/lacks.py": "import no_such_dependency\n",
    "app/loud.py": "print('hello from the app')\n",
    "acme/__init__.py": "",
    "acme/render.py": "def render(): pass\ndef profile(): pass\n",
}


@pytest.fixture
def check(run_cli, fake_plugins):
    jobs = {"reports.render": "acme.render:render", "reports.profile": "acme.render:profile"}
    fake_plugins.add("acme-reports", "1.0", jobs, APP)

    def run(module, *more):
        return run_cli("jobs", "lazy-check", module, *more, env=fake_plugins.env())

    return run


def test_a_job_that_comes_along_is_named_with_its_chain(check):
    done = check("app.main", "--json")

    assert (done.returncode, done.stderr) == (1, "")
    told = json.loads(done.stdout)
    assert told == {
        "module": "app.main",
        "error": None,
        "findings": [{
            "module": "acme.render",
            "job_names": ["reports.profile", "reports.render"],
            "chain": ["app.main", "app.views", "acme.render"],
        }],
    }  # fmt: skip


def test_people_read_the_chain(check):
    assert check("app.main").stdout == (
        "acme.render (reports.profile, reports.render)\n  app.main -> app.views -> acme.render\n"
    )


def test_an_application_that_only_submits_imports_none(check):
    done = check("app.lazy")

    assert (done.returncode, done.stdout) == (0, "Importing app.lazy imports no job.\n")


@pytest.mark.parametrize(
    ("module", "error", "findings"),
    [
        ("app.broken", "ZeroDivisionError: division by zero", 1),
        ("app.ends", "Importing it ended the process (exit code 3)", 0),
        ("app.lacks", "ModuleNotFoundError: No module named 'no_such_dependency'", 0),
    ],
)
def test_a_module_that_cannot_be_imported_is_told(check, module, error, findings):
    done = check(module, "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert (told["error"], len(told["findings"])) == (error, findings)


def test_what_the_module_prints_does_not_mix_with_json(check):
    done = check("app.loud", "--json")

    assert json.loads(done.stdout)["findings"] == []
    assert done.stderr == "hello from the app\n"


def test_a_job_s_own_module_is_a_finding(check):
    assert json.loads(check("acme.render", "--json").stdout)["findings"][0]["chain"] == [
        "acme.render"
    ]


def test_an_application_of_thousands_of_modules_is_told_of(check, fake_plugins):
    names = [f"m{number:04}_{'x' * 60}" for number in range(1500)]
    files = {f"big/{name}.py": "" for name in names} | {
        "big/__init__.py": "".join(f"from . import {name}\n" for name in names)
    }
    fake_plugins.add("big-app", "1.0", {}, files)

    done = check("big")

    assert (done.returncode, done.stdout) == (0, "Importing big imports no job.\n")
