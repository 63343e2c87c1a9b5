"""What a page's handler is given, and what it may answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ..access import ROLES
from ..asked import Asked

if TYPE_CHECKING:
    from ...client import Client
    from ..live import Live, Whole

Values = Mapping[str, tuple[str, ...]]
"""What a query or a form holds: each name with what was given for it, in order."""


@frozen(kw_only=True)
class Visit:
    """One request for a page, by somebody of a role; ``base`` is where the dashboard is mounted.

    ``whole`` is how everything stands, for pages that show it.
    """

    client: Client
    live: Live
    role: str
    base: str = ""
    path: Mapping[str, str] = field(factory=dict)
    query: Values = field(factory=dict)
    form: Values = field(factory=dict)
    whole: Whole | None = None

    def may(self, role: str) -> bool:
        """May whoever asks do what wants this role?"""
        return ROLES.index(self.role) >= ROLES.index(role)

    def asked(self, name: str, default: str = "") -> str:
        """The last that the query holds under a name."""
        return self.query.get(name, (default,))[-1]

    def filled(self, name: str, default: str = "") -> str:
        """The last that the form holds under a name."""
        return self.form.get(name, (default,))[-1]

    def as_asked(self, query: Mapping[str, Any] | None = None) -> Asked:
        """The same for a handler of the REST interface, with a query of its own."""
        return Asked(client=self.client, live=self.live, path=self.path, query=query or {})


@frozen
class Shown:
    """A page: its template and what that is filled with."""

    template: str
    facts: dict[str, Any] = field(factory=dict)
    status: int = 200


@frozen
class Moved:
    """Go on with another page of the dashboard, asked for by GET."""

    to: str


Answer = Shown | Moved
