"""A worker inside an application: in its threads, beside its signals, across its forks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import alive, pids_in, until

from jobreg import BadInput, Client, Conflict, Registry, StoreUnavailable, Worker
from jobreg.proc import is_stopped
from jobreg.store import sqlite

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "embed-a-worker.md"
BLOCKING = """
import os, time
from pathlib import Path


def add(a, b):
    Path("new").write_text(str(os.getpid()))
    Path("new").rename("pids")
    while not Path("go").exists():
        time.sleep(0.01)
    return a + b
"""


def files_of_the_guide() -> dict[str, str]:
    """The files that the guide gives, by name: a paragraph that begins with it, then its code."""
    parts = re.split(r"^`(\w+\.py)`,", GUIDE.read_text("utf-8"), flags=re.MULTILINE)
    codes = (part.partition("```python\n")[2].partition("```")[0] for part in parts[2::2])
    return dict(zip(parts[1::2], codes, strict=True))


class Application:
    """The application of the guide, as a process, spoken to by HTTP."""

    def __init__(self, folder: Path, env: dict[str, str], **files: str) -> None:
        for name, text in (files_of_the_guide() | files).items():
            (folder / name).write_text(text)
        self.folder = folder
        self.store = str(folder / "jobs.db")
        self.process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=folder,
            env=env | {"PORT": "0", "JOBREG_STORE": self.store},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def post(self, **params: Any) -> str:
        data = json.dumps(params).encode()
        with urllib.request.urlopen(f"{self.url}/", data, timeout=20) as answer:
            run_id: str = json.load(answer)["run_id"]
        return run_id

    def get(self, run_id: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/runs/{run_id}", timeout=20) as answer:
            run: dict[str, Any] = json.load(answer)
        return run

    def result(self, run_id: str) -> Any:
        return until(lambda: (run := self.get(run_id))["state"] == "succeeded" and run)["result"]


StartApplication = Callable[..., Application]


@pytest.fixture
def start(tmp_path: Path, fake_plugins: Any) -> Iterator[StartApplication]:
    started: list[Application] = []

    def begin(**files: str) -> Application:
        folder = tmp_path / "app"
        folder.mkdir()
        environ = fake_plugins.env(JOBREG_GRACE=files.pop("grace", "20s"))
        started.append(Application(folder, environ, **files))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.wait()
        assert each.process.stdout is not None
        each.process.stdout.close()


def children_of(pid: int) -> list[int]:
    """All processes below this one, and those its guard minds."""
    found = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = [tuple(map(int, line.split())) for line in found.splitlines()]
    below = [pid]
    for each in below:
        below += [child for child, parent in parents if parent == each]
    return below[1:]


def test_requests_submit_runs_while_the_worker_works(start: StartApplication) -> None:
    application = start()
    run_ids: dict[int, str] = {}

    def client(first: int) -> None:
        for n in range(first, first + 5):
            run_ids[n] = application.post(a=n, b=1)

    threads = [threading.Thread(target=client, args=(first,)) for first in range(0, 40, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert {n: application.result(run_id) for n, run_id in run_ids.items()} == {
        n: n + 1 for n in range(40)
    }


def test_a_request_for_a_run_that_is_not_there_is_answered(start: StartApplication) -> None:
    application = start()

    with pytest.raises(urllib.error.HTTPError, match="404"):
        application.get("no-run")


def test_an_application_told_to_end_lets_running_jobs_finish(start: StartApplication) -> None:
    application = start(**{"sums.py": BLOCKING})
    run_id = application.post(a=40, b=2)
    until(lambda: pids_in(application.folder / "pids"))
    below = children_of(application.process.pid)
    assert len(below) >= 3

    application.process.terminate()
    with Client(application.store).store.reading():
        (application.folder / "go").touch()

    assert application.process.wait(20) == 0
    assert Client(application.store).get(run_id).result(0) == 42
    until(lambda: not any(map(alive, below)), 2, "no process is left")


def test_what_does_not_finish_in_time_is_ended_and_waits_for_another_worker(
    start: StartApplication,
) -> None:
    application = start(grace="0.2s", **{"sums.py": BLOCKING})
    run_id = application.post(a=40, b=2)
    until(lambda: pids_in(application.folder / "pids"))
    below = children_of(application.process.pid)

    application.process.terminate()

    assert application.process.wait(20) == 0
    run = Client(application.store).get(run_id)
    assert (run.state, run.record.tries, run.record.crashes) == ("queued", 0, 0)
    until(lambda: not any(map(alive, below)), 2, "no process is left")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_application_that_dies_of_a_signal_leaves_no_process(
    start: StartApplication, number: signal.Signals
) -> None:
    text = files_of_the_guide()["app.py"]
    careless = "".join(line for line in text.splitlines(True) if "signal.signal" not in line)
    application = start(**{"sums.py": BLOCKING, "app.py": careless})
    application.post(a=40, b=2)
    until(lambda: pids_in(application.folder / "pids"))
    below = children_of(application.process.pid)

    application.process.send_signal(number)

    assert application.process.wait(20) == -number
    until(lambda: not any(map(alive, below)), 2, "no process is left")


def test_starting_twice_and_starting_after_the_end_say_what_to_do(
    client: Client, registry: Registry
) -> None:
    worker = Worker(client.store, registry=registry, concurrency=1)

    with worker:
        for begin in (worker.start, worker.run):
            with pytest.raises(Conflict, match=r"running already.*Make another Worker"):
                begin()
        assert client.submit("hostile.add", {"a": 40}).result(20) == 42
    for begin in (worker.start, worker.run):
        with pytest.raises(Conflict, match="is stopped"):
            begin()


def test_stopping_before_the_start_and_after_the_end_does_no_harm(client: Client) -> None:
    never = Worker(client.store)
    never.stop()
    never.stop()

    with Worker(client.store, registry=client.registry) as worker:
        pass
    worker.stop()

    assert worker.stopping
    assert client.store.workers() == []


def test_a_start_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    worker = Worker(str(tmp_path / "file" / "jobs.db"))

    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        worker.start()
    with pytest.raises(Conflict, match="is stopped"):
        worker.start()

    assert not [each for each in threading.enumerate() if each.name.startswith("jobreg")]


def test_a_stop_waits_as_long_as_it_is_told_to(client: Client, tmp_path: Path) -> None:
    worker = Worker(client.store, registry=client.registry, concurrency=1, grace="1h").start()
    run = client.submit("hostile.spins", {"file": str(tmp_path / "pids")})
    pids = until(lambda: pids_in(tmp_path / "pids", 2))

    with pytest.raises(BadInput, match="timeout"):
        worker.stop("soon")
    assert not worker.stopping
    worker.stop("0.2s")

    assert run.refresh().state == "queued"
    until(lambda: not any(map(alive, pids)), 2)


def test_a_second_stop_skips_the_rest_of_the_wait(client: Client, tmp_path: Path) -> None:
    worker = Worker(client.store, registry=client.registry, concurrency=1, grace="1h").start()
    run = client.submit("hostile.spins", {"file": str(tmp_path / "pids")})
    until(lambda: pids_in(tmp_path / "pids", 2))

    worker.stop(wait=False)
    worker.stop()

    assert run.refresh().state == "queued"


def test_signals_are_the_applications_where_a_thread_starts_the_worker(client: Client) -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    seen: list[object] = []

    def application() -> None:
        with Worker(client.store, registry=client.registry, concurrency=1):
            seen.append(client.submit("hostile.echo", {"value": 1}).result(20))
            seen.extend(signal.getsignal(number) for number in numbers)

    thread = threading.Thread(target=application)
    thread.start()
    thread.join(30)

    assert seen == [1, *before]


def test_threads_share_a_client(client: Client, start_worker: Any) -> None:
    start_worker()
    results: dict[int, int] = {}

    def use(n: int) -> None:
        results[n] = client.submit("hostile.add", {"a": n}).result(30)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert results == {n: n + 2 for n in range(16)}


def run_script(env: dict[str, str], folder: Path, *arguments: str, **options: Any) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def environ(fake_plugins: Any, registry: Registry, tmp_path: Path) -> dict[str, str]:
    found: dict[str, str] = fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"))
    return found


UNGUARDED = """
import jobreg

