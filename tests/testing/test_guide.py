"""The code of the guide to testing passes, as one file of tests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "test-jobs.md"


def test_the_code_of_the_guide_passes(tmp_path: Path, fake_plugins: Any) -> None:
    page = GUIDE.read_text("utf-8")
    application, *tests = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "shop.py").write_text(application)
    (tmp_path / "test_guide_code.py").write_text("\n\n".join(tests))

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=fake_plugins.env(),
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
