"""Reads the weights in a `.caffemodel`, and mean images, from their bytes, without Caffe and without generated code.

The file is Caffe's NetParameter in Protocol Buffers encoding. The field numbers are those of
`src/caffe/proto/caffe.proto` in github.com/BVLC/caffe, commit 9b89154. Fields that are not about weights are not
declared, and skipped. Layers, blobs and packed numbers are declared as bytes and decoded one at a time, so that a
malicious file cannot expand in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from torch import Tensor

from alexc.nearby import nearby
from alexc.printable import printable

from .errors import UserError
from .files import read_error, require_regular_file

_MOST_AXES = 32  # kMaxBlobAxes in Caffe's blob.hpp
_MOST_LAYERS = 100_000
_LARGEST_MEAN = 2**28  # bytes

_Field = descriptor_pb2.FieldDescriptorProto
_MANY = _Field.LABEL_REPEATED, _Field.TYPE_BYTES
_NUMBER = _Field.LABEL_OPTIONAL, _Field.TYPE_INT64
_MESSAGES: Mapping[str, Mapping[str, tuple[int, tuple[int, int]]]] = {
    "NetParameter": {"layers": (2, _MANY), "layer": (100, _MANY)},
    "LayerParameter": {
        "name": (1, _MANY),
        "type": (2, _MANY),
        "bottom": (3, _MANY),
        "top": (4, _MANY),
        "blobs": (7, _MANY),
        "inner_product_param": (117, _MANY),
    },
    "V1LayerParameter": {
        "layer": (1, _MANY),
        "bottom": (2, _MANY),
        "top": (3, _MANY),
        "name": (4, _MANY),
        "type": (5, _NUMBER),
        "blobs": (6, _MANY),
        "inner_product_param": (17, _MANY),
    },
    "V0LayerParameter": {"name": (1, _MANY), "type": (2, _MANY), "blobs": (50, _MANY)},
    "InnerProductParameter": {"transpose": (6, (_Field.LABEL_OPTIONAL, _Field.TYPE_BOOL))},
    "BlobProto": {
        "num": (1, _NUMBER),
        "channels": (2, _NUMBER),
        "height": (3, _NUMBER),
        "width": (4, _NUMBER),
        "data": (5, _MANY),
        "shape": (7, _MANY),
        "double_data": (8, _MANY),
    },
    "BlobShape": {"dim": (1, (_Field.LABEL_REPEATED, _Field.TYPE_INT64))},
}
_LEGACY_AXES = ("num", "channels", "height", "width")
_V1_TYPES = {4: "Convolution", 14: "InnerProduct"}  # types with weights that alexc has too
_SAME_TYPES: dict[str, str] = dict.fromkeys(("ConvolutionDepthwise", "DepthwiseConvolution"), "Convolution")  # of forks
_V0_TYPES = {"conv": "Convolution", "innerproduct": "InnerProduct"}
# Layers with weights that do not mix channels, and what they are called after the name of the layer before them.
_CHANNELWISE = {"BatchNorm": "batchnorm", "Scale": "layer_scale", "Bias": "layer_scale", "PReLU": "prelu"}
_BLOBS = {
    "Convolution": (1, 2), "InnerProduct": (1, 2), "BatchNorm": (3,), "Scale": (1, 2), "Bias": (1,), "PReLU": (1,),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class ForeignWeights:
    """The weights of a file, by its own layer names and torch's tensor names: `conv1.weight`, `bn1.running_var`.

    Attributes:
        tensors: in the order of the file; a BatchNorm and the Scale that reads it are one layer.
        second_names: for a layer that does not mix channels, its name in an imported spec: `conv1_batchnorm` after
            `conv1`.
        image_readers: the layers that read the image, whose channels are blue, green, red in Caffe; if the file does
            not say what reads what, the first convolution with three input channels.
    """

    tensors: dict[str, Tensor]
    second_names: dict[str, str]
    image_readers: tuple[str, ...]


@dataclass(frozen=True)
class _Layer:
    """A layer, in any of Caffe's three formats."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    blobs: Sequence[bytes]
    transposed: bool


def read_caffemodel(path: Path) -> ForeignWeights:
    """Read the layers of a `.caffemodel` that have weights.

    Raises:
        UserError: the file cannot be read, is damaged, or has no weights; the message names the file and the layer.
    """
    try:
        require_regular_file(path)
        content = path.read_bytes()
    except FileNotFoundError:
        there = nearby(path, ".caffemodel")
        raise UserError(f"{printable(path)} does not exist: expected a .caffemodel file{there}") from None
    except OSError as error:
        raise read_error(path, error) from None
    try:
        read = _weights_of(_layers_of(content))
    except _DamagedError as damage:
        raise UserError(f"{printable(path)} is not a valid .caffemodel file: {damage}") from None
    if not read.tensors:
        raise UserError(f"{printable(path)} holds no layer with weights: expected a .caffemodel file that Caffe wrote")
    return read