print("ran", flush=True)
worker = jobreg.Worker(concurrency=2).start()
for value in range(3):
    print(jobreg.submit("hostile.echo", {"value": value}).result(20))
worker.stop()
"""


CELL = "exec(compile(open('script.py').read(), '<cell>', 'exec'), {'__name__': '__main__'})"


@pytest.mark.parametrize(
    "arguments",
    [
        ("script.py",),
        ("-m", "script"),
        ("-",),
        ("-i", "-q", "-"),
        (
            "-c",
            "exec(compile(open('script.py').read(), '<cell>', 'exec'), {'__name__': '__main__'})",
        ),
    ],
    ids=["script", "module", "stdin", "interactive", "exec"],
)
def test_a_script_that_starts_a_worker_at_its_top_level_needs_no_guard(
    environ: dict[str, str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    interactive = "-i" in arguments
    text = UNGUARDED.replace("\nworker.stop", "\n\nworker.stop") if interactive else UNGUARDED

    told = run_script(environ, tmp_path, *arguments, input=text if "-" in arguments else "")

    assert [word for word in told.split() if word in {"ran", "0", "1", "2"}] == [
        "ran", "0", "1", "2",
    ]  # fmt: skip


def test_a_script_that_forgets_to_stop_its_worker_ends_all_the_same(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED.replace("worker.stop()", ""))

    assert run_script(environ, tmp_path, "script.py").split() == ["ran", "0", "1", "2"]
    assert Client(environ["JOBREG_STORE"]).store.workers() == []


STANDS = """
import jobreg, sys

