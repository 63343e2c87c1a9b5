"""The ``jobreg`` command: a table of commands, each imported when it is called.

Every failure ends here as one line on stderr and an exit code; a command may also return one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from .. import __version__
from ..errors import JobRegError
from .output import cut, safe

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..client import Client
    from ..store import Store

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTED = 130
_LINE_END = re.compile(r"\s*\n\s*")
LONGEST_LINE = 900
"""Characters of an error that are shown: one line, not a page."""

COMPLETE = "_JOBREG_COMPLETE"
"""The variable by which a shell asks for completions, as click names it."""

as_json: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs."
)
"""Gives a command ``--json``, as its argument ``as_json: bool``."""

store_url: Callable[[F], F] = click.option(
    "--store", "store_url", metavar="URL", help="Database URL or SQLite file [JOBREG_STORE]."
)
"""Gives a command ``--store``, as its argument ``store_url: str | None``."""


def connected(url: str | None) -> Client:
    """A client of the store that ``--store`` or the settings name, closed with the command."""
    from ..client import Client

    client = Client(url)
    click.get_current_context().call_on_close(client.close)
    return client


def opened(url: str | None, *, check: bool = True) -> Store:
    """The store that ``--store`` or the settings name, open, closed with the command."""
    from .. import settings
    from ..store import open_store

    store = open_store(settings.load(store=url).store, check=check)
    click.get_current_context().call_on_close(store.close)
    return store


@contextmanager
def scratch(url: str | None) -> Iterator[Store]:
    """An empty store beside the one that ``--store`` or the settings name, dropped afterwards."""
    from .. import settings
    from ..store import exists, open_store
    from ..store.scratch import scratch_store

    known = settings.load(store=url)
    if exists(known.store):
        with closing(open_store(known.store)) as given:
            given.counts()  # what is wrong with it is told before anything is begun
    with (
        _interrupted_by_any_signal(),
        scratch_store(known.store, sqlite_sync=known.sqlite_sync) as store,
    ):
        yield store


@contextmanager
def _interrupted_by_any_signal() -> Iterator[None]:
    """Let what else ends a process do what Ctrl-C does, so that nothing is left behind."""
    import signal

    def interrupt(_number: int, _frame: object) -> None:
        for each in heard:
            signal.signal(each, signal.SIG_IGN)  # often two come, and the first is being heeded
        raise KeyboardInterrupt

    both = (signal.SIGTERM, signal.SIGHUP)
    # What is ignored stays so: nohup asks for that.
    heard = [each for each in both if signal.getsignal(each) is signal.SIG_DFL]
    for each in heard:
        signal.signal(each, interrupt)
    try:
        yield
    finally:
        for each in heard:
            signal.signal(each, signal.SIG_DFL)


def complete_jobs(_context: object, _parameter: object, incomplete: str) -> list[str]:
    """The names of installed jobs that begin so, for the shell; imports none of them."""
    from ..registry import default_registry

    return [name for name in default_registry().names() if name.startswith(incomplete)]


class CommandGroup(click.Group):
    """A group that offers close names for an unknown one, and can import its commands late.

    ``late`` maps a command's name to where it is (``module:attr`` below jobreg.cli) and its
    short help, so that the help page needs no import.
    """

    def __init__(
        self, *args: Any, late: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.late = late or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help where no command was given: that is what was wanted, and no error."""
        if not args and not ctx.resilient_parsing:
            print(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, those that are imported late last."""
        return [*super().list_commands(ctx), *self.late]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that is called."""
        if cmd_name not in self.late:
            return super().get_command(ctx, cmd_name)
        from importlib import import_module

        module, _, attr = self.late[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module, __name__), attr)
        return command

    def _told(self) -> list[tuple[str, str]]:
        """The commands with their short help; imports none."""
        here = [(name, each.get_short_help_str()) for name, each in sorted(self.commands.items())]
        return [*here, *((name, text) for name, (_, text) in self.late.items())]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl(self._told())

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, importing none."""
        from click.shell_completion import CompletionItem

        fit = [each for each in self._told() if each[0].startswith(incomplete)]
        found = [CompletionItem(name, help=text) for name, text in fit]
        # click.Group would go over the commands once more, and import them.
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; offer close names where there is none."""
        name = args[0]
        names = self.list_commands(ctx)
        if name not in names and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            close = get_close_matches(name[:80], [*names, "help"])
            close = ["--help" if each == "help" else each for each in close]
            hint = f" Did you mean {' or '.join(repr(each) for each in close)}?" if close else ""
            ctx.fail(f"No such command {name[:80]!r}.{hint}")
        return super().resolve_command(ctx, args)


