"""Files that end: a named pipe waits for its writer for ever, and a device such as /dev/zero never stops."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def require_regular_file(path: Path) -> None:
    """Look at what is to be read, before it is opened; a folder is left to what opens it.

    Raises:
        OSError: there is no such file, or it is a pipe or a device.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
