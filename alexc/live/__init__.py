"""Pages that a local server shows: `alexc live`, which follows specs, and `alexc runs --live`, which follows runs."""

from __future__ import annotations

from importlib.util import find_spec

from alexc.runtime.errors import UserError


def require_extra() -> None:
    """Check that the packages of the extra `live` are installed, before a module that needs them is imported.

    Raises:
        UserError: they are not.
    """
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise UserError(f"live pages need {' and '.join(missing)}: pip install 'alexc[live]'")
