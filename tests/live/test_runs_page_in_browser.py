"""The page of `alexc runs --live` in a real browser: curves grow while a run folder is written."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Locator, Page, expect

from alexc.live.runs_page import RunsPage
from alexc.live.server import _listen
from alexc.runtime.folder_lock import folder_lock
from tests.support.browser import BROWSER
from tests.support.written_runs import appended, write_epochs, write_record

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]
WAIT = 60_000  # milliseconds: the machine may be busy
expect.set_options(timeout=WAIT)
HARMFUL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that is under way, and one that finished before it."""
    write_record(tmp_path / "running", started="2026-02-02T00:00:00", network=HARMFUL)
    write_epochs(tmp_path / "running", range(1, 3))
    write_record(tmp_path / "done", seed=8)
    write_epochs(tmp_path / "done", range(1, 11), rate=0.02)
    with appended(tmp_path / "done") as metrics:
        metrics.ended("finished", 200, 10, "nothing is left to train")
    return tmp_path


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """The address of the page about the folder."""
    page = RunsPage(folder).page()
    with closing(_listen(0)) as listening:
        server = uvicorn.Server(uvicorn.Config(page.app(), log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield page.address(listening.getsockname()[1])
        server.should_exit = True
        thread.join()


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    """The page at 1280x720, without a word on its console."""
    complaints: list[str] = []
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.wait_for_selector("#figures tbody tr")
    yield page
    page.close()
    assert complaints == []


def box(page: Page, run: str) -> Locator:
    return page.locator("#runs li", has_text=run).get_by_role("checkbox")


def test_curves_grow_runs_are_laid_over_each_other_and_keys_read_them(folder: Path, page: Page) -> None:
    loss, figures = page.locator(".plot").first, page.locator("#figures tbody")
    with folder_lock(folder / "running"):
        page.wait_for_selector("#figures .running")
        expect(figures).to_contain_text("running")
        expect(figures.locator("tr")).to_have_count(1)  # only what runs is shown at first
        page.wait_for_selector(".plot canvas")
        expect(loss).to_have_attribute("aria-label", re.compile("validation: from 1.9912 to 1.5950"))
        write_epochs(folder / "running", range(3, 5))
        expect(figures).to_contain_text("4 of 10")
        expect(loss).to_have_attribute("aria-label", re.compile("validation: from 1.9912 to 1.0461"))

        box(page, "done").check()
        expect(figures.locator("tr")).to_have_count(2)
        expect(loss).to_have_attribute("aria-label", re.compile("done, validation"))
        differences = page.locator("#differences")
        expect(differences).to_contain_text("seed")
        expect(differences).to_contain_text(HARMFUL)  # as text
        expect(differences).not_to_contain_text("batch")

        loss.focus()
        page.keyboard.press("End")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Home")
        expect(page.locator("#spoken")).to_have_text("1.9912 at epoch 1: running, validation")
        page.get_by_text("Metrics of every epoch").click()
        expect(page.locator("#epochs table").first.locator("tbody tr")).to_have_count(4)
    page.wait_for_selector("#figures .crashed")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_log_scale_and_steps_are_drawn_and_kept_in_the_address(folder: Path, page: Page) -> None:
    plot = page.locator(".plot").first
    page.wait_for_selector(".plot canvas")
    page.get_by_label("Logarithmic scale of the loss").check()
    page.get_by_label("steps", exact=True).check()
    expect(plot).to_have_attribute("aria-label", re.compile("against steps"))
    assert page.locator(".smoothing output").inner_text() == "off"
    box(page, "running").uncheck()
    box(page, "done").check()
    page.reload()
    page.wait_for_selector("#figures tbody tr")
    expect(page.locator("#figures tbody th")).to_have_text(["done"])
    assert page.get_by_label("steps", exact=True).is_checked()
    page.get_by_label("Filter the runs").fill("crash")
    expect(page.locator("#runs li:visible")).to_have_count(1)
