"""The pytest plugin: the fixture ``jobreg``.

pytest imports this file at every start, wherever jobreg is installed; so it loads no more of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import Jobs


@pytest.fixture
def jobreg() -> Iterator[Jobs]:
    """A fresh store for this test, in which a submit executes its run at once, and a fake clock.

    It is what ``jobreg.testing.inline()`` gives. In the test it hides the module of that name:
    import what else you need from there, ``from jobreg import RunFailed``.
    """
    from .testing import inline

    with inline() as jobs:
        yield jobs
