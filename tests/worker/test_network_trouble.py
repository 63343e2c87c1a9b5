"""A worker whose connections go dead without a word notices, and goes on when they are back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url
from tcp_proxy import Proxy
from waiting import until

from jobreg import Client, Registry, Worker
from jobreg.events import listen
from jobreg.lifecycle import State

NOTICED_WITHIN = 20.0
CLAIMED_WITHIN = 5.0


@pytest.fixture(params=["postgres", "mysql"])
def direct(request: pytest.FixtureRequest, registry: Registry) -> Iterator[Client]:
    made = Client(request.getfixturevalue(request.param).fresh(), registry)
    yield made
    made.close()


@pytest.fixture
def proxy(direct: Client) -> Iterator[Proxy]:
    url = make_url(direct.settings.store)
    assert url.host is not None
    assert url.port is not None
    made = Proxy(url.host, url.port)
    yield made
    made.close()


def test_an_idle_worker_notices_a_blackhole_and_claims_again_after_it(
    direct: Client, proxy: Proxy
) -> None:
    told: list[tuple[str, float]] = []
    deaf = listen(lambda name, _: told.append((name, time.monotonic())))
    url = make_url(direct.settings.store).set(port=proxy.port)
    through = url.render_as_string(hide_password=False)
    with Worker(through, registry=direct.registry, concurrency=1):
        assert direct.submit("hostile.echo", {"value": 1}).result(20) == 1

        proxy.set("blackhole")
        began = time.monotonic()
        first = until(
            lambda: [at for name, at in told if name == "store.down" and at > began],
            NOTICED_WITHIN,
            "the worker notices",
        )
        waiting = direct.submit("hostile.echo", {"value": 2})
        proxy.set("pass")
        back = time.monotonic()
        until(lambda: waiting.refresh().state is not State.QUEUED, 2 * CLAIMED_WITHIN)
        claimed = time.monotonic()

        assert waiting.result(20) == 2
    deaf()
    kind = url.get_backend_name()
    print(f"\n{kind}: noticed after {first[0] - began:.1f} s, claimed after {claimed - back:.1f} s")
    assert claimed - back <= CLAIMED_WITHIN
