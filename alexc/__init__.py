"""alexc: a compiler for neural-network specifications.

`Net` is the Python interface; docs/api.md documents it. Its module is imported when `Net` is first used, so that
`import alexc` stays fast.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of `typing`, without importing anything before `main` catches Ctrl-C
if TYPE_CHECKING:
    from .net import Net as Net
    from .spec_error import SpecError as SpecError
else:
    _MODULES = {"Net": "alexc.net", "SpecError": "alexc.spec_error"}

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module 'alexc' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_MODULES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES})


__all__ = ["Net", "SpecError"]
