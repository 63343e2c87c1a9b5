"""``jobreg submit`` and ``jobreg run``: ask for a run, or execute one here and now."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import click

from ..errors import BadInput
from . import INTERRUPTED, as_json, complete_jobs, connected, output, store_url
from .pairs import add_pairs, local_moment, read_json
from .runs import exit_code, print_run

F = TypeVar("F", bound=Callable[..., Any])

MAX_PARAMS_FILE = 64 * 1024 * 1024


def _read(whole: str) -> str:
    """What ``--params`` gives: JSON itself, ``@FILE``, or ``-`` for what comes on stdin."""
    if whole != "-" and not whole.startswith("@"):
        return whole
    name = "stdin" if whole == "-" else whole[1:]
    try:
        with open(0 if whole == "-" else name, "rb", closefd=whole != "-") as file:
            # More cannot be stored, and some files never end.
            return file.read(MAX_PARAMS_FILE).decode()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise BadInput(
            f"--params: {name!r} cannot be read: {why}. Give JSON, @FILE, or - for stdin."
        ) from None


def _params(pairs: tuple[str, ...], whole: str | None) -> dict[str, Any]:
    """The parameters from ``--params`` and ``key=value``; the pairs stand first."""
    params: object = {}
    if whole is not None:
        text = _read(whole)
        try:
            params = read_json(text)
        except BadInput:
            raise
        except (ValueError, RecursionError) as error:
            raise BadInput(f"--params is not JSON: {error}.") from None
    if not isinstance(params, dict):
        raise BadInput('--params must be an object, such as {"account": 42}.')
    return add_pairs(params, pairs)


def _request_options(command: F) -> F:
    """The arguments and options that ``submit`` and ``run`` share."""
    for option in (
        click.option(
            "--unique-policy", metavar="POLICY",
            help="Where an unfinished run has the key: return it, replace it, or reject this.",
        ),
        click.option("--unique-key", metavar="KEY", help="One unfinished run of the job with it."),
        click.option("--tag", "tags", multiple=True, help="A short text, kept with it."),
        click.option("--run-id", help="A UUID; repeating a submit with it is safe."),
        click.option("--max-age", metavar="DURATION", help="Fail it once due for longer."),
        click.option("--max-crashes", type=int, help="Deaths of its process before it fails."),
        click.option("--max-attempts", type=int, help="Tries before it fails."),
        click.option("--priority", type=int, help="Higher runs first."),
        click.option("--queue", help="Where it waits."),
        click.option("--at", help="Not before this time (ISO 8601)."),
        click.option("--delay", help='Not before this long from now, as "5m".'),
        click.option("--timeout", help='Longest attempt, as "90s".'),
        click.option(
            "--params", metavar="JSON", help="The parameters as one JSON object; @FILE; - is stdin."
        ),
        click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]..."),
        click.argument("name", shell_complete=complete_jobs),
    ):  # fmt: skip
        command = option(command)
    return command


def _asked(pairs: tuple[str, ...], params: str | None, asked: dict[str, Any]) -> dict[str, Any]:
    """What Client.request takes, from what the command line gave."""
    asked["at"] = None if asked["at"] is None else local_moment(asked["at"], "at")
    if asked["unique_policy"] is None:
        del asked["unique_policy"]
    return {"params": _params(pairs, params), **asked}


@click.command()
@_request_options
@click.option("--wait", is_flag=True, help="Wait until it is over.")
@as_json
@store_url
def submit(
    name: str, pairs: tuple[str, ...], params: str | None, wait: bool, as_json: bool,
    store_url: str | None, **asked: Any,
) -> int:  # fmt: skip
    """Submit a run of the job NAME, for a worker to execute.

    \b
    Example: jobreg submit reports.render csv=sales.csv --delay 5m
    """
    client = connected(store_url)
    run = client.submit(name, **_asked(pairs, params, asked))
    if not wait:
        if as_json:
            print_run(client, run, as_json=True)
        else:
            print(run.id)
        return 0
    try:
        run.wait()
    except KeyboardInterrupt as stop:
        stop.args = (f"run {run.id} goes on, see: jobreg runs wait {run.id}",)
        raise
    print_run(client, run, as_json=as_json)
    return exit_code(run)


@click.command()
@_request_options
@as_json
@store_url
def run(
    name: str, pairs: tuple[str, ...], params: str | None, as_json: bool,
    store_url: str | None, **asked: Any,
) -> int:  # fmt: skip
    """Run the job NAME here and now, show its progress and log, and print its result.

    The run is kept in the store like any other; no worker is needed.

    \b
    Example: jobreg run reports.render csv=sales.csv
    """
    from ..events import listen
    from ..handle import Run
    from ..worker.alone import LoneWorker
    from .log import hush_driver

    client = connected(store_url)
    request = client.request(name, **_asked(pairs, params, asked))
    logging.getLogger("jobreg").addHandler(logging.NullHandler())  # the screen tells it
    hush_driver()
    screen = Screen()
    stop_listening = listen(screen.on_event)
    worker = LoneWorker(client.store, concurrency=1, registry=client.registry)
    try:
        record = worker.run_one(request)
    finally:
        stop_listening()
        screen.close()
    done = Run(client, record)
    if as_json:
        print_run(client, done, as_json=True)
    elif exit_code(done) == 0:
        output.print_json(done.result())
    else:
        _tell_failure(done)
    return INTERRUPTED if worker.stopping else exit_code(done)


def _tell_failure(run: Any) -> None:
    """Say on stderr how a run ended, with the traceback of the job's own code."""
    error = run.error
    sys.stdout.flush()
    lines = error.traceback.splitlines() if error else []
    for line in lines if len(lines) > 1 else ():  # one line says what the next one will
        print(output.safe(line), file=sys.stderr)
    told = f": {error.type}: {error.message}" if error else ""
    summary = f"{run.job_name} {run.state} ({run.reason}){told}"
    print(f"jobreg: {output.safe(summary)}", file=sys.stderr)
    print(f"See: jobreg runs show {run.id}", file=sys.stderr)


