"""From a request to a page: who asks is checked, and what goes wrong is a page as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from ...errors import JobRegError
from ..problems import RETRY_AFTER, Problem, problem_of
from .login import form_again
from .visit import Visit, read_form

if TYPE_CHECKING:
    from ..application import House
    from .table import Page

_TITLES = {
    400: "This cannot be read", 403: "You may not do this", 404: "There is nothing here",
    405: "This cannot be asked for so", 408: "This came too slowly",
    409: "It is not in a state for this", 413: "This is too large",
    421: "Asked under a wrong name", 422: "This cannot be used",
    429: "Too many requests", 500: "Something went wrong", 503: "The store cannot be reached",
}  # fmt: skip


def endpoint(house: House, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """What answers a request for a page."""

    async def answer(request: Request) -> Response:
        visit = Visit(house=house, request=request)
        try:
            role = await house.check(request, page.role) if page.role is not None else None
            visit = Visit(house=house, request=request, role=role, form=await read_form(request))
            return await page.handle(visit)
        except Problem as problem:
            return problem_page(visit, problem)
        except JobRegError as error:
            return problem_page(visit, problem_of(error))

    return answer


def problem_page(visit: Visit, problem: Problem) -> Response:
    """What is wrong, with a way back; where a token is wanted, the form that asks for one."""
    if problem.status == 401:
        return form_again(visit, problem)
    code = problem.code
    away = problem.status == 503 and code != "too-many-followers"
    response = visit.page(
        "problem.html",
        problem.status,
        title=_TITLES.get(problem.status, "This did not work"),
        problem=problem,
        away=away,
        comes_back=away and visit.request.method == "GET",
    )
    response.headers.update(problem.headers)
    if away and visit.request.method == "GET":
        # The page asks again by itself; what was sent by a form is never sent twice.
        response.headers["Refresh"] = str(RETRY_AFTER)
    return response
