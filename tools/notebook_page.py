"""A Jupyter notebook with its outputs as a page of Markdown."""

from __future__ import annotations

import json
import re
from typing import Any


def markdown_of(notebook: str) -> str:
    """The cells of a notebook as Markdown; outputs are HTML, pictures or blocks of text, as Jupyter shows them.

    Args:
        notebook: the text of an .ipynb file.
    """
    parts: list[str] = []
    for cell in json.loads(notebook)["cells"]:
        source = _text(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif source.strip():
            parts += [_block("python", source), *(_output(output) for output in cell["outputs"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _output(output: dict[str, Any]) -> str:
    kind = output["output_type"]
    if kind in ("stream", "error"):
        text = _text(output["text"]) if kind == "stream" else "\n".join(output["traceback"])
        return _block("text", re.sub(r"\x1b\[[0-9;]*m", "", text))
    data = {name: _text(content) for name, content in output["data"].items()}
    for name, searched in (("text/html", ""), ("image/svg+xml", " data-search-exclude")):
        if name in data:
            html = re.sub(r"\n\s*\n", "\n", data[name].strip())  # a blank line would end the HTML block
            return f'<div class="output"{searched}>\n{html}\n</div>' if html else ""
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{"".join(data["image/png"].split())}">'
    return _block("text", data["text/plain"])


def _block(language: str, text: str) -> str:
    return f"````{language}\n{text.rstrip()}\n````"


def _text(content: str | list[str]) -> str:
    return "".join(content)
