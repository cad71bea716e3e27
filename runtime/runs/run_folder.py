"""Writes the folder of a run, reads its checkpoints, and finds a place for a new run; see `RunFiles` for its files."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from alexc.printable import printable, shell_line
from alexc.terminal import print_message

from ..bytes_text import bytes_text
from ..data.dataset_statistics import DatasetStatistics, load_statistics, save_statistics
from ..errors import UserError
from ..files import write_bytes, write_error, writing
from ..folder_lock import LOCK
from ..network_file import NetworkFile
from .checkpoint import DamagedCheckpoint, load_checkpoint, save_checkpoint
from .run_files import RunFiles

RUNS = Path("runs")
_RUN_AGAIN = "nothing was trained: run the same command again"
_NEXT = "next.pt"  # the name of the newest checkpoint until it is complete


class RunFolder(RunFiles):
    """The folder of one run, for training and for what uses its checkpoints."""

    def create(self, file: NetworkFile, statistics: DatasetStatistics, record: Mapping[str, Any]) -> None:
        """Write the files of a new run. `run.json`, which marks the folder as a run, is the last.

        Raises:
            UserError: a file cannot be written.
        """
        with writing(self.path, _RUN_AGAIN):
            write_bytes(self.network, file.content)
            save_statistics(statistics, self.statistics)
        self.write_record(record)

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write run.json.

        Raises:
            UserError: it cannot be written.
        """
        with writing(self.record, _RUN_AGAIN):
            write_bytes(self.record, json.dumps(record, indent=2).encode() + b"\n")

    def clear(self, kept: Path | None = None) -> None:
        """Remove the files of a run that could not begin, so that the same command can be run again.

        The lock stays; so do the network file and its spec if the user gave them, as the file `kept`, in this folder.
        """
        stays = {self.path / LOCK, *self._given(kept)}
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry not in stays:
                entry.unlink()

    def holds_nothing_but(self, network: Path) -> bool:
        """Whether the folder is empty, but for a lock, and the network file and its spec if `network` is this file."""
        return {*self.path.iterdir()} <= {self.path / LOCK, *self._given(network)}

    def _given(self, network: Path | None) -> set[Path]:
        is_here = network is not None and network.resolve() == self.network.resolve()
        return {self.network, self.spec} if is_here else set()

    def read_statistics(self) -> DatasetStatistics:
        """Read data.npz."""
        return load_statistics(self.statistics)

    def save_last(self, content: Mapping[str, Any]) -> None:
        """Save the newest checkpoint, and keep the one before it. One of the two is complete at every instant."""
        fresh = self.path / _NEXT
        save_checkpoint(fresh, content)
        with writing(self.last, "the checkpoints are intact: continue with --resume"):
            with suppress(FileNotFoundError):
                self.last.replace(self.previous)
            fresh.replace(self.last)

    def save_best(self, content: Mapping[str, Any]) -> None:
        """Save the weights with the lowest validation error."""
        save_checkpoint(self.best, content)

    def named_checkpoint(self, path: Path) -> dict[str, Any]:
        """Load this checkpoint file of the run.

        Raises:
            UserError: it is damaged, or holds only weights.
        """
        shown = printable(path)
        try:
            content = load_checkpoint(path)
        except DamagedCheckpoint as reason:
            raise UserError(
                f"--resume {shown} cannot be used ({reason}): name the run's folder, {printable(self.path)}, to go on "
                "from its newest checkpoint that is intact"
            ) from None
        if "state" not in content:
            raise UserError(
                f"--resume {shown} holds weights, not how far a training was: name {printable(self.last)}, or begin a "
                f"run from the weights with --weights {shell_line(path)}"
            )
        return content

    def go_back_to(self, path: Path, content: Mapping[str, Any]) -> None:
        """Make this checkpoint file the newest; the one that was newest becomes the previous one."""
        if path.resolve() != self.last.resolve():
            self.save_last(content)
        (self.path / _NEXT).unlink(missing_ok=True)  # of a save that was cut short

    def newest_checkpoint(self) -> dict[str, Any]:
        """Load the newest complete checkpoint; prints a note if it is not the last one.

        A damaged one is moved aside, so that the next save does not replace the good one.

        Raises:
            UserError: none is complete.
        """
        damaged: list[str] = []
        for path in (self.path / _NEXT, self.last, self.previous):
            if not path.exists():
                if path == self.last:
                    damaged.append(f"{printable(path)} is missing")
                continue
            try:
                content = load_checkpoint(path)
            except DamagedCheckpoint as reason:
                damaged.append(f"{printable(path)} is damaged ({reason})")
                path.replace(path.with_suffix(".damaged"))
                continue
            for line in damaged:
                print_message(f"warning: {line}; continuing from {path.name}")
            if path.name == _NEXT:  # the training was killed between the two renames of a save
                path.replace(self.last)
            return content
        raise UserError(
            f"{printable(self.path)} has no intact checkpoint ({'; '.join(damaged)}): train again into another folder"
            f"{self._from_best()}"
        )

    def _from_best(self) -> str:
        """What can be done with the best weights, if they are intact."""
        try:
            epoch = load_checkpoint(self.best)["epoch"]
        except (DamagedCheckpoint, KeyError):
            return ""
        return f", from the weights of epoch {epoch}, which are intact: add --weights {shell_line(self.best)}"


