"""One request for a page: who asks, what was sent, and the ways to answer it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from attrs import field, frozen
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..access import ROLES
from ..problems import malformed
from . import rendering
from .assets import address

if TYPE_CHECKING:
    from ...client import Client
    from ..application import House
    from ..live import Live

T = TypeVar("T")

MOST_FIELDS = 1000


@frozen(kw_only=True)
class Visit:
    """A request whose token has been looked at; ``role`` is None where there was none."""

    house: House
    request: Request
    role: str | None = None
    form: dict[str, str] = field(factory=dict)

    @property
    def client(self) -> Client:
        """Whose store and registry is shown."""
        return self.house.client

    @property
    def live(self) -> Live:
        """Tells what happens."""
        return self.house.live

    @property
    def base(self) -> str:
        """What stands before each path, where this is mounted in another application."""
        return base_of(self.request)

    @property
    def is_over_tls(self) -> bool:
        """Does the browser speak TLS, to us or to a proxy before us?

        Behind one only its Origin tells, of which admission has seen that it is of this host.
        """
        origin = self.request.headers.get("origin", "")
        return self.request.url.scheme == "https" or origin.lower().startswith("https://")

    def asked(self, name: str) -> str | None:
        """A parameter of the query; empty is not given."""
        return self.request.query_params.get(name) or None

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def may(self, role: str) -> bool:
        """May who asks do what wants this role?"""
        return self.role is not None and ROLES.index(self.role) >= ROLES.index(role)

    def link(self, *parts: str, **query: str | None) -> str:
        """The address of a page of ours; what is None is left out."""
        path = "/".join(quote(part, safe="") for part in parts)
        given = urlencode({key: value for key, value in query.items() if value is not None})
        return f"{self.base}/{path}{'?' if given else ''}{given}"

    def file(self, name: str) -> str:
        """The address of a file of ours, which changes with what is in it."""
        return f"{self.base}/static/{name}?v={address(name)}"

    @property
    def here(self) -> str:
        """The address that was asked for, as it may be asked for again."""
        url = self.request.url
        return f"{url.path}?{url.query}" if url.query else url.path

    async def do(self, verb: Callable[..., T], *arguments: Any) -> T:
        """Do something that may block."""
        return await self.live.do(verb, *arguments)

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """A whole page."""
        return HTMLResponse(rendering.page(template, {"page": self, **context}), status)

    def go(self, *parts: str, **query: str | None) -> Response:
        """Go on to another page, once something is done."""
        return RedirectResponse(self.link(*parts, **query), 303)

    async def stream(self, telling: AsyncGenerator[str]) -> Response:
        """Tell an open page what happens."""
        return await self.house.streaming(self.request, telling, self.role or "read")


def base_of(request: Request) -> str:
    """What stands before each path of ours."""
    return quote(str(request.scope.get("root_path", "")).rstrip("/"))


async def read_form(request: Request) -> dict[str, str]:
    """What a form sent, by name; of what is there twice, the last.

    Raises:
        Problem: it is no form, or has too many fields.
    """
    if request.method != "POST":
        return {}
    try:
        text = (await request.body()).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise malformed("body: it is not what a form sends.") from None
    # A browser sends each line feed of a text as two characters.
    return {name: value.replace("\r\n", "\n") for name, value in pairs}
