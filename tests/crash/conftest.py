"""The fixtures of the crash tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crash_house import House
from warm_start import Warm

from jobreg import Client


@pytest.fixture
def house(tmp_path: Path, fake_plugins: Any, warm: Warm) -> Iterator[House]:
    made = House(tmp_path, fake_plugins, warm)
    yield made
    made.close()


@pytest.fixture
def client(house: House) -> Client:
    """A client on the house's store; its workers are the test's own."""
    return house.client