def read_mean_image(path: Path) -> NDArray[np.float64]:
    """The mean image in a `.binaryproto`, (H, W, 1) or (H, W, 3), in the order red, green, blue; Caffe has blue first.

    Raises:
        UserError: the file cannot be read, or is not a mean image.
    """
    shown = printable(path)
    try:
        require_regular_file(path)
        if path.stat().st_size > _LARGEST_MEAN:
            raise UserError(f"{shown} is larger than {_LARGEST_MEAN:,} bytes: expected a mean image of Caffe")
        image = _tensor(path.read_bytes(), "it").squeeze(0) if path.stat().st_size else torch.empty(0)
    except OSError as error:
        raise read_error(path, error) from None
    except _DamagedError as damage:
        raise UserError(f"{shown} is not a mean image of Caffe: {damage}") from None
    sizes = "x".join(map(str, image.shape))
    if image.ndim != 3 or image.shape[0] not in (1, 3) or not image.numel():
        raise UserError(f"{shown} is not a mean image of Caffe: expected 1 or 3 channels of values, but it has {sizes}")
    if not image.isfinite().all():
        raise UserError(f"{shown} holds numbers that are not finite: it cannot be used")
    return np.ascontiguousarray(image.flip(0).permute(1, 2, 0).double().numpy())


class _DamagedError(Exception):
    """Caffe does not write such a file; the message says how that was detected."""


def _layers_of(content: bytes) -> Iterator[_Layer]:
    net = _parsed("NetParameter", content)
    if len(net.layers) + len(net.layer) > _MOST_LAYERS:
        raise _DamagedError(f"it has more than {_MOST_LAYERS:,} layers")
    previous: tuple[str, ...] = ()
    for layer in chain(map(_v1_layer, net.layers), map(_layer, net.layer)):
        bottoms = layer.bottoms or (previous if layer.blobs else ())  # some tools omit the connections
        tops = layer.tops or (layer.name,)
        yield _Layer(layer.name, layer.type, bottoms, tops, layer.blobs, layer.transposed)
        previous = tops


def _layer(content: bytes) -> _Layer:
    read = _parsed("LayerParameter", content)
    return _Layer(
        _last(read.name),
        _SAME_TYPES.get(_last(read.type), _last(read.type)),
        _texts(read.bottom),
        _texts(read.top),
        read.blobs,
        _parsed("InnerProductParameter", b"".join(read.inner_product_param)).transpose,
    )


def _v1_layer(content: bytes) -> _Layer:
    read = _parsed("V1LayerParameter", content)
    bottoms, tops = _texts(read.bottom), _texts(read.top)
    if read.layer:
        oldest = _parsed("V0LayerParameter", b"".join(read.layer))
        kind = _last(oldest.type)
        return _Layer(_last(oldest.name), _V0_TYPES.get(kind, kind), bottoms, tops, oldest.blobs, transposed=False)
    transposed = _parsed("InnerProductParameter", b"".join(read.inner_product_param)).transpose
    kind = _V1_TYPES.get(read.type, f"number {read.type}")
    return _Layer(_last(read.name), kind, bottoms, tops, read.blobs, transposed)


def _weights_of(layers: Iterable[_Layer]) -> ForeignWeights:
    tensors: dict[str, dict[str, Tensor]] = {}
    second_names: dict[str, str] = {}
    image_readers: list[str] = []
    mixed_by: dict[str, str] = {}  # per blob, the last layer before it that mixes channels; "" for the image
    normalised: dict[str, str] = {}  # outputs of BatchNorm layers
    for layer in layers:
        below = {mixed_by.get(bottom, "") for bottom in layer.bottoms} or {""}
        batch_norm = normalised.get(layer.bottoms[0]) if layer.type == "Scale" and layer.bottoms else None
        if layer.blobs:
            if layer.name in tensors or not layer.name:
                raise _DamagedError(f"the name `{printable(layer.name)}` does not tell one layer with weights")
            own = _tensors_of(layer)
            if batch_norm is not None:
                tensors[batch_norm] |= {"bias": torch.zeros_like(own["weight"])} | own
            else:
                tensors[layer.name] = own
                if "" in below:
                    image_readers.append(layer.name)
        if layer.type in _CHANNELWISE and len(below) == 1 and "" not in below:
            second_names[layer.name] = f"{min(below)}_{_CHANNELWISE[layer.type]}"
        mixes = layer.blobs and layer.type not in _CHANNELWISE
        for top in layer.tops:
            mixed_by[top] = layer.name if mixes or (len(below) > 1 and "" not in below) else min(below)
            normalised.pop(top, None)
            if layer.type == "BatchNorm" and layer.blobs:
                normalised[top] = layer.name
    flat = {f"{name}.{kind}": value for name, own in tensors.items() for kind, value in own.items()}
    return ForeignWeights(flat, second_names, tuple(image_readers))


