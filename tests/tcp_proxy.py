"""A TCP proxy between us and a database server, which does to connections what networks do."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from contextlib import suppress

_CHUNK = 65536
_DELAY = 0.1
# Or a statement of PostgreSQL's that is its own transaction: a submit, a claim, a settle.
COMMIT = re.compile(rb"\bCOMMIT\b|WITH (asked|alive|given) AS", re.IGNORECASE)
MODES = ("pass", "refuse", "reset", "blackhole", "delay", "cut")


class Proxy:
    """Listens on a port of this machine and passes on what it hears, in one of these modes.

    ``pass``: as it is. ``refuse``: nobody listens any more; what is connected goes on. ``reset``:
    every connection is torn down, old and new. ``blackhole``: connections stand, and nothing comes
    through. ``delay``: everything is a tenth of a second late. ``cut``: a COMMIT is passed on, and
    the connection torn down before its answer.
    """

    def __init__(self, host: str, port: int) -> None:
        self._goal = host, port
        self.mode = "pass"
        self.cuts = 0
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._cut: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen())

    def set(self, mode: str) -> None:
        """Be in this mode from now on."""
        assert mode in MODES
        self._call(self._set(mode))

    def close(self) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _set(self, mode: str) -> None:
        self.mode = mode
        if mode == "refuse":
            await self._unlisten()
        elif self._server is None:
            await self._listen()
        if mode == "reset":
            self._reset_all()

    async def _end(self) -> None:
        await self._unlisten()
        self._reset_all()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reset_all(self) -> None:
        for writer in list(self._writers):
            _reset(writer)
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "reset":
            _reset(writer)
            return
        try:
            their_reader, their_writer = await asyncio.open_connection(*self._goal)
        except OSError:
            _reset(writer)
            return
        both = {writer, their_writer}
        self._writers |= both
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(
                self._pump(reader, their_writer, both, ours=True),
                self._pump(their_reader, writer, both, ours=False),
            )

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        both: set[asyncio.StreamWriter],
        *,
        ours: bool,
    ) -> None:
        while data := await reader.read(_CHUNK):
            while self.mode == "blackhole":
                await asyncio.sleep(0.01)
            if self.mode == "delay":
                await asyncio.sleep(_DELAY)
            if ours and self.mode == "cut" and COMMIT.search(data):
                self.mode = "pass"
                self._cut |= both
            elif both & self._cut:
                # The server has answered, so what it was told is done.
                self.cuts += 1
                break
            writer.write(data)
            await writer.drain()
        for each in both:
            if both & self._cut:
                _reset(each)
            each.close()
        self._writers -= both
        self._cut -= both


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a peer does that knows nothing of the connection."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
