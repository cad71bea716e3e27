"""The registry of layer kinds: each module of this folder that defines a kind is named after its keyword."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from .. import layers as folder
from ..registry import Registry
from .kind import Kind


@cache
def kinds() -> Mapping[str, type[Kind]]:
    """The kinds in alphabetical order. A new kind is one new file in this folder."""
    return Registry(folder, Kind)  # type: ignore[type-abstract]
