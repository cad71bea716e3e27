"""Builds the documentation as a site: `python -m tools.docs_site` writes build/site/html/.

The pages are files of the repository, at the same paths: README.md, docs/, and all that they link to. A spec becomes a
page with its picture, any other file a page that shows it. So a link that works in the repository works on the site.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from urllib.parse import unquote, urlsplit

from alexc.compiler.drawing.draw import draw_svg
from alexc.compiler.pipeline import check_file
from tests.conftest import ROOT

from .notebook_page import markdown_of

HOME, GALLERY, NOTEBOOKS = "README.md", "gallery.md", "notebooks.md"
_GALLERY_HEAD = "# Gallery\n\nEach picture leads to the network's page, with its spec.\n"
_SMALLEST = 0.65  # the size of a picture in a narrow window, where it scrolls
_SHOWN_AS = {
    "examples": GALLERY,
    "examples/lab2012": GALLERY,
    "docs/notebooks": NOTEBOOKS,
}  # folders that have a page of another name
_ASSETS = ROOT / "docs" / "site"  # iframe-worker.js is from tools/live_bundles.py
_SHIM = "https://unpkg.com/iframe-worker/shim"  # what Zensical loads so that search works on pages opened as files
_FENCE = re.compile(r" *(```+|~~~+)")
_LINK = re.compile(r"`[^`]+`|(!?)\[((?:[^]\\`]|\\.|`[^`]*`)*)\]\(([^)\s]+)\)")
_FILE_OF_BLOCK = re.compile(r"( *```+\w+) (\S+)$")


class SiteError(Exception):
    """The site cannot be built, or something on it does not work."""


def source_pages() -> list[str]:
    """The paths of the pages at the start; the others are found by their links."""
    return [HOME, "CONTRIBUTING.md", "CHANGELOG.md", *_paths("docs/*.md"), *notebooks(), *specs()]


def notebooks() -> list[str]:
    """The paths of the notebooks."""
    return _paths("docs/notebooks/*.ipynb")


def specs() -> list[str]:
    """The paths of the specs that ship with alexc."""
    return [*_paths("spec/*.net"), *_paths("examples/*.net"), *_paths("examples/lab2012/*.net")]


def _paths(pattern: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


def gather(pages: Sequence[str], folder: Path, picture: Callable[[str], str]) -> None:
    """Write the pages, and all that they link to, for the site generator.

    Args:
        pages: paths in the repository.
        folder: where to write.
        picture: the SVG of a spec.
    """
    waiting, written = list(pages), set[str]()
    while waiting:
        path = waiting.pop()
        if path in written:
            continue
        written.add(path)
        target = folder / _page_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(path).suffix in (".svg", ".png"):
            shutil.copy(ROOT / path, target)
            continue
        text, links = _page_and_links(path, picture)
        target.write_text(text, encoding="utf-8")
        waiting += links


def _page_path(path: str) -> str:
    """The path on the site of a file or a folder of the repository."""
    if path == HOME:
        return "index.md"
    if (ROOT / path).is_dir():
        return f"{path}/index.md"
    return path if Path(path).suffix in (".md", ".svg", ".png") else f"{path}.md"


def _page_and_links(path: str, picture: Callable[[str], str]) -> tuple[str, list[str]]:
    """The text of a page, and the paths of the files that it links to."""
    if (ROOT / path).is_dir():
        names = sorted(each.name for each in (ROOT / path).iterdir() if not each.name.startswith((".", "__")))
        listed = "\n".join(f"- [{name}]({name})" for name in names)
        return markdown_and_links(f"{path}/index.md", f"# `{path}/`\n\n{listed}\n")
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return markdown_and_links(path, text)
    if path.endswith(".ipynb"):
        return markdown_and_links(path, markdown_of(text))
    language = Path(path).suffix[1:] or "text"
    block = f'```{language} title="{path}"\n{text.rstrip()}\n```\n'
    if not path.endswith(".net"):
        return f"# `{path}`\n\n{block}", []
    (name,) = re.findall(r"^network (\w+)", text, re.M)
    compiled = f"generated/{Path(path).stem}.py"
    links = [compiled] if (ROOT / compiled).is_file() else []
    others = [("all networks", "docs/examples.md"), *(("as Python", each) for each in links)]
    line = " · ".join(f"[{words}]({relpath(_page_path(to), dirname(path))})" for words, to in others)
    head = f"---\nhide: [navigation, toc]\n---\n\n# {name}\n\n{_first_comment(text)}\n\n{line}"
    return f"{head}\n\n{_inline_picture(picture(path))}\n\n{block}", links


def _first_comment(spec: str) -> str:
    found = re.match(r"(?:#.*\n)+", spec)
    return " ".join(line.strip("# ") for line in found[0].splitlines()) if found else ""


def markdown_and_links(path: str, text: str) -> tuple[str, list[str]]:
    """The text of a Markdown page for the site generator, and the paths of the files and folders that it links to.

    Raises:
        SiteError: a link leads to no file.
    """
    links: list[str] = []

    def rewritten(link: re.Match[str]) -> str:
        image, words, target = link.groups()
        if target is None:  # code
            return link[0]
        address, mark, anchor = target.partition("#")
        if not address or urlsplit(target).scheme:
            return link[0]
        linked = normpath(join(dirname(path), unquote(address)))
        if (ROOT / linked / "README.md").is_file():
            linked = f"{linked}/README.md"
        if linked in _SHOWN_AS:
            return f"[{words}]({relpath(_SHOWN_AS[linked], dirname(path) or '.')})"
        if linked.startswith(("..", "/")) or not (ROOT / linked).exists():
            raise SiteError(f"{path}: the link to {target} leads to no file")
        if image and linked.endswith(".svg"):
            return _inline_picture((ROOT / linked).read_text(encoding="utf-8"))
        links.append(linked)
        return f"{image}[{words}]({relpath(_page_path(linked), dirname(path) or '.')}{mark}{anchor})"

    lines, fence = list[str](), ""
    for line in text.splitlines():
        opened = _FENCE.match(line)
        if opened and not fence:
            fence = opened[1]
            lines.append(_FILE_OF_BLOCK.sub(r'\1 title="\2"', line))
            continue
        if opened and line.strip() == fence:
            fence = ""
        lines.append(line if fence else _LINK.sub(rewritten, _with_markdown_inside(line)))
    head = ["---", "hide: [navigation]", "---", ""] if path == HOME else []
    return "\n".join([*head, *lines]) + "\n", links


def _with_markdown_inside(line: str) -> str:
    """The line, changed so that cells of an HTML table can hold Markdown. Code hosts read it without a change."""
    return re.sub(r"<(table|tr|td)\b", r'<\1 markdown="1"', line) if line.startswith("<t") else line


def _inline_picture(svg: str) -> str:
    """A picture as a part of the page: it follows the page's theme, and its layers have titles and links."""
    width = re.search(r' width="([\d.]+)"', svg)
    least = f"min-width: {_SMALLEST * float(width[1]):.0f}px" if width else ""
    svg = svg.strip().replace("<svg", f'<svg style="{least}"', 1)
    return f'<div class="picture" data-search-exclude>\n{svg}\n</div>'


