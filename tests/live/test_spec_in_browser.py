"""`alexc live` in a real browser: what a class sees while a spec is edited."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import ROOT
from tests.support.browser import BROWSER

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome")]

ALEXNET = (ROOT / "spec" / "alexnet.net").read_text(encoding="utf-8")
PATIENCE = 60_000  # milliseconds: the machine can be busy


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "alexnet.net"
    path.write_text(ALEXNET)
    return path


Open = Callable[..., Page]


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open the page of specs. It writes no complaint to the console, and asks no other server for anything."""
    commands: list[subprocess.Popen[str]] = []
    pages: list[Page] = []
    complaints: list[str] = []

    def open_(*specs: Path, dark: bool = False) -> Page:
        arguments = [sys.executable, "-W", "error", "-m", "alexc", "live", *map(str, specs), "--no-browser"]
        command = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        commands.append(command)
        assert command.stdout is not None
        address = command.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), command.communicate()
        size = {"width": 1280, "height": 720}
        page = chromium.new_page(viewport=size, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if not is_own(request.url, address) else None)
        pages.append(page)
        page.goto(address)
        expect(page.locator("#pictures a")).not_to_have_count(0)
        return page

    expect.set_options(timeout=PATIENCE)
    yield open_
    for page in pages:
        page.close()
    for command in commands:
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=60)
        assert errors == "\n"
        assert command.returncode == 0
    assert [text for text in complaints if "409 (Conflict)" not in text] == []


def is_own(url: str, address: str) -> bool:
    return url.startswith((address.split("?")[0], "data:"))


def number(page: Page, line: int, text: str) -> None:
    """Replace the first number `text` of a line, as a user does: with a double click and the keyboard."""
    found = page.locator(".cm-line").nth(line - 1).locator(".code-number")
    found.filter(has_text=re.compile(rf"^{text}$")).first.dblclick()


def row(page: Page, layer: str) -> str:
    found = page.locator("#panel-table tbody tr").filter(has=page.get_by_role("button", name=layer, exact=True))
    return found.first.inner_text()


def test_an_edit_moves_the_numbers_and_shows_the_old_ones(opened: Open, spec: Path) -> None:
    page = opened(spec)
    while not page.evaluate("performance.getEntriesByName('alexc-everything').length"):
        page.wait_for_timeout(20)
    number(page, 10, "11")
    page.keyboard.type("7")
    conv1 = page.locator("#panel-table tbody tr").first
    expect(conv1).to_contain_text("96x56x56")
    expect(conv1.locator("td.changed s").first).to_have_text(re.compile("96x55x55"))
    expect(page.locator("#counts dd").first).to_have_text("60,944,488 −0.034 %")
    expect(page.locator("#counts s").first).to_contain_text("60,965,224")
    expect(page.locator("#pictures a text.changed").filter(has_text="7×7×3")).to_have_count(1)
    page.get_by_role("tab", name="Python").click()
    expect(page.locator("#panel-python .code > .changed").filter(has_text="self.conv1 = ")).to_contain_text(
        "kernel_size=7"
    )
    page.get_by_role("tab", name="Plan").click()
    page.get_by_label("for").select_option("pod")
    expect(page.locator("#panel-plan")).to_contain_text("copy=4 tower=2")
    assert spec.read_text() == ALEXNET  # nothing is written before the user saves
    assert page.evaluate("performance.getEntriesByName('alexc-picture').at(-1).duration") > 0


def test_an_error_is_shown_at_its_line_beside_the_last_good_output(opened: Open, spec: Path) -> None:
    page = opened(spec)
    number(page, 10, "11")
    page.keyboard.type("x")
    finding = page.locator(".findings li.error")
    expect(finding).to_contain_text("line 10")
    expect(page.locator(".cm-lintRange-error").first).to_have_text("x")
    expect(page.locator("#pictures .box")).to_have_class(re.compile("stale"))
    assert "96x55x55" in row(page, "conv1")
    expect(page.locator("#announced")).to_contain_text("line 10: error")
    page.locator(".cm-line").first.click()
    finding.get_by_role("button", name="line 10").click()
    page.keyboard.press("Control+z")
    expect(page.locator("#pictures .box")).not_to_have_class(re.compile("stale"))
    expect(page.locator(".findings li")).to_have_count(0)


def lit(page: Page) -> dict[str, list[str]]:
    """What is lit in the editor, the picture, the table and the Python file."""
    return {
        "editor": page.locator(".cm-line.lit").all_inner_texts(),
        "picture": [each.get_attribute("id") or "" for each in page.locator("#pictures a.lit").all()],
        "table": page.locator("#panel-table tr.lit button").all_inner_texts(),
        "python": page.locator("#panel-python .code .lit").all_inner_texts(),
    }


def test_a_layer_lights_up_everywhere(opened: Open, spec: Path) -> None:
    page = opened(spec)
    tab = page.get_by_role("tab", name="Python")
    tab.click()
    conv4 = page.locator("#pictures a").nth(3)
    python = page.locator("#panel-python .code > div").filter(has_text="self.conv4(x)")
    seen: list[dict[str, list[str]]] = []
    for point in (
        conv4.locator("polygon").first.hover,
        python.hover,
        page.locator(".cm-line").nth(12).hover,
        conv4.focus,
    ):
        point()
        expect(conv4).to_have_class("lit")
        expect(page.locator("#panel-python .code .lit").last).to_contain_text("self.conv4(x)")
        seen.append(lit(page))
        page.mouse.move(1270, 3)
        tab.focus()
        expect(page.locator("#pictures a.lit")).to_have_count(0)
    for each in seen:
        assert [line.split()[0] for line in each["editor"]] == ["conv4:"]
        assert each["picture"] == ["alexc-AlexNet-layer-conv4"]
        assert each["table"] == ["conv4"]
        assert len(each["python"]) == 3
    page.get_by_role("tab", name="Table").click()
    page.locator("#panel-table tbody tr").nth(3).hover()
    expect(conv4).to_have_class("lit")
    conv4.locator("polygon").first.click()  # goes to its line
    expect(page.locator(".cm-activeLine")).to_contain_text("conv4:")


