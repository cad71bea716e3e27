"""alexc: a compiler for neural-network specifications.

`Net` is the way in from Python; docs/api.md shows what it does. It is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .net import Net as Net
    from .spec_error import SpecError as SpecError
else:
    _HOMES = {"Net": "alexc.net", "SpecError": "alexc.spec_error"}

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'alexc' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOMES})


__all__ = ["Net", "SpecError"]
