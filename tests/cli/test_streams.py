"""Every command with a reader that leaves, without streams, on a full disk, and under Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from commands import LONG, NAME, QUEUED, STORELESS, VALID, call
from store_hands import add, everything
from waiting import alive, until
from warm_start import text_of

from jobreg.selection import Selection

JOBREG = [sys.executable, "-m", "jobreg"]


@pytest.fixture
def start(environ, tmp_path):
    """Start a command as a process; what is left of it at the end is ended."""
    started = []

    def run(arguments, env=None, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen(
            [*JOBREG, *arguments], env=environ | (env or {}), cwd=tmp_path, **options
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def quiet(stderr, path):
    """Nothing on stderr, but for the log of a worker."""
    lines = stderr.splitlines()
    return not lines or (path == "worker" and all(" INFO " in line for line in lines))


def each_in_turn(*forms):
    """Every command in every form; in the quick suite each command in one, all forms in turn."""
    return [
        pytest.param(path, form, marks=[] if number % len(forms) == index else [pytest.mark.slow])
        for number, path in enumerate(sorted(set(VALID) - LONG))
        for index, form in enumerate(forms)
    ]


@pytest.mark.parametrize(("path", "form"), each_in_turn("people", "json"))
def test_a_reader_that_never_reads_ends_a_command_quietly(warm, environ, tmp_path, path, form):
    reader, writer = os.pipe()
    os.close(reader)
    json_too = ["--json"] if form == "json" else []

    with open(writer, "wb") as output, tempfile.TemporaryFile() as errors:
        process = warm.start(call(path, *json_too), environ, tmp_path, output=output, errors=errors)
        code = process.wait(60)
        stderr = text_of(errors)

    assert code == 0
    assert quiet(stderr, path), stderr


def test_so_does_a_new_interpreter(start):
    reader, writer = os.pipe()
    os.close(reader)

    process = start(["runs", "list"], stdout=writer)
    os.close(writer)
    stderr = process.communicate(timeout=60)[1]

    assert (process.returncode, stderr) == (0, "")


@pytest.mark.parametrize(
    "path", sorted(set(VALID) - LONG - {"completion", "store upgrade", "worker"})
)
def test_head_takes_one_line_of_much_and_that_is_no_error(warm, environ, kept, path):
    from jobreg.lifecycle import RunRecord

    text = json.dumps({"text": "x" * 200_000})
    more = [RunRecord(run_id=f"02a00000-0000-7000-8000-{n:012x}", job_name=f"job.n{n}",
                      params=text if n == 0 else "{}") for n in range(900)]  # fmt: skip
    kept.insert(more)
    many = {
        "runs show": [more[0].run_id],
        "runs cancel": ["--all"],
        "runs list": ["--limit", "900"],
    }
    words = [*path.split(), *many.get(path, VALID[path]), "--json"]

    with (
        subprocess.Popen(["head", "-1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as head,
        tempfile.TemporaryFile() as errors,
    ):
        process = warm.start(words, environ, output=head.stdin, errors=errors)
        shown = head.communicate(timeout=60)[0]
        code = process.wait(60)
        told = text_of(errors)

    assert (code, told) == (0, "")
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["runs", "wait", QUEUED, "--timeout", "0"], 6), (["submit", "no.such"], 3),
     (["runs", "nonsense"], 2)],
)  # fmt: skip
def test_an_error_that_nobody_reads_has_its_exit_code(start, arguments, code):
    reader, writer = os.pipe()
    os.close(reader)

    process = start(arguments, stdout=writer, stderr=writer)
    os.close(writer)

    assert process.wait(60) == code


def test_a_failed_run_stays_failed_though_nobody_reads(start, fake_plugins):
    fake_plugins.add("acme-reports", "1.0", {NAME: "acme:run"}, {"acme.py": "def run(): 1 / 0"})
    reader, writer = os.pipe()
    os.close(reader)

    process = start(["run", NAME, "--json"], stdout=writer)
    os.close(writer)

    assert process.wait(60) == 1


@pytest.mark.parametrize(("path", "closed"), each_in_turn("<&-", ">&-", "2>&-", "<&- >&- 2>&-"))
def test_closed_streams_do_no_harm(environ, tmp_path, kept, path, closed):
    done = subprocess.run(
        ["bash", "-c", f'"$@" {closed}', "bash", *JOBREG, *call(path)],
        env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0
    assert quiet(done.stderr, path), done.stderr
    # A file opened as descriptor 1 would have been printed into: the store may be that file.
    assert everything(kept)["jobreg_runs"]


@pytest.mark.parametrize(
    ("path", "cold"),
    [(path, False) for path in sorted(set(VALID) - LONG - STORELESS)] + [("queues pause", True)],
)
def test_a_command_leaves_the_store_a_single_file(start, warm, environ, tmp_path, kept, path, cold):
    file = Path(kept.engine.url.database)
    kept.close()

    if cold:
        assert start(call(path)).wait(60) == 0
    else:
        assert warm.run(call(path), environ, tmp_path).returncode == 0

    assert [each.name for each in file.parent.glob(f"{file.name}*")] == [file.name]


TELLS_WHAT_IS_OPEN = """
import atexit, sqlite3, sys

made = []

def heed(event, arguments):
    if event == "sqlite3.connect/handle":
        made.append(arguments[0])

@atexit.register
def tell():
    for each in made:
        try:
            each.total_changes
        except sqlite3.ProgrammingError:
            continue
        print("left open", file=sys.stderr)

