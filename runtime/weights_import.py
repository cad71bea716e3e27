"""Imports weights of other programs, such as torchvision, under the names of a compiled network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from alexc.printable import printable

from .caffemodel import ForeignWeights, read_caffemodel
from .darknet_weights import read_darknet_weights
from .errors import UserError
from .files import check_new, write_new
from .layer_matching import COUNTER, Match, match_layers
from .network_file import ModuleFile
from .progress import Progress
from .tensor_files import CAFFES, DARKNETS, SAFETENSORS, natural_order, read_tensors

_COLORS = 3


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
        turns = bgr is None and path.suffix == CAFFES and network.input_shape[0] == _COLORS
        turned = read.image_readers if bgr or turns else ()
        if bgr and not turned:
            raise UserError(f"--bgr: {printable(path)} has no convolution that reads three channels")
        wanted = built.state_dict()
        try:
            given = _with_channels_turned(given, turned)
            matches = match_layers(given, wanted, read.second_names, ordered=path.suffix != SAFETENSORS)
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
    if path.suffix == CAFFES:
        return read_caffemodel(path)
    tensors = read_darknet_weights(path, network) if path.suffix == DARKNETS else read_tensors(path)
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


def _join(layer: str, tensor: str) -> str:
    return f"{layer}.{tensor}" if layer else tensor
