"""From an idea to a film in a real browser: script, render, redo, pin. What is there is compared, not pixels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from studio_support import render_small, served, wait_for

from storymem.runs import open_run

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.timeout(240),
]
SHOWN = 60_000  #: milliseconds until something is on the page, far longer than it takes


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    """The system's Chromium."""
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: playwright.Browser) -> Iterator[playwright.Page]:
    """A page that may not complain: no script error, no refusal by its own policy, no request to elsewhere."""
    found = browser.new_page()
    found.set_default_timeout(SHOWN)
    problems: list[str] = []
    requests: list[str] = []
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    found.on("request", lambda request: requests.append(request.url))
    yield found
    found.close()
    assert not problems
    assert all(url.startswith("http://127.0.0.1:") for url in requests)


def test_from_an_idea_to_a_film(page: playwright.Page, tmp_path: Path) -> None:
    folder = tmp_path / "films" / "fox"
    with served(tmp_path / "films") as address:
        _write_script(page, address)
        wait_for((folder / "story.json").is_file)
        _edit_and_start(page, f"{address}/runs/fox")
        wait_for(lambda: _takes(folder) == [1, 1], 120)
        page.goto(f"{address}/runs/fox")
        page.get_by_text("2 of 2 shots finished").wait_for()
        _redo(page, f"{address}/runs/fox/shots/1.1")
        wait_for(lambda: _takes(folder)[:1] == [2], 120)
        _pin(page, f"{address}/runs/fox/shots/1.1")
        page.goto(f"{address}/runs/fox")
        page.locator("#card-1\\.1", has_text="pinned").wait_for()
        wait_for(lambda: _pinned(folder))
        assert page.get_by_role("link", name="Watch the film").get_attribute("href") == "/runs/fox/film.mp4"
        page.goto("about:blank")  # before the studio ends, which the browser would report


def _write_script(page: playwright.Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="New story").click()
    page.get_by_label("Idea or story").fill("A fox finds a lantern in the snow.")
    page.get_by_label("Name of the run").fill("Fox!")
    page.get_by_label("Shots").fill("2")
    page.get_by_role("button", name="Write the script").click()
    page.locator("#jobs .job.done").wait_for()


def _edit_and_start(page: playwright.Page, run: str) -> None:
    page.goto(f"{run}/script")
    page.get_by_label("Shot 1.1").fill("A fox looks up.")
    page.get_by_role("button", name="Save", exact=True).click()
    assert page.get_by_label("Shot 1.1").input_value() == "A fox looks up."
    page.get_by_label("Backbone").select_option("animatic")
    page.get_by_label("Size").fill("128x64")
    page.get_by_label("Frames").fill("9")
    page.get_by_role("button", name="Start").click()


def _redo(page: playwright.Page, shot: str) -> None:
    page.goto(shot)
    page.get_by_label("Another prompt").fill("A fox jumps.")
    page.locator("form[action$='/redo'] button").click()
    assert "would be made again" in page.locator("#estimate").inner_text()
    page.get_by_role("button", name="Do it").click()
    # The page that is open says by itself that the shot has changed.
    page.locator("#changed").wait_for(state="visible")


def _pin(page: playwright.Page, shot: str) -> None:
    page.goto(shot)
    assert page.locator(".take").count() == 2
    page.locator(".take[data-take='1']").focus()
    page.keyboard.press("p")
    page.get_by_role("heading", name="Pin take 1 of shot 1.1").wait_for()
    page.get_by_role("button", name="Do it").click()
    page.wait_for_url(shot)


def test_two_tabs_see_a_run_made_elsewhere(browser: playwright.Browser, tmp_path: Path) -> None:
    render_small(tmp_path / "films" / "tale")
    with served(tmp_path / "films") as address:
        tabs = [browser.new_page() for _ in range(2)]
        for tab in tabs:
            tab.goto(f"{address}/runs/tale")
            tab.locator("body[data-connected]").wait_for()
        with open_run(tmp_path / "films" / "tale", write=True) as run:
            run.pin("1.2", 1)
        for tab in tabs:
            tab.locator("#card-1\\.2", has_text="pinned").wait_for()
            tab.close()


def test_keys_move_through_cards_and_shots(page: playwright.Page, finished: Path) -> None:
    with served(finished) as address:
        page.goto(f"{address}/runs/tale")
        for expected in ("1.1", "1.2", "1.3", "1.3"):
            page.keyboard.press("j")
            assert page.evaluate("document.activeElement.closest('.card').dataset.shot") == expected
        page.goto(f"{address}/runs/tale/shots/1.1")
        page.keyboard.press("j")
        page.wait_for_url("**/shots/1.2")
        video = page.locator(".player video")
        video.evaluate("v => new Promise(done => { if (v.readyState >= 2) done(); else v.onloadeddata = done; })")
        for key, frame in ((".", 1), (".", 2), (",", 1)):
            page.keyboard.press(key)
            page.locator("output", has_text=f"frame {frame}").wait_for()
        page.goto("about:blank")


def test_a_phone_shows_no_sideways_scroll_bar(browser: playwright.Browser, finished: Path) -> None:
    with served(finished) as address:
        page = browser.new_page(viewport={"width": 360, "height": 740})
        for path in ("", "/cast", "/script", "/shots/1.2", "/settings"):
            page.goto(f"{address}/runs/tale{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        page.close()


def _takes(folder: Path) -> list[int]:
    if not (folder / "run.sqlite").is_file() or (folder / "lock.pid").exists():
        return []
    with open_run(folder) as run:
        return [len(run.takes(shot)) for shot in run.status()]


def _pinned(folder: Path) -> bool:
    with open_run(folder) as run:
        return any(take.pinned and take.number == 1 for take in run.takes("1.1"))