def _tensors_of(layer: _Layer) -> dict[str, Tensor]:
    """The tensors of a layer by torch's names; for an unknown layer type, named by their index."""
    shown = f"layer `{printable(layer.name)}`"
    blobs = [_tensor(blob, shown) for blob in layer.blobs]
    if layer.type not in _BLOBS:
        return {f"blob{number}": blob for number, blob in enumerate(blobs)}
    if len(blobs) not in _BLOBS[layer.type]:
        raise _DamagedError(f"{shown}, of type {layer.type}, has {len(blobs)} tensors")
    if layer.type == "BatchNorm":
        mean, variance, factor = (blob.flatten() for blob in blobs)
        if len(factor) != 1:
            raise _DamagedError(f"{shown} has {len(factor)} numbers to divide its sums by: expected one")
        share = 1 / factor.item() if factor.item() else 0.0  # in Caffe the state before the first batch
        return {
            "weight": torch.ones_like(mean),
            "bias": torch.zeros_like(mean),
            "running_mean": mean * share,
            "running_var": variance * share,
        }
    weight, *biases = blobs
    if layer.type == "Bias":
        return {"weight": torch.ones_like(weight.flatten()), "bias": weight.flatten()}
    if layer.type == "InnerProduct":
        weight = _matrix(weight, shown)
        weight = weight.T.contiguous() if layer.transposed else weight
    elif layer.type in _CHANNELWISE:
        weight = weight.flatten()
    return {"weight": weight, "bias": biases[0].flatten()} if biases else {"weight": weight}  # 1x1x1xN in old files


def _matrix(weight: Tensor, shown: str) -> Tensor:
    if weight.ndim == 2:
        return weight
    if weight.ndim == 4 and weight.shape[:2] == (1, 1):
        return weight.reshape(weight.shape[2:])
    shape = "x".join(map(str, weight.shape))
    raise _DamagedError(f"{shown} has a weight of {shape}: an inner product's is NxK, or 1x1xNxK in old files")


def _tensor(content: bytes, shown: str) -> Tensor:
    blob = _parsed("BlobProto", content)
    if any(blob.HasField(axis) for axis in _LEGACY_AXES):
        shape = [getattr(blob, axis) for axis in _LEGACY_AXES]
    else:
        shape = list(_parsed("BlobShape", b"".join(blob.shape)).dim)
    if len(shape) > _MOST_AXES or any(side < 0 for side in shape):
        raise _DamagedError(f"{shown} has a tensor of no possible shape")
    doubles = b"".join(blob.double_data)
    numbers, kind = (doubles, np.dtype("<f8")) if doubles else (b"".join(blob.data), np.dtype("<f4"))
    if len(numbers) != prod(shape) * kind.itemsize:
        raise _DamagedError(
            f"{shown} has {len(numbers) / kind.itemsize:,.0f} numbers in a tensor of {'x'.join(map(str, shape))}"
        )
    return torch.from_numpy(np.frombuffer(numbers, kind).copy()).reshape(shape).to(torch.float32)


def _parsed(message: str, content: bytes) -> Any:  # noqa: ANN401 - a class made at run time
    try:
        return _message_classes()[message].FromString(content)
    except DecodeError:
        raise _DamagedError("it is cut off, or holds something else") from None


def _last(texts: Sequence[bytes]) -> str:
    """The value of an optional field; if it occurs more than once, the last one counts."""
    return texts[-1].decode(errors="replace") if texts else ""


def _texts(texts: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(text.decode(errors="replace") for text in texts)


@cache
def _message_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="alexc/caffemodel.proto", package="alexc", syntax="proto2")
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for field, (number, (label, kind)) in fields.items():
            declared.field.add(name=field, number=number, label=label, type=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"alexc.{message}"))
        for message in _MESSAGES
    }
