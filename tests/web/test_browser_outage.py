"""An open dashboard while its database is stopped and started again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from browser_house import House, chromium, screenshots, served
from playwright.sync_api import Browser, Page, expect, sync_playwright


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Databases]:
    found = servers.databases("postgres")
    if found.server is None:
        pytest.skip("a server that is not ours is not stopped")
    yield found
    found.close()


@pytest.fixture(scope="module")
def house(server: servers.Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(tmp_path_factory.mktemp("house"), server.fresh()) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield made
        made.close()


def logged_in(browser: Browser, house: House) -> Page:
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{house.url}/")
    page.get_by_label("Token").fill(house.tokens["operate"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    return page


def test_pages_say_that_the_store_is_away_and_go_on_once_it_is_back(
    browser: Browser, house: House, server: servers.Databases, tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    pictures = screenshots(tmp_path_factory.mktemp("screenshots"))
    run = house.client.submit("reports.step", {"folder": str(tmp_path)})
    open_page, other = logged_in(browser, house), logged_in(browser, house)
    open_page.goto(f"{house.url}/runs/{run.id}")
    expect(open_page.locator("#run-head .state")).to_contain_text("running")
    assert server.server is not None

    server.server.stop()

    banner = open_page.get_by_role("status").filter(has_text="store cannot be reached")
    expect(banner).to_be_visible(timeout=20_000)
    open_page.screenshot(path=pictures / "outage-banner.png")
    answer = other.goto(f"{house.url}/runs")
    assert answer is not None
    assert answer.status == 503
    expect(other.get_by_role("heading", name="The store cannot be reached")).to_be_visible()
    other.screenshot(path=pictures / "outage-page.png")

    server.server.start()

    # Neither is touched: both find out by themselves.
    expect(banner).to_be_hidden(timeout=30_000)
    expect(other.get_by_role("heading", name="Runs", exact=True)).to_be_visible(timeout=30_000)
    for number in range(3):
        (tmp_path / str(number)).touch()
    expect(open_page.locator("#run-head .state")).to_contain_text("succeeded", timeout=60_000)
