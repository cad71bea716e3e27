"""Sends the scalars of a training to Weights & Biases. If that fails, the training continues."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from alexc.printable import printable
from alexc.terminal import print_message

from ..errors import UserError
from .console import print_note

_PROJECT = "alexc"  # where WANDB_PROJECT names none


def new_wandb_id() -> str:
    """A new run id for Weights & Biases."""
    return uuid.uuid4().hex[:8]


class WandbLog:
    """Sends scalars to a run of Weights & Biases, or to files if WANDB_MODE is `offline`.

    Args:
        folder: the folder of the run; files go to `wandb/` in it.
        identity: the run id there; a known id continues that run.

    Raises:
        UserError: the package is missing, or the service does not start.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        wandb = wandb_package()
        settings = wandb.Settings(console="off", silent=True, disable_code=True)
        project = os.environ.get("WANDB_PROJECT", _PROJECT)
        try:
            self._run: Any = wandb.init(
                project=project, id=identity, resume="allow", name=folder.name, dir=str(folder), settings=settings
            )
        except Exception as error:
            raise UserError(
                f"--log-wandb: Weights & Biases did not start ({_in_a_line(error)}): log in by `wandb login`, or set "
                "WANDB_MODE=offline and send the files later by `wandb sync`"
            ) from None
        print_note(f"Weights & Biases: {printable(self._run.url or self._run.dir)}")

    def describe(self, record: Mapping[str, Any]) -> None:
        """Send the content of run.json."""
        self._try(lambda: self._run.config.update(dict(record), allow_val_change=True))

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Send a value; steps that were sent before are ignored there."""
        self._try(lambda: self._run.log({tag: value}, step=step))

    def close(self) -> None:
        """Finish the run there."""
        self._try(lambda: self._run.finish())  # noqa: PLW0108 - after a failure there is no run

    def _try(self, send: Callable[[], object]) -> None:
        if self._run is None:
            return
        try:
            send()
        except Exception as error:
            self._run = None
            print_message(f"warning: Weights & Biases failed ({_in_a_line(error)}); training continues without it")


def wandb_package() -> ModuleType:
    """Import the package.

    Raises:
        UserError: it is not installed.
    """
    missing = UserError("--log-wandb needs the package wandb: pip install wandb")
    try:
        wandb = import_module("wandb")
    except ImportError:
        raise missing from None
    if not hasattr(wandb, "init"):  # a folder of that name, as its own files lie in, can be imported too
        raise missing
    return wandb


def _in_a_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return printable(lines[0]) if lines else type(error).__name__
