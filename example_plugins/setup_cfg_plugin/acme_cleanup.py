"""The job ``cleanup.tempfiles``: list or delete the old files of a folder.

It has no decorator and does not import jobreg: any function that takes and returns JSON values
is a job once an entry point names it.
"""

import os
import time
from pathlib import Path

SECONDS_PER_DAY = 24 * 60 * 60


def clean_folder(folder: str, days: float = 7, dry_run: bool = True) -> dict[str, object]:
    """List the files in ``folder`` that were last changed more than ``days`` days ago.

    With ``dry_run=False`` they are deleted. Folders inside and symbolic links are left alone.
    Returns ``files`` (their names), ``bytes``, ``deleted`` (how many) and ``kept``, the names of
    those that could not be deleted with the reason.
    """
    if days < 0:
        raise ValueError(f"days is {days}; it must be 0 or more")
    root = Path(folder).expanduser().resolve()
    old = old_files(root, before=time.time() - days * SECONDS_PER_DAY)
    size = sum(entry.stat(follow_symlinks=False).st_size for entry in old)
    kept = {} if dry_run else delete(old)
    return {
        "folder": str(root),
        "dry_run": dry_run,
        "files": [_readable(entry) for entry in old],
        "bytes": size,
        "deleted": 0 if dry_run else len(old) - len(kept),
        "kept": kept,
    }


def old_files(root: Path, before: float) -> list[os.DirEntry[str]]:
    """Return the plain files directly in ``root`` last changed before a time, by name."""
    with os.scandir(root) as entries:
        return sorted(
            (
                entry
                for entry in entries
                if entry.is_file(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_mtime < before
            ),
            key=lambda entry: entry.name,
        )


def delete(entries: list[os.DirEntry[str]]) -> dict[str, str]:
    """Delete files; return those that could not be deleted, with the reason."""
    kept = {}
    for entry in entries:
        try:
            Path(entry.path).unlink(missing_ok=True)
        except OSError as error:
            kept[_readable(entry)] = error.strerror or str(error)
    return kept


def _readable(entry: os.DirEntry[str]) -> str:
    # A name may hold bytes that are not UTF-8; JSON cannot, so they become question marks.
    return entry.name.encode("utf-8", errors="replace").decode()