def gallery(paths: Sequence[str]) -> str:
    """The page with a small picture of each network."""
    cards = "\n".join(
        f'<a href="{path}.html"><img src="pictures/{path}.svg" alt="" loading="lazy">{escape(Path(path).stem)}</a>'
        for path in paths
    )
    return f'{_GALLERY_HEAD}\n<div class="gallery">\n{cards}\n</div>\n'


class _BuiltPage(HTMLParser):
    """The identifiers of a page that the generator made, its links, and what the browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.identifiers = {""}
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag refers to."""
        given = {name: value or "" for name, value in attrs}
        self.identifiers.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif "src" in given or (tag == "link" and given.get("rel") != "canonical"):
            self.loads.append(given.get("src") or given.get("href", ""))


def faults_of(site: Path) -> Iterator[str]:
    """What does not work on a site: links and anchors that lead nowhere, and what is loaded from another host."""
    pages = {path: _BuiltPage(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site)
        for address in (*page.links, *page.loads):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in page.loads and parts.scheme != "data":
                    yield f"{name}: loads {address}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{name}: {address} leads to no file"
            elif target in pages and unquote(parts.fragment) not in pages[target].identifiers:
                yield f"{name}: {address} leads to no place on that page"


def build(folder: Path, drawn: Collection[str]) -> None:
    """Build the site in `folder`/html, with the pictures of these specs.

    Raises:
        SiteError: it cannot be built, or something on it does not work.
    """
    pages = folder / "pages"
    shutil.copytree(_ASSETS, pages, ignore=shutil.ignore_patterns("*.toml"))
    shutil.copy(_ASSETS / "zensical.toml", folder)
    pictures = {path: _picture(path) for path in specs() if path in drawn}
    gather(source_pages(), pages, lambda path: pictures.get(path, ""))
    for path, svg in pictures.items():
        target = pages / "pictures" / f"{path}.svg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(svg, encoding="utf-8")
    (pages / GALLERY).write_text(gallery(list(pictures)), encoding="utf-8")
    (pages / NOTEBOOKS).write_text(_list_of_notebooks(), encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if result.returncode:
        raise SiteError((result.stdout + result.stderr).strip())
    _finish(folder / "html")


def _list_of_notebooks() -> str:
    titles = {path: markdown_of((ROOT / path).read_text(encoding="utf-8")).partition("\n")[0] for path in notebooks()}
    lines = [f"- [{title.strip('# ')}]({_page_path(path)})" for path, title in titles.items()]
    return "\n".join(["# Notebooks", "", *lines, ""])


def _finish(html: Path) -> None:
    """Make the built pages load nothing from another host, and check them."""
    (html / "404.html").unlink()  # its links suppose that the site is at the root of a host
    for page in html.rglob("*.html"):
        shim = "../" * (len(page.relative_to(html).parts) - 1) + "iframe-worker.js"
        page.write_text(page.read_text(encoding="utf-8").replace(_SHIM, shim), encoding="utf-8")
    if faults := list(faults_of(html)):
        raise SiteError("\n".join(faults))


def _picture(path: str) -> str:
    checked = check_file(ROOT / path)
    assert checked.graph is not None, checked.diagnostics
    return draw_svg(checked.graph)


if __name__ == "__main__":
    target = ROOT / "build" / "site"
    shutil.rmtree(target, ignore_errors=True)
    try:
        build(target, specs())
    except SiteError as error:
        sys.exit(f"error: {error}")
    print(f"{target.relative_to(ROOT)}/html/index.html  written")
