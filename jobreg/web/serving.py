"""The application on a socket of its own, with uvicorn, until it is told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import extras
from ..errors import BadInput
from . import app

if TYPE_CHECKING:
    from ..client import Client
    from .application import House

LONGEST_GOODBYE = 3
"""Seconds that a stop waits for answers that are on their way; streams are cut then."""


def serve(
    client: Client,
    host: str,
    port: int,
    hosts: tuple[str, ...] = (),
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM, or until Ctrl-C, which is raised again.

    Args:
        client: whose store and registry it shows.
        host: the address to listen on.
        port: from 1; 0 takes a free one.
        hosts: further names under which it may be asked for.
        ready: told the URL once it listens.

    Raises:
        BadInput: the address cannot be listened on.
        JobRegError: the extra ``web`` is not installed.
    """
    uvicorn = extras.load("uvicorn", "jobreg web", "web")
    application = app(client, hosts=(in_url(host), *hosts))
    listening = _listen(host, port)
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=LONGEST_GOODBYE,
    )
    # uvicorn hands a signal on when it has stopped: SIGTERM is no more than that.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with listening:
            ready(f"http://{in_url(host)}:{listening.getsockname()[1]}")
            server = uvicorn.Server(config)
            server.handle_exit = _after(application.state.house, server.handle_exit)
            server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)


def _after(house: House, stop: Callable[..., None]) -> Callable[..., None]:
    """End streams by ourselves, in time, before all else is: to cut them is an error to uvicorn."""

    def ending(number: int, frame: object) -> None:
        house.ending = True
        stop(number, frame)

    return ending


def in_url(host: str) -> str:
    """An address as URLs and ``Host`` have it: one of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    if not host:
        raise BadInput("--host is empty. Give an address, such as 127.0.0.1; 0.0.0.0 is all.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError, TypeError, UnicodeError) as error:
        # The last two tell of a name that cannot be one, such as é..x.
        why = getattr(error, "strerror", None) or str(error)
        raise BadInput(
            f"{host[:80]} port {port} cannot be listened on: {why}. Give another with --host and "
            "--port; port 0 takes a free one."
        ) from error
