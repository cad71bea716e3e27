"""A disk of a few megabytes, for tests that fill it: a tmpfs in a mount namespace of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import Command

_CHUNK = 4096


@dataclass(frozen=True)
class SmallDisk:
    """Where it lies, for processes that are started by `alexc`; and how this process reaches it.

    Attributes:
        path: as processes in its namespace see it.
        holder: the process that keeps it mounted.
    """

    path: Path
    holder: subprocess.Popen[str]

    @property
    def here(self) -> Path:
        """The same folder for this process."""
        return Path(f"/proc/{self.holder.pid}/root{self.path}")

    def alexc(self, *arguments: object, cwd: Path) -> Command:
        """The command line in a process that sees the disk."""
        return Command(*arguments, cwd=cwd, mounts=f"/proc/{self.holder.pid}/ns/mnt")

    def fill(self, leave: int) -> None:
        """Write until so many bytes are free, or none."""
        with (self.here / "filler").open("ab", buffering=0) as file:
            while os.statvfs(self.here).f_bavail * _CHUNK > leave:
                try:
                    file.write(bytes(_CHUNK))
                except OSError:
                    return

    def make_room(self) -> None:
        """Remove what `fill` wrote."""
        (self.here / "filler").unlink()

    def make_read_only(self) -> None:
        """As a kernel does with a disk that fails."""
        enter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]
        subprocess.run([*enter, "mount", "-o", "remount,ro", str(self.path)], check=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a disk at `folder`, which only processes of `SmallDisk.alexc` see; or skips the test."""
    folder.mkdir()
    mount = f"mount -t tmpfs -o size={megabytes}m none '{folder}' && echo mounted && exec sleep 600"
    try:
        holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mount], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    except FileNotFoundError:
        pytest.skip("a disk of its own needs `unshare`, which is not here")
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != "mounted\n":
            pytest.skip(f"a disk of its own may not be mounted here: {holder.communicate()[1].strip()}")
        yield SmallDisk(folder, holder)
    finally:
        holder.kill()
        holder.communicate()
