"""The documentation as a site: how pages become pages of it, what is checked on it, and a search without network."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.conftest import ROOT
from tests.support.browser import BROWSER, LookedAt
from tools import docs_site
from tools.docs_site import SiteError, build, faults_of, gather, markdown_and_links
from tools.notebook_page import markdown_of


def text_of(page: str, path: str = "docs/page.md") -> str:
    text, _ = markdown_and_links(path, f"{page}\n")
    return text.removesuffix("\n")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[a](tutorial.md)", "[a](tutorial.md)"),
        ("[a](tutorial.md#towers)", "[a](tutorial.md#towers)"),
        ("[a](#here)", "[a](#here)"),
        ("[a](../README.md)", "[a](../index.md)"),
        ("[`a`](../examples/zfnet.net)", "[`a`](../examples/zfnet.net.md)"),
        ("[a](../spec/alexnet.net), [b](../Makefile)", "[a](../spec/alexnet.net.md), [b](../Makefile.md)"),
        ("[all](../examples), [2012](../examples/lab2012)", "[all](../gallery.md), [2012](../gallery.md)"),
        ("![curves](pictures/curves.png)", "![curves](pictures/curves.png)"),
        ("[web](https://example.org/a.md)", "[web](https://example.org/a.md)"),
        ("```net my/own.net\n[a](absent.md)\n```", '```net title="my/own.net"\n[a](absent.md)\n```'),
        ("```\n```\n[a](../LICENSE)", "```\n```\n[a](../LICENSE.md)"),
        ("a link is `[a](absent.md)`, [b](api.md)", "a link is `[a](absent.md)`, [b](api.md)"),
        ("````\n```\n[a](absent.md)\n````", "````\n```\n[a](absent.md)\n````"),
        ("<table>\n<tr><td>a</td></tr>", '<table markdown="1">\n<tr markdown="1"><td markdown="1">a</td></tr>'),
    ],
)
def test_links_lead_to_the_pages_of_the_files(written: str, shown: str) -> None:
    assert text_of(written) == shown


def test_a_page_leads_to_the_files_that_it_links_to() -> None:
    page = "[a](docs/api.md) [b](spec/alexnet.net) ![c](docs/pictures/lenet.svg) [d](#e)\n"
    _, links = markdown_and_links("README.md", page)
    assert links == ["docs/api.md", "spec/alexnet.net"]


@pytest.mark.parametrize("target", ["absent.md", "../examples/absent.net", "../../secret.md", "../..", "../absent"])
def test_a_link_to_no_file_is_an_error(target: str) -> None:
    with pytest.raises(SiteError, match=rf"docs/page\.md: the link to {re.escape(target)} leads to no file"):
        markdown_and_links("docs/page.md", f"[a]({target})\n")


def test_a_folder_has_a_page_that_lists_it(tmp_path: Path) -> None:
    assert text_of("[a](../editors/nvim)") == "[a](../editors/nvim/index.md)"
    assert text_of("[a](../editors/vscode)") == "[a](../editors/vscode/README.md)"
    gather(["editors/nvim"], tmp_path, lambda _: "")
    assert "- [lsp](lsp/index.md)\n" in (tmp_path / "editors/nvim/index.md").read_text(encoding="utf-8")
    assert "- [alexc.lua](alexc.lua.md)\n" in (tmp_path / "editors/nvim/lsp/index.md").read_text(encoding="utf-8")
    assert "```lua" in (tmp_path / "editors/nvim/lsp/alexc.lua.md").read_text(encoding="utf-8")


def test_pictures_are_parts_of_the_page() -> None:
    page = text_of("![LeNet](pictures/lenet.svg)")
    assert page.startswith('<div class="picture" data-search-exclude>\n<svg style="min-width: 3')
    assert "\n\n" not in page  # a blank line would end the HTML block


def test_all_pages_of_the_repository_are_gathered(tmp_path: Path) -> None:
    drawn: list[str] = []

    def picture(path: str) -> str:
        drawn.append(path)
        return "<svg/>"

    gather(docs_site.source_pages(), tmp_path, picture)
    assert sorted(drawn) == sorted(docs_site.specs())
    zfnet = (tmp_path / "examples/zfnet.net.md").read_text(encoding="utf-8")
    assert '```net title="examples/zfnet.net"\n# ZFNet, of' in zfnet
    assert "[as Python](../generated/zfnet.py.md)" in zfnet
    for name in ("index.md", "docs/language.md", "generated/zfnet.py.md", "compiler/text/explanations/E0101.md"):
        assert (tmp_path / name).stat().st_size > 500, name


def test_a_notebook_becomes_a_page_with_its_outputs() -> None:
    def shown(**data: str) -> dict[str, Any]:
        return {"output_type": "execute_result", "data": {name.replace("_", "/"): text for name, text in data.items()}}

    printed = {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m\n", "blue\n"]}
    mistake = {"output_type": "error", "traceback": ["error[E0202]: …", "  |"]}
    table = shown(text_html="<table>\n\n<tr></tr></table>", text_plain="no")
    svg = {"output_type": "display_data", "data": {"image/svg+xml": ["<svg>\n", "</svg>"], "text/plain": "no"}}
    image = shown(image_png="iVBO\nRw0=\n", text_plain="no")
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "[a](../api.md)"]},
        {"cell_type": "code", "source": "net", "outputs": [printed, mistake, table, svg]},
        {"cell_type": "code", "source": "", "outputs": []},
        {"cell_type": "code", "source": "1", "outputs": [image, shown(text_plain="1"), shown(text_html="")]},
    ]
    assert markdown_of(json.dumps({"cells": cells})).split("\n\n") == [
        "# Title\n[a](../api.md)",
        "````python\nnet\n````",
        "````text\nred\nblue\n````",
        "````text\nerror[E0202]: …\n  |\n````",
        '<div class="output">\n<table>\n<tr></tr></table>\n</div>',
        '<div class="output" data-search-exclude>\n<svg>\n</svg>\n</div>',
        "````python\n1\n````",
        '<img alt="" src="data:image/png;base64,iVBORw0=">',
        "````text\n1\n````\n",
    ]


def test_every_page_of_docs_is_in_the_menu() -> None:
    menu = (ROOT / "docs" / "site" / "zensical.toml").read_text(encoding="utf-8")
    pages = [path for path in docs_site.source_pages() if path.startswith("docs/") and path.endswith(".md")]
    assert "docs/language.md" in pages
    assert [path for path in pages if f'= "{path}" }}' not in menu] == [], "add them to nav of docs/site/zensical.toml"


def test_what_does_not_work_on_a_site_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="https://fonts.example/a.css"><script src="//cdn.example/a.js"></script>'
        '<a href="docs/b.html#there">good</a><a href="#top">bad</a><a href="absent.html">bad</a>'
        '<a href="https://example.org/">good</a><img src="data:image/png;base64,AA=="><img src="absent.png">'
    )
    (tmp_path / "docs" / "b.html").write_text(
        '<h1 id="there"></h1><a href="../a.html">good</a><a href="b.html#no">bad</a>'
    )
    assert list(faults_of(tmp_path)) == [
        "a.html: #top leads to no place on that page",
        "a.html: absent.html leads to no file",
        "a.html: loads https://fonts.example/a.css",
        "a.html: loads //cdn.example/a.js",
        "a.html: absent.png leads to no file",
        "docs/b.html: b.html#no leads to no place on that page",
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, with two of the pictures."""
    folder = tmp_path_factory.mktemp("site")
    build(folder, ["examples/lenet.net", "spec/alexnet.net"])
    return folder / "html"


