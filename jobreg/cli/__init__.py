"""The ``jobreg`` command: a table of commands, each imported when it is called.

Every failure ends here as one line on stderr and an exit code; a command may also return one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from typing import Any, TypeVar

import click

from .. import __version__
from ..errors import JobRegError
from .output import safe

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTED = 130

as_json: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs."
)
"""Gives a command ``--json``, as its argument ``as_json: bool``."""

store_url: Callable[[F], F] = click.option(
    "--store", "store_url", metavar="URL", help="Database URL or SQLite file [JOBREG_STORE]."
)
"""Gives a command ``--store``, as its argument ``store_url: str | None``."""


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

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order of the table."""
        return [*self.late, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that is called."""
        if cmd_name not in self.late:
            return super().get_command(ctx, cmd_name)
        from importlib import import_module

        module, _, attr = self.late[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module, __name__), attr)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, from the table alone where there is one."""
        if not self.late:
            super().format_commands(ctx, formatter)
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.late.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; offer close names where there is none."""
        name = args[0]
        names = self.list_commands(ctx)
        if name not in names and not name.startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(name, names)
            hint = f" Did you mean {' or '.join(repr(each) for each in close)}?" if close else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)


_COMMANDS = {
    "jobs": (".jobs:jobs", "List and show the jobs installed here."),
    "submit": (".submit:submit", "Submit a run, for a worker to execute."),
    "run": (".submit:run", "Run a job here and now, and print its result."),
    "runs": (".runs:runs", "List and show runs, their logs, and wait for them."),
    "worker": (".worker:worker", "Execute the runs of a store."),
    "store": (".store:store", "Look at the store, and upgrade it."),
}


@click.group("jobreg", cls=CommandGroup, late=_COMMANDS)
@click.version_option(__version__, message="jobreg %(version)s")
def cli() -> None:
    """Background jobs as pip-installable plugins, submitted by a permanent name."""


def main() -> None:
    """Run the command line; the console script and ``python -m jobreg``."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command, and turn whatever ends it into an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a character gets its escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        with cli.make_context("jobreg", list(arguments)) as context:
            code = cli.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except JobRegError as error:
        return _tell(str(error), error.exit_code)
    except click.ClickException as error:
        where = getattr(error, "ctx", None)
        hint = f" Try: {where.command_path} --help" if where else ""
        return _tell(error.format_message() + hint, error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _tell("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`). Python flushes stdout once more at
        # exit and would complain then; point it at nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _tell(message: str, code: int) -> int:
    print(f"jobreg: {safe(message)}", file=sys.stderr)
    return code
