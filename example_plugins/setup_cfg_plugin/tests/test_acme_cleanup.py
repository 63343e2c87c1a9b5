"""The job of this package, run by name as a worker would run it."""

import os
import time
from pathlib import Path


def test_old_files_are_deleted_when_asked(jobreg, tmp_path: Path) -> None:
    long_ago = time.time() - 30 * 24 * 60 * 60
    for name in ("old.tmp", "new.tmp"):
        (tmp_path / name).write_text("four")
    os.utime(tmp_path / "old.tmp", (long_ago, long_ago))

    listed = jobreg.submit("cleanup.tempfiles", {"folder": str(tmp_path)}).result()
    deleted = jobreg.submit("cleanup.tempfiles", {"folder": str(tmp_path), "dry_run": False})

    assert (listed["files"], listed["deleted"]) == (["old.tmp"], 0)
    assert deleted.result()["deleted"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["new.tmp"]
