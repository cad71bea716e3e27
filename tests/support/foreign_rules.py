"""What cuda-convnet and darknet make of their files, computed from the files by the two programs' own rules.

An oracle for `alexc import`: it shares no code with it. Windows are gathered value by value.
"""

from __future__ import annotations

import configparser
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Section = Mapping[str, str]


def ini(text: str) -> dict[str, Section]:
    """A file of cuda-convnet, read with the module that cuda-convnet reads it with."""
    parser = configparser.ConfigParser(strict=False, inline_comment_prefixes=(";",), interpolation=None)
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def darknet_sections(text: str) -> list[tuple[str, Section]]:
    """A file of darknet: sections may have equal names."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in ("".join(line.split()) for line in text.splitlines()):
        if line.startswith("["):
            found.append((line.strip("[]"), {}))
        elif line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found[-1][1].setdefault(key, value)
    return [(name, values) for name, values in found]


@dataclass
class Sizes:
    """The outputs of each layer of a file, and sums over all: what its weights are and cost."""

    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    parameters: int = 0
    neurons: int = 0
    multiply_adds: int = 0

    def add(self, name: str, output: tuple[int, ...], weights: int, biases: int, multiply_adds: int) -> None:
        self.outputs[name] = output
        self.parameters += weights + biases
        self.neurons += math.prod(output)
        self.multiply_adds += multiply_adds


def cuda_convnet_sizes(text: str, image: tuple[int, int, int]) -> Sizes:
    """Every layer of a file by itself, so also each copy on a GPU."""
    sizes = Sizes()
    for name, said in ini(text).items():
        given = [sizes.outputs[each] for each in _inputs(said) if each in sizes.outputs]
        kind = said["type"]
        if kind == "data":
            sizes.outputs[name] = image if said["dataidx"] == "0" else (1,)
        elif kind in ("conv", "local"):
            groups = int(said.get("groups", "1").split(",")[0])
            filters = int(said["filters"].split(",")[0]) * groups
            size, stride = int(said["filtersize"].split(",")[0]), int(said.get("stride", "1").split(",")[0])
            padding = int(said.get("padding", "0").split(",")[0])
            places = 1 + math.ceil((2 * padding + given[0][1] - size) / stride)
            each = sum(channels // groups * size * size for channels, *_ in given)
            own = places**2 if kind == "local" else 1
            sizes.add(name, (filters, places, places), filters * each * own, filters * own, filters * each * places**2)
        elif kind == "fc":
            units, reads = int(said["outputs"]), sum(math.prod(each) for each in given)
            sizes.add(name, (units,), units * reads, units, units * reads)
        elif kind == "pool":
            room = given[0][1] - int(said.get("start", "0")) - int(said["sizex"])
            places = math.ceil(room / int(said["stride"])) + 1
            sizes.outputs[name] = (given[0][0], places, places)
        elif kind == "pass":
            sizes.outputs[name] = (sum(math.prod(each) for each in given),)
        elif not kind.startswith("cost."):
            sizes.outputs[name] = given[0]
    return sizes


def _inputs(said: Section) -> list[str]:
    return [name.strip() for name in said.get("inputs", "").split(",") if name.strip()]


@dataclass
class CudaConvnet:
    """A network of cuda-convnet at test time, with random weights drawn for each layer and each of its inputs."""

    layers: dict[str, Section]
    parameters: dict[str, Section]
    weights: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    biases: dict[str, Tensor] = field(default_factory=dict)
    made: dict[str, Tensor] = field(default_factory=dict)

    def run(self, image: Tensor) -> dict[str, Tensor]:
        """What every layer makes of one image, of shape (channels, side, side), with its neurons."""
        for name, said in self.layers.items():
            if said["type"] == "data":
                self.made[name] = image
            elif not said["type"].startswith("cost."):
                made = self._layer(name, said, [self.made[each] for each in _inputs(said)])
                self.made[name] = _neurons(said.get("neuron", "ident"))(made)
        return self.made

    def _layer(self, name: str, said: Section, given: Sequence[Tensor]) -> Tensor:
        kind, own = said["type"], self.parameters.get(name, {})
        if kind == "conv":
            return self._convolution(name, said, given)
        if kind == "fc":
            flat = [each.flatten() for each in given]
            units = int(said["outputs"])
            drawn = [self._draw(name, read, (units, len(each))) for read, each in zip(_inputs(said), flat, strict=True)]
            total = sum((weight @ each for weight, each in zip(drawn, flat, strict=True)), torch.zeros(units))
            return total + self._bias(name, units)
        if kind == "pool":
            return _pool(given[0], int(said["sizex"]), int(said["stride"]), int(said.get("start", "0")), said["pool"])
        if kind == "cmrnorm":
            return _across(given[0], int(said["size"]), own)
        if kind == "rnorm":
            return _within(given[0], int(said["size"]), own)
        if kind == "softmax":
            return given[0].softmax(0)
        if kind == "dropout2":
            return given[0] * float(own.get("keep", "0.5"))
        if kind in ("concat", "pass"):
            return torch.cat(list(given))
        if kind == "eltsum":
            return torch.stack(list(given)).sum(0)
        assert kind == "neuron", kind
        return given[0]

    def _convolution(self, name: str, said: Section, given: Sequence[Tensor]) -> Tensor:
        total = torch.zeros(())
        for place, (read, maps) in enumerate(zip(_inputs(said), given, strict=True)):

            def each(key: str, default: str, place: int = place) -> int:
                values = said.get(key, default).split(",")
                return int(values[place % len(values)])

            groups, size, stride = each("groups", "1"), each("filtersize", ""), each("stride", "1")
            filters, padding = each("filters", "") * groups, each("padding", "0")
            channels, side = maps.shape[0] // groups, maps.shape[1]
            weight = self._draw(name, read, (filters, channels, size, size))
            places = 1 + math.ceil((2 * padding + side - size) / stride)
            output = torch.zeros(filters, places, places)
            for row in range(places):
                for column in range(places):
                    window = _window(maps, row * stride - padding, column * stride - padding, size, 0.0)
                    for group in range(groups):
                        of_group = slice(group * filters // groups, (group + 1) * filters // groups)
                        part = window[group * channels : (group + 1) * channels]
                        output[of_group, row, column] = (weight[of_group] * part).sum((1, 2, 3))
            total = total + output
        return total + self._bias(name, total.shape[0])[:, None, None]

    def _draw(self, name: str, read: str, shape: tuple[int, ...]) -> Tensor:
        self.weights[name, read] = torch.randn(shape) / math.sqrt(math.prod(shape[1:]))
        return self.weights[name, read]

    def _bias(self, name: str, count: int) -> Tensor:
        self.biases[name] = torch.randn(count)
        return self.biases[name]


def _neurons(name: str) -> Callable[[Tensor], Tensor]:
    return {
        "ident": lambda x: x,
        "relu": torch.relu,
        "logistic": torch.sigmoid,
        "softrelu": lambda x: torch.log(1 + torch.exp(x)),
        "tanh[1,1]": torch.tanh,
    }[name]


def _window(maps: Tensor, top: int, left: int, size: int, outside: float) -> Tensor:
    """The values under a window, with a value for places outside the maps."""
    window = torch.full((maps.shape[0], size, size), outside)
    for row in range(size):
        for column in range(size):
            if 0 <= top + row < maps.shape[1] and 0 <= left + column < maps.shape[2]:
                window[:, row, column] = maps[:, top + row, left + column]
    return window


def _pool(maps: Tensor, size: int, stride: int, start: int, how: str) -> Tensor:
    """Windows from `start` on, the last ones hanging over; a mean is of the values that lie in the map."""
    places = math.ceil((maps.shape[1] - start - size) / stride) + 1
    output = torch.zeros(maps.shape[0], places, places)
    for row in range(places):
        for column in range(places):
            at = (start + row * stride, start + column * stride)
            if how == "max":
                output[:, row, column] = _window(maps, *at, size, -math.inf).amax((1, 2))
            else:
                inside = _window(torch.ones_like(maps[:1]), *at, size, 0.0).sum()
                output[:, row, column] = _window(maps, *at, size, 0.0).sum((1, 2)) / inside
    return output


def _across(maps: Tensor, size: int, said: Section) -> Tensor:
    alpha = float(said["scale"]) / size
    output = torch.empty_like(maps)
    for channel in range(len(maps)):
        first = channel - size // 2
        neighbours = maps[max(first, 0) : first + size]
        denominator = float(said.get("mindiv", "1")) + alpha * neighbours.square().sum(0)
        output[channel] = maps[channel] * denominator ** -float(said["pow"])
    return output


def _within(maps: Tensor, size: int, said: Section) -> Tensor:
    alpha = float(said["scale"]) / size**2
    output = torch.empty_like(maps)
    for row in range(maps.shape[1]):
        for column in range(maps.shape[2]):
            squares = _window(maps, row - size // 2, column - size // 2, size, 0.0).square().sum((1, 2))
            denominator = float(said.get("mindiv", "1")) + alpha * squares
            output[:, row, column] = maps[:, row, column] * denominator ** -float(said["pow"])
    return output


def darknet_sizes(text: str) -> Sizes:
    """Every section after `[net]`, by its number."""
    sections = darknet_sections(text)
    net = sections[0][1]
    given: tuple[int, ...] = tuple(int(net[key]) for key in ("channels", "height", "width"))
    sizes = Sizes()
    for number, (name, said) in enumerate(sections[1:]):
        key = str(number)
        normalised = int(said.get("batch_normalize", "0"))
        if name == "convolutional":
            filters, size, stride = (int(said.get(each, "1")) for each in ("filters", "size", "stride"))
            groups = int(said.get("groups", "1"))
            pad = size // 2 if int(said.get("pad", "0")) else int(said.get("padding", "0"))
            output = (filters, *((side + 2 * pad - size) // stride + 1 for side in given[1:]))
            weights = filters * given[0] // groups * size * size
            sizes.add(key, output, weights, filters * (2 if normalised else 1), weights * math.prod(output[1:]))
        elif name == "local":
            filters, size, stride = (int(said.get(each, "1")) for each in ("filters", "size", "stride"))
            room = 1 if int(said.get("pad", "0")) else size
            output = (filters, *((side - room) // stride + 1 for side in given[1:]))
            weights = math.prod(output) * given[0] * size * size
            sizes.add(key, output, weights, math.prod(output), weights)
        elif name == "connected":
            output = (int(said["output"]),)
            weights = output[0] * math.prod(given)
            sizes.add(key, output, weights, output[0] * (2 if normalised else 1), weights)
        elif name == "maxpool":
            stride = int(said.get("stride", "1"))
            size = int(said.get("size", str(stride)))
            padding = int(said.get("padding", str(size - 1)))
            output = (given[0], *((side + padding - size) // stride + 1 for side in given[1:]))
        elif name == "avgpool":
            output = (given[0], 1, 1)
        elif name == "crop":
            output = (given[0], int(said["crop_height"]), int(said["crop_width"]))
        elif name == "route":
            read = [_at(number, int(each)) for each in said["layers"].split(",")]
            shapes = [sizes.outputs[str(each)] for each in read]
            output = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        else:
            output = given
        sizes.outputs[key] = given = output
    return sizes


def _at(number: int, written: int) -> int:
    return number + written if written < 0 else written


def darknet_maxpool(maps: Tensor, size: int, stride: int, padding: int) -> Tensor:
    """darknet's own loop over (channels, height, width): half of the padding stands before a side."""
    high, wide = ((side + padding - size) // stride + 1 for side in maps.shape[1:])
    output = torch.empty(maps.shape[0], high, wide)
    for row in range(high):
        for column in range(wide):
            at = (row * stride - padding // 2, column * stride - padding // 2)
            output[:, row, column] = _window(maps, *at, size, -math.inf).amax((1, 2))
    return output