jobreg.Worker(concurrency=2, lease="1s").start()
sys.stdin.read()
"""


def test_an_application_that_is_stopped_while_it_writes_is_left_to_who_stopped_it(
    environ: dict[str, str], registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 1.0)
    client = Client(environ["JOBREG_STORE"], registry)
    application = subprocess.Popen(
        [sys.executable, "-c", STANDS], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environ | {"JOBREG_FAILPOINTS": "settle.before_commit=stop"},
    )  # fmt: skip
    try:
        client.submit("hostile.spins", {"file": str(tmp_path / "pids")})
        pids = until(lambda: pids_in(tmp_path / "pids", 2), what="the job runs")
        client.submit("hostile.echo", {"value": 1})
        until(lambda: is_stopped(application.pid), what="it is frozen with the write lock")
        until(lambda: not any(map(alive, pids)), what="its guard has seen it")

        told = f"locked by process {application.pid}, which is stopped"
        with pytest.raises(StoreUnavailable, match=told):
            client.submit("hostile.echo", {"value": 2})

        assert is_stopped(application.pid)
    finally:
        application.kill()
        application.communicate()
        client.close()


def test_a_function_of_the_main_module_is_refused_and_told_the_ways_out(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(
        "import jobreg\n"
        "def mine(): return 7\n"
        "try:\n"
        "    jobreg.default_registry().add('app.mine', mine)\n"
        "except jobreg.InvalidJob as error:\n"
        "    print(error)\n"
    )

    told = run_script(environ, tmp_path, "script.py")

    assert "lies in __main__" in told
    assert "module that workers can import" in told
    assert "jobreg.testing.inline()" in told


PREFORK = """
import os, sys
import jobreg

client = jobreg.Client()
print(client.submit("hostile.echo", {"value": "before"}).state, flush=True)
worker = jobreg.Worker(concurrency=2).start()
pids = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        assert client.submit("hostile.echo", {"value": number}).result(20) == number
        assert jobreg.submit("hostile.echo", {"value": number}).result(20) == number
        worker.stop()
        sys.exit(7)
    pids.append(pid)
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])
print(client.submit("hostile.echo", {"value": "after"}).result(20))
worker.stop()
print(len(list(client.find(state="succeeded"))))
"""


def test_a_client_made_before_a_fork_works_in_the_copies_and_the_worker_stays_the_parents(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(PREFORK)

    told = run_script(environ, tmp_path, "script.py").splitlines()

    assert told == ["queued", "[7, 7, 7]", "after", "8"]


EACH_ITS_OWN = """
import os, sys
import jobreg

