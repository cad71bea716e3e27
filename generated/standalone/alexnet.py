"""AlexNet: 60,965,224 parameters, 659,272 neurons.

Made by alexc from alexnet.net, standalone: edit that file, not this one.

    layer  output        weights  neurons  multiply-adds
    conv1  96x55x55       34,848  290,400    105,415,200
    conv2  256x27x27     307,200  186,624    223,948,800
    conv3  384x13x13     884,736   64,896    149,520,384
    conv4  384x13x13     663,552   64,896    112,140,288
    conv5  256x13x13     442,368   43,264     74,760,192
    fc6    4096       37,748,736    4,096     37,748,736
    fc7    4096       16,777,216    4,096     16,777,216
    fc8    1000        4,096,000    1,000      4,096,000
    total             60,954,656  659,272    724,406,816

This file needs torch alone. It has the network for one device; the recipe and the
placements of the spec are left out. Its parameters have the names and shapes of those
in the ordinary file, which imports alexc: the weights of one load in the other.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn


class AlexNet(nn.Module):
    """Images (N, 3, 227, 227) to logits (N, 1000); comments give one image's shapes.

    Cut into 2 towers; in conv2, conv4 and conv5 a tower reads its own maps only.
    """

    input_shape: ClassVar[tuple[int, int, int]] = (3, 227, 227)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, kernel_size=11, stride=4)
        self.conv1_lrn = LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0, towers=2)
        self.conv2 = nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2)
        self.conv2_lrn = LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0, towers=2)
        self.conv3 = nn.Conv2d(256, 384, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=2)
        self.fc6 = nn.Linear(9216, 4096)
        self.fc6_dropout = Dropout(0.5, scale="test")
        self.fc7 = nn.Linear(4096, 4096)
        self.fc7_dropout = Dropout(0.5, scale="test")
        self.fc8 = nn.Linear(4096, 1000)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.conv2, "conv2", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.conv3, "conv3", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.conv4, "conv4", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.conv5, "conv5", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.fc6, "fc6", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.fc7, "fc7", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.fc8, "fc8", seed, weight=Normal(0.0, 0.01), bias=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = F.relu(self.conv1(x))  # 96x55x55
        x = self.conv1_lrn(x)  # 96x55x55
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 96x27x27
        x = F.relu(self.conv2(x))  # 256x27x27
        x = self.conv2_lrn(x)  # 256x27x27
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 256x13x13
        x = F.relu(self.conv3(x))  # 384x13x13
        x = F.relu(self.conv4(x))  # 384x13x13
        x = F.relu(self.conv5(x))  # 256x13x13
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 256x6x6
        x = x.flatten(1)  # 9216
        x = F.relu(self.fc6(x))  # 4096
        x = self.fc6_dropout(x)  # 4096
        x = F.relu(self.fc7(x))  # 4096
        x = self.fc7_dropout(x)  # 4096
        x = self.fc8(x)  # 1000
        return x


# What the network uses and torch lacks, copied from alexc.
# Copyright (c) 2026 The alexc authors. SPDX-License-Identifier: MIT


# Local response normalisation from torch's own operations.


def sliced_norm(
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    towers: int,
) -> Tensor:
    """Normalise with sums of slices: easy to compile, and with all derivatives."""
    below, above = reach(size, x, towers)
    images, channels, *size_of_map = x.shape
    count = channels // towers
    maps = x.to(wide_type(x)).view(images, towers, count, *size_of_map)
    squares = nn.functional.pad(maps * maps, (0, 0, 0, 0, below, above))
    window = squares[:, :, :count]
    for offset in range(1, below + above + 1):
        window = window + squares[:, :, offset : offset + count]
    # Where the sum overflows float32, a quotient and its gradient are 0;
    # the gradient of a product would be NaN.
    return (maps / torch.pow(k + alpha * window, beta)).flatten(1, 2).to(x.dtype)


def differentiable_gradient(
    gradient: Tensor,
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    towers: int,
) -> Tensor:
    """The gradient of `x`, given that of `sliced_norm`, with its own derivatives."""
    y = sliced_norm(x, size, alpha, beta, k, towers)
    (result,) = torch.autograd.grad(y, x, gradient, create_graph=True)
    return result


def reach(size: int, x: Tensor, towers: int) -> tuple[int, int]:
    """The number of maps that a window extends down and up, within a tower."""
    others = x.shape[1] // towers - 1
    return min(size // 2, others), min((size - 1) // 2, others)


def wide_type(x: Tensor) -> torch.dtype:
    """The type in which to normalise: at least float32."""
    return torch.promote_types(x.dtype, torch.float32)


# Local response normalisation across maps (Krizhevsky et al. 2012, section 3.3).


# Smaller tiles spend their time starting threads, larger ones do not fit the cache.
TILE_VALUES = 2**19


class LocalResponseNorm(nn.Module):
    """b_i = a_i / (k + alpha * sum_j a_j^2)^beta.

    j goes from max(0, i - size/2) to min(C - 1, i + size/2). torch's layer of the same
    name divides alpha by `size`; this one does not. For an even `size`, the window
    extends one map further down than up, as in torch. `towers` blocks of neighbouring
    maps are normalised independently.
    """

    def __init__(
        self,
        size: int,
        alpha: float,
        beta: float,
        k: float,
        towers: int = 1,
    ) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
        self.towers = towers

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        settings = self.size, self.alpha, self.beta, self.k, self.towers
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return sliced_norm(x, *settings)
        y: Tensor = _TiledNorm.apply(x, *settings)
        return y

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        constants = f"alpha={self.alpha}, beta={self.beta}, k={self.k}"
        return f"{self.size}, {constants}, towers={self.towers}"


class _TiledNorm(torch.autograd.Function):
    """Saves only the input; computing the sums again is faster.

    With s_i = k + alpha * sum_j a_j^2, the gradient is g_i s_i^-beta - 2 alpha beta a_i
    sum_j g_j a_j s_j^(-beta - 1), where the second window is the mirrored first one.
    Derivatives of the gradient are those of `sliced_norm`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        size: int,
        alpha: float,
        beta: float,
        k: float,
        towers: int,
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.settings = size, alpha, beta, k, towers
        return _normalise_tiles(x, *ctx.settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x,), (gradient,) = ctx.saved_tensors, gradients
        if torch.is_grad_enabled():  # the gradient will be differentiated
            result = differentiable_gradient(gradient, x, *ctx.settings)
        else:
            result = _differentiate_tiles(gradient, x, *ctx.settings)
        return result, None, None, None, None, None


