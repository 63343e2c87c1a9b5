"""The guide to owned names does what it says: its commands are run, one after the other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "own-names.md"
EXITS = {"jobs sync": 1, "submit reports.render": 4}
"""What these commands exit with while nobody owns the name."""
TOLD = {
    "jobs sync": "It is claimed by acme 1.0 and rival 1.0. To choose: jobreg jobs adopt",
    "submit reports.render": "Job 'reports.render' is claimed by acme 1.0 and rival 1.0",
    "jobs adopt reports.render --from acme": "belongs to acme now (before: nobody)",
    "jobs list --owners": "acme",
    "run reports.render": "by acme",
    "jobs adopt reports.render --from rival": "belongs to rival now (before: acme)",
    "jobs set reports.render timeout=10m priority=5": "600.0",
    "jobs set reports.render timeout=": "priority",
}


def test_the_commands_of_the_guide_do_what_it_says(run_cli, fake_plugins, tmp_path):
    for dist in ("acme", "rival"):
        source = f"def render(account: int):\n    return 'by {dist}'\n"
        jobs = {"reports.render": f"{dist}_jobs:render", f"{dist}.own": f"{dist}_jobs:render"}
        fake_plugins.add(dist, "1.0", jobs, {f"{dist}_jobs.py": source})
    environ = fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"))
    commands = re.findall(r"^\$ jobreg (.*)$", GUIDE.read_text("utf-8"), re.MULTILINE)
    told = {}

    for command in commands:
        key = next(each for each in sorted(TOLD, key=len, reverse=True) if command.startswith(each))
        done = run_cli(*shlex.split(command), env=environ)
        assert done.returncode == EXITS.get(key, 0), done.stderr
        told[key] = done.stdout + done.stderr

    assert told.keys() == TOLD.keys()
    assert {key: TOLD[key] for key in told if TOLD[key] not in told[key]} == {}


def test_the_jobs_of_both_that_are_not_contested_are_run(run_cli, fake_plugins, tmp_path):
    for dist in ("acme", "rival"):
        source = f"def render():\n    return 'by {dist}'\n"
        jobs = {"reports.render": f"{dist}_jobs:render", f"{dist}.own": f"{dist}_jobs:render"}
        fake_plugins.add(dist, "1.0", jobs, {f"{dist}_jobs.py": source})
    environ = fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"))

    told = [run_cli("run", f"{dist}.own", env=environ, check=True) for dist in ("acme", "rival")]

    assert ["by acme" in told[0].stdout, "by rival" in told[1].stdout] == [True, True]
