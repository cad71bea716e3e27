"""The allocators of the C library and of torch, asked to keep what a training step gives back for the next."""

from __future__ import annotations

import ctypes
import os
import platform

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Have large tensors lie in huge pages of memory that stays with the process; to be called before the first tensor.

    By default glibc takes each block of over 32 MiB from the system and gives it back at once, and the system clears
    its small pages one by one every time. Other C libraries are left as they are.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read by torch when it makes its first tensor
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_TOP_PAD, 64 << 20)
