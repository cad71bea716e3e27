"""Reads the weights in a `.weights` file of darknet, which holds numbers without names, in the order of the layers.

The order within a layer is that of `load_weights_upto` in `src/parser.c` of github.com/pjreddie/darknet, commit
f6afaab. The file does not say which layers it has: they are those of the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from alexc.printable import printable

from .errors import UserError
from .files import read_error, require_regular_file
from .layers.local_convolution import LocalConv2d

_Norm = nn.BatchNorm1d | nn.BatchNorm2d
_KERNELS = (nn.Conv2d, nn.Linear, LocalConv2d)
_CONVOLUTION = re.compile("linear[0-9]+")
_NUMBER = np.dtype("<f4")
_FIRST_WORDS = 3  # of the header: the version of darknet, as major, minor and revision


@dataclass(frozen=True)
class _Header:
    """How a file begins.

    Attributes:
        size: its bytes.
        transposed: whether the weights of fully connected layers are stored input by input.
    """

    size: int
    transposed: bool

    @staticmethod
    def of(words: Sequence[int]) -> _Header:
        """From the first three numbers; after them comes the number of images that were seen, in 8 or 4 bytes.

        Before there were versions, a file began with the learning rate, the momentum and the weight decay.
        """
        major, minor, _ = words
        versioned = major < 1000 and minor < 1000
        return _Header(20 if versioned and major * 10 + minor >= 2 else 16, major > 1000 or minor > 1000)


@dataclass(frozen=True)
class _Run:
    """Numbers in a row: the name of the tensor in the network, and its shape in the file."""

    name: str
    shape: tuple[int, ...]


def read_darknet_weights(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """The tensors of a file under the names of a network, which must have the layers of the file's, in their order.

    Raises:
        UserError: the file cannot be read, does not hold as many numbers as the network, or the network has a layer
            that darknet does not have.
    """
    shown = printable(path)
    runs = list(_runs(network, shown))
    wanted = sum(prod(run.shape) for run in runs)
    try:
        require_regular_file(path)
        with path.open("rb") as file:
            words = np.frombuffer(file.read(_FIRST_WORDS * 4), "<i4").tolist()
            if len(words) < _FIRST_WORDS:
                raise UserError(f"{shown} is not a .weights file of darknet: it ends in its header")
            header = _Header.of(words)
            held = (path.stat().st_size - header.size) / _NUMBER.itemsize
            if held != wanted:
                raise UserError(
                    f"{shown} holds {held:,.10g} numbers, but the network takes {wanted:,}: expected all weights of "
                    "the same cfg file"
                )
            file.seek(header.size)
            numbers = np.fromfile(file, _NUMBER)
    except OSError as error:
        raise read_error(path, error) from None
    tensors: dict[str, Tensor] = {}
    place = 0
    for run in runs:
        count = prod(run.shape)
        tensors[run.name] = torch.from_numpy(numbers[place : place + count].astype(np.float32)).reshape(run.shape)
        place += count
    return _as_in_torch(tensors, network, header)


def _runs(network: nn.Module, shown: str) -> Iterator[_Run]:
    """The runs of numbers in a file of this network."""
    layers = [(name, layer) for name, layer in network.named_modules() if list(layer.parameters(recurse=False))]
    normalised = False  # whether the layer is a batch norm that was read with the layer before it
    for (name, layer), (next_name, next_layer) in pairwise([*layers, ("", None)]):
        if normalised:
            normalised = False
        elif isinstance(layer, _Norm):
            yield from _statistics(name, layer)
        elif not isinstance(layer, _KERNELS):
            raise UserError(f"{shown} is darknet's, but `{name}` is a layer that darknet does not have")
        elif layer.bias is not None:
            yield _Run(f"{name}.bias", tuple(layer.bias.shape))
            yield _weight(name, layer)
        elif isinstance(next_layer, _Norm) and not isinstance(layer, LocalConv2d):
            yield from _with_norm(name, layer, next_name, next_layer)
            normalised = True
        else:
            raise UserError(f"{shown} is darknet's, but `{name}` has neither a bias nor a batch norm after it")


def _with_norm(name: str, layer: nn.Conv2d | nn.Linear, norm_name: str, norm: _Norm) -> Iterator[_Run]:
    """The runs of a layer and its batch norm: the norm's bias, then scales, means and variances.

    A convolution has its weights after them, and a fully connected layer before the scales. An imported spec calls a
    convolution of units `linear1`, and a fully connected layer `fc1`.
    """
    yield _Run(f"{norm_name}.bias", tuple(norm.bias.shape))
    connected = isinstance(layer, nn.Linear) and not _CONVOLUTION.fullmatch(name)
    if connected:
        yield _weight(name, layer)
    yield from _statistics(norm_name, norm)
    if not connected:
        yield _weight(name, layer)


def _weight(name: str, layer: nn.Module) -> _Run:
    """The weight of a layer; darknet has the kernels of a locally connected layer place by place."""
    assert isinstance(layer.weight, Tensor)
    shape = tuple(layer.weight.shape)
    if isinstance(layer, LocalConv2d):
        shape = (layer.height * layer.width, layer.out_channels, *shape[1:])
    return _Run(f"{name}.weight", shape)


def _statistics(name: str, norm: _Norm) -> Iterator[_Run]:
    for kind in ("weight", "running_mean", "running_var"):
        yield _Run(f"{name}.{kind}", (norm.num_features,))


def _as_in_torch(tensors: dict[str, Tensor], network: nn.Module, header: _Header) -> dict[str, Tensor]:
    """The tensors in torch's order of dimensions, in the order of the network."""
    for name, layer in network.named_modules():
        weight = tensors.get(f"{name}.weight")
        if weight is not None and isinstance(layer, nn.Linear) and header.transposed:
            tensors[f"{name}.weight"] = weight.reshape(layer.in_features, layer.out_features).T.contiguous()
        elif weight is not None and isinstance(layer, LocalConv2d):
            tensors[f"{name}.weight"] = weight.transpose(0, 1).reshape(layer.weight.shape)
        elif isinstance(layer, _Norm) and f"{name}.bias" not in tensors:
            tensors[f"{name}.bias"] = torch.zeros(layer.num_features)  # darknet does not save that of a lone batch norm
    return {name: tensors[name] for name in network.state_dict() if name in tensors}
