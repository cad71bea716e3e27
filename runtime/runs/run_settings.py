"""The settings of a run, in words, from its run.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alexc.printable import printable


def data_text(record: Mapping[str, Any]) -> str:
    """What the run was trained on."""
    return "images that alexc draws" if record["data"] is None else printable(record["data"])


def versions_text(command: Mapping[str, Any]) -> str:
    """The versions that a command ran with."""
    return ", ".join(f"{printable(name)} {printable(is_)}" for name, is_ in command["versions"].items())


def option_rows(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The options of the training beyond the recipe: pairs of name and value.

    Raises:
        KeyError, TypeError, ValueError: `record` is not the record of a training.
    """
    rows = []
    if record.get("weights"):
        rows.append(("started from", printable(record["weights"])))
    if record.get("freeze"):
        rows.append(("frozen", ", ".join(map(printable, record["freeze"]))))
    if record.get("amp"):
        rows.append(("precision", printable(record["amp"])))
    if record.get("lr") is not None:
        rows.append(("learning rate", f"{float(record['lr']):g}, in place of the recipe's"))
    if record.get("weight_decay") is not None:
        rows.append(("weight decay", f"{float(record['weight_decay']):g}, in place of the recipe's"))
    if record.get("accumulate", 1) > 1:
        rows.append(("accumulated", f"each batch in {int(record['accumulate'])} parts"))
    if record.get("class_weights"):
        weights = record["class_weights"]
        rows.append(("class weights", f"{min(weights):.3g} to {max(weights):.3g}, in the loss"))
    if record.get("sampler", "random") != "random":
        rows.append(("sampler", printable(record["sampler"])))
    return rows


def setting_rows(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a run was trained with, for comparisons of runs: pairs of name and value.

    Raises:
        AttributeError, IndexError, KeyError, TypeError, ValueError: `record` is not the record of a training.
    """
    newest = record["commands"][-1]
    return [
        ("network", printable(record["network"])),
        ("data", data_text(record)),
        ("epochs", str(int(record["epochs"]))),
        ("batch", f"{int(record['batch'])} images"),
        ("seed", str(int(record["seed"]))),
        *option_rows(record),
        ("device", printable(newest["device_name"])),
        ("versions", versions_text(newest)),
    ]
