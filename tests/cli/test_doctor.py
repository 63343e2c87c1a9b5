"""jobreg jobs doctor: each problem with its place and way out; imports happen elsewhere."""

from __future__ import annotations

import json
import os

import pytest

from jobreg.catalogue import Entry, Hello
from jobreg.cli import findings
from jobreg.lifecycle import Provider, RunRecord
from jobreg.request import new_run_id
from jobreg.store import open_store
from jobreg.worker.probing import hellos

FIELDS = ["code", "message", "file", "line", "dist", "name", "severity", "way_out"]
GOOD = {"m.py": "def f(): pass\ndef g(): pass\n"}


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
    fake_plugins.add("acme", "1.0", {"a": "m:f"}, GOOD)

    done = run_cli("jobs", "doctor", env=fake_plugins.env())

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "No problems; 1 runnable jobs looked at.\n"


def test_what_metadata_shows_is_told_with_place_and_way_out(examine, fake_plugins):
    lines = [
        b"[jobreg.jobs]", b"Bad = m:f", b"wrong = no-colon", b"nothing", b"x = m:f [extra]",
        b"\xff = m:f", b"good = m:f", b"good = m:g", b"shared = m:f", b"",
    ]  # fmt: skip
    file = fake_plugins.add_raw("acme", "1.0", b"\n".join(lines))
    fake_plugins.add("rival", "2.0", {"shared": "m:f"}, GOOD)
    fake_plugins.add("late", "0.9", {"late.job": "m:f"}, folder="second")
    fake_plugins.add("late", "1.0", {"late.job": "m:f"})
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
    hidden = fake_plugins.path / "second" / "late-0.9.dist-info" / "entry_points.txt"
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


def test_import_tells_of_a_secret_that_is_no_parameter(examine, fake_plugins):
    source = "from jobreg import job\n@job(redact='passwort')\ndef log_in(password): pass\n"
    fake_plugins.add("acme", "1.0", {"acme.log_in": "acme:log_in"}, {"acme.py": source})

    code, problems, _ = examine("--import")

    (told,) = problems
    assert (code, told["code"], told["name"]) == (1, "redact_mismatch", "acme.log_in")
    assert "takes no 'passwort'" in told["message"]
    assert told["way_out"].startswith("Let @job(redact=...) name parameters of the function")


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
        return [each["code"] for each in findings.in_hello(hello, ref)]

    assert (found(findings.SLOW - 0.1), found(findings.SLOW + 0.1)) == ([], ["slow_import"])


def test_the_seconds_of_an_import_come_with_the_hello(fake_plugins, monkeypatch):
    from jobreg import Registry

    source = "import time\ntime.sleep(0.3)\ndef f(): pass\n"
    fake_plugins.add(
        "sleepy", "1.0", {"sleepy.job": "sleepy_module:f"}, {"sleepy_module.py": source}
    )
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    snapshot = Registry(path=[str(fake_plugins.path)]).snapshot()

    ((ref, hello),) = hellos(snapshot.jobs.values())

    assert (hello.trouble, ref.name) == (None, "sleepy.job")
    assert 0.3 <= hello.seconds < 30


def test_people_read_problem_place_and_way_out(run_cli, fake_plugins):
    file = fake_plugins.add("acme", "1.0", {"Bad": "m:f"})

    done = run_cli("jobs", "doctor", env=fake_plugins.env())

    first, *rest = done.stdout.splitlines()
    assert done.returncode == 1
    assert first.startswith("error: bad_name: 'Bad' is not a job name")
    assert rest == [
        f"  at {file}:2",
        "  Rename the entry point: words of a-z, 0-9 and '_', joined by dots.",
        "1 error, 0 warnings; 0 runnable jobs looked at.",
    ]


