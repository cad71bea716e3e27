"""What the command line prints about an exception: an error of the user or of the machine, or a bug."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from .printable import printable
from .terminal import print_message

_OUTPUT_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_PIPE_CLOSED = (errno.EPIPE, errno.EINVAL) if sys.platform == "win32" else (errno.EPIPE,)
_UNUSABLE = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EROFS)
_NO_MEMORY = ("failed to map segment", "cannot allocate memory", "cannot apply additional memory protection")


def escape_what_the_terminal_lacks() -> None:
    """Print an escape for each character that the encoding of standard output does not have."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def report(error: Exception) -> int:
    """Print what went wrong; returns the exit code."""
    from alexc.runtime.errors import UserError

    from .__main__ import EXIT_BUG, EXIT_USER_ERROR

    if isinstance(error, UserError):
        print_message(error.report())
    elif isinstance(error, MemoryError) or (isinstance(error, (ImportError, OSError)) and _is_out_of_memory(error)):
        print_message(
            f"error: not enough memory ({str(error) or 'MemoryError'}): end other programs, or raise the limit of "
            "`ulimit -v`"
        )
    elif isinstance(error, OSError) and error.errno in (*_OUTPUT_LOST, *_PIPE_CLOSED) and error.filename is None:
        discard_output()
        if error.errno not in _PIPE_CLOSED:  # whoever closes a pipe has read enough
            print_message(
                f"error: standard output cannot be written ({error.strerror}): make room, or name another file"
            )
    elif isinstance(error, OSError) and error.errno in _UNUSABLE and error.filename is not None:
        reason = str(error.strerror).lower()
        print_message(f"error: {printable(error.filename)} cannot be used ({reason}): name another path")
    else:
        traceback.print_exc()
        print(
            "\nalexc: this is a bug in alexc, not an error in your input. Please report it with the lines above.",
            file=sys.stderr,
        )
        return EXIT_BUG
    return EXIT_USER_ERROR


class OneByOne:
    """Reports an error of one file among several, so that the others go on.

    Attributes:
        failed: whether there was an error.
    """

    def __init__(self) -> None:
        self.failed = False

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Print an error of the user in the block, and end the block."""
        from alexc.runtime.errors import UserError

        try:
            yield
        except UserError as error:
            report(error)
            self.failed = True


def discard_output() -> None:
    """Discard standard output, so that its buffer, which is written when Python ends, causes no second error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return getattr(error, "errno", None) == errno.ENOMEM or any(words in text for words in _NO_MEMORY)
