"""Measures the free space of a disk and its write and read speed."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from alexc.printable import printable

from ..bytes_text import bytes_text
from ..files import reason_and_step
from .section import Finding, Section

MEGABYTES = 128
_CHUNK = 2**20
_LITTLE_ROOM = 10 * 10**9
_LONGEST = 4.0  # seconds for each direction


@dataclass(frozen=True)
class DiskSpeed:
    """In bytes per second."""

    write: float
    read: float


def disk(folder: Path, needed: int) -> tuple[Section, DiskSpeed | None]:
    """Free space and speed of the disk of `folder`, which must hold `needed` bytes; no speed if writing fails."""
    free = shutil.disk_usage(folder).free
    rows = [("folder", printable(folder)), ("free", f"{free / 1e9:,.1f} GB")]
    findings = []
    if free < needed:
        findings.append(
            Finding(
                f"{printable(folder)} has {bytes_text(free)} free, and the checkpoints need {bytes_text(needed)}: "
                "make room, or train with --out on another disk",
                is_error=True,
            )
        )
    elif free < _LITTLE_ROOM:
        findings.append(
            Finding(f"{printable(folder)} has {free / 1e9:.1f} GB free: 1,000 images of 256x256 need 0.2 GB in a store")
        )
    try:
        speed = disk_speed(folder)
    except OSError as error:
        reason, step = reason_and_step(folder, error)
        findings.append(
            Finding(f"{printable(folder)} cannot be written ({reason}): {step}, or work in another folder", True)
        )
        return Section("disk", tuple(rows), tuple(findings)), None
    rows += [("writes", f"{speed.write / 1e6:,.0f} MB/s, synced"), ("reads", f"{speed.read / 1e6:,.0f} MB/s")]
    return Section("disk", tuple(rows), tuple(findings)), speed


def disk_speed(folder: Path, megabytes: int = MEGABYTES) -> DiskSpeed:
    """The speed at which a temporary file is written and, after it has left the page cache, read.

    Raises:
        OSError: when it cannot be written.
    """
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        content = os.urandom(_CHUNK)  # some file systems compress
        started = time.perf_counter()
        written = 0
        while written < megabytes and time.perf_counter() - started < _LONGEST:
            file.write(content)
            written += 1
        os.fsync(file.fileno())
        write = written * _CHUNK / (time.perf_counter() - started)
        if sys.platform == "linux":
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        buffer = bytearray(_CHUNK)
        started = time.perf_counter()
        read = 0
        while time.perf_counter() - started < _LONGEST and (count := file.readinto(buffer)):
            read += count
        return DiskSpeed(write, read / (time.perf_counter() - started))
