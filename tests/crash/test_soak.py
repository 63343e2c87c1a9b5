"""The soak as a user runs it, on each database."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobreg.selftest.checker import FAULTS
from jobreg.store import open_store
from jobreg.store.scratch import scratch_store

KILLS = 60
MANY_KILLS = 300


@pytest.fixture
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    servers = (request.getfixturevalue(name).fresh() for name in ("postgres", "mysql"))
    return [f"sqlite:///{tmp_path}/jobs.db", *servers]


def selftests(urls: list[str], kills: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Run the command on all of them at once."""
    command = [sys.executable, "-m", "jobreg", "selftest", "--json", "--kills", str(kills)]
    running = [
        subprocess.Popen([*command, "--store", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for url in urls
    ]
    for process in running:
        out, err = process.communicate(timeout=3600)
        assert out, err.decode()
        yield process.returncode, json.loads(out)


def see(urls: list[str], kills: int) -> None:
    for code, told in selftests(urls, kills):
        print({key: value for key, value in told.items() if key != "faults"})
        assert (code, told["good"]) == (0, True), told
        assert told["killed"] + told["frozen"] == kills
        assert told["attempts"] > told["runs"] > told["effects"] > 0
        assert set(told["faults"]) == set(FAULTS)


def test_nothing_is_lost_doubled_or_stuck_when_workers_are_killed_and_frozen(
    urls: list[str],
) -> None:
    see(urls, KILLS)


@pytest.mark.slow
def test_nothing_is_lost_in_the_long_soak(urls: list[str]) -> None:
    see(urls, MANY_KILLS)


def test_the_scratch_store_is_gone_afterwards_and_the_user_s_own_untouched(
    urls: list[str], tmp_path: Path
) -> None:
    for url in urls:
        with scratch_store(url) as store:
            assert store.counts()["queued"] == 0
            there = store.full_url
        if url.startswith("sqlite"):
            assert list(tmp_path.iterdir()) == []
        else:
            again = open_store(there, check=False)
            with pytest.raises(Exception, match="jobreg"):
                again.counts()
            again.close()