def new_run_path(network: str) -> Path:
    """A new folder under `runs/`, named after the network and the time."""
    name = f"{network}-{time.strftime('%Y-%m-%d-%H%M%S')}"
    path, number = RUNS / name, 1
    while path.exists():
        number += 1
        path = RUNS / f"{name}-{number}"
    return path


def newest_run(network: str) -> RunFolder | None:
    """The newest run of this network under `runs/`; None if there is none."""
    found: list[tuple[str, str]] = []
    for record in RUNS.glob("*/run.json"):
        with suppress(UserError):
            content = RunFolder(record.parent).read_record()
            if content.get("network") == network:
                found.append((str(content.get("started")), str(record.parent)))
    return RunFolder(Path(max(found)[1])) if found else None


def is_beginning(path: Path) -> bool:
    """Whether `path` holds only files of a training that was killed while it began."""
    run = RunFolder(path)
    if run.is_run() or not (path / LOCK).is_file():
        return False
    own = {run.network, run.spec, run.statistics, run.metrics, run.events, run.wandb, run.last, run.previous}
    own.add(path / LOCK)
    return all(entry in own or entry.suffix in (".partial", ".tmp") or entry.name == _NEXT for entry in path.iterdir())


def check_new(path: Path, network: Path) -> None:
    """Check that a run of this network file can begin in `path`. The file may lie there, as `network.py`.

    Raises:
        UserError: the folder is not empty, or cannot be written.
    """
    shown = printable(path)
    if RunFolder(path).is_run():
        raise UserError(
            f"{shown} holds a run already: continue it with --resume {shell_line(path)}, or name another folder"
        )
    if path.exists() and not path.is_dir():
        raise UserError(f"--out {shown} is a file: expected a folder, new or empty")
    if path.is_dir() and not RunFolder(path).holds_nothing_but(network):
        raise UserError(f"--out {shown} is not empty: expected a new or empty folder, so that nothing is overwritten")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Check that files can be created in `path`, or in the folder where it will be created.

    Raises:
        UserError: they cannot.
    """
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise write_error(there, OSError("no file can be made there"), ", or name another folder with --out")


def check_room(path: Path, needed: int) -> None:
    """Check that the disk of `path` has `needed` bytes free.

    Raises:
        UserError: it has less.
    """
    free = shutil.disk_usage(path).free
    if free < needed:
        raise UserError(
            f"the disk of {printable(path)} has {bytes_text(free)} free, and the checkpoints need "
            f"{bytes_text(needed)}: make room, or name a folder on another disk with --out"
        )
