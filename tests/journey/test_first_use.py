"""What a newcomer does with pip and the command line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from waiting import until

EXAMPLES = Path(__file__).parents[2] / "example_plugins"


def test_a_pip_installed_job_runs_by_name_and_shows_its_result(environment: Any) -> None:
    environment.install("acme_reports-2.0")
    csv, page = EXAMPLES / "releases.csv", environment.folder / "report.html"

    run = environment.json("run", "reports.render", f"csv={csv}", f"out={page}")

    assert (run["state"], run["attempt"]) == ("succeeded", 1)
    assert run["result"]["report"] == str(page)
    assert run["result"]["rows"] >= 40
    assert run["provider"] == {"dist": "acme-reports", "version": "2.0"}
    assert "<svg" in page.read_text()
    assert environment.json("runs", "show", run["run_id"])["attempts"][0]["outcome"] == "succeeded"


def test_slow_and_broken_plugins_cost_the_others_nothing(environment: Any) -> None:
    for name in ("slow_import", "missing_extra", "setup_cfg_plugin"):
        environment.install(name)

    jobs = environment.json("jobs", "list")
    broken = environment.json("run", "extra.chart", "values=[1]", code=1)
    slow = environment.json("run", "slow.hello", "name=you")
    clean = environment.json("run", "cleanup.tempfiles", f"folder={environment.folder}")

    states = {job["name"]: job["state"] for job in jobs["jobs"]}
    assert states == {"cleanup.tempfiles": "ok", "extra.chart": "ok", "slow.hello": "ok"}
    assert (broken["state"], broken["reason"]) == ("failed", "error")
    assert "acme_plotting" in broken["error"]["traceback"]
    assert slow["result"] == "hello, you"
    assert clean["result"]["dry_run"] is True


def test_metadata_alone_is_enough_to_submit(environment: Any) -> None:
    environment.install("acme_reports-1.0")
    site = next((environment.folder / "venv").glob("lib/python*/site-packages"))
    hidden = environment.folder / "hidden"
    shutil.move(site / "acme_reports", hidden)

    csv, page = EXAMPLES / "releases.csv", environment.folder / "report.html"
    submitted = environment.json("submit", "reports.render", f"csv={csv}", f"out={page}")
    assert submitted["state"] == "queued"
    shutil.move(hidden, site / "acme_reports")
    environment.jobreg("worker", "--until-idle")

    assert environment.json("runs", "show", submitted["run_id"])["state"] == "succeeded"


def test_only_children_import_a_plugin(environment: Any) -> None:
    site = next((environment.folder / "venv").glob("lib/python*/site-packages"))
    seen = environment.folder / "importers"
    info = site / "spy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[jobreg.jobs]\nspy.job = spy:job\n")
    (site / "spy.py").write_text(
        f"import os\nopen({str(seen)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "def job():\n    return os.getpid(), os.getppid()\n"
    )

    environment.jobreg("jobs", "list")
    worker = environment.start("worker")
    run = environment.json("submit", "spy.job", "--wait")
    worker.terminate()
    worker.wait(20)

    child, parent = run["result"]
    importers = {int(line) for line in seen.read_text().split()}
    assert child in importers
    assert not importers & {worker.pid, parent, os.getpid()}


def test_ctrl_c_cancels_what_jobreg_run_executes(environment: Any) -> None:
    import signal

    site = next((environment.folder / "venv").glob("lib/python*/site-packages"))
    started = environment.folder / "started"
    info = site / "nap-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nap\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[jobreg.jobs]\nnap.long = nap:long\n")
    (site / "nap.py").write_text(
        "import pathlib, time\n"
        f"def long():\n    pathlib.Path({str(started)!r}).touch()\n    time.sleep(1000)\n"
    )

    process = environment.start("run", "nap.long")
    until(started.exists, 20)
    process.send_signal(signal.SIGINT)

    assert process.wait(10) == 130
    (run,) = environment.json("runs", "list")["runs"]
    assert (run["state"], run["reason"]) == ("cancelled", "asked")
