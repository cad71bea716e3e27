"""Imports weights of other programs, such as torchvision, under the names of a compiled network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from alexc.nearby import nearby
from alexc.printable import printable, shell_line

from .caffemodel import ForeignWeights, read_caffemodel
from .darknet_weights import read_darknet_weights
from .errors import UserError
from .files import check_new, require_regular_file, write_new
from .layer_matching import COUNTER, Match, by_value, match_layers
from .network_file import ModuleFile
from .progress import Progress
from .torch_archive import UnreadableArchive, load_archive

_FROM_A_RUN = "`alexc weights export` writes the weights of a run"
_CAFFES = ".caffemodel"
_DARKNETS = ".weights"
_SAFETENSORS = ".safetensors"
_COLORS = 3
_NESTED = ("state_dict", "model", "model_state_dict", "net")  # where training scripts put the weights
_NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_MOST_TENSORS = 20_000


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        matches: the pairs of layers, in the order of the network.
        turned: layers of the file that read the image; their channels were changed from BGR to RGB.
    """

    matches: list[Match]
    turned: tuple[str, ...]


def import_weights(
    path: Path, network: ModuleFile, without: Sequence[str], out: Path, bgr: bool | None = None
) -> Imported:
    """Write the weights of a file under the names of a network, as safetensors for its `load_state_dict`.

    Args:
        path: a `.caffemodel`, a `.weights` file of darknet, a `.safetensors` file, or a checkpoint that
            `torch.load(weights_only=True)` reads.
        network: the compiled network.
        without: layers of the file to leave out, with everything under their names: `aux1`.
        out: the file to write, which must not exist.
        bgr: whether the file's network reads BGR images, so that its channels are reversed; None: a `.caffemodel` does
            if the network reads three channels.

    Raises:
        UserError: the file cannot be read, its layers do not match the network's, or `out` cannot be written.
    """
    check_new(out)
    with Progress("import", 3, "steps") as progress:
        built = network.build_without_memory()
        read = _read(path, built)
        given = _leave_out(read.tensors, without, path)
        _check_finite(given, path)
        progress.advance()
        turns = bgr is None and path.suffix == _CAFFES and network.input_shape[0] == _COLORS
        turned = read.image_readers if bgr or turns else ()
        if bgr and not turned:
            raise UserError(f"--bgr: {printable(path)} has no convolution that reads three channels")
        wanted = built.state_dict()
        try:
            given = _with_channels_turned(given, turned)
            matches = match_layers(given, wanted, read.second_names, ordered=path.suffix != _SAFETENSORS)
        except UserError as mistake:
            raise UserError(
                f"{printable(path)} does not fit {network.name} of {printable(network.path)}: "
                f"{_other_channels(read, network)}{mistake}"
            ) from None
        progress.advance()
        write_new(out, save(carry_over(given, wanted, matches)))
        progress.advance()
    return Imported(matches, turned)


def _other_channels(read: ForeignWeights, network: ModuleFile) -> str:
    """The beginning of a message if the convolution that reads the image has another number of channels; else ""."""
    channels = network.input_shape[0]
    for layer in read.image_readers:
        weight = read.tensors.get(f"{layer}.weight")
        if weight is not None and weight.ndim == 4 and weight.shape[1] != channels:
            reads, there = _channels_in_words(weight.shape[1]), _channels_in_words(channels)
            return (
                f"its {printable(layer)} reads images of {reads}, {network.name} of {there} (`input` in the spec says "
                "how many); "
            )
    return ""


def _channels_in_words(channels: int) -> str:
    return "one channel" if channels == 1 else f"{channels} channels"


def _read(path: Path, network: nn.Module) -> ForeignWeights:
    """The tensors of a file of any format, and what is known about them."""
    if path.suffix == _CAFFES:
        return read_caffemodel(path)
    tensors = read_darknet_weights(path, network) if path.suffix == _DARKNETS else read_tensors(path)
    convolutions = (name for name, tensor in tensors.items() if tensor.ndim == 4 and tensor.shape[1] == _COLORS)
    first = next(convolutions, None)
    return ForeignWeights(tensors, {}, () if first is None else (first.rpartition(".")[0],))