@pytest.fixture
def browser(chromium: Browser) -> Iterator[LookedAt]:
    with LookedAt(chromium) as browser:
        yield browser


def seen(browser: LookedAt, expression: str) -> bool:
    """Whether an expression becomes true within a minute."""
    for _ in range(600):
        if browser.value(f"Boolean({expression})"):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome")
def test_the_site_works_without_network(site: Path, browser: LookedAt) -> None:
    """Opened as files: specs are coloured, pictures follow the site's theme, and search finds a layer's page."""
    paper, colors = "getComputedStyle(document.querySelector('.alexc-picture .paper')).fill", []
    for dark in (False, True):
        browser.look(390, dark)
        browser.open(site / "examples" / "lenet.net.html")
        assert seen(browser, "document.querySelector('.highlight .nb')")
        assert browser.value("document.documentElement.scrollWidth") == 390
        colors.append(browser.value(paper))
    assert colors == ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]
    browser.value("document.querySelector('#__palette_1').click()")  # light, while the system is dark
    assert seen(
        browser, "getComputedStyle(document.querySelector('.alexc-picture .paper')).fill == 'rgb(255, 255, 255)'"
    )
    browser.look(1280)
    browser.open(site / "index.html")
    assert seen(browser, "document.querySelector('.md-search__button')")
    browser.value("document.querySelector('.md-search__button').click()")
    assert seen(browser, "document.activeElement.shadowRoot?.activeElement")
    browser.write("response norm")
    assert seen(browser, "document.activeElement.shadowRoot.textContent.includes('local response normalisation')")
    assert browser.complaints == []
    assert [address for address in browser.requests if not address.startswith(("file:", "data:", "blob:"))] == []
