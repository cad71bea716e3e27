"""Runs the notebooks of docs/notebooks and writes their outputs: `python -m tools.notebooks`.

A notebook is stored with its outputs, so that they can be read on a web page. It runs in an empty folder, which its
outputs name /home/student. Outputs of a cell with the tag `measured` depend on the machine, such as the error of a
training.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MEASURED = "measured"
_HOME = "/home/student"
_KEPT = ("kernelspec", "language_info")


def executed(path: Path) -> Any:  # noqa: ANN401 - nbformat is not typed
    """The notebook with new outputs.

    Raises:
        CellExecutionError: a cell raises an exception, and has not the tag `raises-exception`.
    """
    notebook: Any = nbformat.read(path, nbformat.NO_CONVERT)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}})
        client.execute(env=os.environ | {"OMP_NUM_THREADS": "1"})
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            for output in cell.get("outputs", ()):
                if "image/svg+xml" in output.get("data", {}):
                    output.data.pop("text/html", None)  # code hosts remove it, and show the SVG
                _replace_paths(output, {str(Path(folder).resolve()): _HOME, folder: _HOME})
    for name in set(notebook.metadata) - set(_KEPT):
        del notebook.metadata[name]
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def texts(cell: Any) -> list[str]:  # noqa: ANN401 - nbformat is not typed
    """The text of each output of a cell, without times; for a measured cell, without numbers."""
    found = []
    for output in cell.get("outputs", ()):
        shown = output.get("data", {})
        text = shown.get("text/plain") or output.get("text") or "\n".join(output.get("traceback", ()))
        found.append(_without_numbers(text) if MEASURED in cell.metadata.get("tags", ()) else text)
    return found


def _without_numbers(text: str) -> str:
    """The words of a text: a measured number may have another width, which moves what is beside it."""
    return " ".join(re.sub(r"[0-9][0-9.,:%-]*", "0", text).split())


def _replace_paths(output: Any, names: dict[str, str]) -> None:  # noqa: ANN401 - nbformat is not typed
    for holder in (output, output.get("data", {})):
        for key, value in holder.items():
            if isinstance(value, str):
                for path, name in names.items():
                    holder[key] = holder[key].replace(path, name)


if __name__ == "__main__":
    for each in NOTEBOOKS:
        nbformat.write(executed(each), each)
        print(f"{each.name}  written")
