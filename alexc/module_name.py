"""Names of specs and network files, which Python must be able to import."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from alexc.runtime.errors import UserError

from .printable import printable


def require_importable(path: Path, name: str) -> None:
    """Check that a Python module can have this name.

    Raises:
        UserError: it cannot; the message names the file at `path`.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise UserError(
            f"{printable(path)}: a Python module cannot be called `{printable(name)}`; rename the file, as in "
            f"my_net{path.suffix}"
        )
