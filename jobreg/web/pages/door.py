"""Pages are asked for and answered here: who asks, what for, and what is shown when it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from ...errors import JobRegError, StoreError
from ..access import check_role
from ..problems import Problem, malformed, problem_of
from .rendering import render
from .table import Page
from .visit import Shown, Values, Visit

if TYPE_CHECKING:
    from ..application import House

COOKIE = "jobreg_token"
"""Holds the token of who has logged in."""

_MOST_FIELDS = 500
_REFRESH = "5"


def endpoint(house: House, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """What answers a page."""

    async def answer(request: Request) -> Response:
        try:
            role = await house.check(request, page.role)
            visit = await _visit(house, request, page, role)
            if page.stream is not None:
                return await house.streaming(request, page.stream(visit), page.role)
            assert page.handle is not None
            found = await house.live.do(page.handle, visit)
        except Problem as problem:
            return refusal(request, problem)
        except JobRegError as error:
            return refusal(request, problem_of(error))
        if isinstance(found, Shown):
            return HTMLResponse(
                await house.live.do(render, found.template, _common(visit, found.facts)),
                found.status,
            )
        return RedirectResponse(visit.base + quote(found.to), 303)

    return answer


def _common(visit: Visit, facts: dict[str, Any]) -> dict[str, Any]:
    here = {"visit": visit, "base": visit.base, "role": visit.role, "live": None}
    return here | facts


async def _visit(house: House, request: Request, page: Page, role: str) -> Visit:
    return Visit(
        client=house.client,
        live=house.live,
        role=role,
        base=base_of(request),
        path={name: str(value) for name, value in request.path_params.items()},
        query=_values(request.query_params.multi_items()),
        form=await _form(request) if page.method == "POST" else {},
        whole=await house.live.whole() if page.whole else None,
    )


def base_of(request: Request) -> str:
    """Where the application is mounted, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


async def _form(request: Request) -> Values:
    """What a form holds; each comes as forms are sent by default."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise Problem(415, "not-a-form", "Send the form as application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(
            (await request.body()).decode(), keep_blank_values=True, errors="strict",
            max_num_fields=_MOST_FIELDS,
        )  # fmt: skip
    except ValueError as error:
        raise malformed(f"The form cannot be read ({error}).") from None
    # A browser ends each line with two characters.
    return _values([(name, value.replace("\r\n", "\n")) for name, value in pairs])


def _values(pairs: list[tuple[str, str]]) -> Values:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        found[name] = (*found.get(name, ()), value)
    return found


def refusal(request: Request, problem: Problem) -> Response:
    """A page that says what is wrong; where a token is wanted, with a form for it.

    Where the store cannot be reached the browser asks again by itself.
    """
    headers = dict(problem.headers)
    if problem.status == 503 and request.method == "GET":
        headers["Refresh"] = _REFRESH
    facts = {
        "base": base_of(request),
        "role": None,
        "live": None,
        "problem": problem.document(),
        "next": _local(request),
        "wrong": False,
    }
    template = "login.html" if problem.status == 401 else "problem.html"
    return HTMLResponse(render(template, facts), problem.status, headers)


def _local(request: Request) -> str:
    """Where to go on after a login: what was asked for, if it was a page."""
    if request.method != "GET":
        return "/"
    path = request.url.path.removeprefix(base_of(request)) or "/"
    return f"{path}?{request.url.query}" if request.url.query else path


def login(house: House) -> Callable[[Request], Awaitable[Response]]:
    """The form that takes a token, and what it is sent to."""

    async def answer(request: Request) -> Response:
        facts = {
            "base": base_of(request), "role": None, "live": None, "next": "/", "wrong": False,
            "problem": None,
        }  # fmt: skip
        if request.method == "GET":
            return HTMLResponse(render("login.html", facts))
        try:
            form = await _form(request)
            token = form.get("token", ("",))[-1].strip()
            facts["next"] = _page_of_ours(form.get("next", ("/",))[-1])
            role = await house.role_of(request, token)
            if role is None:
                return HTMLResponse(render("login.html", facts | {"wrong": True}), 401)
            check_role(role, "read")
        except Problem as problem:
            return refusal(request, problem)
        except StoreError as error:
            return refusal(request, problem_of(error))
        response = RedirectResponse(base_of(request) + str(facts["next"]), 303)
        _set_cookie(response, request, token)
        return response

    return answer


def _page_of_ours(path: str) -> str:
    """A path within the dashboard; the first page where it leads elsewhere."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if inside else "/"


def _set_cookie(response: Response, request: Request, token: str) -> None:
    response.set_cookie(
        COOKIE, token, path=f"{base_of(request)}/", httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip


async def logout(request: Request) -> Response:
    """Forget who has logged in."""
    response = RedirectResponse(f"{base_of(request)}/login", 303)
    response.delete_cookie(COOKIE, path=f"{base_of(request)}/", httponly=True, samesite="strict")
    return response


def file(folder: str) -> Callable[[Request], Awaitable[Response]]:
    """The few files that pages refer to."""

    async def answer(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ("jobreg.css", "jobreg.js", "jobreg.svg"):
            raise Problem(404, "not-found", "There is no such file.")
        headers = {"Cache-Control": "public, max-age=300"}
        return FileResponse(f"{folder}/{name}", headers=headers)

    return answer
