"""Tokens of the REST interface: kept by their digests alone, one transaction a verb."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import frozen
from sqlalchemy import Delete, Insert, Select, bindparam, delete, insert, select

from . import tables
from .records import from_stored_time
from .statements import Now
from .transacting import again

if TYPE_CHECKING:
    from .store import Store


@cache
def add_token(now: Now) -> Insert:
    """Keep the :digest of a token and its :role."""
    return insert(tables.tokens).values(
        digest=bindparam("digest"), role=bindparam("role"), created_at=now
    )


@cache
def all_tokens() -> Select[Any]:
    """All there are, the oldest first."""
    return select(tables.tokens).order_by(tables.tokens.c.created_at, tables.tokens.c.digest)


@cache
def drop_token() -> Delete:
    """Forget the token with this :of_digest."""
    return delete(tables.tokens).where(tables.tokens.c.digest == bindparam("of_digest"))


@frozen
class Token:
    """What is kept of a token: its SHA-256 as hexadecimal digits, its role, since when, in UTC."""

    digest: str
    role: str
    created_at: datetime | None


class Tokens:
    """The verbs about tokens. Get one as ``store.tokens``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @again
    def keep(self, digest: str, role: str) -> None:
        """Keep a token's digest and role."""
        with self._store.writing() as connection:
            connection.execute(add_token(self._store.now), {"digest": digest, "role": role})

    def all(self) -> list[Token]:
        """All tokens, the oldest first."""
        with self._store.reading() as connection:
            return [
                Token(row.digest, row.role, from_stored_time(row.created_at))
                for row in connection.execute(all_tokens())
            ]

    @again
    def revoke(self, digest: str) -> bool:
        """Forget a token; False where there is none with this digest."""
        with self._store.writing() as connection:
            return connection.execute(drop_token(), {"of_digest": digest}).rowcount == 1