def test_every_code_has_a_way_out():
    import re
    from pathlib import Path

    root = Path(findings.__file__).parents[1]
    found = set()
    for room, pattern in (
        ("registry/scan.py", r'Problem\(\s*"(\w+)"'),
        ("registry/entry_points.py", r'(?:_BadLineError|Problem)\(\s*"(\w+)"'),
        ("registry/foreign.py", r'Problem\(\s*"(\w+)"'),
        ("registry/other_groups.py", r'Problem\("(\w+)"'),
        ("registry/load.py", r'code="(\w+)"'),
        ("runner.py", r'code="(\w+)"'),
        ("engines/processes.py", r'code="(\w+)"'),
        ("cli/findings.py", r'_finding\("(\w+)"|"code": "(\w+)"'),
        ("cli/doctor.py", r'"code": "(\w+)"'),
    ):
        for match in re.finditer(pattern, (root / room).read_text()):
            found |= {each for each in match.groups() if each}

    assert {"bad_name", "not_callable", "conflict", "died", "store", "other_line"} <= found
    assert found | {"import_error"} == set(findings.WAYS_OUT)
    assert set(findings.WAYS_OUT) >= findings.WARNINGS
    page = (root.parent / "docs" / "reference" / "cli.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| (error|warning) \|", page, re.MULTILINE))
    assert told == {
        code: "warning" if code in findings.WARNINGS else "error" for code in findings.WAYS_OUT
    }


def test_a_target_that_is_not_there_is_found_without_importing(examine, fake_plugins):
    modules = {
        "m.py": "1 / 0\ndef f(): pass\n",
        "star.py": "from os.path import *\n",
        "lazy.py": "def __getattr__(name): ...\n",
        "held.py": "class Jobs:\n    def work(self): pass\nclass Heir(Jobs): pass\n",
    }
    jobs = {
        "there": "m:f", "no.module": "gone:f", "no.function": "m:gone", "by.star": "star:join",
        "by.getattr": "lazy:f", "in.class": "held:Jobs.work", "not.in.class": "held:Jobs.rest",
        "inherited": "held:Heir.work", "no.submodule": "m.sub:f",
    }  # fmt: skip
    fake_plugins.add("acme", "1.0", jobs, modules)

    code, problems, err = examine()

    assert (code, err) == (1, "")
    assert codes(problems) == [
        ("missing_target", "no.function"), ("missing_target", "no.module"),
        ("missing_target", "no.submodule"), ("missing_target", "not.in.class"),
    ]  # fmt: skip
    assert "holds no gone" in {each["name"]: each["message"] for each in problems}["no.function"]


def test_what_python_itself_gives_a_module_is_left_to_the_import(examine, fake_plugins):
    fake_plugins.add("acme", "1.0", {"a.b": "m:__name__", "a.c": "m:f.__call__"}, GOOD)

    assert examine() == (0, [], "")
    code, [problem], _ = examine("--import")
    assert (code, problem["code"], problem["name"]) == (1, "not_callable", "a.b")


def test_a_name_that_differs_from_its_entry_point_is_found_without_importing(examine, fake_plugins):
    source = "1 / 0\nimport jobreg\n@jobreg.job(name='a.b', timeout=5)\ndef f(): pass\n"
    file = fake_plugins.add("acme", "1.0", {"a.c": "m:f"}, {"m.py": source})

    code, [problem], _ = examine()

    assert (code, problem["code"], problem["name"]) == (1, "name_mismatch", "a.c")
    assert (problem["file"], problem["line"]) == (str(file.parents[1] / "m.py"), 4)


def test_a_pipe_in_the_place_of_a_file_is_told_and_not_waited_for(examine, fake_plugins):
    file = fake_plugins.add("acme", "1.0", {"a": "m:f"}, GOOD)
    folder = file.parents[1] / "pipe-1.0.dist-info"
    folder.mkdir()
    os.mkfifo(folder / "entry_points.txt")

    code, problems, _ = examine()

    assert code == 0
    assert [(each["code"], each["message"]) for each in problems] == [
        ("unreadable", "It cannot be read: it is no file.")
    ]


