"""jobs lazy-check: which job code an application's import brings along, and how."""

from __future__ import annotations

import json

import pytest
from waiting import alive, pids_in, until

APP = {
    "app/__init__.py": "",
    "app/main.py": "import app.views\n",
    "app/views.py": "def load():\n    from acme import render\n    return render\nload()\n",
    "app/lazy.py": "import jobreg\ndef view():\n    import acme.render\n",
    "app/broken.py": "import acme.render\n1 / 0\n",
    "app/ends.py": "import os\nos._exit(3)\n",
    "app/lacks.py": "import no_such_dependency\n",
    "app/loud.py": "print('hello from the app')\n",
    "app/manages.py": (
        "import multiprocessing\nmanager = multiprocessing.Manager()\n"
        "print(manager._process.pid, file=open('pids', 'w'))\n"
    ),
    "app/pools.py": (
        "import os\nfrom concurrent.futures import ProcessPoolExecutor\n"
        "pool = ProcessPoolExecutor(2)\n"
        "print(pool.submit(os.getpid).result(), file=open('pids', 'w'))\n"
    ),
    "app/forks.py": (
        "import os, time\nif child := os.fork():\n    print(child, file=open('pids', 'w'))\n"
        "    time.sleep(1)\nelse:\n    import acme.render\n"
    ),
    "app/forks_on.py": (
        "import os, time\nif child := os.fork():\n    print(child, file=open('pids', 'w'))\n"
        "else:\n    time.sleep(50)\n"
    ),
    "app/closes.py": "import os\nos.closerange(0, 256)\n",
    "app/replaces.py": "import json\njson.dump = json.dumps = None\n",
    "app/shuts.py": "import sys\nsys.modules[3] = sys\n",
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


@pytest.mark.parametrize("module", ["app.manages", "app.pools", "app.forks", "app.forks_on"])
def test_what_a_module_forks_is_ended_and_tells_nothing(check, module, tmp_path):
    done = check(module)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Importing {module} imports no job.\n"
    (pid,) = pids_in(tmp_path / "pids")
    until(lambda: not alive(pid), 5, "what it forked is ended")


@pytest.mark.parametrize("module", ["app.closes", "app.replaces"])
def test_a_module_may_close_all_and_replace_what_is_at_hand(check, module):
    done = check(module)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Importing {module} imports no job.\n"


def test_where_nothing_can_be_told_one_sentence_says_so(check):
    done = check("app.shuts")

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        "app.shuts cannot be imported: Its process ended before it could tell what was imported.\n"
    )


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
