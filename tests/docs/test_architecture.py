"""docs/architecture.md shows real values, and names files and functions that exist."""

from __future__ import annotations

import doctest
import re

import pytest

from tests.conftest import ROOT
from tests.test_house import COMPILER, RUNTIME

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_examples_print_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```pycon\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "architecture.md", None, None)
    assert len(test.examples) >= 15
    report: list[str] = []
    result = doctest.DocTestRunner().run(test, out=report.append)
    assert result.failed == 0, "".join(report)


def test_every_function_is_in_the_file_that_the_page_names() -> None:
    named = re.findall(r"`(\w+)` in `([\w/]+\.py)`", PAGE)
    assert len(named) >= 15
    for name, path in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), f"{path} has no {name}"
    for path in re.findall(r"`(\w+/[\w/]+\.(?:py|net))`", PAGE):
        assert (ROOT / path).is_file(), path


def test_the_page_shows_the_order_of_the_folders() -> None:
    assert f"compiler   {', '.join(COMPILER)}\n" in PAGE
    assert f"runtime    {', '.join(RUNTIME)}\n" in PAGE


def test_the_page_is_short() -> None:
    assert PAGE.count("\n") < 150
