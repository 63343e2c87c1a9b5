"""The few files that pages need beside themselves: style, script and icon."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response

from ..problems import Problem

if TYPE_CHECKING:
    from .visit import Visit

FILES = {
    "jobreg.css": "text/css",
    "jobreg.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


@cache
def read(name: str) -> bytes:
    """What is in a file."""
    return (files("jobreg.web") / "static" / name).read_bytes()


@cache
def address(name: str) -> str:
    """What is added to a file's address, so that a browser never keeps an old one."""
    return sha256(read(name)).hexdigest()[:12]


async def show(visit: Visit) -> Response:
    """Give a file."""
    name = visit.path("name")
    if name not in FILES:
        raise Problem(404, "not-found", f"There is no file {name[:80]!r}.")
    kept = "public, max-age=31536000, immutable" if visit.asked("v") else "no-cache"
    return Response(read(name), media_type=FILES[name], headers={"Cache-Control": kept})