class _Windows:
    """Sums of `k` and the values of a window: `below` maps down to `above` maps up.

    Tiles are (blocks, maps, positions). In flat memory there are further maps around
    their maps, so a sum is a sum of shifted copies of the whole: the width doubles at
    each addition, and edges need no special case. The caller adds an equal part of `k`
    to each value of a window, including the values outside the edges.
    """

    def __init__(self, below: int, above: int, k: float = 0.0) -> None:
        self._size, self._below = below + above + 1, below
        self.part = k / self._size
        self._padded: dict[torch.Size, Tensor] = {}

    def values_of(self, tile: Tensor) -> Tensor:
        """The memory for the values of a tile of this shape and type."""
        if tile.shape not in self._padded:
            blocks, maps, places = tile.shape
            padded = (blocks, maps + self._size - 1, places)
            self._padded[tile.shape] = tile.new_full(padded, self.part)
        return self._padded[tile.shape][:, self._below : self._below + tile.shape[1]]

    def sums_of(self, tile: Tensor) -> Tensor:
        """(blocks, maps, positions): the sum over the window of each value."""
        padded, step = self._padded[tile.shape], tile.shape[2]
        sums = total = padded.view(-1)
        # sums[i] covers `width` maps from position i on, total[i] covers `summed`
        width, summed = 1, self._size & 1
        while summed < self._size:
            sums, width = sums[: -width * step] + sums[width * step :], width * 2
            if self._size & width:
                rest = sums[summed * step :]
                total = total[: len(rest)] + rest if summed else rest
                summed += width
        return total.as_strided(tile.shape, padded.stride())


