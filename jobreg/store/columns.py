"""The column types, with what each database has to call them. Migrations use them too."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Float, Integer, String, Text
from sqlalchemy.dialects import mysql

ID = BigInteger().with_variant(Integer(), "sqlite")  # only this one counts up by itself there
TIME = BigInteger()
RUN_ID = String(36)
NAME = String(128)
UNIQUE_KEY = String(256)
# On MySQL TEXT ends at 64 KiB, and FLOAT has seven digits.
LONG_TEXT = Text().with_variant(mysql.LONGTEXT(), "mysql")
SECONDS = Float().with_variant(mysql.DOUBLE(asdecimal=False), "mysql")

# Whatever the database's own defaults are: all of Unicode, and no two names equal but by their
# characters (MySQL would take 'mail' and 'Mail' for one queue).
MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
