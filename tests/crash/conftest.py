"""The fixture of the crash tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crash_house import House


@pytest.fixture
def house(tmp_path: Path, fake_plugins: Any) -> Iterator[House]:
    made = House(tmp_path, fake_plugins)
    yield made
    made.close()
