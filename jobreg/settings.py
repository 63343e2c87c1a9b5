"""Settings: an argument stands before a ``JOBREG_*`` variable, a variable before the default."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import field, fields, frozen

from .errors import BadInput
from .legible import brief
from .options import count, limit, queue_name, seconds

KIB = 1024


def _names(text: object, what: str) -> tuple[str, ...]:
    parts = text.split(",") if isinstance(text, str) else text
    if not isinstance(parts, list | tuple) or not all(isinstance(each, str) for each in parts):
        raise BadInput(f"{what}: {brief(text)!r} is not a list of names.")
    names = tuple(part.strip() for part in parts if part.strip())
    # No name at all is everything to who serves or allows; a comma too many is only that.
    if text and (not names or (parts is text and len(names) < len(parts))):
        raise BadInput(f"{what}: an empty name says nothing. Leave it out, or give a name.")
    return names


def _queues(text: object, what: str) -> tuple[str, ...]:
    return tuple(queue_name(name, what) for name in _names(text, what))


def _lease(value: Any, what: str) -> float:
    number = seconds(value, what)
    if not 0.5 <= number <= 3600:
        raise BadInput(f"{what}: {value!r} is outside 0.5 s to 1 h.")
    return number


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value) else value


def _bytes(value: Any, what: str) -> int:
    return count(_whole(value), what, most=64 * KIB * KIB)


def _memory(value: Any, what: str) -> int:
    """Bytes, or a number with a unit of 1,024: ``512M``, ``2G``."""
    match = re.fullmatch(r"([0-9]{1,15})\s*([KMG]?)(?:i?B)?", str(value).strip())
    if isinstance(value, bool) or not match or int(match[1]) == 0:
        raise BadInput(f"{what}: {brief(value)!r} is not a size, such as 512M or 2G.")
    size: int = int(match[1]) * KIB ** " KMG".index(match[2] or " ")
    return size


def _number(value: Any, what: str) -> int:
    return count(_whole(value), what, most=1024)


def schema_name(value: object, what: str = "schema") -> str:
    """Check the name of a PostgreSQL schema: letters, digits and ``_``, at most 63."""
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,62}", value):
        raise BadInput(
            f"{what}: {brief(value)!r} is not the name of a schema. "
            "Use letters, digits and '_', at most 63 characters."
        )
    return value


def _pattern(value: object, what: str) -> str:
    """Check a regular expression; one that matches nothing at all would be everywhere."""
    try:
        found = re.compile(str(value))
    except re.error as error:
        raise BadInput(f"{what}: {brief(value)!r} is no regular expression: {error}.") from None
    if found.fullmatch(""):
        raise BadInput(f"{what}: {brief(value)!r} matches the empty text, which is everywhere.")
    return str(value)


def _choice(*allowed: str) -> Callable[[Any, str], str]:
    def choose(value: Any, what: str) -> str:
        if str(value).lower() not in allowed:
            raise BadInput(f"{what}: {brief(value)!r} is none of {', '.join(allowed)}.")
        return str(value).lower()

    return choose


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_store() -> str:
    """The URL of the SQLite file in the user's data folder."""
    from platformdirs import user_data_path

    return f"sqlite:///{user_data_path('jobreg', appauthor=False) / 'jobreg.db'}"


_LIKE_A_URL = re.compile(r"(sqlite|postgres|postgresql|mysql|mariadb)(\+\w*)?(:|//)", re.IGNORECASE)


def store_url(text: object) -> str:
    """A store URL as given: a database URL, or the path of a SQLite file."""
    like = isinstance(text, str) and "://" not in text and _LIKE_A_URL.match(text)
    if like:
        # Nothing of what follows is told: a mistyped URL has its password anywhere.
        raise BadInput(
            f"store: what begins with {like[0]!r} is no URL, and is not taken for a file. Write "
            "one such as sqlite:////var/lib/app/jobs.db or postgresql://user@host/jobs; a file of "
            f"that name is ./{like[0]} and so on."
        )
    text = os.fspath(text) if isinstance(text, os.PathLike) else text
    if not isinstance(text, str):
        raise BadInput(f"store: a {type(text).__name__} is not a URL, a path or an open store.")
    if "\0" in text or (not text.isascii() and text != text.encode("utf-8", "ignore").decode()):
        raise BadInput(f"store: {text[:200]!a} holds a null byte, or text that is not UTF-8.")
    if "://" in text:
        return absolute(text)
    if "?" in text:
        raise BadInput(f"store: the path {text[:200]!r} holds a '?', which a URL cannot carry.")
    return absolute(f"sqlite:///{Path(text).expanduser()}")


