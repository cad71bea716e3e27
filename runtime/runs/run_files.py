"""The folder of one training, with everything that is needed to resume, evaluate and understand it.

network.py       the network file, as it was given
network.net      its spec, if it was found, with everything that it extends written out
data.npz         statistics of the data: classes, mean image, colours (see `dataset_statistics`)
run.json         options, versions, device, data, and every command that worked on the run
metrics.jsonl    a JSON object per line: steps, epochs, notes, and how the training ended
tensorboard/     the same for TensorBoard
wandb/           the files of Weights & Biases, if it is used
curves.png       the same as a plot
last.pt          the newest checkpoint; previous.pt the one before it
best.pt          the weights with the lowest validation error
lock             held by the process that trains
report.html      a page about the run, if `alexc report` made one
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexc.nearby import FOLDER, nearby
from alexc.printable import printable, shell_line

from ..errors import UserError
from ..files import open_regular

RECORD = "run.json"
_LARGEST_RECORD = 4 << 20  # bytes


def _is_positive(value: object) -> bool:
    return type(value) is float and 0 < value < math.inf


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value < 2**53  # floats hold each number up to it


_REQUIRED: dict[str, Callable[[Any], bool]] = {  # what run.json must hold
    "network": lambda value: isinstance(value, str),
    "started": lambda value: isinstance(value, str),
    "data": lambda value: value is None or isinstance(value, str),
    "store": lambda value: isinstance(value, dict) and isinstance(value.get("path"), str),
    "epochs": _is_count,
    "batch": _is_count,
    "seed": lambda value: type(value) is int and value >= 0,
    "commands": lambda value: isinstance(value, list) and all(isinstance(each, dict) for each in value),
}
_OPTIONAL: dict[str, Callable[[Any], bool]] = {  # what an older version did not write
    "freeze": lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    "amp": lambda value: value in (None, "bf16", "fp16"),
    "lr": lambda value: value is None or _is_positive(value),
    "weight_decay": lambda value: value is None or value == 0 or _is_positive(value),
    "accumulate": _is_count,
    "class_weights": lambda value: value is None or (isinstance(value, list) and all(map(_is_positive, value))),
    "sampler": lambda value: value in ("random", "weighted"),
    "iterations": lambda value: value is None or _is_count(value),
    "steps_per_epoch": _is_count,
    "top5": lambda value: isinstance(value, bool),
    "weights": lambda value: value is None or isinstance(value, str),
    "wandb": lambda value: value is None or isinstance(value, str),
}


@dataclass(frozen=True)
class RunFiles:
    """The files of one run, for reading; imports nothing heavy. The properties are paths.

    Attributes:
        path: the folder of the run.
    """

    path: Path

    @property
    def network(self) -> Path:
        """A copy of the network file."""
        return self.path / "network.py"

    @property
    def spec(self) -> Path:
        """The spec of the network file."""
        return self.path / "network.net"

    @property
    def statistics(self) -> Path:
        """The statistics of the data."""
        return self.path / "data.npz"

    @property
    def record(self) -> Path:
        """Options, versions and commands."""
        return self.path / RECORD

    @property
    def metrics(self) -> Path:
        """The log: a JSON object per line."""
        return self.path / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def wandb(self) -> Path:
        """The files of Weights & Biases."""
        return self.path / "wandb"

    @property
    def curves(self) -> Path:
        """The plot of the training."""
        return self.path / "curves.png"

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.path / "last.pt"

    @property
    def previous(self) -> Path:
        """The checkpoint before the newest."""
        return self.path / "previous.pt"

    @property
    def best(self) -> Path:
        """The weights with the lowest validation error."""
        return self.path / "best.pt"

    def is_run(self) -> bool:
        """Whether a training has begun here."""
        return self.record.is_file()

    def read_record(self) -> dict[str, Any]:
        """Read run.json.

        Raises:
            UserError: the folder is not a run, or the file is damaged.
        """
        try:
            with open_regular(self.record) as file:
                content = file.read(_LARGEST_RECORD + 1)
            if len(content) > _LARGEST_RECORD:
                raise UserError(f"{printable(self.record)} is damaged: it has more than {_LARGEST_RECORD:,} bytes")
            record = json.loads(content)
        except OSError:
            if not self.path.exists():
                raise UserError(
                    f"{printable(self.path)} does not exist: expected a folder that `alexc train` made; `alexc runs` "
                    f"lists the runs{nearby(self.path, FOLDER)}"
                ) from None
            raise UserError(
                f"{printable(self.path)} is not a run: expected a folder that `alexc train` made, with run.json in it"
            ) from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{printable(self.record)} is damaged: {error}") from None
        if not isinstance(record, dict):
            raise UserError(f"{printable(self.record)} is damaged: expected a JSON object")
        for name, fits in (_REQUIRED | _OPTIONAL).items():
            if (name in record or name in _REQUIRED) and not fits(record.get(name, ...)):
                raise UserError(
                    f"{printable(self.record)} is damaged: restore what training wrote (`{name}`), "
                    f"or begin a new run from the weights: --weights {shell_line(self.best)}"
                )
        return record
