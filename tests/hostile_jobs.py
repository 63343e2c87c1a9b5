"""Jobs that behave well and badly, for tests of engines and workers."""

SOURCE = """
import ctypes, logging, os, signal, sqlite3, subprocess, sys, threading, time
from pathlib import Path
from jobreg import Backoff, CancelRun, Interrupted, RetryLater, Snooze, current_run, job


class Late:
    # It takes as long to import as all the rest, in each child of each test; few jobs need it.
    def __getattr__(self, name):
        import asyncio

        return getattr(asyncio, name)


asyncio = Late()
os.environ["HOSTILE_IMPORTED"] = "stays"


def echo(value=None):
    return value


def add(a, b=2):
    return a + b


def where():
    return {"pid": os.getpid(), "cwd": os.getcwd(), "threads": threading.active_count()}


def shares_memory(module):
    from importlib import import_module

    shared_memory = import_module(f"{module}.shared_memory")
    block = shared_memory.SharedMemory(create=True, size=8)
    block.buf[0] = 7
    read = block.buf[0]
    block.close()
    block.unlink()
    return {"read": read, "pid": os.getpid()}


def raises():
    raise ValueError("what went wrong")


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


def raises_unprintable():
    raise Unprintable


class HangsToTell(Exception):
    def __str__(self):
        time.sleep(1000)


def raises_what_hangs_to_tell():
    raise HangsToTell


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


def changes_umask():
    os.umask(0)


def leaves_an_alarm():
    signal.setitimer(signal.ITIMER_REAL, 0.3)


def blocks_a_signal():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


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


def _has_processes(by):
    import importlib

    context = importlib.import_module(by).get_context("fork")
    told, telling = context.Pipe(duplex=False)
    process = context.Process(target=_tells_and_sleeps, args=(telling,))
    process.start()
    told.recv()
    process.terminate()
    process.join(30)
    with context.Pool(2) as pool:
        return [process.exitcode, pool.map(abs, [-1, -2])]


def _tells_and_sleeps(telling):
    telling.send(True)
    time.sleep(1000)


def has_processes(by):
    return _has_processes(by)


async def has_processes_awaiting(by):
    return _has_processes(by)


@job(engine="threads")
def has_processes_in_a_thread(by):
    return _has_processes(by)


def _changes_variables():
    os.environ.update(SECRET="told", JOBREG_STORE="/nowhere/jobs.db")
    del os.environ["PATH"]
    return os.getpid()


def _variables():
    path = "PATH" in os.environ
    return [os.getpid(), path, *map(os.getenv, ("SECRET", "JOBREG_STORE", "HOSTILE_IMPORTED"))]


def changes_variables():
    return _changes_variables()


def variables():
    return _variables()


async def changes_variables_awaiting():
    return _changes_variables()


async def variables_awaiting():
    return _variables()


@job(engine="threads")
def changes_variables_in_a_thread():
    return _changes_variables()


@job(engine="threads")
def variables_in_a_thread():
    return _variables()


def _replaces_its_environment():
    os.environ = {**os.environ, "SECRET": "told"}
    return os.getpid()


def replaces_its_environment():
    return _replaces_its_environment()


async def replaces_its_environment_awaiting():
    return _replaces_its_environment()


@job(engine="threads")
def replaces_its_environment_in_a_thread():
    return _replaces_its_environment()


def clears_its_environment():
    file = os.environ["JOBREG_STORE"].removeprefix("sqlite:///")
    os.environ.clear()
    with sqlite3.connect(file) as mine, current_run().transaction(mine) as effect:
        effect.result = "done"


def long_and_large():
    time.sleep(0.7)
    return list(range(150_000))


def forks_and_exits():
    pid = os.fork()
    if pid == 0:
        sys.exit(0)
    os.waitpid(pid, 0)
    return "the parent"


def does(
    value=None, prints=None, kills=None, file=None, flag=None, folder=None, where=False, tells=False
):
    if prints is not None:
        print(prints)
        sys.stdout.flush()
        os.write(1, f"by descriptor: {prints}\\n".encode())
    if kills is not None:
        os.kill(os.getpid(), kills)
    if file is not None:
        with open(file, "a") as opened:
            opened.write(f"{os.getpid()}\\n")
    while flag is not None and not os.path.exists(flag):
        if tells:
            current_run().progress(time.monotonic())
        time.sleep(0.01)
    if folder is not None:
        os.chdir(folder)
    return os.getcwd() if where else value


def scribbles():
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith(("socket", "pipe")):
                os.write(int(name), b"\\x00\\x00\\x40\\x00")
        except OSError:
            pass
    time.sleep(1000)


def closes_stdout():
    os.close(1)
    sys.stdout.close()
    return "closed"


def prints(text, end="\\n"):
    print(text, end=end)


def prints_lines(number, width):
    for _ in range(number):
        print("x" * (width - 1))


def prints_for_ever(file):
    _mark(file, os.getpid())
    while True:
        print("and on and on " * 50)


def says_it_every_way():
    print("print")
    print("print to stderr", file=sys.stderr)
    os.write(1, b"write\\r\\n")
    os.write(2, b"write to stderr\\n")
    subprocess.run(["echo", "subprocess"])
    libc = ctypes.CDLL(None)
    libc.printf(b"C %d\\n", 42)
    logging.getLogger("hostile.talk").warning("logged %s", "it")


def prints_bytes(hexed):
    os.write(1, bytes.fromhex(hexed))


def logs_levels():
    log = logging.getLogger("hostile.levels")
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)("%s!", level)
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("caught")


def logs_at_every_end(text):
    log = logging.getLogger("with.null.handler")
    log.addHandler(logging.NullHandler())
    log.info(text)
    logging.info("by the root")


def configures_logging(text):
    logging.basicConfig(level=logging.DEBUG, format="own %(levelname)s %(message)s")
    logging.getLogger("configured").debug(text)


def logs_nonsense():
    log = logging.getLogger("\\ud800" + "n" * 5000)
    log.info("half \\ud800 a pair")
    log.info("two\\nlines")
    log.info("needs %d", "a number")
    log.log(25, "in between")
    late = {"msg": "late", "levelno": 30, "levelname": "\\ud800" * 999, "created": 1e300}
    log.handle(logging.makeLogRecord(late))


def logs_and_dies(text):
    logging.info(text)
    os._exit(3)


def prints_and_segfaults():
    print("last words")
    ctypes.string_at(0)


def throws_stdout_away():
    sys.stdout = sys.stderr = None
    logging.getLogger().handlers.clear()


def redirects_stdout(file):
    os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY), 1)


def makes_stdout_impatient():
    os.set_blocking(1, False)


def prints_after_return(text, file):
    def late():
        print(text)
        _mark(file, os.getpid())
        while True:
            print(text)
            time.sleep(0.001)
    threading.Thread(target=late, daemon=True).start()


def leaves_a_talker(file):
    talk = "while :; do echo from the one before; sleep 0.01; done"
    _mark(file, subprocess.Popen(["sh", "-c", talk]).pid)


def leaves_a_daemon(file):
    daemon = os.fork()
    if daemon == 0:
        os.setsid()
        _mark(file, os.getpid())
        time.sleep(1000)
        os._exit(0)
    while not Path(file).exists():
        time.sleep(0.01)


def leaves_a_daemon_and_dies(file):
    leaves_a_daemon(file)
    print("last words", flush=True)
    os._exit(3)


def forges_records():
    pipe = logging.getLogger().handlers[0]._descriptor
    os.write(pipe, b'[1, 2\\n{"a": 1}\\n["x", 2, 3, 4]\\nhalf a line')
    logging.info("and a true one")


def works_with_progress(file, flag):
    run, number = current_run(), 0
    print("at work", flush=True)
    logging.info("at work, too")
    _mark(file, os.getpid())
    while not Path(flag).exists():
        for number in range(number, number + 5000):
            run.progress(number)
    return number


def prints_10_mb():
    for number in range(1024):
        print("x" * 10_239)
    return "printed"


def reports_progress():
    for number in range(12):
        current_run().progress(number, 12)
        time.sleep(0.1)


def prints_with_progress():
    for number in range(6):
        print("x" * 999)
        sys.stdout.flush()
        current_run().progress(number, 6)
        time.sleep(0.11)


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


_ARRIVED = []
_GATES = {}


async def meets(number):
    gate = _GATES.setdefault(number, asyncio.Event())
    _ARRIVED.append(current_run().id)
    if len(_ARRIVED) == number:
        gate.set()
    await gate.wait()
    return os.getpid()


def meets_in_threads(number):
    gate = _GATES.setdefault(number, threading.Barrier(number))
    gate.wait(20)
    return os.getpid()


async def awaits(file, flag):
    _mark(file, os.getpid())
    while not Path(flag).exists():
        await asyncio.sleep(0.01)
    return "seen"


async def awaits_for_ever(file, done=None):
    _mark(file, os.getpid())
    try:
        await asyncio.Event().wait()
    finally:
        if done:
            await asyncio.sleep(0)
            Path(done).write_text(str(current_run().cancelled))


async def blocks(file, done=None):
    _mark(file, os.getpid())
    try:
        while True:
            pass
    finally:
        if done:
            Path(done).write_text(str(current_run().cancelled))


async def blocks_and_swallows(file):
    _mark(file, os.getpid())
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


async def swallows_its_cancel(file):
    _mark(file, os.getpid())
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass


async def dies_at(flag, how="here", file=None):
    if file:
        _mark(file, os.getpid())
    while not Path(flag).exists():
        await asyncio.sleep(0.01)
    if how == "here":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "task":
        await asyncio.create_task(dies_at(flag))
    elif how == "thread":
        await asyncio.to_thread(dies_soon)
    elif how == "late":
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGKILL)
        await asyncio.sleep(1000)


def dies_soon():
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)


def dies_in_its_thread(flag, file):
    waits_for(file, flag)
    os.kill(os.getpid(), signal.SIGKILL)


def sees_its_cancel(file, done):
    _mark(file, os.getpid())
    try:
        while True:
            time.sleep(0.01)
    finally:
        Path(done).write_text(str(current_run().cancelled))


async def sets_up_its_loop(flag=None):
    # It begins tasks at once, and has calls made by threads that end before it does.
    from concurrent.futures import ThreadPoolExecutor

    loop = asyncio.get_running_loop()

    def as_of_312(loop, coroutine, **how):
        made = loop.create_future()
        try:
            coroutine.send(None)
        except StopIteration as done:
            made.set_result(done.value)
        return made

    begin_at_once = getattr(asyncio, "eager_task_factory", as_of_312)
    loop.set_task_factory(begin_at_once)
    with ThreadPoolExecutor(1) as pool:
        loop.set_default_executor(pool)
        thread = await asyncio.to_thread(threading.current_thread)
    if flag:
        await asyncio.create_task(is_async(1))
        os.kill(os.getpid(), signal.SIGKILL)
    mine = loop.get_task_factory() is begin_at_once and thread in pool._threads
    return [mine, os.getpid()]


async def hears_of_all():
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)


@job(max_attempts=1, max_crashes=1)
async def awaits_once(file, flag):
    return await awaits(file, flag)


async def speaks(who, number, times):
    await meets(number)
    for each in range(times):
        print(who, end="")
        await asyncio.sleep(0)
        print(f" {each}")
        logging.info("%s logs %d", who, each)
        await asyncio.to_thread(print, who, "in a thread")
        await asyncio.sleep(0)
    print(who, "ends", end="")


def speaks_in_a_thread(who, number, times):
    meets_in_threads(number)
    for each in range(times):
        sys.stdout.write(f"{who} ")
        time.sleep(0)
        sys.stdout.write(f"{each}\\n")
        logging.info("%s logs %d", who, each)
        print(who, "on stderr", file=sys.stderr)


async def says_bare(text, file, flag):
    os.write(1, text.encode() + b"\\n")
    return await awaits(file, flag)


async def prints_secret(password, number):
    await meets(number)
    print("it is", password)


async def facts_everywhere():
    async def here():
        return current_run().id

    def there():
        return current_run().id

    return [await here(), await asyncio.create_task(here()), await asyncio.to_thread(there)]


async def reports_progress_awaiting(times):
    for number in range(times):
        current_run().progress(number + 1, times)
        await asyncio.sleep(0)


async def changes_folder_awaiting(file=None, flag=None):
    os.chdir("/")
    if flag:
        await awaits(file, flag)


async def leaves_a_task(file):
    asyncio.create_task(awaits_for_ever(file, file + ".done"))
    while not Path(file).exists():
        await asyncio.sleep(0.01)


async def leaves_what_stands_still(file):
    def stand_still():
        _mark(file, os.getpid())
        time.sleep(3600)

    asyncio.get_running_loop().call_later(0.1, stand_still)


async def leaves_a_call(file):
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 1000)


async def exits_in_a_task():
    async def leaves_at_once():
        sys.exit("bye")

    await asyncio.gather(leaves_at_once())


async def until_stopping_awaiting(file):
    _mark(file, os.getpid())
    while not current_run().stopping:
        await asyncio.sleep(0.01)
    return "stopped in time"


async def raises_awaiting():
    await asyncio.sleep(0)
    raise ValueError("what went wrong")


async def pid_awaiting():
    return os.getpid()


@job(engine="threads")
def waits_in_a_thread(file, flag):
    return waits_for(file, flag)


@job(engine="threads", max_crashes=2)
def dies_in_a_thread(file, flag):
    dies_in_its_thread(flag, file)


@job(engine="threads")
def pid_in_a_thread():
    return os.getpid()


@job(engine="threads")
async def cannot_be_in_threads():
    pass


@job(engine="asyncio")
def cannot_be_awaited():
    pass


@job(isolation="fresh")
async def own_loop():
    return os.getpid()


@job(max_attempts=3, backoff=Backoff(first=0.05))
def third_time_lucky():
    if current_run().attempt < 3:
        raise RuntimeError("not yet")
    return current_run().attempt


@job(max_attempts=2, backoff=Backoff(first=0.05))
def prints_and_fails_once(flag):
    number = current_run().attempt
    print("attempt", number, flush=True)
    if number == 1:
        logging.error("no luck")
        raise RuntimeError("not yet")
    while not Path(flag).exists():
        time.sleep(0.01)
    print("done")


class Passing(Exception):
    pass


class PassingToo(Passing):
    pass


@job(max_attempts=2, backoff=Backoff(first=0.05), retry_on=Passing)
def retried_for(which):
    raise {"PassingToo": PassingToo, "Other": ValueError}[which]("no")


@job(max_attempts=3)
def asks_for(what, seconds=0):
    if current_run().attempt == 1:
        raise {
            "retry": lambda: RetryLater("busy", after=seconds),
            "snooze": lambda: Snooze(seconds, "not yet"),
            "cancel": lambda: CancelRun("pointless"),
            "nonsense": lambda: Snooze("a while"),
        }[what]()
    return current_run().attempt


def books(how="core", then="", flag=None, file=None):
    from sqlalchemy.orm import Session

    from jobreg.store import open_store

    store = open_store(os.environ["JOBREG_STORE"], check=False)
    run = current_run()
    with store.engine.connect() as connection:
        given = {
            "core": lambda: connection,
            "session": lambda: Session(connection),
            "driver": lambda: (
                sqlite3.connect(store.engine.url.database)
                if store.engine.name == "sqlite"
                else store.engine.raw_connection().driver_connection
            ),
        }[how]()
        with run.transaction(given) as effect:
            if file:
                _mark(file, os.getpid())
            while flag and not Path(flag).exists():
                time.sleep(0.01)
            into = f"INSERT INTO effects (run_id, attempt) VALUES ('{run.id}', {run.attempt})"
            if how == "core":
                connection.exec_driver_sql(into)
            elif how == "session":
                given.connection().exec_driver_sql(into)
            else:
                given.cursor().execute(into)
            if then == "progress":
                run.progress(7, 9)
            effect.result = {1} if then == "set" else "booked"
            if then == "raise" and run.attempt == 1:
                raise ValueError("no")
            if then == "before" and run.attempt == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        if then == "after":
            os.kill(os.getpid(), signal.SIGKILL)
    return "not what the run returned"


def locks_the_store(file, seconds=1000):
    mine = sqlite3.connect(os.environ["JOBREG_STORE"].removeprefix("sqlite:///"))
    run = current_run()
    with mine, run.transaction(mine) as effect:
        mine.execute(f"INSERT INTO effects (run_id, attempt) VALUES ('{run.id}', {run.attempt})")
        _mark(file, os.getpid())
        time.sleep(seconds)
        effect.result = "booked"


@job(engine="threads")
def locks_the_store_in_a_thread(file, seconds=1000):
    locks_the_store(file, seconds)


@job(max_age="1s")
def fresh_only():
    return "in time"


@job(redact=["password", "login"])
def knows_secrets(password, login=None, mail="", then="return"):
    print("printed", password, flush=True)
    print(repr(login))
    logging.warning("logged %s", login["key"] if login else "")
    os.write(2, f"mail {mail}\\n".encode())
    current_run().progress(1, message=f"with {password}")
    if then == "raise":
        raise ValueError(f"wrong password: {password}, {mail}") from KeyError(str(login))
    return "done"


@job(redact="passwort")
def hides_what_it_does_not_take(password):
    return password


def pid():
    return os.getpid()


_GROWN = []


def grows(mib, die=False):
    _GROWN.append(bytearray(b"x") * (mib * 2**20))
    if die:
        time.sleep(1)  # as long as it takes to be looked at
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


@job(isolation="fresh")
def own_process():
    return os.getpid()


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


@job(redact=["password"], unique=True)
def logs_in(user: str, password: str):
    return len(password)


@job(redact=["key", "keys"])
def takes_numbers(key: int = 1, keys: dict[str, int] = {}, number: int = 1):
    return number


@job(unique=True)
def is_unique(value):
    return value


@job(unique=True)
async def is_unique_async(value):
    return value


@job(unique=True, engine="threads")
def is_unique_threaded(value):
    return value


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
