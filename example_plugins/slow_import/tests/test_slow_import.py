"""Submitting imports nothing; running does."""

import sys


def test_it_is_imported_when_it_is_run_and_not_when_it_is_submitted(jobreg) -> None:
    jobreg.inline = False
    run = jobreg.submit("slow.hello", {"name": "you"})
    assert "slow_import" not in sys.modules

    jobreg.run_pending()

    assert run.refresh().result() == "hello, you"
