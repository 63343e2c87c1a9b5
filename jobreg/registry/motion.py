"""Tells an import that fell into an installation: pip removes, then writes."""

from __future__ import annotations

import sys
import time

from ..errors import JobLoadError
from ..lifecycle import Provider
from .foreign import foreign_finders
from .scan import APPLICATION, places
from .snapshot import take

YOUNG = 5.0
"""Seconds after a change on the path in which no import that begins is taken at its word."""


def was_moved(
    job_name: str, target: str, provider: Provider | None, failed: JobLoadError | None, since: int
) -> bool:
    """Was a job imported while its distribution was being installed, upgraded or removed?

    Looked at after the import, which began at ``since`` (nanoseconds since 1970). Nothing counts
    as moved unless a folder of the path was written after that, or in the 5 s before; then a
    failure to find the job's own code does (another one is the job's fault), and so does metadata
    that is gone, or names another version or target than was asked for.
    """
    if provider is None or provider.dist == APPLICATION or not _is_young(since):
        return False
    if failed is not None:
        return _is_torn(failed, target)
    found = take(list(sys.path), finders=foreign_finders())
    mine = (
        (ref.version, ref.target)
        for ref in found.allowed
        if (ref.name, ref.dist) == (job_name, provider.dist)
    )
    return (provider.version, target) not in mine


def _is_young(since: int) -> bool:
    least, most = since - YOUNG * 1e9, time.time_ns() + YOUNG * 1e9
    return any(least < written < most for *_, written in places(sys.path))


def _is_torn(failed: JobLoadError, target: str) -> bool:
    """Did the import miss the job's own module, a part of its package, or its function?"""
    cause = failed.__cause__
    if isinstance(cause, AttributeError):
        return True
    if not isinstance(cause, ImportError):
        return False
    package = target.partition(":")[0].partition(".")[0]
    return cause.name is None or cause.name.partition(".")[0] == package
