"""The specs that ship with alexc: AlexNet and the examples."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDERS = ("spec", "examples", "examples/lab2012")


@cache
def shipped_specs() -> dict[str, Path]:
    """Their files by name, such as `alexnet.net`."""
    here = Path(__file__).parent
    return {path.name: path for folder in _FOLDERS for path in sorted((here / folder).glob("*.net"))}
