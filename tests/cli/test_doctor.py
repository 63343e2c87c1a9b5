"""jobreg jobs doctor: each problem with its place and way out; imports happen elsewhere."""

from __future__ import annotations

import json

import pytest

from jobreg.catalogue import Hello
from jobreg.cli import doctor
from jobreg.lifecycle import Provider

FIELDS = ["code", "message", "file", "line", "dist", "name", "way_out"]


@pytest.fixture
def examine(run_cli, fake_plugins):
    """Run the doctor; gives its exit code, the problems it told, and stderr."""

    def run(*arguments, **more):
        done = run_cli("jobs", "doctor", "--json", *arguments, env=fake_plugins.env(**more))
        return done.returncode, json.loads(done.stdout)["problems"], done.stderr

    return run


def codes(problems):
    return sorted((each["code"], each["name"]) for each in problems)


def test_nothing_wrong_is_exit_0(run_cli, fake_plugins):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})

    done = run_cli("jobs", "doctor", env=fake_plugins.env())

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "No problems; 1 runnable jobs looked at.\n"


def test_what_metadata_shows_is_told_with_place_and_way_out(examine, fake_plugins):
    lines = [
        b"[jobreg.jobs]", b"Bad = m:f", b"wrong = no-colon", b"nothing", b"x = m:f [extra]",
        b"\xff = m:f", b"good = m:f", b"good = m:g", b"shared = m:f", b"",
    ]  # fmt: skip
    file = fake_plugins.add_raw("acme", "1.0", b"\n".join(lines))
    fake_plugins.add("rival", "2.0", {"shared": "r:f"})
    fake_plugins.add("late", "1.0", {"late.job": "late:f"}, folder="second")
    fake_plugins.add("late", "1.0", {"late.job": "late:f"})
    path = f"{fake_plugins.path}:{fake_plugins.path / 'second'}"

    code, problems, err = examine(PYTHONPATH=path)

    assert (code, err) == (1, "")
    assert codes(problems) == [
        ("bad_encoding", None), ("bad_line", None), ("bad_name", "Bad"), ("bad_target", "wrong"),
        ("conflict", "shared"), ("duplicate", "good"), ("extras", "x"), ("shadowed", "late.job"),
    ]  # fmt: skip
    assert all(list(each) == FIELDS for each in problems)
    assert all(each["way_out"].endswith(".") for each in problems)
    places = {each["code"]: (each["file"], each["line"], each["dist"]) for each in problems}
    assert places["bad_name"] == (str(file), 2, "acme")
    assert places["duplicate"] == (str(file), 8, "acme")
    assert places["conflict"] == (str(file), None, None)
    hidden = fake_plugins.path / "second" / "late-1.0.dist-info" / "entry_points.txt"
    assert places["shadowed"] == (str(hidden), None, "late")


def test_without_import_no_plugin_is_imported(examine, fake_plugins, tmp_path):
    trace = tmp_path / "imported"
    source = f"open({str(trace)!r}, 'w').close()\ndef f(): pass\n"
    fake_plugins.add("acme", "1.0", {"a": "traced:f"}, {"traced.py": source})

    first, *_ = examine()
    untouched = not trace.exists()
    second, *_ = examine("--import")

    assert (first, second) == (0, 0)
    assert untouched
    assert trace.exists()


