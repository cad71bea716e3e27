"""Writing a text so that an interrupted command leaves the old file or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from alexc.runtime.not_written import not_written


def write_text(target: Path, text: str, mode: int) -> None:
    """Write beside `target` and rename; line ends stay as they are in `text`.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            Path(beside).chmod(mode)
            Path(beside).replace(target)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise not_written(target, error) from None
