"""Whether a training runs, and how it ended, as its folder tells."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alexc.printable import printable

from ..folder_lock import LOCK
from .held_locks import HeldLocks
from .metrics import divergence_text
from .run_files import RunFiles


class State(StrEnum):
    """The state of a training."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    CRASHED = "crashed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Condition:
    """The state of a training, and the reason in one sentence."""

    state: State
    reason: str


def condition_of(
    run: RunFiles, record: Mapping[str, Any], epochs_done: int, ending: Mapping[str, Any] | None, locks: HeldLocks
) -> Condition:
    """The condition of a run.

    A training records how it ends. Without such a record it still runs, or it crashed: a running one holds the lock of
    its folder, which the system releases when the process ends, however it ends. Locks of other machines are not
    visible.

    Args:
        run: the run.
        record: its run.json.
        epochs_done: the number of complete epochs.
        ending: the last record of its metrics, if it says how the training ended.
        locks: the locks that are held on this machine.
    """
    epochs = record["epochs"]
    if ending is not None:
        return _ended(ending, epochs, epochs_done)
    held = locks.holds(run.path / LOCK)
    if held:
        return Condition(State.RUNNING, "A process of this machine holds the lock of the folder.")
    if epochs_done >= epochs:  # of a version that recorded no end
        return Condition(State.FINISHED, f"All {epochs} epochs are done.")
    host = str(record["commands"][-1].get("host")) if record["commands"] else "None"
    if host != platform.node():
        where = "on another machine" if host == "None" else f"on {printable(host)}"
        return Condition(
            State.UNKNOWN,
            f"It was started {where}, and no end is recorded. Only that machine knows whether it still runs.",
        )
    if held is None:
        return Condition(
            State.UNKNOWN,
            "No end is recorded, and this system does not list locks. The time since the last record helps to decide.",
        )
    return Condition(
        State.CRASHED,
        "No process holds the lock of the folder, and no end is recorded: the training was killed or ended with an "
        "error. It can be continued with --resume.",
    )


def _ended(ending: Mapping[str, Any], epochs: int, done: int) -> Condition:
    if ending["kind"] == "diverged":
        return Condition(State.DIVERGED, printable(f"{divergence_text(ending)}."))
    if ending["kind"] == "stopped":
        return Condition(State.STOPPED, printable(f"Stopped {ending['text']} after step {ending['step']:,}."))
    early = f"It ended after epoch {done} of {epochs}." if done < epochs else f"All {epochs} epochs are done."
    return Condition(State.FINISHED, early)
