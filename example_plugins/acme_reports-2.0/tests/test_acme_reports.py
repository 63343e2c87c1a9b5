"""The jobs of this package, run as a worker would run them: by name, in the test's own process."""

from pathlib import Path

import pytest


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    file = tmp_path / "sales.csv"
    file.write_text("shop,sold\nnorth,3\nsouth,5\n")
    return file


def test_a_report_is_written_beside_the_csv(jobreg, sales: Path) -> None:
    run = jobreg.submit("reports.render", {"csv": str(sales)})

    assert run.result()["summary"]["sold"]["sum"] == 8
    assert "<svg" in sales.with_suffix(".html").read_text()
    assert run.provider.dist == "acme-reports"


def test_progress_is_told_to_the_end(jobreg, sales: Path) -> None:
    run = jobreg.submit("reports.render", {"csv": str(sales)})

    assert run.progress.done == run.progress.total == 2


def test_a_file_that_is_not_there_fails_the_run_at_once(jobreg, tmp_path: Path) -> None:
    run = jobreg.submit("reports.render", {"csv": str(tmp_path / "none.csv")})

    assert (run.state, run.reason, run.attempt) == ("failed", "error", 1)
    assert "none.csv" in run.error.message


def test_a_profile_waits_for_its_file_to_come_back(jobreg, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    run = jobreg.submit("reports.profile", {"path": str(log)})
    assert run.state == "scheduled"  # it may be tried three times

    log.write_text("INFO started\nERROR broken\n")
    jobreg.clock.advance("1m")

    assert run.refresh().result()["kinds"]["error"] == 1
    assert [attempt.outcome for attempt in run.attempts()] == ["error", "succeeded"]


def test_what_a_job_does_not_take_is_refused(jobreg, sales: Path) -> None:
    run = jobreg.submit("reports.render", {"file": str(sales)})

    assert run.reason == "refused"
    assert "unknown 'file'" in run.error.message
