"""Who may ask for what: tokens, their roles, and whose each request is."""

from __future__ import annotations

import secrets
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING

from .. import clock
from ..errors import BadInput
from .problems import Problem

if TYPE_CHECKING:
    from ..client import Client
    from ..store import Store

ROLES = ("read", "submit", "operate")
"""Each may do what those before it may."""

COOKIE = "jobreg_token"
"""Holds the token of who has logged in to the dashboard."""

_BYTES = 32
_LONGEST = 256
# Seconds for which what the store holds is remembered; a token that is revoked is good so long.
_KEEP = 5.0


def new_token(store: Store, role: str = "operate") -> str:
    """Make a token and keep its digest in the store; the token itself is nowhere but in the answer.

    Raises:
        BadInput: there is no such role.
    """
    if role not in ROLES:
        raise BadInput(f"role: {role[:80]!r} is none of {', '.join(ROLES)}.")
    token = f"jobreg_{secrets.token_urlsafe(_BYTES)}"
    store.tokens.keep(digest(token), role)
    return token


def digest(token: str) -> str:
    """What is kept of a token: it has 256 bits of chance, so that none is found by trying."""
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Keeper:
    """Knows which tokens there are, as they were some seconds ago. Safe to share."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._roles: dict[str, str] = {}
        self._read = -_KEEP
        self._reading = Lock()

    def has_seen(self, token: str) -> bool:
        """Was it a good token when the store was last asked?"""
        return digest(token) in self._roles

    def role_of(self, token: str | None) -> str | None:
        """The role of a token; None for one there is not.

        Raises:
            StoreError: it cannot be told.
        """
        if not token or len(token) > _LONGEST:
            return None
        wanted = digest(token)
        with self._reading:
            if clock.seconds() - self._read >= _KEEP or wanted not in self._roles:
                self._roles = {each.digest: each.role for each in self._client.store.tokens.all()}
                self._read = clock.seconds()
            return self._roles.get(wanted)


def check_role(role: str | None, wanted: str) -> None:
    """Refuse whoever has no role, or too weak a one.

    Raises:
        Problem: 401 without a good token, 403 where its role may not do this.
    """
    if role is None:
        raise Problem(
            401,
            "token-wanted",
            "This wants a token: send it as 'Authorization: Bearer TOKEN'. Make one where the "
            "store is with: jobreg web token",
            {"WWW-Authenticate": 'Bearer realm="jobreg"'},
        )
    if ROLES.index(role) < ROLES.index(wanted):
        raise Problem(
            403,
            "role-too-weak",
            f"This wants a token of role {wanted!r}; yours is {role!r}. Make another with: "
            f"jobreg web token --role {wanted}",
        )
