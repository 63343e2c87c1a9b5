"""Log in with a token, which becomes a cookie that no script can read, and log out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from ..access import COOKIE
from ..problems import Problem

if TYPE_CHECKING:
    from .visit import Visit

_LONGEST_NEXT = 2000


async def show(visit: Visit) -> Response:
    """The form."""
    return _form(visit, 200, visit.asked("next"))


async def log_in(visit: Visit) -> Response:
    """Take a token for good, or say that it is none."""
    token, following = visit.form.get("token", "").strip(), visit.form.get("next")
    role = await visit.house.role_of(visit.request, token) if token else None
    if role is None:
        told = (
            "This is not a token of this store. It may have been revoked."
            if token
            else "Give a token."
        )
        response = _form(visit, 401, following, told)
        response.headers["WWW-Authenticate"] = 'Bearer realm="jobreg"'
        return response
    response = RedirectResponse(local(visit, following), 303)
    response.set_cookie(
        COOKIE,
        token,
        path=visit.base or "/",
        secure=visit.is_over_tls,
        httponly=True,
        samesite="strict",
    )
    return response


async def log_out(visit: Visit) -> Response:
    """Forget the token."""
    response = visit.go("login")
    response.delete_cookie(COOKIE, path=visit.base or "/", httponly=True, samesite="strict")
    return response


def form_again(visit: Visit, problem: Problem) -> Response:
    """The form, where a page was asked for without a good token; it leads to that page."""
    brought = COOKIE in visit.request.cookies or "authorization" in visit.request.headers
    here = visit.here if visit.request.method in ("GET", "HEAD") else None
    told = "Your token is no longer taken. Log in with another." if brought else None
    response = _form(visit, 401, here, told, again=here if not brought else None)
    response.headers.update(problem.headers)
    if COOKIE in visit.request.cookies:
        response.delete_cookie(COOKIE, path=visit.base or "/", httponly=True, samesite="strict")
    return response


def _form(
    visit: Visit, status: int, following: str | None, told: str | None = None,
    again: str | None = None,
) -> Response:  # fmt: skip
    return visit.page(
        "login.html", status, following=local(visit, following), told=told, again=again
    )


def local(visit: Visit, address: str | None) -> str:
    """An address to go on to, where it is one of ours; else the first page."""
    start = f"{visit.base}/"
    fits = (
        address is not None
        and len(address) <= _LONGEST_NEXT
        and address.startswith(start)
        # What a browser would take for the name of another host.
        and not address.startswith("//")
        and "\\" not in address
        and address.isprintable()
    )
    return address if fits and address else start
