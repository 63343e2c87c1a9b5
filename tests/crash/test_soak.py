"""The soak as a user runs it, on each database."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
from warm_start import Warm, text_of

from jobreg import Client
from jobreg.selftest.checker import FAULTS
from jobreg.selftest.soak import _house, _Load
from jobreg.store import open_store
from jobreg.store.scratch import scratch_store

TESTS = Path(__file__).parents[1]
KILLS = 60
MANY_KILLS = 300


@pytest.fixture
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    servers = (request.getfixturevalue(name).fresh() for name in ("postgres", "mysql"))
    return [f"sqlite:///{tmp_path}/jobs.db", *servers]


WARMLY = """
from jobreg.selftest import soak
from warm_start import Subprocess, Warm

soak.subprocess = Subprocess(Warm())
"""


def selftests_of_warm_workers(
    warm: Warm, urls: list[str], kills: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Run the command on all of them at once; its workers need not import everything anew."""
    environ = {**os.environ, "PYTHONPATH": os.fspath(TESTS)}
    command = ["selftest", "--json", "--kills", str(kills)]
    with ExitStack() as stack:
        running = []
        for url in urls:
            out, err = (stack.enter_context(TemporaryFile()) for _ in range(2))
            words = [*command, "--store", url]
            process = warm.start(words, environ, output=out, errors=err, first=WARMLY)
            stack.callback(process.kill)
            running.append((process, out, err))
        for process, out, err in running:
            code = process.wait(3600)
            assert text_of(out), text_of(err)
            yield code, json.loads(text_of(out))


def selftests(urls: list[str], kills: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Run the command on all of them at once, as a user does."""
    command = [sys.executable, "-m", "jobreg", "selftest", "--json", "--kills", str(kills)]
    running = [
        subprocess.Popen([*command, "--store", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for url in urls
    ]
    for process in running:
        out, err = process.communicate(timeout=3600)
        assert out, err.decode()
        yield process.returncode, json.loads(out)


def see(told_by_each: Iterator[tuple[int, dict[str, Any]]], kills: int) -> None:
    for code, told in told_by_each:
        print({key: value for key, value in told.items() if key != "faults"})
        found = {name: runs for name, runs in told["faults"].items() if runs}
        assert (code, found, told["good"]) == (0, {}, True), told
        assert told["killed"] + told["frozen"] == kills
        assert told["attempts"] > told["runs"] > told["effects"] > 0
        assert set(told["faults"]) == set(FAULTS)


def test_nothing_is_lost_doubled_or_stuck_when_workers_are_killed_and_frozen(
    urls: list[str], warm: Warm
) -> None:
    see(selftests_of_warm_workers(warm, urls, KILLS), KILLS)


@pytest.mark.slow
def test_nothing_is_lost_in_the_long_soak(urls: list[str]) -> None:
    see(selftests(urls, MANY_KILLS), MANY_KILLS)


def test_a_worker_that_was_frozen_with_the_lock_does_not_end_the_soak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobreg.store.sqlite.BUSY_SECONDS", 0.05)
    monkeypatch.setattr("jobreg.selftest.soak._DRAIN", 2.0)
    store = open_store(f"sqlite:///{tmp_path}/jobs.db")
    frozen = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    frozen.execute("BEGIN IMMEDIATE")
    with _house() as (_, registry):
        load = _Load(Client(store, registry), 4, meanwhile=lambda: frozen.execute("ROLLBACK"))

        load.keep_up()

    assert store.counts()["queued"] == len(load.asked) == 4
    frozen.close()
    store.close()


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
