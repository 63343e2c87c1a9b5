"""URLs of databases: read, and shown without what is secret in them."""

from __future__ import annotations

import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..errors import BadInput

_HIDDEN = "***"
_SECRET = re.compile(r"(?i)passw|secret")


def read(text: str, what: str, example: str) -> URL:
    """The parts of a ``what``.

    Raises:
        BadInput: it is none; the message shows an ``example``, and nothing secret.
    """
    try:
        url = make_url(text)
        url.get_backend_name()
    except (ArgumentError, ValueError):
        told = f"{_without_secrets(text)[:200]!r} is not a {what}. Give one such as {example}."
        raise BadInput(told) from None  # the cause would show it
    if url.host is not None and "@" in f"{url.host}{url.database}":
        raise BadInput(f"The {what} has an '@' in its user or password: write that as %40.")
    return url


def shown(url: URL) -> str:
    """A URL for people: without its password, wherever that stands."""
    hidden = {name: _HIDDEN for name in url.query if _SECRET.search(name)}
    text = url.update_query_dict(hidden).render_as_string(hide_password=True)
    return text.replace("=%2A%2A%2A", f"={_HIDDEN}")


def _without_secrets(text: str) -> str:
    """A text that was meant to be a URL, without what may be a password in it."""
    text = re.sub(":.*@", f":{_HIDDEN}@", text)
    return re.sub("(?i)((passw|secret)[^=&]*=)[^&]*", rf"\g<1>{_HIDDEN}", text)
