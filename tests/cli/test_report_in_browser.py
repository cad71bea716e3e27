"""The page about a run, looked at in a real browser: light, dark, on a phone and in print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser

from alexc.runtime.reporting.page import write_report
from tests.support import report_of_tiny_run as tiny_report
from tests.support.browser import BROWSER, LookedAt

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome")]

SECTIONS = ["settings", "curves", "network", "kernels", "classes", "confusions", "predictions", "nearest"]
WIDTHS = [320, 390, 768, 1280]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tiny_report.make_home(tmp_path_factory.mktemp("looked-at"))
    write_report(tiny_report.make(home), home / "report.html")
    return home / "report.html"


@pytest.fixture(scope="module")
def browser(page: Path, chromium: Browser) -> Iterator[LookedAt]:
    with LookedAt(chromium) as browser:
        browser.open(page)
        yield browser


def bright(picture: NDArray[np.uint8]) -> float:
    """The brightness that half of the pixels stay under, 0..255."""
    return float(np.median(picture.mean(axis=2)))


def test_the_browser_sees_complaints_and_requests(tmp_path: Path, chromium: Browser) -> None:
    """What the other tests find none of is found where it is."""
    (tmp_path / "bad.html").write_text(
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
        "<script>alert(1)</script><img src='http://127.0.0.1:9/x.png'><div style='width: 3000px'>wide</div>"
    )
    with LookedAt(chromium) as browser:
        browser.open(tmp_path / "bad.html")
        browser.look(390)
        assert len(browser.complaints) >= 3  # script, image, style
        assert all("Content Security Policy" in complaint for complaint in browser.complaints)
    (tmp_path / "bad.html").write_text("<img src='http://127.0.0.1:9/x.png'><div style='width: 3000px'>wide</div>")
    with LookedAt(chromium) as browser:
        browser.open(tmp_path / "bad.html")
        browser.look(390)
        assert "http://127.0.0.1:9/x.png" in browser.requests
        assert browser.value("document.documentElement.scrollWidth") > 3000


def test_the_page_opens_without_a_complaint_and_without_network(browser: LookedAt, page: Path) -> None:
    for width in WIDTHS:
        browser.look(width)
        browser.picture()
    assert browser.complaints == []
    assert page.resolve().as_uri() in browser.requests
    assert [url[:80] for url in browser.requests if not url.startswith(("data:image/", "file://"))] == []
    assert len([url for url in browser.requests if url.startswith("file://")]) == 1
    assert browser.value("document.scripts.length") == 0


def test_all_sections_are_there_and_every_image_can_be_seen(browser: LookedAt) -> None:
    browser.look(1280)
    assert browser.value("[...document.querySelectorAll('main > section')].map(each => each.id)") == SECTIONS
    assert browser.value("[...document.querySelectorAll('section')].filter(each => each.offsetHeight < 60).length") == 0
    broken = "[...document.images].filter(each => !each.complete || !each.naturalWidth || !each.offsetWidth).length"
    assert browser.value(broken) == 0
    assert browser.value("document.images.length") == 1 + 6 + 8 + 5 * 7
    assert browser.value("document.querySelector('.samples .name').textContent") in tiny_report.SHOWN
    assert browser.value("document.querySelectorAll('h1').length") == 1
    assert browser.value("document.compatMode") == "CSS1Compat"


def test_bars_are_as_long_as_the_probabilities(browser: LookedAt) -> None:
    browser.look(1280)
    pairs = browser.value(
        "[...document.querySelectorAll('.guesses li')].map(each => [each.querySelector('.bar').offsetWidth / "
        "each.offsetWidth, parseFloat(each.querySelector('.share').textContent) / 100])"
    )
    assert len(pairs) == 8 * 4
    np.testing.assert_allclose([bar for bar, _ in pairs], [share for _, share in pairs], atol=0.01)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(browser: LookedAt, width: int) -> None:
    browser.look(width)
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") == width
    # What scrolls in a box of its own may be wider than that.
    wider = browser.value(
        "[...document.querySelectorAll('body *')].filter(each => !each.parentElement.closest('.wide') && "
        "each.getBoundingClientRect().right > innerWidth + 0.5).map(each => each.outerHTML.slice(0, 80))"
    )
    assert wider == []


def test_light_and_dark_are_what_they_are_called(browser: LookedAt) -> None:
    for width in (390, 1280):
        browser.look(width)
        light = browser.picture()
        browser.look(width, dark=True)
        dark = browser.picture()
        assert light.shape == dark.shape
        assert light.shape[1] == width
        assert bright(light) > 200
        assert bright(dark) < 60
        for picture in (light, dark):  # text, curves and photographs on it: not blank from top to bottom
            bands = np.array_split(picture, 12)
            assert min(len(np.unique(band.astype(int) @ (65536, 256, 1))) for band in bands) > 20


def test_text_can_be_told_from_its_ground(browser: LookedAt) -> None:
    """At least 4.5 to 1, as WCAG 2.1 asks in its section 1.4.3, for every text but what is hidden on purpose."""
    pairs = """
        [...document.querySelectorAll('body *:not(.none)')]
        .filter(each => each.offsetParent && [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
        .map(each => {
            let ground = each;
            while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
            const name = each.tagName + '.' + each.className;
            return [name, getComputedStyle(each).color, getComputedStyle(ground).backgroundColor];
        })
    """
    for dark in (False, True):
        browser.look(1280, dark)
        found = browser.value(pairs)
        assert len(found) > 100
        for name, *colors in found:
            text, behind = map(luminance, colors)
            contrast = (max(text, behind) + 0.05) / (min(text, behind) + 0.05)
            assert contrast >= 4.5, (name, dark, colors, contrast)


def luminance(color: str) -> float:
    """The relative luminance, as WCAG 2.1 defines it, of `rgb(r, g, b)` or of `color(srgb r g b)`."""
    numbers = [float(number) for number in re.findall(r"[\d.]+(?:e-\d+)?", color)]
    assert len(numbers) == 3, color
    parts = numbers if color.startswith("color(srgb ") else [number / 255 for number in numbers]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_in_print_nothing_is_hidden_in_a_box(browser: LookedAt) -> None:
    browser.look(800, medium="print")
    picture = browser.picture()
    assert bright(picture) > 200
    boxes = (
        "[...document.querySelectorAll('.wide')].filter(each => getComputedStyle(each).overflowX !== 'visible').length"
    )
    assert browser.value(boxes) == 0
    assert browser.value("getComputedStyle(document.querySelector('nav')).display") == "none"
