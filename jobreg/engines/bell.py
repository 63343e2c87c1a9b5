"""One thread waits, others and signal handlers wake it: a pipe with a byte in it."""

from __future__ import annotations

import contextlib
import os
import select
import time

_FINEST = 0.001


class Bell:
    """Rung once or often before it is heard, it is heard once."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)
        os.set_blocking(self._in, False)
        self._rung = False

    def tell(self) -> None:
        """Ring. Takes no lock, so that a signal handler may."""
        if not self._rung:
            self._rung = True
            with contextlib.suppress(OSError):  # it is full, and so heard, or closed
                os.write(self._in, b"!")

    def wait(self, timeout: float, also: int | None = None) -> None:
        """Wait until it is rung, or ``also`` can be read, at most so many seconds."""
        ears = select.poll()
        for end in (self._out, also):
            if end is not None and end >= 0:
                ears.register(end, select.POLLIN)
        if timeout < _FINEST:  # which poll would make a whole one
            time.sleep(timeout)
            timeout = 0.0
        for end, _ in ears.poll(timeout * 1000):
            if end == self._out:
                with contextlib.suppress(OSError):
                    os.read(end, 4096)
                # Not before: the byte of who rang in between would be read away, and the bell stay
                # rung for ever. Who rings in between now writes none; what they have to say is
                # there before they ring, and we look for it after this.
                self._rung = False

    def close(self) -> None:
        """Let go of the pipe. Who rings then is not heard."""
        ends, self._out, self._in = (self._out, self._in), -1, -1
        for end in ends:
            if end >= 0:
                os.close(end)
