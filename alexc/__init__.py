"""alexc: a compiler for neural-network specifications.

docs/api.md documents this interface. A module is imported when its class is first used, so that `import alexc` stays
fast.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of `typing`, without importing anything before `main` catches Ctrl-C
if TYPE_CHECKING:
    from .net import Net as Net
    from .run import Run as Run
    from .run import Runs as Runs
    from .runtime.errors import UserError as UserError
    from .spec_error import SpecError as SpecError
    from .training import Interrupted as Interrupted

    __version__: str
else:
    _MODULES = {
        "Interrupted": "alexc.training",
        "Net": "alexc.net",
        "Run": "alexc.run",
        "Runs": "alexc.run",
        "SpecError": "alexc.spec_error",
        "UserError": "alexc.runtime.errors",
    }

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("alexc")
        if name not in _MODULES:
            raise AttributeError(f"module 'alexc' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_MODULES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES, "__version__"})


__all__ = ["Interrupted", "Net", "Run", "Runs", "SpecError", "UserError", "__version__"]