class Screen:
    """What stderr shows of a run: its log, and on a terminal one line that tells how far it is.

    A terminal that was closed takes nothing any more; that is no end of the run.
    """

    WIDTH = 30

    def __init__(self) -> None:
        self._on = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._bar = ""

    def on_event(self, name: str, facts: dict[str, object]) -> None:
        """Show what is told of progress, of output, and of attempts that failed."""
        with suppress(OSError, ValueError):
            self._show(name, facts)

    def _show(self, name: str, facts: dict[str, object]) -> None:
        if name == "run.output":
            self.close()
            self._print(facts["output"])
        elif name == "run.progress" and self._on:
            self._bar = self._line(facts["progress"])
        elif name == "run.settled" and facts["state"] in ("scheduled", "queued"):
            self.close()
            told = f"attempt {facts['attempt']} ended: {facts['outcome']}; it will be tried again."
            print(f"jobreg: {told}", file=sys.stderr)
        else:
            return
        self._draw()

    def _print(self, said: Any) -> None:
        for chunk in said.chunks:
            mark = f"{chunk.level} " if chunk.stream == "logging" else ""
            for line in chunk.text.split("\n"):
                print(output.safe(mark + line), file=sys.stderr)

    def _draw(self) -> None:
        if self._bar:
            shown = output.cut(self._bar, output.width() - 1)
            print(f"\r\x1b[K{shown}", end="", file=sys.stderr)
        sys.stderr.flush()

    def _line(self, progress: Any) -> str:
        message = output.safe(progress.message or "")
        if not progress.total:
            return f"{output.amount(progress.done)} {message}"
        part = min(1.0, progress.done / progress.total)
        full = round(part * self.WIDTH)
        return f"[{'#' * full}{'.' * (self.WIDTH - full)}] {part:4.0%} {message}"

    def close(self) -> None:
        """Clear the line."""
        if self._bar:
            with suppress(OSError, ValueError):
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
