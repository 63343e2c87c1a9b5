"""The dashboard in a real browser, before a real server and a real worker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_house import House, chromium, screenshots, served
from playwright.sync_api import Browser, Page, expect, sync_playwright
from waiting import until

expect.set_options(timeout=15_000)

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'&\u202e\x1b[31m"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with served(folder, f"sqlite:///{folder / 'jobs.db'}") as made:
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


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return screenshots(tmp_path_factory.mktemp("screenshots"))


def logged_in(browser: Browser, house: House, role: str = "operate", **options: Any) -> Page:
    """A page of somebody who has logged in; what a script says or breaks fails the test."""
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(15_000)
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    page.on("pageerror", lambda error: pytest.fail(f"the script: {error}"))
    page.goto(f"{house.url}/")
    page.get_by_label("Token").fill(house.tokens[role])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    return page


@pytest.fixture
def page(browser: Browser, house: House) -> Iterator[Page]:
    made = logged_in(browser, house)
    yield made
    made.context.close()


def test_a_wrong_token_is_refused_and_a_good_one_leads_where_one_wanted_to_go(
    browser: Browser, house: House, pictures: Path
) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{house.url}/runs?q=state:failed")

    page.get_by_label("Token").fill("jobreg_nonsense")
    page.get_by_role("button", name="Log in").click()
    expect(
        page.get_by_role("alert").filter(has_text="This is not a token of this store")
    ).to_be_visible()
    page.screenshot(path=pictures / "login.png")
    page.goto(f"{house.url}/runs?q=state:failed")
    page.get_by_label("Token").fill(house.tokens["read"])
    page.get_by_role("button", name="Log in").click()

    expect(page).to_have_url(f"{house.url}/runs?q=state:failed")
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{house.url}/runs")
    expect(page.get_by_label("Token")).to_be_visible()
    page.context.close()


def test_a_reader_is_offered_nothing_that_changes_anything(browser: Browser, house: House) -> None:
    run = house.client.submit("reports.render", {"account": 1})
    page = logged_in(browser, house, "read")

    for path in ("/", "/runs", "/jobs/reports.render", f"/runs/{run.id}", "/workers"):
        page.goto(house.url + path)
        assert [each.inner_text() for each in page.get_by_role("button").all()] in (
            ["Log out"], ["Log out", "Find"],
        )  # fmt: skip

    page.context.close()


def test_a_run_is_submitted_from_the_form_and_its_faults_are_told(
    page: Page, house: House, pictures: Path
) -> None:
    page.goto(f"{house.url}/jobs/reports.render")

    page.get_by_label("title").fill("Quarterly")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("alert").filter(has_text="missing 'account'")).to_be_visible()
    expect(page.get_by_label("title")).to_have_value("Quarterly")
    expect(page.locator(".has-fault")).to_contain_text("missing 'account'")
    page.get_by_text("More parameters, as JSON").click()
    page.get_by_label("A JSON object").fill('{"acount": 1}')
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("alert").filter(has_text="did you mean 'account'?")).to_be_visible()
    page.get_by_label("A JSON object").fill("")
    page.get_by_label("account").fill("21")
    page.get_by_label("draft").select_option("true")
    page.screenshot(path=pictures / "job.png", full_page=True)
    page.get_by_role("button", name="Submit").click()

    expect(page.locator("#run-head .state")).to_contain_text("succeeded")
    expect(page.locator("pre").first).to_contain_text('"draft": true')
    expect(page.get_by_text('"rows": 42')).to_be_visible()
    expect(page.locator("#log")).to_contain_text("rendering Quarterly")
    page.screenshot(path=pictures / "run-succeeded.png", full_page=True)


def test_progress_and_log_come_live_and_the_end_as_well(
    page: Page, house: House, tmp_path: Path, pictures: Path
) -> None:
    run = house.client.submit("reports.step", {"folder": str(tmp_path)})
    until(lambda: any(run.logs()), 30, "a line is there before the page")
    page.goto(f"{house.url}/runs/{run.id}")

    expect(page.locator("#run-head")).to_contain_text("0 of 3")
    expect(page.locator("#log")).to_contain_text("before step 0")
    (tmp_path / "0").touch()
    expect(page.locator("#run-head")).to_contain_text("1 of 3")
    expect(page.locator("#run-head progress")).to_have_attribute("value", "1")
    expect(page.locator("#log")).to_contain_text("before step 1")
    page.screenshot(path=pictures / "run-running.png", full_page=True)
    (tmp_path / "1").touch()
    (tmp_path / "2").touch()

    expect(page.locator("#run-head .state")).to_contain_text("succeeded")
    expect(page.locator("#run-outcome")).to_contain_text("Result")
    lines = ["before step 0", "before step 1", "before step 2"]
    expect(page.locator("#log .text")).to_have_text(lines)


def test_a_running_run_is_cancelled_and_retried(page: Page, house: House, tmp_path: Path) -> None:
    run = house.client.submit("reports.step", {"folder": str(tmp_path)})
    page.goto(f"{house.url}/runs/{run.id}")
    expect(page.locator("#run-head")).to_contain_text("0 of 3")

    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("#run-head .state")).to_contain_text("cancelled")
    for number in range(3):
        (tmp_path / str(number)).touch()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#run-head .state")).to_contain_text("succeeded")
    expect(page.locator(".timeline rect.bar")).to_have_count(2)


def test_a_run_is_submitted_again_with_changes(page: Page, house: House) -> None:
    run = house.client.submit("reports.render", {"account": 5, "title": "Old"})
    page.goto(f"{house.url}/runs/{run.id}")

    page.get_by_role("link", name="Submit again with changes").click()
    expect(page.get_by_label("title")).to_have_value("Old")
    page.get_by_label("title").fill("New")
    page.get_by_role("button", name="Submit").click()

    expect(page.get_by_text('"title": "New"').first).to_be_visible()
    expect(page.get_by_text('"account": 5')).to_be_visible()


def test_runs_are_found_by_qualifiers_and_all_that_match_are_retried(
    page: Page, house: House, pictures: Path
) -> None:
    runs = [house.client.submit("reports.broken", tags=["bulk"]) for _ in range(3)]
    house.client.submit("reports.broken")
    until(lambda: all(run.refresh().state == "failed" for run in runs), 30, "the runs have failed")
    page.goto(f"{house.url}/runs")

    page.get_by_role("searchbox", name="Filter").fill("state:failed job:reports.* tag:bulk")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("table.runs tbody tr")).to_have_count(3)
    expect(page.locator(".error-line").first).to_have_text("ValueError: cannot do it")
    page.screenshot(path=pictures / "runs-failed.png", full_page=True)
    page.get_by_role("button", name="Retry all that match…").click()
    expect(page.get_by_role("heading", name="Retry 3 runs?")).to_be_visible()
    page.screenshot(path=pictures / "bulk.png", full_page=True)
    page.get_by_role("button", name="Retry them").click()

    expect(page.get_by_role("heading", name="3 runs queued again")).to_be_visible()
    until(
        lambda: all(len(run.attempts()) == 2 for run in runs), 30, "each has been tried once more"
    )


def test_an_unknown_qualifier_is_told_with_close_ones(page: Page, house: House) -> None:
    page.goto(f"{house.url}/runs?q=stat:failed")

    expect(page.get_by_role("alert").filter(has_text="Did you mean state?")).to_be_visible()
    expect(page.get_by_role("searchbox", name="Filter")).to_have_value("stat:failed")


def test_the_list_changes_by_itself(page: Page, house: House, tmp_path: Path) -> None:
    run = house.client.submit("reports.step", {"folder": str(tmp_path)})
    page.goto(f"{house.url}/runs")
    row = page.locator(f"#run-{run.id}")
    expect(row.locator(".state")).to_contain_text("running")

    for number in range(3):
        (tmp_path / str(number)).touch()

    expect(row.locator(".state")).to_contain_text("succeeded")


def test_the_overview_pauses_and_resumes(page: Page, house: House, pictures: Path) -> None:
    house.client.submit("reports.render", {"account": 1}, delay="1h")
    page.goto(f"{house.url}/")
    expect(page.locator("#queues")).to_contain_text("reports.render")
    page.screenshot(path=pictures / "overview.png", full_page=True)

    page.get_by_role("button", name="Pause queue reports").first.click()
    expect(page.locator("#queues .state.is-paused")).to_be_visible()
    page.get_by_role("button", name="Resume queue reports").click()

    expect(page.locator("#queues .state.is-paused")).to_have_count(0)
    assert house.client.store.pauses() == []


def test_hostile_text_is_shown_and_does_nothing(page: Page, house: House, pictures: Path) -> None:
    run = house.client.submit("reports.broken", {"what": EVIL}, tags=["<b>tag</b>"])
    until(lambda: run.refresh().state == "failed", 30, "the run has failed")

    for path in (f"/runs/{run.id}", "/runs", "/", f"/jobs/reports.broken?like={run.id}"):
        page.goto(house.url + path)
        assert page.locator("img, main script, b:text-is('tag')").count() == 0
    page.goto(f"{house.url}/runs/{run.id}")
    expect(page.locator("#run-outcome")).to_contain_text("<script>alert(2)</script>")
    expect(page.locator("#run-outcome")).to_contain_text(r"\u202e\x1b[31m")
    expect(page.locator("#run-facts")).to_contain_text("<b>tag</b>")
    page.screenshot(path=pictures / "hostile.png", full_page=True)


CONTRAST = """() => {
    const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
    const light = (rgb) => {
        const [r, g, b] = rgb.map((each) => {
            const part = each / 255;
            return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const [r, g, b, a] = parse(getComputedStyle(each).backgroundColor);
            if (a === undefined || a > 0) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll("body *")) {
        const texts = [...element.childNodes].filter((node) => node.nodeType === 3);
        const text = texts.some((node) => node.data.trim());
        const style = getComputedStyle(element);
        if (!text || !element.getClientRects().length || element.closest("svg")) continue;
        const one = light(parse(style.color).slice(0, 3));
        const other = light(ground(element));
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 4.5) poor.push([element.outerHTML.slice(0, 120), ratio]);
    }
    return poor;
}"""
UNNAMED = """() => ["input:not([type=hidden])", "select", "textarea", "button"]
    .flatMap((kind) => [...document.querySelectorAll(kind)])
    .filter((each) => !(each.labels && each.labels.length) && !each.textContent.trim()
        && !each.getAttribute("aria-label"))
    .map((each) => each.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_can_be_read_in_any_light_and_width(
    browser: Browser, house: House, pictures: Path, scheme: Any, width: int
) -> None:
    run = house.client.submit("reports.broken", {"what": "x" * 3000})
    until(lambda: run.refresh().state == "failed", 30, "the run has failed")
    screen = {"width": width, "height": 800}
    page = logged_in(browser, house, color_scheme=scheme, viewport=screen)

    paths = ["/", "/runs", "/runs?q=nonsense", "/jobs", "/jobs/reports.render", "/workers",
             f"/runs/{run.id}", "/login", "/no-such-page"]  # fmt: skip
    for path in paths:
        page.goto(house.url + path)
        assert page.evaluate(CONTRAST) == [], path
        assert page.evaluate(UNNAMED) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        name = re.sub(r"\W+", "-", path).strip("-")[:20] or "overview"
        page.screenshot(path=pictures / f"{name}-{scheme}-{width}.png", full_page=True)

    page.context.close()


def test_times_are_in_the_readers_zone_with_utc_beside(browser: Browser, house: House) -> None:
    run = house.client.submit("reports.render", {"account": 1})
    page = logged_in(browser, house, timezone_id="Asia/Kolkata", locale="en-GB")

    page.goto(f"{house.url}/runs/{run.id}")

    created = run.record.created_at
    assert created is not None
    shown = page.locator("dd time").first.inner_text()
    assert created.strftime("%H:%M:%S UTC") in shown
    minutes = (created.hour * 60 + created.minute + 330) % 1440
    assert f"{minutes // 60:02}:{minutes % 60:02}:" in shown
    page.context.close()


def test_every_page_works_without_a_script(browser: Browser, house: House) -> None:
    page = logged_in(browser, house, java_script_enabled=False)

    page.goto(f"{house.url}/jobs/reports.render")
    page.get_by_label("account").fill("3")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/runs/*")  # until it has loaded: Chromium refuses to reload half a page
    run = house.client.get(page.url.rpartition("/")[2])
    until(lambda: run.refresh().state == "succeeded", 30, "the run has succeeded")
    page.reload()

    expect(page.locator("#run-head .state")).to_contain_text("succeeded")
    expect(page.locator("dd time").first).to_contain_text("UTC")
    page.context.close()
