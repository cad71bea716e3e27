"""Reads the tensors in a file of weights that torch or safetensors wrote, from unknown sources."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from alexc.nearby import nearby
from alexc.printable import printable, shell_line

from .errors import UserError
from .files import read_error, require_regular_file
from .layer_matching import COUNTER
from .layer_search import by_value
from .torch_archive import UnreadableArchive, load_archive

CAFFES = ".caffemodel"
DARKNETS = ".weights"
SAFETENSORS = ".safetensors"
_FROM_A_RUN = "`alexc weights export` writes the weights of a run"
_NESTED = ("state_dict", "model", "model_state_dict", "net")  # where training scripts put the weights
_NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_MOST_TENSORS = 20_000


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, in the order of its layers.

    A checkpoint keeps its order. A safetensors file has none; its names are sorted, with numbers by value.

    Raises:
        UserError: it cannot be read, or contains something other than tensors.
    """
    shown = printable(path)
    if path.suffix in (CAFFES, DARKNETS):
        whose = "Caffe's" if path.suffix == CAFFES else "darknet's"
        raise UserError(
            f"{shown} is {whose}: convert its weights with `alexc weights import {shell_line(path)} --into NETWORK`"
        )
    try:
        require_regular_file(path)
        loaded = _read_safetensors(path) if path.suffix == SAFETENSORS else _read_archive(path)
    except FileNotFoundError:
        expected = "expected a .safetensors file or a checkpoint of torch"
        there = nearby(path, SAFETENSORS, ".pt", ".pth")
        raise UserError(f"{shown} does not exist: {expected}{there}") from None
    except IsADirectoryError:
        raise UserError(
            f"{shown} is a folder: expected a .safetensors file or a checkpoint of torch; {_FROM_A_RUN}"
        ) from None
    except OSError as error:
        raise read_error(path, error) from None
    if len(loaded) > _MOST_TENSORS:
        raise UserError(f"{shown} holds {len(loaded):,} tensors: at most {_MOST_TENSORS:,} are read")
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(
                f"{shown}: `{printable(name)}` is not a tensor: expected a state dict, alone or under the key "
                f"{' or '.join(_NESTED)}, and nothing else in it; {_FROM_A_RUN}"
            )
        _check_kind(value, f"{shown}: `{printable(name)}`", is_counter=name.endswith(COUNTER))
    return loaded


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            if len(names) > _MOST_TENSORS:  # reading them would take minutes
                return dict.fromkeys(names)
            empty = next((name for name in names if 0 in file.get_slice(name).get_shape()), None)
        if empty is not None:
            raise UserError(f"{printable(path)}: `{printable(empty)}` holds no numbers")
        return dict(sorted(load_file(path).items(), key=lambda item: natural_order(item[0])))
    except SafetensorError as error:
        raise UserError(f"{printable(path)} is not a valid safetensors file: {printable(error)}") from None


def _read_archive(path: Path) -> dict[Any, Any]:
    """The state dict in a file of `torch.save`, alone or nested."""
    shown = printable(path)
    try:
        with path.open("rb") as file:
            loaded = load_archive(file)
    except UnreadableArchive as reason:
        raise UserError(
            f"{shown} is not a checkpoint that can be read {reason}: expected what "
            "torch.save(model.state_dict(), path) writes, or a .safetensors file"
        ) from None
    for key in _NESTED:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not loaded:
        raise UserError(f"{shown} holds no table of tensors: expected a state dict")
    return loaded


def _check_kind(tensor: Tensor, shown: str, is_counter: bool) -> None:
    """Check that it holds plain numbers, with memory for each of them."""
    if tensor.is_nested or tensor.layout is not torch.strided or tensor.device.type != "cpu":
        kind = "nested" if tensor.is_nested else tensor.device.type if tensor.device.type != "cpu" else tensor.layout
        raise UserError(f"{shown} is a tensor of kind {kind}: expected dense floating-point numbers")
    if tensor.dtype not in _NUMBERS and not is_counter:
        raise UserError(f"{shown} holds {tensor.dtype}: expected dense floating-point numbers, of 16 bits or more")


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts `features.9` before `features.10`."""
    parts = re.split(r"([0-9]+)", name)
    return [by_value(part) if place % 2 else (-1, part) for place, part in enumerate(parts)]
