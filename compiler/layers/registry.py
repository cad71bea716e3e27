"""All kinds of layer by their keyword: every file of this folder that defines one and is called like it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from .. import layers as folder
from ..registry import Registry
from .kind import Kind


@cache
def kinds() -> Mapping[str, type[Kind]]:
    """The kinds, in the order of their keywords. A new kind is a new file here and nothing else."""
    return Registry(folder, Kind)  # type: ignore[type-abstract]
