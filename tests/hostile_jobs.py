"""Jobs that behave well and badly, for tests of engines and workers."""

SOURCE = """
import ctypes, os, signal, subprocess, sys, threading, time
from pathlib import Path
from jobreg import Backoff, Interrupted, current_run, job


def echo(value=None):
    return value


def add(a, b=2):
    return a + b


def where():
    return {"pid": os.getpid(), "cwd": os.getcwd(), "threads": threading.active_count()}


def raises():
    raise ValueError("what went wrong")


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


def raises_unprintable():
    raise Unprintable


class CannotBeRebuilt(Exception):
    def __init__(self, one, other):
        super().__init__("two arguments become one")
        self.lock = threading.Lock()


def raises_what_cannot_be_rebuilt():
    _sleeper()
    raise CannotBeRebuilt(1, 2)


def leaves():
    sys.exit("bye")


def dies():
    os._exit(3)


def segfaults():
    ctypes.string_at(0)


def kills_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def returns_a_set():
    return {"inner": [1, {2}]}


def _mark(file, *pids):
    path = Path(file)
    path.with_suffix(".new").write_text(" ".join(map(str, pids)))
    path.with_suffix(".new").rename(path)


def _sleeper():
    return subprocess.Popen(["sleep", "1000"]).pid


def spins(file):
    _mark(file, os.getpid(), _sleeper())
    while True:
        pass


def sleeps_in_c(file):
    _mark(file, os.getpid(), _sleeper())
    ctypes.PyDLL(None).sleep(1000)


def swallows_the_interrupt(file):
    _mark(file, os.getpid(), _sleeper())
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass


def cleans_up(file, done):
    _mark(file, os.getpid())
    try:
        time.sleep(1000)
    except Interrupted:
        Path(done).write_text(str(current_run().cancelled))
        raise


def leaves_a_subprocess(file):
    _mark(file, os.getpid(), _sleeper())
    return "left one"


def waits_for(file, flag):
    _mark(file, os.getpid(), _sleeper())
    while not Path(flag).exists():
        time.sleep(0.01)
    return "seen"


def until_stopping(file):
    _mark(file, os.getpid())
    while not current_run().stopping:
        time.sleep(0.01)
    return "stopped in time"


def changes_folder():
    os.chdir("/")


def sets_a_handler():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, lambda *_: os._exit(9))


def starts_a_thread():
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


def forks():
    pid = os.fork()
    if pid == 0:
        time.sleep(1000)
    return pid


def long_and_large():
    time.sleep(0.7)
    return list(range(150_000))


def forks_and_exits():
    pid = os.fork()
    if pid == 0:
        sys.exit(0)
    os.waitpid(pid, 0)
    return "the parent"


def scribbles():
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket"):
                os.write(int(name), b"\\x00\\x00\\x40\\x00")
        except OSError:
            pass
    time.sleep(1000)


def closes_stdout():
    os.close(1)
    sys.stdout.close()
    return "closed"


def prints(text):
    print(text, flush=True)


def prints_10_mb():
    for number in range(1024):
        print("x" * 10_239)
    return "printed"


def says_progress(times):
    run = current_run()
    for number in range(times):
        run.progress(number + 1, times, "going")
    return run.id


def facts():
    run = current_run()
    return [run.id, run.job_name, run.attempt, run.fence, run.deadline and run.deadline.isoformat()]


def store_variable():
    return os.environ["JOBREG_STORE"]


async def is_async(value):
    return value


@job(max_attempts=3, backoff=Backoff(first=0.05))
def third_time_lucky():
    if current_run().attempt < 3:
        raise RuntimeError("not yet")
    return current_run().attempt


class Passing(Exception):
    pass


class PassingToo(Passing):
    pass


@job(max_attempts=2, backoff=Backoff(first=0.05), retry_on=Passing)
def retried_for(which):
    raise {"PassingToo": PassingToo, "Other": ValueError}[which]("no")


@job(max_attempts=1, max_crashes=1)
def once(file, log):
    with open(log, "a") as out:
        out.write("started\\n")
    _mark(file, os.getpid())
    time.sleep(1000)


@job(timeout="1s")
def short_of_time(file):
    spins(file)


@job(queue="special", priority=7)
def special():
    return "special"


@job(concurrency=1)
def one_at_a_time(folder):
    mine = Path(folder) / str(os.getpid())
    mine.touch()
    together = len(list(Path(folder).iterdir()))
    time.sleep(0.05)
    mine.unlink()
    return together
"""

NAMES = [
    line.split("(")[0].removeprefix("async ").removeprefix("def ")
    for line in SOURCE.splitlines()
    if line.startswith(("def ", "async def ")) and not line.startswith("def _")
]
JOBS = {f"hostile.{name}": f"hostile_jobs_plugin:{name}" for name in NAMES}
