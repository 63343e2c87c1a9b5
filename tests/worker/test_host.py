"""Whether a neighbour is gone: only where that is certain."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from jobreg.worker import host


@pytest.fixture
def myself(client: Any, start_worker: Any) -> Any:
    start_worker()
    return client.store.workers()[0]


def test_a_live_process_is_not_gone(myself: Any) -> None:
    assert myself.pid == os.getpid()
    assert not host.is_gone(myself)


def test_a_dead_process_is_gone_and_so_is_one_whose_number_is_used_again(myself: Any) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()

    assert host.is_gone(evolve(myself, pid=dead.pid))
    assert host.is_gone(evolve(myself, pid_started="1"))


def test_what_cannot_be_read_is_not_gone(myself: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Path, "read_text", refuse)

    assert not host.is_gone(myself)
