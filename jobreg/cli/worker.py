"""``jobreg worker``: execute the runs of a store until told to stop."""

from __future__ import annotations

import gc
import logging
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from . import as_json, opened, output, store_url


def _dists() -> set[str]:
    """The distributions that advertise jobs here, in normalised spelling."""
    from ..registry import Registry

    snapshot = Registry().snapshot()
    return {ref.dist for ref in (*snapshot.allowed, *snapshot.invalid)}


def complete_dists(_context: object, _parameter: object, incomplete: str) -> list[str]:
    """The distributions that begin so, for the shell."""
    return sorted(dist for dist in _dists() if dist.startswith(incomplete))


def _warn_of_unknown(named: Iterable[str]) -> None:
    """Say on stderr which distributions advertise no job here; they may be installed later."""
    from difflib import get_close_matches

    from ..registry import normalise

    known = _dists()
    for dist in named:
        if normalise(dist) not in known:
            close = " or ".join(get_close_matches(normalise(dist)[:128], known))
            hint = f" Did you mean {close}?" if close else ""
            told = f"No distribution {dist[:128]!r} advertises jobs here.{hint}"
            click.echo(f"jobreg: {output.safe(told)}", err=True)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C wait for the worker that is being made: it ends as it should."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@click.command()
@click.option("--concurrency", type=int, help="Runs at a time; by default the cores.")
@click.option("--queue", "queues", multiple=True, help="Serve this queue; by default all.")
@click.option(
    "--allow",
    multiple=True,
    metavar="DIST",
    shell_complete=complete_dists,
    help="Only jobs of this distribution.",
)
@click.option(
    "--deny",
    multiple=True,
    metavar="DIST",
    shell_complete=complete_dists,
    help="No jobs of this distribution.",
)
@click.option("--lease", help='How long it may hold runs unheard, as "30s".')
@click.option("--grace", help='How long a stop waits for running jobs, as "25s".')
@click.option("--kill-grace", help="How long a cancelled job may clean up.")
@click.option("--retain", metavar="STATE=AGE,...", help="How long runs are kept once over.")
@click.option("--until-idle", is_flag=True, help="Exit when nothing it may claim is queued.")
@as_json
@store_url
@_signals_held_back()
def worker(
    concurrency: int | None, queues: tuple[str, ...], allow: tuple[str, ...],
    deny: tuple[str, ...], lease: str | None, grace: str | None, kill_grace: str | None,
    retain: str | None, until_idle: bool, as_json: bool, store_url: str | None,
) -> None:  # fmt: skip
    """Execute the runs of a store, each in a child process.

    SIGTERM, Ctrl-C or a closed terminal (SIGHUP) lets running jobs finish (see --grace); a
    second one does not wait.

    \b
    Example: jobreg worker --concurrency 4 --queue default --queue mail
    """
    from .. import settings
    from ..events import listen, write_to
    from ..registry import Registry
    from ..worker import Worker
    from .log import EventLog, hush_driver

    chosen = settings.load(store=store_url, allow_dists=allow or None, deny_dists=deny or None)
    # Our own words only: other libraries' go on to say no more than warnings.
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("jobreg").setLevel(chosen.log_level.upper())
    hush_driver()
    _warn_of_unknown((*allow, *deny))
    states: Counter[str] = Counter()

    def count(name: str, facts: dict[str, object]) -> None:
        if name == "run.settled":
            states[str(facts["state"])] += 1

    mute = write_to(EventLog(sys.stderr).write)
    # Who is told of each run is told of thousands a second.
    stop_listening = listen(count) if as_json else lambda: None
    here = Worker(
        chosen.store,
        concurrency=concurrency,
        queues=queues or None,
        registry=Registry(allow=chosen.allow_dists, deny=chosen.deny_dists),
        lease=lease,
        grace=grace,
        kill_grace=kill_grace,
        retain=retain,
        until_idle=until_idle,
    )
    # What is here stays. What comes, claims and their ends, refers to nothing in a circle, and a
    # collection at every 700 of them took a tenth of a worker's time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    try:
        here.run()
    finally:
        stop_listening()
        mute()
    if until_idle:
        _tell_rest(chosen.store)
    if as_json:
        output.print_json({"settled": dict(states)})


def _tell_rest(store_url: str) -> None:
    """Count on stderr what is due and was left, because nothing here may run it."""

    for queue, name, number in opened(store_url).waiting():
        click.echo(f"left: {number} of {output.safe(name)} in queue {output.safe(queue)}", err=True)
