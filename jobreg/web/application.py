"""The application: routes and pages behind one way of asking, from request to answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Match, Route as Served

from .. import clock
from ..errors import JobRegError, StoreError
from .access import COOKIE as COOKIE, Keeper, check_role
from .admission import Admission, Allowance
from .asked import Asked, read_body, read_query
from .live import ALIVE_EVERY, Live, ticking
from .pages import answering
from .pages.table import PAGES
from .pages.visit import Visit, base_of
from .problems import MEDIA_TYPE, Problem, problem_of
from .routes import BASE, ROUTES, Route
from .streams import ALIVE

if TYPE_CHECKING:
    from ..client import Client

CHECK_EVERY = 1.0
"""Seconds after which a stream looks whether its token is still a good one."""

_ROOM = 64 * 1024
_GUESSES_PER_SECOND, _GUESSES_AT_ONCE = 1.0, 20.0


def make(client: Client, hosts: tuple[str, ...]) -> Starlette:
    """The application on a client's store; see :func:`jobreg.web.app`."""
    house = House(client)
    application = Starlette(
        routes=[*_routes(house), *_pages(house)],
        middleware=[
            # Text of any kind may be three times as long where it is written in ASCII.
            Middleware(
                Admission,
                hosts=hosts,
                largest=3 * client.settings.max_params + _ROOM,
                refuse=house.refuse,
            ),
        ],
        exception_handlers={
            Problem: house.refuse,
            JobRegError: lambda request, error: house.refuse(request, problem_of(error)),
            HTTPException: lambda request, error: house.refuse(
                request, _problem_of_http(request, error)
            ),
        },
    )
    application.state.house = house
    # It would lead to http, behind a proxy that speaks TLS as well, and tokens would follow.
    application.router.redirect_slashes = False
    return application


def _routes(house: House) -> Iterator[Served]:
    for route in ROUTES:
        yield Served(BASE + route.path, house.endpoint(route), methods=[route.method])


def _pages(house: House) -> Iterator[Served]:
    for page in PAGES:
        yield Served(page.path, answering.endpoint(house, page), methods=[page.method])


class House:
    """What all routes and pages share: the client, who may ask, and what happens meanwhile."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.keeper = Keeper(client)
        self.live = Live(client)
        self.ending = False
        """Is the server about to end? Streams are over then."""
        self._asking = False
        self._guesses = Allowance(
            per_second=_GUESSES_PER_SECOND, at_once=_GUESSES_AT_ONCE, what="wrong tokens"
        )

    def endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        """What answers a route: who asks is checked, then what, and then it is done."""

        async def answer(request: Request) -> Response:
            if route.role is not None:
                await self.check(request, route.role)
            asked = await self._asked(request, route)
            if route.stream is not None and (route.always_streams or asked.query.get("follow")):
                return await self.streaming(request, route.stream(asked), route.role or "read")
            if route.at_once:
                found = route.handle(asked)
            else:
                found = await self.live.do(route.handle, asked)
            status, body = found if isinstance(found, tuple) else (route.status, found)
            headers = {}
            if status == 201:
                base = request.scope.get("root_path", "")
                headers["Location"] = f"{base}{BASE}/runs/{body['run_id']}"
            return JSONResponse(body, status, headers)

        return answer

    async def check(self, request: Request, wanted: str) -> str:
        """See that a request may do what wants a role; return its own.

        Raises:
            Problem: 401, 403, or 429 after too many wrong tokens.
        """
        role = await self.role_of(request, token_of(request))
        check_role(role, wanted)
        assert role is not None
        return role

    async def role_of(self, request: Request, token: str | None) -> str | None:
        """The role of a token; a wrong one is counted, and too many are refused unread.

        One that was good lately is no guess: behind a proxy all come from one address.

        Raises:
            Problem: 429.
        """
        who = request.client.host if request.client else ""
        if token is not None and not self.keeper.has_seen(token):
            self._guesses.take(who, cost=0.0)
        role = await self.live.do(self.keeper.role_of, token)
        if token is not None and role is None:
            self._guesses.take(who)
        return role

    async def _asked(self, request: Request, route: Route) -> Asked:
        pairs = request.query_params.multi_items()
        left_at = request.headers.get("last-event-id")
        if left_at and any(each.name == "cursor" for each in route.parameters):
            # Whoever was cut off goes on there, whatever the address says.
            pairs = [*(pair for pair in pairs if pair[0] != "cursor"), ("cursor", left_at)]
        return Asked(
            client=self.client,
            live=self.live,
            path=request.path_params,
            query=read_query(pairs, route.parameters),
            body=read_body(
                await request.body() if route.body is not None else b"",
                request.headers.get("content-type", ""),
                route.body,
            ),
        )

    async def streaming(self, request: Request, stream: AsyncGenerator[str], role: str) -> Response:
        """A stream whose first word is known: what is wrong from the start is a problem still."""
        self.live.check_room()
        first = await anext(stream, None)
        if request.method == "HEAD":  # which is answered by headers alone: the rest has no reader
            await stream.aclose()
            first = None

        async def all_of_it() -> AsyncIterator[str]:
            checked = heard = clock.seconds()
            async with aclosing(ticking(stream, CHECK_EVERY)) as telling:
                if first is not None:
                    yield first
                async for told in telling:
                    if self.ending:
                        return
                    now = clock.seconds()
                    if now - checked >= CHECK_EVERY:
                        checked = now
                        if not await self._still_may(request, role):
                            return
                    if told is not None or now - heard >= ALIVE_EVERY:
                        heard = now
                        yield told or ALIVE

        return StreamingResponse(
            all_of_it(),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    def refuse(self, request: Request, problem: Any) -> Response:
        """A problem document, or a page for who wants one."""
        path = request.url.path.removeprefix(base_of(request))
        if not path.startswith(BASE) and "text/html" in request.headers.get("accept", ""):
            return answering.problem_page(Visit(house=self, request=request), problem)
        return JSONResponse(
            problem.document(), problem.status, problem.headers, media_type=MEDIA_TYPE
        )

    async def _still_may(self, request: Request, role: str) -> bool:
        """Is the token of a stream that goes on still a good one? Yes, while it cannot be told."""
        if self._asking:
            # One asks at a time: where the store hangs, streams must not take all threads. The
            # others go by what it last said, in which that one's answer is by the next time.
            return self.keeper.has_seen(token_of(request) or "")
        self._asking = True
        try:
            await self.check(request, role)
        except StoreError:
            return True
        except Problem:
            return False
        finally:
            self._asking = False
        return True


def token_of(request: Request) -> str | None:
    """The token that a request brings: in its Authorization header, else in its cookie.

    Another scheme there is for somebody else, such as a proxy before us.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE)


def _problem_of_http(request: Request, error: Any) -> Problem:
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    headers, told = dict(error.headers or {}), error.detail
    if code == "not-found":
        told = "There is nothing here. See /api/v1/openapi.json"
    elif code == "method-not-allowed":
        # Starlette tells those of one route, and a path may have several (RFC 9110, 15.5.6).
        headers["Allow"] = ", ".join(sorted(_methods_of(request)))
    return Problem(error.status_code, code, told, headers)


def _methods_of(request: Request) -> set[str]:
    """All methods that the path of a request is served for."""
    found: dict[int, set[str]] = {}
    for route in request.app.routes:
        match, scope = route.matches(request.scope)
        if match is not Match.NONE:
            found.setdefault(len(scope["path_params"]), set()).update(route.methods)
    # Where a route is just this path, one that takes any word in its place is not meant.
    return found[min(found)]