sys.addaudithook(heed)
"""


@pytest.mark.parametrize("path", sorted(set(VALID) - LONG))
def test_a_command_leaves_no_connection_to_be_closed_by_the_interpreter(
    warm, environ, tmp_path, path
):
    done = warm.run(call(path), environ, tmp_path, first=TELLS_WHAT_IS_OPEN)

    assert (done.returncode, "left open" in done.stderr) == (0, False)


@pytest.mark.parametrize("path", sorted(set(VALID) - LONG - {"worker"}))
def test_output_that_cannot_be_written_is_told(warm, environ, tmp_path, path):
    with open("/dev/full", "w") as full, tempfile.TemporaryFile() as errors:
        process = warm.start(call(path), environ, tmp_path, output=full, errors=errors)
        code = process.wait(60)
        stderr = text_of(errors)

    assert code == 1
    assert stderr == (
        "jobreg: The output cannot be written: No space left on device. Send it elsewhere.\n"
    )


AT_EVENT = """
import os, signal, sys

left = int(os.environ["INTERRUPT_AFTER"])
wanted = os.environ["INTERRUPT_AT"]
begun = "jobreg.cli" in sys.modules

def heed(event, arguments):
    global left, begun
    if not begun:
        begun = event == "import" and arguments[0] == "jobreg.cli"
    elif event == wanted and left >= 0:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(heed)
"""


@pytest.fixture
def interrupt(start, warm, environ, fake_plugins, tmp_path):
    """Run a command that sends itself Ctrl-C at its nth event of a kind, once it is ours."""

    def run(arguments, event, after):
        env = {"INTERRUPT_AT": event, "INTERRUPT_AFTER": str(after)}
        if event != "import":
            done = warm.run(arguments, environ | env, tmp_path, first=AT_EVENT)
            return done.returncode, done.stdout, done.stderr
        (fake_plugins.path / "sitecustomize.py").write_text(AT_EVENT)
        process = start(arguments, env=env)
        stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr

    return run


@pytest.mark.parametrize(("path", "after"), each_in_turn(0, 20))
def test_ctrl_c_while_it_is_imported(interrupt, kept, path, after):
    before = everything(kept)

    code, stdout, stderr = interrupt(call(path), "import", after)

    assert (code, stdout, stderr) == (130, "", "jobreg: interrupted\n")
    assert everything(kept) == before


@pytest.mark.parametrize("path", sorted(set(VALID) - LONG - STORELESS - {"worker", "run"}))
def test_ctrl_c_while_the_store_is_opened(interrupt, kept, path):
    before = everything(kept)

    code, stdout, stderr = interrupt(call(path), "sqlite3.connect", 0)

    assert (code, stdout, stderr) == (130, "", "jobreg: interrupted\n")
    assert everything(kept) == before


@pytest.mark.parametrize("after", range(0, 900, 50))
def test_ctrl_c_at_any_import(interrupt, after):
    code, _, stderr = interrupt(["runs", "list"], "import", after)

    assert (code, stderr) in {(130, "jobreg: interrupted\n"), (0, "")}


def test_ctrl_c_while_jobs_are_imported_by_the_doctor_leaves_no_child(
    start, fake_plugins, tmp_path
):
    pid = tmp_path / "pid"
    source = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    module = {"sleepy_module.py": source}
    fake_plugins.add("sleepy", "1.0", {"sleepy.job": "sleepy_module:f"}, module)
    process = start(["jobs", "doctor", "--import"], start_new_session=True)
    until(lambda: pid.exists() and pid.read_text(), what="the child imports")

    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)

    assert (process.returncode, stdout, stderr) == (130, "", "jobreg: interrupted\n")
    until(lambda: not alive(int(pid.read_text())), what="the child ends")


def test_a_submit_that_waited_tells_at_ctrl_c_which_run_goes_on(warm, environ, kept, tmp_path):
    def ids():
        return {run.run_id for run in kept.find(Selection(), most=100)[0]}

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before = ids()
        process = warm.start(["submit", NAME, "--wait"], environ, tmp_path, output=out, errors=err)
        new = until(lambda: ids() - before)
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
        told, shown = text_of(err), text_of(out)

    (run_id,) = new
    assert (code, shown) == (130, "")
    assert told == f"jobreg: interrupted; run {run_id} goes on, see: jobreg runs wait {run_id}\n"


def processes_on(store):
    """The processes that were started with this store, and have not ended."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if store in file.read_text(errors="replace") and alive(int(file.parent.name)):
                found.append(int(file.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=str)
@pytest.mark.parametrize("command", [["selftest", "--kills", "500"], ["bench", "--runs", "500000"]])
def test_what_ends_a_long_command_leaves_no_scratch_store_and_no_worker(
    start, tmp_path, command, number
):
    store = tmp_path / "beside" / "jobs.db"
    process = start([*command, "--store", str(store)])
    (folder,) = until(lambda: list(store.parent.glob("jobreg_scratch_*")))
    if command[0] == "selftest":
        until(lambda: len(processes_on(folder.name)) > 3, what="workers are there")

    process.send_signal(number)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    try:
        # A guard ends a moment after its worker.
        until(lambda: processes_on(folder.name) == [], 5, "no process is left")
    finally:
        for pid in processes_on(folder.name):
            os.kill(pid, signal.SIGKILL)

    assert (process.returncode, stdout, stderr) == (130, "", "jobreg: interrupted\n")
    assert not store.parent.exists()


def test_no_more_is_done_after_ctrl_c(interrupt, kept):
    ids = [add(kept).run_id for _ in range(3)]

    code, _, stderr = interrupt(["runs", "cancel", *ids], "sqlite3.connect", 0)

    assert (code, stderr) == (130, "jobreg: interrupted\n")
    assert {kept.get(each).state for each in ids} == {"queued"}