def test_import_tells_what_only_importing_shows(examine, fake_plugins):
    modules = {
        "lacks.py": "import no_such_module_here",
        "ends.py": "import os\nos._exit(7)",
        "other.py": (
            "from jobreg import job\n"
            "number = 5\n"
            "@job(name='else.where')\n"
            "def elsewhere(): pass\n"
            "def good(): pass\n"
        ),
    }
    fake_plugins.add("lacks", "1.0", {"lacks.job": "lacks:f"}, modules)
    fake_plugins.add("ends", "1.0", {"ends.job": "ends:f"})
    jobs = {"o.n": "other:number", "o.e": "other:elsewhere", "o.g": "other:good", "o.m": "other:f"}
    fake_plugins.add("other", "1.0", jobs)

    code, problems, err = examine("--import")

    assert (code, err) == (1, "")
    assert codes(problems) == [
        ("died", "ends.job"), ("import_error", "lacks.job"), ("import_error", "o.m"),
        ("name_mismatch", "o.e"), ("not_callable", "o.n"),
    ]  # fmt: skip
    told = {each["name"]: each["message"] for each in problems}
    assert "No module named 'no_such_module_here'" in told["lacks.job"]
    assert "exit code 7" in told["ends.job"]
    assert told["o.n"].startswith("other:number: ")
    assert "says it is job 'else.where'" in told["o.e"]


def test_what_a_plugin_prints_does_not_mix_with_json(examine, fake_plugins):
    source = "print('hello from the plugin')\ndef f(): pass\n"
    fake_plugins.add("loud", "1.0", {"loud.job": "loud:f"}, {"loud.py": source})

    code, problems, err = examine("--import")

    assert (code, problems) == (0, [])
    assert err == "loud.job: hello from the plugin\n"


def test_many_distributions_are_all_imported(examine, fake_plugins):
    for number in range(12):
        module = {f"mod{number}.py": "1 / 0" if number % 2 else "def f(): pass"}
        fake_plugins.add(f"dist{number}", "1.0", {f"job{number}": f"mod{number}:f"}, module)

    code, problems, _ = examine("--import")

    assert code == 1
    assert codes(problems) == sorted(("import_error", f"job{n}") for n in range(1, 12, 2))


def test_a_slow_import_is_told(fake_plugins):
    from jobreg import Registry

    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    ref = Registry(path=[str(fake_plugins.path)]).ref("a")

    def found(seconds):
        hello = Hello(job_name="a", provider=Provider("acme", "1.0"), options=None, seconds=seconds)
        return [each["code"] for each in doctor._in_import(hello, ref)]

    assert (found(doctor.SLOW - 0.1), found(doctor.SLOW + 0.1)) == ([], ["slow_import"])


def test_the_seconds_of_an_import_come_with_the_hello(fake_plugins, monkeypatch):
    from jobreg import Registry

    source = "import time\ntime.sleep(0.3)\ndef f(): pass\n"
    fake_plugins.add(
        "sleepy", "1.0", {"sleepy.job": "sleepy_module:f"}, {"sleepy_module.py": source}
    )
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    snapshot = Registry(path=[str(fake_plugins.path)]).snapshot()

    ((hello, ref),) = doctor._hellos(snapshot)

    assert (hello.trouble, ref.name) == (None, "sleepy.job")
    assert 0.3 <= hello.seconds < 30


def test_people_read_problem_place_and_way_out(run_cli, fake_plugins):
    file = fake_plugins.add("acme", "1.0", {"Bad": "m:f"})

    done = run_cli("jobs", "doctor", env=fake_plugins.env())

    first, *rest = done.stdout.splitlines()
    assert done.returncode == 1
    assert first.startswith("bad_name: 'Bad' is not a job name")
    assert rest == [
        f"  at {file}:2",
        "  Rename the entry point: words of a-z, 0-9 and '_', joined by dots.",
        "1 problem; 0 runnable jobs looked at.",
    ]


def test_every_code_has_a_way_out():
    import re
    from pathlib import Path

    root = Path(doctor.__file__).parents[1]
    registry = "".join(file.read_text() for file in (root / "registry").glob("*.py"))
    found = set(re.findall(r'(?:_BadLineError|Problem)\(\s*"(\w+)"', registry))
    found |= set(re.findall(r'code="(\w+)"', (root / "registry" / "load.py").read_text()))
    found |= set(re.findall(r'_problem\("(\w+)"', Path(doctor.__file__).read_text()))

    assert {"bad_name", "not_callable", "conflict"} <= found
    assert found <= set(doctor._WAYS_OUT)
