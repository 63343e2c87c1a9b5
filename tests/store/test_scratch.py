"""A scratch store: what its making and dropping tell, where they fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jobreg import StoreUnavailable
from jobreg.store import scratch


def test_a_database_that_may_not_be_made_is_told_and_not_dropped(monkeypatch):
    said, closed = [], []
    given = SimpleNamespace(close=lambda: closed.append(True))

    def say(_, statement):
        said.append(statement.split()[0])
        raise StoreUnavailable(f"{statement.split()[0]} is denied")

    monkeypatch.setattr(scratch, "open_store", lambda *_, **__: given)
    monkeypatch.setattr(scratch, "_say", say)

    with (
        pytest.raises(StoreUnavailable, match="CREATE is denied"),
        scratch.scratch_store("mysql://me@127.0.0.1/jobs"),
    ):
        pass

    assert (said, closed) == (["CREATE"], [True])
