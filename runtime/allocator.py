"""The C library's allocator, asked to keep what a training step gives back: the next step wants it again."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Have large tensors reuse the process's memory, instead of pages that the system clears one by one every time.

    By default glibc takes each block of over 32 MiB from the system and gives it back at once. Other C libraries are
    left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_TOP_PAD, 64 << 20)