def test_the_faults_of_other_packages_are_warnings(examine, fake_plugins):
    fake_plugins.add("acme", "1.0", {"a": "m:f"}, GOOD)
    fake_plugins.add_raw("other", "1.0", b"[console_scripts]\nno equals\n\xff = x:y\ngood = x:y\n")

    code, problems, _ = examine()

    assert code == 0
    told = [(each["code"], each["severity"], each["line"], each["dist"]) for each in problems]
    assert told == [
        ("other_line", "warning", 2, "other"), ("other_encoding", "warning", 3, "other"),
    ]  # fmt: skip


def test_an_editable_installation_older_than_its_project_is_told(examine, fake_plugins, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    file = fake_plugins.add("acme", "1.0", {"a": "m:f"}, GOOD)
    direct = {"url": f"file://{project}", "dir_info": {"editable": True}}
    (file.parent / "direct_url.json").write_text(json.dumps(direct))
    (project / "pyproject.toml").write_text("")
    os.utime(project / "pyproject.toml", (1, 1))

    before = examine()
    os.utime(file, (2, 2))
    os.utime(project / "pyproject.toml", (3, 3))
    code, [problem], _ = examine()

    assert before[:2] == (0, [])
    assert (code, problem["code"], problem["severity"]) == (0, "stale_editable", "warning")


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield opened
    opened.close()


def test_the_store_tells_of_names_nobody_knows_and_of_params_that_would_be_refused(
    examine, fake_plugins, store
):
    fake_plugins.add("acme", "1.0", {"a": "m:f"}, GOOD)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    entry = Entry(job_name="a", provider=Provider("acme", "1.0"), options={}, params_schema=schema)
    store.catalogue.learn([entry], "hello")
    bad, good = new_run_id(), new_run_id()
    store.insert([
        RunRecord(run_id=bad, job_name="a", params='{"n":"x"}'),
        RunRecord(run_id=good, job_name="a", params='{"n":1}'),
        RunRecord(run_id=new_run_id(), job_name="gone.job"),
    ])  # fmt: skip

    code, problems, _ = examine(JOBREG_STORE=store.full_url)

    assert code == 0
    assert codes(problems) == [("queued_params", "a"), ("unknown_name", "gone.job")]
    told = {each["code"]: each["message"] for each in problems}
    assert told["unknown_name"].startswith("1 unfinished run of 'gone.job'")
    assert bad in told["queued_params"]
    assert good not in told["queued_params"]


def test_what_a_job_hides_is_hidden_where_its_params_would_be_refused(examine, fake_plugins, store):
    fake_plugins.add("acme", "1.0", {"a": "m:f"}, GOOD)
    schema = {"type": "object", "properties": {"key": {"type": "string"}, "n": {"type": "string"}}}
    for version, options in (("1.0", {}), ("0.9", {"redact": ["key"]})):
        provider = Provider("acme", version)
        entry = Entry(job_name="a", provider=provider, options=options, params_schema=schema)
        store.catalogue.learn([entry], "hello")
    params = '{"key":12345678,"n":87654321}'
    store.insert([RunRecord(run_id=new_run_id(), job_name="a", params=params)])

    _, [problem], _ = examine(JOBREG_STORE=store.full_url, JOBREG_REDACT="8765")

    assert "key: expected str, got int [redacted]" in problem["message"]
    assert "n: expected str, got int [redacted]4321" in problem["message"]


def test_a_conflict_that_has_an_owner_is_a_warning(examine, fake_plugins, store):
    fake_plugins.add("acme", "1.0", {"shared": "m:f", "taken": "m:g"}, GOOD)
    fake_plugins.add("rival", "1.0", {"shared": "m:f"})
    unsettled = examine(JOBREG_STORE=store.full_url)
    store.catalogue.adopt("shared", "acme")
    store.catalogue.adopt("taken", "rival")

    code, problems, _ = examine(JOBREG_STORE=store.full_url)

    assert (unsettled[0], codes(unsettled[1])) == (1, [("conflict", "shared")])
    assert (code, codes(problems)) == (0, [("refused", "taken"), ("settled_conflict", "shared")])