_COMMANDS = {
    "jobs": (".jobs:jobs", "List, show and check the jobs installed here."),
    "submit": (".submit:submit", "Submit a run, for a worker to execute."),
    "run": (".submit:run", "Run a job here and now, and print its result."),
    "runs": (".runs:runs", "List, show, explain, cancel and retry runs, and read their logs."),
    "status": (".status:status", "What waits, what runs, how fast, and which workers live."),
    "worker": (".worker:worker", "Execute the runs of a store."),
    "workers": (".workers:workers", "List the workers, and ask them to end."),
    "queues": (".queues:queues", "Pause and resume queues and jobs."),
    "selftest": (".selftest:selftest", "Kill workers on a scratch store, and check it."),
    "bench": (".bench:bench", "Measure jobreg on a scratch store, beside the plain driver."),
    "web": (".web:web", "Serve the REST interface and the dashboard; make tokens for them."),
    "store": (".store:store", "Look at the store, and upgrade it."),
    "completion": (".completion:completion", "Print what lets a shell complete jobreg."),
}


@click.group("jobreg", cls=CommandGroup, late=_COMMANDS)
@click.version_option(__version__, message="jobreg %(version)s")
def cli() -> None:
    """Background jobs as pip-installable plugins, submitted by a permanent name.

    \b
    Example: jobreg run reports.render csv=sales.csv
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command, and turn whatever ends it into an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a character gets its escape, not a traceback. What is
            # printed is written when there is enough of it, or at the end, also where
            # PYTHONUNBUFFERED is set: a command is not cut short by a reader that has left.
            stream.reconfigure(errors="backslashreplace", write_through=stream is sys.stderr)
    try:
        code = _invoke(arguments)
    except BrokenPipeError:
        code = 0  # whoever read our output has seen enough (`| head`)
    except OSError as error:
        if error.filename is None:
            return _unwritten(error, 1)
        code = _tell(f"{_words(error)}. Nothing more was done.", 1)
    return _flushed(code)


def _invoke(arguments: Sequence[str]) -> int:
    try:
        if COMPLETE in os.environ:
            from click.shell_completion import shell_complete

            return shell_complete(cli, {}, "jobreg", COMPLETE, os.environ[COMPLETE])
        with cli.make_context("jobreg", list(arguments)) as context:
            code = cli.invoke(context)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except JobRegError as error:
        return _tell(str(error), error.exit_code)
    except click.ClickException as error:
        where = getattr(error, "ctx", None)
        hint = f" Try: {where.command_path} --help" if where else ""
        # Of choices click tells one a line.
        told = _LINE_END.sub(" ", error.format_message())[:LONGEST_LINE]
        return _tell(told + hint, error.exit_code)
    except (KeyboardInterrupt, click.Abort) as stop:
        return _tell("; ".join(("interrupted", *map(str, stop.args))), INTERRUPTED)


def _tell(message: str, code: int) -> int:
    """Say one line on stderr, whatever is in it."""
    try:
        print(f"jobreg: {cut(safe(message[:LONGEST_LINE]), LONGEST_LINE)}", file=sys.stderr)
    except OSError:
        _discard(sys.stderr)  # nobody is there to be told
    return code


def _flushed(code: int) -> int:
    """See the output out; where it cannot be, say so, unless its reader has left."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        return _unwritten(error, code or 1)
    return code


def _unwritten(error: OSError, code: int) -> int:
    _discard(sys.stdout)
    return _tell(f"The output cannot be written: {_words(error)}. Send it elsewhere.", code)


def _discard(stream: TextIO) -> None:
    """Let a stream lead nowhere: Python flushes it once more at exit, and would complain."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return  # not a file
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def _words(error: OSError) -> str:
    what = error.strerror or type(error).__name__
    return f"{what}: {error.filename}" if error.filename else what
