"""jobreg store import-mlflow and rename-job, as an operator meets them."""

from __future__ import annotations

import json

from commands import NAME
from mlflow_table import mlflow_file, mlflow_row
from store_hands import states


def test_a_dry_run_tells_and_a_mapping_file_settles_it(jobreg, kept, tmp_path):
    rows = [mlflow_row(1, "acme.run"), mlflow_row(2, "acme.gone.run"), mlflow_row(3, "acme.run", 0)]
    url = f"sqlite:///{mlflow_file(tmp_path / 'mlflow.db', rows, 'function_fullname')}"
    before = states(kept)

    first = jobreg("store", "import-mlflow", url, "--dry-run")
    refused = jobreg("store", "import-mlflow", url, "--json")

    assert (first.returncode, refused.returncode) == (1, 1)
    assert f"acme.run       {NAME}" in first.stdout
    assert "acme.gone.run  ?" in first.stdout
    assert "Would be imported: 1 succeeded, 1 queued. Here already: 0." in first.stdout
    assert "say which with --map FILE" in first.stdout
    assert json.loads(refused.stdout) == {
        "imported": False,
        "runs": {"succeeded": 1, "queued": 1},
        "known": 0,
        "names": {"acme.run": NAME},
        "unmapped": {"acme.gone.run": 1},
        "unreadable": [],
    }
    assert states(kept) == before

    (tmp_path / "names.json").write_text(json.dumps({"acme.gone.run": "reports.archive"}))
    done = jobreg("store", "import-mlflow", url, "--map", str(tmp_path / "names.json"))
    again = jobreg("store", "import-mlflow", url, "--skip", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert "Imported: 2 succeeded, 1 queued. Here already: 0." in done.stdout
    assert states(kept)["succeeded"] == before["succeeded"] + 2
    assert again.returncode == 0
    assert json.loads(again.stdout)["known"] == 2


def test_rename_job_tells_what_it_did(jobreg, kept):
    dry = jobreg("store", "rename-job", NAME, "reports.draw", "--dry-run")
    done = jobreg("store", "rename-job", NAME, "reports.draw", "--json")

    assert dry.stdout == (
        "Would be renamed: 3 runs, 1 unfinished, 0 catalogue, 0 owners, 0 overrides, 0 pauses.\n"
    )
    assert json.loads(done.stdout) == {
        "from": NAME,
        "to": "reports.draw",
        "runs": 3,
        "unfinished": 1,
        "catalogue": 0,
        "owners": 0,
        "overrides": 0,
        "pauses": 0,
        "dry_run": False,
    }
    assert {run.job_name for run in kept.find()[0]} == {"reports.draw"}
