"""``python -m jobreg`` and the console script are the ``jobreg`` command.

A file of its own, because Ctrl-C may come while the command line is still being imported.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    _open_missing_streams()
    sys.unraisablehook = _heed_interrupt
    try:
        from .cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        _leave()
    import signal

    # The command is over and its code stands; an interrupt now would only print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if code == _INTERRUPTED:
        # Where the interrupt met an exec() of text, as modules do while they are imported, CPython
        # would end itself by the signal, although it was caught.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _open_missing_streams() -> None:
    """Give a process started with closed standard streams (``>&-``) some that lead nowhere.

    Otherwise the next file opened is descriptor 1 or 2, and what is printed would be written
    into it: that file may be the store.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _heed_interrupt(unraisable: UnraisableHookArgs) -> None:
    """End on a Ctrl-C that came where Python can raise nothing, such as a weak reference's end."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        _leave()
    sys.__unraisablehook__(unraisable)


def _leave() -> NoReturn:
    os.write(2, b"jobreg: interrupted\n")
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
