"""Makes the allocators of the C library and of torch keep the memory of a training step for the next one."""

from __future__ import annotations

import ctypes
import os
import platform

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Keep large tensors in huge pages that stay with the process; call it before the first tensor.

    By default, glibc takes each block over 32 MiB from the system and returns it at once, and each time the system
    clears its small pages one by one. Other C libraries are not changed.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch reads it at its first tensor
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_TOP_PAD, 64 << 20)