def absolute(url: str) -> str:
    """A URL of SQLite that means the same file wherever this process goes; others as they are.

    Raises:
        BadInput: the working directory, which it is relative to, cannot be told or be in a URL.
    """
    start, three, path = url.partition("///")
    if not start.startswith("sqlite") or not path or path[0] in ":?" or Path(path).is_absolute():
        return url
    try:
        here = os.getcwd()
    except OSError as error:
        raise BadInput(
            f"store: {path[:200]!r} is no whole path, and the working directory cannot be told: "
            f"{error.strerror}. Give the whole path."
        ) from None
    if "?" in here:
        raise BadInput(f"store: the path {here[:200]!r} holds a '?', which a URL cannot carry.")
    return f"{start}{three}{here}/{path}"


def _in_schema(url: str, schema: str | None) -> str:
    """The URL with the schema in it, so that whoever is handed the one has the other."""
    if schema is None or not url.startswith("postgres") or re.search("[?&]schema=", url):
        return url
    return f"{url}{'&' if '?' in url else '?'}schema={schema}"


def retention(value: Any, what: str) -> dict[str, float | None]:
    """Seconds for which runs are kept, by final state; None is for ever.

    ``value`` is a text such as ``succeeded=7d,failed=forever``, or a mapping of the same. A state
    that is not named keeps its default.
    """
    pairs = value.split(",") if isinstance(value, str) else value
    if isinstance(pairs, Mapping):
        pairs = [f"{state}={'forever' if age is None else age}" for state, age in pairs.items()]
    kept = dict(RETAIN)
    for pair in filter(None, (str(each).strip() for each in pairs)):
        state, _, age = (part.strip() for part in pair.partition("="))
        if state not in RETAIN:
            raise BadInput(
                f"{what}: {pair[:80]!r} names no final state. Write such as "
                "succeeded=30d,failed=90d,cancelled=forever."
            )
        kept[state] = None if age == "forever" else seconds(age, f"{what}: {state}")
    return kept


RETAIN: dict[str, float | None] = {
    "succeeded": 30 * 86_400.0,
    "failed": 90 * 86_400.0,
    "cancelled": 30 * 86_400.0,
}
"""Seconds for which runs are kept, by final state."""


@frozen(kw_only=True)
class Settings:
    """All settings of this process, checked. Durations are seconds, sizes bytes.

    Make one with :func:`load`; the field ``lease`` is the variable ``JOBREG_LEASE``, and so on.
    """

    store: str
    lease: float = 30.0
    grace: float = 25.0
    kill_grace: float = 2.0
    concurrency: int = 1
    child_runs: int = 10_000
    child_memory: int | None = None
    queues: tuple[str, ...] = ()
    allow_dists: tuple[str, ...] = ()
    deny_dists: tuple[str, ...] = ()
    retain: dict[str, float | None] = field(factory=RETAIN.copy)
    max_params: int = 256 * KIB
    max_result: int = 1024 * KIB
    max_error: int = 64 * KIB
    max_log: int = 8 * 1024 * KIB
    sqlite_sync: str = "normal"
    schema: str | None = None
    log_level: str = "info"
    redact: str | None = None


_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "store": lambda value, _: store_url(value),
    "lease": _lease,
    "grace": seconds,
    "kill_grace": limit,
    "concurrency": _number,
    "child_runs": lambda value, what: count(_whole(value), what),
    "child_memory": _memory,
    "queues": _queues,
    "allow_dists": _names,
    "deny_dists": _names,
    "retain": retention,
    "max_params": _bytes,
    "max_result": _bytes,
    "max_error": _bytes,
    "max_log": _bytes,
    "sqlite_sync": _choice("normal", "full"),
    "schema": schema_name,
    "log_level": _choice("debug", "info", "warning", "error"),
    "redact": _pattern,
}


def load(environ: Mapping[str, str] | None = None, **arguments: object) -> Settings:
    """Read the settings: argument (where not None), else ``JOBREG_*`` variable, else default.

    Raises:
        BadInput: a value cannot be used; the message names the argument or variable.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for name in (each.name for each in fields(Settings)):
        argument = arguments.get(name)
        variable = f"JOBREG_{name.upper()}"
        if argument is not None:
            values[name] = _CHECKS[name](argument, name)
        elif environ.get(variable):
            values[name] = _CHECKS[name](environ[variable], variable)
    if "store" not in values:  # asking for the data folder imports platformdirs
        values["store"] = default_store()
    values["store"] = _in_schema(values["store"], values.get("schema"))
    values.setdefault("concurrency", cores())
    return Settings(**values)
