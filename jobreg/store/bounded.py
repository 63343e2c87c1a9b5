"""Connections to PostgreSQL that give up on a server that has fallen silent."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Engine, event

from .. import clock
from ..errors import StoreError
from .database import CONNECT_WITHIN

# A connection whose other end is gone without a word is noticed within 15 s.
NETWORK = {
    "connect_timeout": CONNECT_WITHIN,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


@cache
def connection_class() -> Any:
    """A psycopg connection that gives up on a server that has fallen silent.

    The server's own timeouts say nothing where it is frozen, nor the network's where somebody
    on the way goes on acknowledging.
    """
    import psycopg

    class Bounded(psycopg.Connection[Any]):
        silent_at_most: float | None = CONNECT_WITHIN

        def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
            return super().wait(self._listened(gen), *arguments, **options)

        def _listened(self, gen: Any) -> Generator[Any, Any, Any]:
            most, heard = self.silent_at_most, clock.seconds()
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    now = clock.seconds()
                    if ready:
                        heard = now
                    elif most is not None and now - heard > most:
                        self.pgconn.finish()
                        raise psycopg.OperationalError(
                            f"the server has not answered for {most:g} s"
                        )
                    wanted = gen.send(ready)
            except StopIteration as ended:
                return ended.value

    return Bounded


def connect(arguments: Any, options: Mapping[str, Any]) -> Any:
    """Such a connection, to a database that keeps all of Unicode.

    Raises:
        StoreError: it does not.
    """
    made = connection_class().connect(*arguments, **options)
    encoding = made.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        made.close()
        raise StoreError(
            f"The database behind this store keeps text as {encoding}, which cannot hold all "
            "of Unicode. Make one with: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
        )
    return made


def connect_with_bounds(engine: Engine) -> None:
    """Let all connections of this engine be such ones."""

    @event.listens_for(engine, "do_connect")
    def _(_: Any, __: Any, arguments: Any, options: Mapping[str, Any]) -> Any:
        return connect(arguments, options)