def test_a_block_lights_up_all_its_layers(opened: Open, tmp_path: Path) -> None:
    spec = tmp_path / "deep.net"
    spec.write_text(
        "network Deep {\n  input 4x8x8\n  repeat 2 { one: pair 4 }\n  out: linear 2 -> softmax\n}\n\n"
        "block pair(n) {\n  a: conv n kernel=1 -> relu\n  b: conv n kernel=1 -> add input\n}\n"
    )
    page = opened(spec)
    page.locator(".cm-line").nth(2).hover()
    expect(page.locator(".cm-line.lit")).to_have_count(3)
    page.locator(".cm-line").nth(7).hover()
    expect(page.locator(".cm-line.lit")).to_have_count(2)
    expect(page.locator("#panel-table tr.lit button")).to_have_text(["one1", "one2"])


def test_saving_and_following_the_file(opened: Open, spec: Path) -> None:
    page = opened(spec)
    number(page, 10, "11")
    page.keyboard.type("7")
    expect(page.locator(".unsaved")).to_have_text("not saved")
    page.keyboard.press("Control+s")
    expect(page.locator(".unsaved")).to_be_empty()
    assert spec.read_text() == ALEXNET.replace("kernel=11", "kernel=7")

    spec.write_text(ALEXNET.replace("conv 96", "conv 64"))  # another editor
    expect(page.locator("#panel-table tbody tr").first).to_contain_text("64x55x55")
    expect(page.locator(".banner")).to_be_hidden()

    number(page, 10, "11")
    page.keyboard.type("5")
    spec.write_text(ALEXNET.replace("conv 96", "conv 32"))
    expect(page.locator(".banner")).to_contain_text("has changed on disk")
    page.keyboard.press("Control+s")
    expect(page.locator(".banner")).to_be_visible()
    assert "conv 32" in spec.read_text()
    page.get_by_role("button", name="Overwrite it with this text").click()
    expect(page.locator(".banner")).to_be_hidden()
    assert "conv 64  kernel=5" in spec.read_text()

    page.keyboard.type("0")
    spec.write_text(ALEXNET)
    page.get_by_role("button", name="Load the file, drop this text").click()
    expect(page.locator("#panel-table tbody tr").first).to_contain_text("96x55x55")
    expect(page.locator(".unsaved")).to_be_empty()


def test_two_specs_show_their_differences(opened: Open, spec: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.net"
    other.write_text(ALEXNET.replace("kernel=11", "kernel=7"))
    page = opened(spec, other)
    differences = page.locator("#panel-differences")
    expect(differences.locator("tr.is-changed").first).to_contain_text("kernel 11 -> 7")
    expect(page.locator("#pictures .box")).to_have_count(2)
    second = page.locator(".spec").nth(1)
    second.locator(".code-number").filter(has_text=re.compile("^7$")).first.dblclick()
    page.keyboard.type("11")
    expect(differences).to_contain_text("Both specs describe the same network")
    page.locator("#pictures .box").first.locator("a polygon").first.hover()
    expect(page.locator("#pictures a.lit")).to_have_count(2)


def test_the_page_is_used_by_keyboard_and_has_names(opened: Open, spec: Path) -> None:
    page = opened(spec, dark=True)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    for role, name in (
        ("textbox", f"Text of {spec}"),
        ("region", "Picture"),
        ("tablist", "Views"),
        ("separator", "Width of the editor"),
        ("button", "Larger letters"),
    ):
        expect(page.get_by_role(role, name=name, exact=True)).to_have_count(1)  # type: ignore[arg-type]
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("AlexNet")
    reached = """[...document.querySelectorAll('button, select, [tabindex="0"]')]"""
    # The list of placements is filled after the picture is drawn.
    page.wait_for_function(f"{reached}.every(each => each.textContent.trim() || each.ariaLabel)")
    page.get_by_role("tab", name="Table").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_contain_text("class AlexNet(nn.Module):")
    separator = page.get_by_role("separator", name="Height of the picture")
    before = separator.bounding_box()
    separator.press("ArrowDown")
    after = separator.bounding_box()
    assert before is not None
    assert after is not None
    assert after["y"] > before["y"]
    page.locator(".cm-content").click()
    page.keyboard.press("Tab")  # is not caught by the editor
    assert not page.evaluate("document.activeElement.closest('.cm-editor')")
    page.get_by_role("button", name="Switch to the light theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth && document.body.scrollHeight <= 720")


def test_a_page_without_the_token_is_refused(opened: Open, spec: Path) -> None:
    page = opened(spec)
    address = page.url
    own = address.split("?")[0]
    assert page.context.browser is not None
    stranger = page.context.browser.new_page()
    answer = stranger.goto(own)
    assert answer is not None
    assert answer.status == 403
    assert "Open the address that the command printed" in stranger.content()
    assert stranger.evaluate("fetch('/api/specs').then(answer => answer.status)") == 403
    stranger.goto("data:text/html,<p>a page of another site, which knows the token</p>")
    token = address.split("token=")[1]
    for headers in ("{}", f"{{Authorization: 'Bearer {token}'}}"):
        ask = f"fetch('{own}api/specs', {{headers: {headers}}}).then(() => 'answered', () => 'refused')"
        assert stranger.evaluate(ask) == "refused"
    stranger.close()
