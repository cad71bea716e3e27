"""A tiny run with classes whose names do harm where they are not escaped, and the page about it."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from alexc.runtime.evaluation.trained_network import load_trained_network
from alexc.runtime.reporting.page import Report, make_report
from alexc.runtime.runs.run_folder import RunFolder
from tests.support import tiny_training as tiny

NAMES = ("<script>alert(1)</script>", "\u202e" + "b" * 300, "red")
SHOWN = (NAMES[0], "\\u202e" + "b" * 33 + "…", "red")
TEN = [(top, left, mirrored) for mirrored in (False, True) for top, left in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))]
PICTURE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 120" width="900" height="120" onload="alert(2)">
<script>alert(3)</script>
<image href="http://127.0.0.1:9/picture.png" width="9" height="9"/>
<rect width="900" height="120" fill="#00a000"/><text x="20" y="70" font-size="40">the network</text>
</svg>
"""


def make_home(folder: Path) -> Path:
    """Images, a store whose manifest names the classes as a stranger might, and a run of three epochs."""
    tiny.make_store(folder)
    manifest = folder / "store" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"classes": NAMES}))
    tiny.run_to(tiny.options(tiny.write_network(folder), folder / "store", folder / "run"))
    return folder


def make(home: Path) -> Report:
    """The page about the run, with a picture that would do harm inside a page."""
    return make_report(
        RunFolder(home / "run"), load_trained_network(home / "run", torch.device("cpu")), None, 32, PICTURE
    )
