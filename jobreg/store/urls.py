"""URLs of databases: read, and shown without what is secret in them."""

from __future__ import annotations

import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..errors import BadInput

_HIDDEN = "***"
_SEVERAL_HOSTS = re.compile(r"postgresql[^/]*://[^/?]*,")
_SECRET = re.compile(r"(?i)passw|secret")


def read(text: str, what: str, example: str) -> URL:
    """The parts of a ``what``; the path of a SQLite file as it stands, with its percent signs.

    Raises:
        BadInput: it is none; the message shows an ``example``, and nothing secret.
    """
    try:
        url = make_url(text)
        kind = url.get_backend_name()
    except (ArgumentError, ValueError):
        told = f"{_without_secrets(text)[:200]!r} is not a {what}. Give one such as {example}."
        if _SEVERAL_HOSTS.match(text):
            told += " Several hosts stand behind the '?': //user@/jobs?host=one:5432&host=two:5432."
        raise BadInput(told) from None  # the cause would show it
    if url.host is not None and "@" in f"{url.host}{url.database}":
        raise BadInput(f"The {what} has an '@' in its user or password: write that as %40.")
    if kind == "sqlite" and url.database and url.host is None:
        # SQLAlchemy 2.1 decodes it, 2.0 does not; and who names a file means the one of that name.
        url = url.set(database=text.partition("///")[2].partition("?")[0])
    return url


def written(url: URL) -> str:
    """A URL, with its password, of which :func:`read` makes the same."""
    return _rendered(url, hide_password=False)


def shown(url: URL) -> str:
    """A URL for people: without its password, wherever that stands."""
    hidden = {name: _HIDDEN for name in url.query if _SECRET.search(name)}
    text = _rendered(url.update_query_dict(hidden), hide_password=True)
    return text.replace("=%2A%2A%2A", f"={_HIDDEN}")


def _rendered(url: URL, *, hide_password: bool) -> str:
    text = url.render_as_string(hide_password=hide_password)
    if url.get_backend_name() != "sqlite" or not url.database or url.host is not None:
        return text
    _, mark, options = text.partition("?")
    return f"{url.drivername}:///{url.database}{mark}{options}"


def _without_secrets(text: str) -> str:
    """A text that was meant to be a URL, without what may be a password in it."""
    text = re.sub(":.*@", f":{_HIDDEN}@", text)
    return re.sub("(?i)((passw|secret)[^=&]*=)[^&]*", rf"\g<1>{_HIDDEN}", text)
