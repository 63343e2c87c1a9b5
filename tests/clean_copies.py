"""Processes that have inherited nothing, several at once: from one that has imported the store.

As quick as a fork, and as clean as a fresh interpreter, which would import all of it anew.
"""

from __future__ import annotations

import multiprocessing

clean = multiprocessing.get_context("forkserver")
clean.set_forkserver_preload(
    ["jobreg.store.sqlite", "jobreg.store.postgresql", "jobreg.store.mysql", "psycopg", "pymysql",
     "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.mysql",
     "pytest"]
)  # fmt: skip
