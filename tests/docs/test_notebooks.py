"""The notebooks of docs/notebooks run, and print what they are stored with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tools.notebooks import FOLDER, MEASURED, NOTEBOOKS, executed, texts

STORED = {path: json.loads(path.read_text(encoding="utf-8")) for path in NOTEBOOKS}
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in STORED[path]["cells"] if cell["cell_type"] == "code"]


def test_there_are_three() -> None:
    assert [path.name for path in NOTEBOOKS] == ["alexnet.ipynb", "old_network.ipynb", "variants.ipynb"]


@each_notebook
def test_it_is_stored_as_it_ran_from_the_first_cell_to_the_last(path: Path) -> None:
    assert [cell["execution_count"] for cell in code_cells(path)] == [*range(1, len(code_cells(path)) + 1)]
    assert not [output for cell in code_cells(path) for output in cell["outputs"] if output.get("name") == "stderr"]
    assert sum(MEASURED in cell["metadata"].get("tags", ()) for cell in code_cells(path)) < 6
    assert not re.search(r"/tmp|/root", path.read_text(encoding="utf-8"))


@each_notebook
def test_its_text_is_short_and_its_links_lead_somewhere(path: Path) -> None:
    words = ["".join(cell["source"]) for cell in STORED[path]["cells"] if cell["cell_type"] == "markdown"]
    assert max(len(text) for text in words) < 500
    links = [link for text in words for link in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", text)]
    assert links
    assert not [link for link in links if not (FOLDER / link).is_file()]


@pytest.mark.slow
@each_notebook
def test_it_prints_what_it_is_stored_with(path: Path) -> None:
    stored = nbformat.read(path, nbformat.NO_CONVERT)
    for cell, before in zip(executed(path).cells, stored.cells, strict=True):
        assert texts(cell) == texts(before), f"run `python -m tools.notebooks` and read the change: {cell.source}"
