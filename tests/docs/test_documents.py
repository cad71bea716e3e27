"""The language's reference is current, and what the documents show is what alexc does."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from alexc.compiler.layers.registry import kinds
from alexc.compiler.pipeline import check_file
from alexc.compiler.text.source import Source
from alexc.compiler.tree.format import format_spec
from tests.conftest import ROOT
from tools import docs_output
from tools.language_reference import PAGE, with_parts

DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
SNIPPETS = [
    pytest.param(text, id=f"{path.stem}-{number}")
    for path in DOCUMENTS
    for number, text in enumerate(re.findall(r"^```net\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S))
]


def test_the_reference_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_parts(page) == page, "run `python -m tools.language_reference` and read the change"
    for kind in kinds():
        assert f"#### `{kind}" in page


def test_a_change_of_the_compiler_would_be_seen() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_parts(page.replace("a whole number from 1 to", "a number from")) == page
    assert "a whole number from 1 to" in page


@pytest.mark.parametrize("text", SNIPPETS)
def test_what_the_documents_show_is_sound_and_laid_out(tmp_path: Path, text: str) -> None:
    shutil.copytree(ROOT / "spec", tmp_path / "spec")
    (tmp_path / "docs").mkdir()
    spec = tmp_path / "docs" / "shown.net"
    spec.write_text(text)
    assert check_file(spec).diagnostics == ()
    assert format_spec(Source("shown.net", text)) == (text, [])


def test_every_fault_names_tests_and_all_of_them_exist() -> None:
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.endswith("| shown by |")]
    assert len(rows) > 50
    assert [row for row in rows if not re.search(r"`test_\w+` \|$", row)] == []
    files = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^ *def (test_\w+)\(", files, re.M))
    assert set(re.findall(r"`(test_\w+)`", page)) - there == set()


@pytest.mark.slow
@pytest.mark.parametrize(("page", "commands"), [*zip(docs_output.PAGES, (6, 3, 2), strict=True)], ids=str)
def test_what_the_documents_run_prints_what_they_show(tmp_path: Path, page: Path, commands: int) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("$ alexc ") >= commands
    assert docs_output.with_output(text, tmp_path) == text, "run `python -m tools.docs_output` and read the change"
