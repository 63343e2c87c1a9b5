"""The guide to parameters and results does what it says: its job is installed, its lines run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from jobreg.store import open_store

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "parameters-and-results.md"
RUN = """
import doctest, sys, jobreg
worker = jobreg.Worker(concurrency=1).start()
done = doctest.testfile(sys.argv[1], module_relative=False)
worker.stop()
print(done.attempted)
sys.exit(done.failed)
"""


def test_the_examples_of_the_guide_hold(fake_plugins, tmp_path):
    module, *examples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    lines = tmp_path / "examples.txt"
    lines.write_text("\n".join(examples))
    jobs = {"invoices.send": "invoices:send"}
    fake_plugins.add("acme-invoices", "1.0", jobs, {"invoices.py": module})
    store = str(tmp_path / "jobs.db")
    open_store(f"sqlite:///{store}").close()

    done = subprocess.run(
        [sys.executable, "-c", RUN, str(lines)],
        env=fake_plugins.env(JOBREG_STORE=store),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) == sum(example.count(">>>") for example in examples) >= 8