def _check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise UserError(
                f"{printable(path)}: `{printable(name)}` holds numbers that are not finite: these weights "
                "cannot be used"
            )


def _with_channels_turned(tensors: Mapping[str, Tensor], layers: Sequence[str]) -> dict[str, Tensor]:
    """The tensors, with the order of the three input channels of `layers` reversed."""
    turned = dict(tensors)
    for layer in layers:
        per_channel = _join(layer, "running_mean") in tensors
        for kind in ("running_mean", "running_var", "weight", "bias") if per_channel else ("weight",):
            name = _join(layer, kind)
            if name in tensors:  # `without` may have removed it
                turned[name] = _turned(tensors[name], 0 if per_channel else 1, layer)
    return turned


def _turned(tensor: Tensor, axis: int, layer: str) -> Tensor:
    """Reversed along an axis of three channels, or of the values of three channels one after the other."""
    size = tensor.shape[axis] if tensor.ndim > axis else 0
    if not size or size % _COLORS or (size > _COLORS and tensor.ndim != 2):
        raise UserError(
            f"{printable(layer)} reads the image, but not three channels that could be turned from blue, green, red: "
            "--no-bgr takes it as it is"
        )
    return torch.cat(tensor.chunk(_COLORS, axis)[::-1], axis)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, in the order of its layers.

    A checkpoint keeps its order. A safetensors file has none; its names are sorted, with numbers by value.

    Raises:
        UserError: it cannot be read, or contains something other than tensors.
    """
    shown = printable(path)
    if path.suffix in (_CAFFES, _DARKNETS):
        whose = "Caffe's" if path.suffix == _CAFFES else "darknet's"
        raise UserError(
            f"{shown} is {whose}: convert its weights with `alexc weights import {shell_line(path)} --into NETWORK`"
        )
    try:
        require_regular_file(path)
        loaded = _read_safetensors(path) if path.suffix == _SAFETENSORS else _read_archive(path)
    except FileNotFoundError:
        expected = "expected a .safetensors file or a checkpoint of torch"
        there = nearby(path, _SAFETENSORS, ".pt", ".pth")
        raise UserError(f"{shown} does not exist: {expected}{there}") from None
    except IsADirectoryError:
        raise UserError(
            f"{shown} is a folder: expected a .safetensors file or a checkpoint of torch; {_FROM_A_RUN}"
        ) from None
    except OSError as error:
        raise UserError(f"{shown} cannot be read: {error.strerror or printable(error)}") from None
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


def carry_over(
    given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], matches: Sequence[Match]
) -> dict[str, Tensor]:
    """The tensors of `given` with the names and number formats of `wanted`."""
    sources = {match.target: match.source for match in matches}
    carried: dict[str, Tensor] = {}
    for name, like in wanted.items():
        layer, _, tensor = name.rpartition(".")
        value = given.get(_join(sources[layer], tensor), given.get(sources[layer]))  # the second one is a scale
        if value is None:
            assert tensor == COUNTER
            value = torch.zeros((), dtype=like.dtype)
        carried[name] = value.detach().to(like.dtype).reshape(like.shape).contiguous()
    return carried


def _leave_out(tensors: Mapping[str, Tensor], without: Sequence[str], path: Path) -> dict[str, Tensor]:
    kept = dict(tensors)
    for layer in without:
        under = [name for name in kept if name.startswith((f"{layer}.", f"{layer}/"))]
        if not under:
            tops = sorted({re.split("[./]", name)[0] for name in kept}, key=natural_order)
            raise UserError(
                f"{printable(path)} has no layer `{printable(layer)}` to leave out; it has {printable(', '.join(tops))}"
            )
        for name in under:
            del kept[name]
    return kept


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts `features.9` before `features.10`."""
    parts = re.split(r"([0-9]+)", name)
    return [by_value(part) if place % 2 else (-1, part) for place, part in enumerate(parts)]


def _join(layer: str, tensor: str) -> str:
    return f"{layer}.{tensor}" if layer else tensor
