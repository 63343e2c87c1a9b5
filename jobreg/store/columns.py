"""The column types, with what each database has to call them. Migrations use them too."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Float, Integer, String, Text
from sqlalchemy.ext.compiler import compiles

from ..registry.entry_points import LONGEST_DIST, LONGEST_VERSION


class LongText(Text):
    """Text without end. On MySQL ``TEXT`` ends at 64 KiB."""


class Double(Float[float]):
    """A number of sixteen digits. On MySQL ``FLOAT`` has seven."""


# In place of the types of SQLAlchemy's own dialect, which to import takes 20 ms of every process.
# For columns alone: a CAST to one of these would be to what SQLAlchemy takes it for.
for _name in ("mysql", "mariadb"):
    compiles(LongText, _name)(lambda *_, **__: "LONGTEXT")
    compiles(Double, _name)(lambda *_, **__: "DOUBLE")

ID = BigInteger().with_variant(Integer(), "sqlite")  # only this one counts up by itself there
TIME = BigInteger()
RUN_ID = String(36)
NAME = String(128)
DIST = String(LONGEST_DIST)
DIST_VERSION = String(LONGEST_VERSION)
UNIQUE_KEY = String(256)
LONG_TEXT = LongText()
SECONDS = Double()

# Whatever the database's own defaults are: all of Unicode, and no two names equal but by their
# characters (MySQL would take 'mail' and 'Mail' for one queue).
MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