with jobreg.Worker(concurrency=1, queues=["default"]):
    jobreg.submit("hostile.echo").result(20)
    pid = os.fork()
    if pid == 0:
        with jobreg.Worker(concurrency=1, queues=["mine"]):
            value = jobreg.submit("hostile.echo", {"value": 7}, queue="mine").result(20)
        os._exit(value)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_forked_copy_can_have_a_worker_of_its_own(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(EACH_ITS_OWN)

    assert run_script(environ, tmp_path, "script.py") == "7\n"


BESIDE = """
import time
import jobreg, multiprocess

if __name__ == "__main__":
    with jobreg.Worker(concurrency=1):
        jobreg.submit("hostile.echo", {"value": 1}).result(20)
        context = multiprocess.get_context("forkserver")
        sleeper = context.Process(target=time.sleep, args=(60,))
        sleeper.start()
        sleeper.terminate()
        print(sleeper.join(20), sleeper.exitcode)
        lock, queue = context.Lock(), context.Queue()
        process = context.Process(target=queue.put, args=("told",))
        process.start()
        print(queue.get(timeout=20), process.join(20))
        tracker = multiprocess.resource_tracker._resource_tracker._pid
        print(b"resource_tracker" in open(f"/proc/{tracker}/cmdline", "rb").read())
        print(jobreg.submit("hostile.echo", {"value": 2}).result(20))
"""


def test_an_application_uses_multiprocess_beside_a_worker(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(BESIDE)

    told = run_script(environ, tmp_path, "script.py")

    assert told == "None -15\ntold None\nTrue\n2\n"


REAPED = """
import os, signal, subprocess
import jobreg

signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so does an application that reaps all processes
with jobreg.Worker(concurrency=1):
    print(jobreg.submit("hostile.echo", {"value": 1}).result(20))
    below = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "multiprocess.forkserver"], capture_output=True
    )
    (server,) = map(int, below.stdout.split())
    os.kill(server, signal.SIGHUP)  # so does a terminal that closes, to all of a group
    print(jobreg.submit("hostile.echo", {"value": os.getpid()}).result(20) == os.getpid())
    assert os.path.exists(f"/proc/{server}")
    os.kill(server, signal.SIGKILL)
    run = jobreg.submit("hostile.echo", {"value": 2})
    print(run.result(20), run.refresh().attempt)
"""


def test_a_forkserver_that_died_is_replaced_though_the_application_was_told_of_it(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(REAPED)

    told = run_script(environ, tmp_path, "script.py").splitlines()

    assert told[:2] == ["1", "True"]
    assert told[2] in ("2 1", "2 2")  # it may have been claimed by the child that died


COPY_THAT_EXITS = """
import os, sys, time, warnings
import jobreg

warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 tells of threads at a fork

os.dup2(1, 2)  # nothing may be said of it there either
with jobreg.Worker(concurrency=1):
    run = jobreg.submit("hostile.awaits", {"file": sys.argv[1], "flag": sys.argv[2]})
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        sys.exit(7)  # with all that is done at an exit
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    open(sys.argv[2], "w").close()
    print(run.wait(20).state, run.attempt)
"""


def test_a_forked_copy_that_exits_leaves_the_children_alone(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(COPY_THAT_EXITS)

    told = run_script(
        environ, tmp_path, "script.py", str(tmp_path / "began"), str(tmp_path / "flag")
    )

    assert told == "7\nsucceeded 1\n"


OUTLIVED = """
import os, sys, time
import jobreg

worker = jobreg.Worker(concurrency=1).start()
run = jobreg.submit("hostile.spins", {"file": sys.argv[1]})
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(1000)
time.sleep(1000)
"""


def test_children_end_with_the_worker_though_a_forked_copy_of_it_lives_on(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(OUTLIVED)
    with subprocess.Popen(
        [sys.executable, "script.py", str(tmp_path / "pids")],
        cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        copy = int(process.stdout.readline())
        below = [pid for pid in children_of(process.pid) if pid != copy]
        jobs = pids_in(tmp_path / "pids", 2) or []
        try:
            process.kill()

            until(lambda: not any(map(alive, [*below, *jobs])), 2, "no process is left")
            assert alive(copy)
        finally:
            os.kill(copy, signal.SIGKILL)


def test_a_worker_that_was_asked_to_drain_keeps_its_grace_when_it_is_stopped(
    tmp_path: Path, fake_plugins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hostile_jobs import JOBS, SOURCE

    fake_plugins.add("hostile", "1.0", JOBS, {"hostile_jobs_plugin.py": SOURCE})
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    client = Client(str(tmp_path / "jobs.db"), Registry(path=[str(fake_plugins.path)]))
    file, flag = tmp_path / "pids", tmp_path / "flag"
    with Worker(client.store, registry=client.registry, concurrency=1, lease="2s") as worker:
        run = client.submit("hostile.waits_for", {"file": str(file), "flag": str(flag)})
        until(lambda: pids_in(file, 2))
        client.store.ask_worker(worker.lease.worker_id, "drain")
        until(lambda: worker.stopping, what="it heard that it is to drain")
        worker.stop(wait=False)
        assert not worker._hurrying
        flag.touch()
        run.wait(20)  # before the end of the block tells it to stop once more, and it hurries

    assert run.refresh().result(0) == "seen"
    assert [each.outcome for each in run.attempts()] == ["succeeded"]
    client.close()
