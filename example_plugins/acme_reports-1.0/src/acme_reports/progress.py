"""How a job of this package tells how far it is."""

from jobreg import NotInRun, current_run


def report_progress(done: int, total: int, message: str) -> None:
    """Pass on how far the run is; say nothing when the job is called as a plain function."""
    try:
        run = current_run()
    except NotInRun:
        return
    run.progress(done, total, message)
