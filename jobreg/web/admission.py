"""What every request must pass before anything else looks at it, and what every answer carries.

Host and Origin are those of this interface itself; bodies are neither too large nor too slow, nor
requests too many. Whose one is, and what that one may do, is seen afterwards (:mod:`.access`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import define
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request

from .. import clock
from .problems import Problem

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger("jobreg")

OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""Hosts by which this machine calls itself."""

BODY_WITHIN = 30.0
"""Seconds within which a body must have come as a whole."""

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_UNCHECKED = ("/api/v1/health", "/api/v1/ready")
_HEADERS = {
    # Nothing but our own files; no inline script or style, no frame around a page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Admission:
    """Stands before the application.

    Args:
        app: what is asked once a request has passed.
        hosts: the names under which it may be asked for; ``*`` is any.
        largest: bytes that the body of a request may have.
        refuse: makes the answer that tells of a problem.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str],
        largest: int,
        refuse: Callable[[Request, Problem], Response],
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._hosts = frozenset(host.lower() for host in (*OWN_NAMES, *hosts))
        self._largest = largest
        self._requests = Allowance(per_second=200, at_once=1000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer with what is wrong with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._limited(receive), answer)
        except ClientDisconnect:
            pass  # in the middle of its body; nobody is there to be told
        except Problem as problem:
            if started:
                raise
            await self._refuse(Request(scope), problem)(scope, receive, answer)
        except Exception:
            _LOG.exception("a request failed: %s %s", scope["method"], scope["path"])
            if started:
                raise
            # What it was is no business of who asked.
            told = "Something went wrong here; the log of the server tells what."
            response = self._refuse(Request(scope), Problem(500, "fault", told))
            await response(scope, receive, answer)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        whole = headers.get("host", "").lower()
        name = whole.rpartition(":")[0] if whole.rpartition(":")[2].isdecimal() else whole
        unchecked = scope["path"].endswith(_UNCHECKED) or "*" in self._hosts
        if not unchecked and name not in self._hosts and whole not in self._hosts:
            raise Problem(
                421,
                "wrong-host",
                f"This is not {whole[:200]!r}. Say under which names it may be asked for: "
                "jobreg web --allowed-host NAME.",
            )
        self._check_origin(scope["method"], headers, whole)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._largest:
            raise self._too_large()
        client = scope.get("client") or ("",)
        self._requests.take(str(client[0]))

    def _check_origin(self, method: str, headers: Headers, host: str) -> None:
        origin = headers.get("origin")
        strange = origin is not None and _host_of(origin) != host
        site = headers.get("sec-fetch-site", "same-origin")
        if method not in _SAFE_METHODS and site in ("cross-site", "same-site"):
            strange = True
        if strange:
            raise Problem(
                403,
                "cross-origin",
                f"A page of {str(origin)[:200]!r} may not ask here: only one of this host itself.",
            )

    def _too_large(self) -> Problem:
        return Problem(
            413, "too-large", f"The body is over {self._largest:,} bytes, which is the most."
        )

    def _limited(self, receive: Receive) -> Receive:
        read, whole, ends = 0, False, clock.seconds() + BODY_WITHIN

        async def limited() -> Message:
            nonlocal read, whole
            try:
                # After its body an application listens whether somebody leaves, for any time.
                left = None if whole else max(0.0, ends - clock.seconds())
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError:
                raise _too_slow() from None
            whole = not message.get("more_body", False)
            read += len(message.get("body", b""))
            if read > self._largest:
                raise self._too_large()
            return message

        return limited


def _too_slow() -> Problem:
    told = f"The body has not come within {BODY_WITHIN:g} s, which is the most."
    return Problem(408, "too-slow", told, {"Connection": "close"})


def _host_of(origin: str) -> str | None:
    """Host and port of an origin as a browser tells it; None where it is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:  # such as "http://["
        return None


@define
class _Bucket:
    left: float
    at: float


class Allowance:
    """So many a second for each who asks, and so many at once; told by the process clock."""

    _MOST_KNOWN = 10_000

    def __init__(self, *, per_second: float, at_once: float, what: str = "requests") -> None:
        self._what = what
        self._per_second = per_second
        self._at_once = at_once
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, who: str, cost: float = 1.0) -> None:
        """Count one more, or several; refuse it where there is nothing left.

        Raises:
            Problem: 429, with the seconds to wait.
        """
        now = clock.seconds()
        bucket = self._buckets.pop(who, None) or _Bucket(self._at_once, now)
        self._buckets[who] = bucket
        if len(self._buckets) > self._MOST_KNOWN:
            self._buckets.popitem(last=False)
        bucket.left = min(self._at_once, bucket.left + (now - bucket.at) * self._per_second)
        bucket.at = now
        if bucket.left < 1.0:
            wait = max(1, round((1.0 - bucket.left) / self._per_second))
            raise Problem(
                429,
                "too-many",
                f"Too many {self._what} from here. Ask again in {wait} s.",
                {"Retry-After": str(wait)},
            )
        bucket.left -= cost
