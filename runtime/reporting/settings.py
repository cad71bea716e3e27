"""The head of the page: what was trained, on what, how, and with which commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alexc.printable import printable, shell_line

from ..data.store import Store
from ..evaluation.trained_network import TrainedNetwork
from ..runs.metrics import divergence_in
from ..runs.run_folder import RunFolder
from ..runs.run_settings import data_text, option_rows, versions_text


@dataclass(frozen=True)
class Command:
    """A command that worked on the run: its time, first step, machine, and words."""

    started: str
    from_step: int
    device: str
    line: str


@dataclass(frozen=True)
class Settings:
    """The section: pairs of name and value, and the commands in order."""

    rows: tuple[tuple[str, str], ...]
    commands: tuple[Command, ...]


def settings_of(
    run: RunFolder,
    trained: TrainedNetwork,
    record: dict[str, Any],
    records: Sequence[dict[str, Any]],
    store: Store | None,
) -> Settings:
    """The section.

    Args:
        run: the run.
        trained: its network.
        record: the content of run.json.
        records: the records of its metrics.
        store: the images, if they exist.

    Raises:
        KeyError, TypeError, ValueError: `record` is not the record of a training.
    """
    parameters = sum(weight.numel() for weight in trained.network.parameters())
    shape = "x".join(map(str, trained.file.input_shape))
    newest = record["commands"][-1]
    epochs = sum(each["kind"] == "epoch" for each in records)
    diverged = divergence_in(records)
    rows = [
        ("network", f"{trained.file.name}, {parameters:,} parameters, reads {shape}"),
        ("weights", f"{printable(trained.checkpoint.name)}, after epoch {trained.epochs}"),
        ("data", data_text(record)),
        ("images", _images(trained, store)),
        ("started", _time(record["started"])),
        ("epochs", f"{epochs} of {int(record['epochs'])}"),
        *([("diverged", printable(diverged))] if diverged else []),
        ("batch", f"{int(record['batch'])} images"),
        ("seed", str(int(record["seed"]))),
        *option_rows(record),
        ("device", printable(newest["device_name"])),
        ("versions", versions_text(newest)),
        ("run", printable(run.path)),
    ]
    return Settings(tuple(rows), tuple(map(_command, record["commands"])))


def _images(trained: TrainedNetwork, store: Store | None) -> str:
    classes = f"{len(trained.statistics.classes):,} classes"
    return f"{len(store.train):,} to train, {len(store.val):,} to validate, {classes}" if store else classes


def _command(entry: dict[str, Any]) -> Command:
    device = printable(entry["device_name"])
    return Command(_time(entry["started"]), int(entry["from_step"]), device, shell_line(*entry["command"]))


def _time(text: object) -> str:
    return printable(text)[:16].replace("T", " ")
