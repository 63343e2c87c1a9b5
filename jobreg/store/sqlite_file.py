"""The file of a SQLite store: where it is, how it is made, and whether it is still the same."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from sqlalchemy import URL

from ..errors import BadInput, StoreUnavailable

# What may stand in a URL after its '?', as SQLAlchemy hands it to sqlite3.connect. Without ``uri``:
# the file would be another than the one we make.
_OPTIONS = ("timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements")


def path_of(url: URL) -> Path:
    """The file behind a SQLite URL.

    Raises:
        BadInput: the URL names no file; a database in memory is seen by no other process.
    """
    if not url.database or url.database == ":memory:":
        raise BadInput(
            "A SQLite store needs a file that every process can open, "
            "such as sqlite:////var/lib/app/jobs.db."
        )
    if url.host is not None:
        raise BadInput(
            f"The store URL names a host, {url.host[:80]!r}, and SQLite has none. Write three "
            "slashes before a relative path (sqlite:///data/jobs.db), four before an absolute one."
        )
    for name in url.query:
        if name not in _OPTIONS:
            raise BadInput(
                f"The store URL cannot be used: the driver of SQLite knows no option {name[:80]!r}."
            )
    return Path(url.database)


def identity(file: str | Path) -> object:
    """What a file is, whatever its name; the name where there is none, or none any more."""
    try:
        status = os.stat(file)
    except OSError:
        return file
    return status.st_dev, status.st_ino


def there(path: Path) -> object:
    """What a file is; SQLite would make it anew, empty, where it is no more."""
    file = identity(path)
    if file == path:
        raise StoreUnavailable(
            f"The store {path} is not there any more. Put it back; or, if it was removed for good, "
            "start what uses it anew, which makes an empty one."
        )
    return file


def make(path: Path) -> str | None:
    """Make the file where it is missing; why it cannot be used, or None.

    A file that is there is not opened: to close it would take from this process the locks that its
    other connections hold (sqlite.org/howtocorrupt.html, 2.2), and the next process to leave would
    delete the write-ahead log under them.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        return "Not a directory" if isinstance(error, FileExistsError) else error.strerror
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return _why_not(path)
    except OSError as error:
        return error.strerror
    return None


def _why_not(path: Path) -> str | None:
    """Why what has this name cannot be used, or None."""
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            return os.strerror(errno.EISDIR)
    except FileNotFoundError:
        return "it is a link to a file that is not there"
    except OSError as error:
        return error.strerror
    return None if os.access(path, os.R_OK | os.W_OK) else os.strerror(errno.EACCES)