def _normalise_tiles(
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    towers: int,
) -> Tensor:
    """The normalised maps, computed on tiles that stay in the cache."""
    x = _dense(x, x)
    y = torch.empty_like(x)
    squares = _Windows(*reach(size, x, towers), k)
    for a, out in _tiles(towers, x, y):
        a = a.to(wide_type(x))
        _times_power(a, _denominators(a, squares, alpha), beta, out)
    return y


def _differentiate_tiles(
    gradient: Tensor,
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    towers: int,
) -> Tensor:
    """The gradient of the input, computed on tiles that stay in the cache."""
    x = _dense(x, x)
    result = torch.empty_like(x)
    below, above = reach(size, x, towers)
    squares, shares = _Windows(below, above, k), _Windows(above, below)
    for a, g, out in _tiles(towers, x, _dense(gradient, x), result):
        a = a.to(wide_type(x))
        s = _denominators(a, squares, alpha)
        share = torch.div(a, s, out=shares.values_of(a))
        direct = _times_power(g, s, beta, torch.empty_like(s))
        share.mul_(direct)
        torch.addcmul(direct, shares.sums_of(a), a, value=-2 * alpha * beta, out=out)
    return result


def _denominators(a: Tensor, squares: _Windows, alpha: float) -> Tensor:
    """The sums k + alpha * sum_j a_j^2."""
    part = a.new_tensor(squares.part)
    torch.addcmul(part, a, a, value=alpha, out=squares.values_of(a))
    return squares.sums_of(a)


def _times_power(factor: Tensor, base: Tensor, beta: float, out: Tensor) -> Tensor:
    """Multiply `factor` by base^-beta, which is 0 for infinity.

    For 0.75 with two roots, which is 3x faster than a power.
    """
    if beta == 0.75:
        root = base.rsqrt()
        quarter = torch.sqrt(root, out=out if out.dtype == root.dtype else None)
        return torch.mul(quarter.mul_(root), factor, out=out)
    return torch.mul(base.pow(-beta), factor, out=out)


