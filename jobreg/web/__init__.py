"""The REST interface and the dashboard, as an ASGI application. Wants the extra ``web``.

It imports no plugin: what it knows of jobs it has from their metadata and from the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import extras

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from ..client import Client

__all__ = ["app"]


def app(client: Client | None = None, *, hosts: Iterable[str] = ()) -> Starlette:
    """Make the application, to be served or mounted in one of your own.

    Args:
        client: whose store and registry it shows; by default that of ``jobreg.submit``.
        hosts: names under which it may be asked for, besides those of this machine itself
            (``localhost``, ``127.0.0.1``, ``[::1]``): the ``Host`` of each request must be one.

    Raises:
        JobRegError: the extra ``web`` is not installed.

    Example:
        >>> import jobreg, jobreg.web, tempfile
        >>> client = jobreg.Client(tempfile.mkdtemp() + "/jobs.db")
        >>> application = jobreg.web.app(client, hosts=["jobs.example.com"])
    """
    for name in ("starlette", "jinja2"):
        extras.load(name, "The REST interface", "web")
    from ..verbs import default_client
    from .application import make

    return make(client or default_client(), tuple(hosts))