def _tiles(towers: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Matching pieces of tensors (N, C, H, W) with the same memory layout.

    Each is (blocks, maps of a tower, positions). A position is what is next to another
    one within a map. In channels-last memory a block has one, and there are more
    blocks.
    """
    images, channels, *size = tensors[0].shape
    maps, places = channels // towers, math.prod(size)
    if _is_channels_last(tensors[0]):
        flat = (images * places * towers, maps, 1)
        blocks = [x.permute(0, 2, 3, 1).view(flat) for x in tensors]
        places = 1
    else:
        blocks = [x.view(images * towers, maps, places) for x in tensors]
    wide = max(1, min(places, TILE_VALUES // maps))
    high = max(1, TILE_VALUES // (maps * wide))
    for top in range(0, len(blocks[0]), high):
        for left in range(0, places, wide):
            yield tuple(x[top : top + high, :, left : left + wide] for x in blocks)


def _dense(x: Tensor, like: Tensor) -> Tensor:
    """The same values without gaps in memory, channels last if `like` is."""
    if _is_channels_last(like):
        return x.contiguous(memory_format=torch.channels_last)
    return x.contiguous()


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


# Dropout (Krizhevsky et al. 2012, section 4.2); its mask is a hash of key and position.


_LOW_32 = 0xFFFFFFFF


class Dropout(nn.Module):
    """Sets each value to zero with probability `p` in training.

    `scale="test"`, as in the paper: training keeps the other values unchanged, and at
    test time all values are multiplied by 1 - p. `scale="train"`, as in torch: training
    divides the other values by 1 - p, and test time changes nothing.

    Each call draws a new key from torch's generator, so `torch.manual_seed` works as
    usual.
    """

    def __init__(self, p: float, scale: Literal["test", "train"]) -> None:
        super().__init__()
        self.p = p
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, *) to the same shape."""
        if not self.training:
            return x * (1 - self.p) if self.scale == "test" else x
        kept = self.mask(x).view(self.mask_shape(x))
        y = torch.where(kept, x, torch.zeros((), dtype=x.dtype, device=x.device))
        return y if self.scale == "test" else y / (1 - self.p)

    def mask(self, x: Tensor) -> Tensor:
        """Boolean (images, units): the values to keep."""
        images, *sizes = self.mask_shape(x)
        rows = torch.arange(images, device=x.device)
        columns = torch.arange(math.prod(sizes), device=x.device)
        return hash_mask(torch.randint(2**31, ()), rows, columns, self.p)

    def mask_shape(self, x: Tensor) -> torch.Size:
        """The shape of the mask for `x`: a value of the mask for each value."""
        return x.shape

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"p={self.p}, scale={self.scale!r}"


def hash_mask(key: int | Tensor, images: Tensor, units: Tensor, p: float) -> Tensor:
    """Boolean (images, units), true with probability 1 - p.

    It is a hash of the key and of the numbers of the image and of the unit.
    """
    rows = _mix(_mix(images[:, None] + key) + 0x9E3779B9)
    columns = _mix(units[None] + 0x85EBCA6B)
    return _mix(_mix(rows ^ columns)) >= dropped_hashes(p)


def dropped_hashes(p: float) -> int:
    """The number of 32-bit hashes whose values are dropped."""
    return int(p * 2**32)


def _mix(x: Tensor) -> Tensor:
    """A 32-bit integer hash (lowbias32) in int64: the same bits on every device."""
    x = x & _LOW_32
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _LOW_32
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _LOW_32
    return x ^ (x >> 16)


# The initial values of weights and biases.


class Distribution(Protocol):
    """The distribution of a weight."""

    def fill(self, weight: Tensor, generator: Generator | None, count: int, /) -> None:
        """Draw every value of `weight`.

        Args:
            weight: (rows, inputs, ...).
            generator: draws the numbers; torch's global generator if None.
            count: the kernels or units of the layer.
        """


@dataclass(frozen=True)
class Normal:
    """The normal distribution with this mean and standard deviation."""

    mean: float
    std: float

    def fill(self, weight: Tensor, generator: Generator | None, _count: int) -> None:
        """Draw every value of `weight`."""
        nn.init.normal_(weight, self.mean, self.std, generator)


def initialise(
    layer: nn.Module,
    name: str,
    seed: int | None,
    *,
    weight: Distribution,
    bias: float | None,
) -> None:
    """Initialise the weight and the bias of a layer.

    With a `seed`, the weight is drawn on the CPU in float32 from its own generator,
    seeded by (seed, `name`). So it is the same on every device, and in every network
    with such a layer. Without a seed, torch's global generator draws.

    Args:
        layer: a module with a `weight` and perhaps a `bias`.
        name: the layer's name in the network.
        seed: the network's seed, or None.
        weight: the distribution of the weight.
        bias: the value of every bias; None for a layer without biases.
    """
    target = layer.weight
    assert isinstance(target, Tensor)
    if target.is_meta:  # a meta tensor has no values
        return
    # a layer without shared weights has more rows than kernels
    count = getattr(layer, "out_channels", len(target))
    with torch.no_grad():
        if seed is None:
            weight.fill(target, None, count)
        else:
            drawn = torch.empty(target.shape)
            weight.fill(drawn, _generator(f"{seed}/{name}.weight"), count)
            target.copy_(drawn)
        if bias is not None:
            assert isinstance(layer.bias, Tensor)
            layer.bias.fill_(bias)


def _generator(key: str) -> Generator:
    digest = hashlib.sha256(key.encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
