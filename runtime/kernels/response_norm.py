"""Local response normalisation on a GPU: a kernel for the forward pass and one for the backward pass.

The formulas are those of `layers.torch_only.local_response_norm`. Each kernel reads its inputs once, writes its result
once, and sums in float32. A program works on a tile: some positions, and all maps of a tower at each of them.
"""

# Triton's language has types of its own.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false, reportFunctionMemberAccess=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op, wrap_triton

from .sliced_norm import reach

_TILE_VALUES = 1024
_LARGEST_UNROLLED = 16  # maps of a window; code for a larger one is a loop


def normalise(
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    towers: int,
    wrap: Callable[[Any], Any] = lambda kernel: kernel,
) -> Tensor:
    """What `LocalResponseNorm` computes for maps (N, C, H, W); `wrap` shows a kernel to torch.compile."""
    x = _dense(x, x)
    y = torch.empty_like(x)
    grid, sizes = _tiling(x, size, towers)
    wrap(_normalise)[grid](x, y, alpha, k, beta=beta, **sizes)
    return y


def differentiate(
    gradient: Tensor,
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    towers: int,
    wrap: Callable[[Any], Any] = lambda kernel: kernel,
) -> Tensor:
    """The gradient of `x`, given that of `normalise`; both (N, C, H, W)."""
    x = _dense(x, x)
    gradient, result = _dense(gradient, x), torch.empty_like(x)
    grid, sizes = _tiling(x, size, towers)
    wrap(_differentiate)[grid](x, gradient, result, alpha, k, beta=beta, **sizes)
    return result


@triton_op("alexc::response_norm", mutates_args=())
def response_norm(x: Tensor, size: int, alpha: float, beta: float, k: float, towers: int) -> Tensor:
    """`normalise` for torch.compile, with the first derivative.

    A direct call costs the CPU more than the kernel costs a GPU.
    """
    return normalise(x, size, alpha, beta, k, towers, wrap_triton)


@triton_op("alexc::response_norm_gradient", mutates_args=())
def _response_norm_gradient(
    gradient: Tensor, x: Tensor, size: int, alpha: float, beta: float, k: float, towers: int
) -> Tensor:
    return differentiate(gradient, x, size, alpha, beta, k, towers, wrap_triton)


def _tiling(x: Tensor, size: int, towers: int) -> tuple[tuple[int], dict[str, int]]:
    """The number of programs, and the sizes that they are told."""
    below, above = reach(size, x, towers)
    count, places = x.shape[1] // towers, x.shape[2:].numel()
    if _is_channels_last(x):  # the towers of a position lie side by side, so each of them is like a position
        blocks, positions, map_stride, position_stride = 1, len(x) * places * towers, 1, count
    else:
        blocks, positions, map_stride, position_stride = len(x) * towers, places, places, 1
    maps = triton.next_power_of_2(count)
    tile = max(1, _TILE_VALUES // maps)
    sizes = {
        "block_stride": count * places,
        "map_stride": map_stride,
        "position_stride": position_stride,
        "positions": positions,
        "count": count,
        "below": below,
        "above": above,
        "unrolled": below + above < _LARGEST_UNROLLED,
        "POSITIONS": tile,
        "MAPS": maps,
    }
    return (blocks * triton.cdiv(positions, tile),), sizes


@triton.jit
def _normalise(
    x,
    y,
    alpha,
    k,
    block_stride,
    map_stride,
    position_stride,
    positions,
    beta: tl.constexpr,
    count: tl.constexpr,
    below: tl.constexpr,
    above: tl.constexpr,
    unrolled: tl.constexpr,
    POSITIONS: tl.constexpr,
    MAPS: tl.constexpr,
):
    at, exists, maps = _tile(block_stride, map_stride, position_stride, positions, count, POSITIONS, MAPS)
    a = tl.load(x + at, mask=exists, other=0.0).to(tl.float32)
    s = k + alpha * _window_sums(a * a, maps, count, below, above, unrolled)
    tl.store(y + at, (a * _inverse_power(s, beta)).to(y.dtype.element_ty), mask=exists)


@triton.jit
def _differentiate(
    x,
    gradient,
    result,
    alpha,
    k,
    block_stride,
    map_stride,
    position_stride,
    positions,
    beta: tl.constexpr,
    count: tl.constexpr,
    below: tl.constexpr,
    above: tl.constexpr,
    unrolled: tl.constexpr,
    POSITIONS: tl.constexpr,
    MAPS: tl.constexpr,
):
    at, exists, maps = _tile(block_stride, map_stride, position_stride, positions, count, POSITIONS, MAPS)
    a = tl.load(x + at, mask=exists, other=0.0).to(tl.float32)
    g = tl.load(gradient + at, mask=exists, other=0.0).to(tl.float32)
    s = k + alpha * _window_sums(a * a, maps, count, below, above, unrolled)
    direct = g * _inverse_power(s, beta)
    shares = _window_sums(tl.where(exists, direct * a / s, 0.0), maps, count, above, below, unrolled)
    tl.store(result + at, (direct - 2 * alpha * beta * a * shares).to(result.dtype.element_ty), mask=exists)


@triton.jit
def _tile(
    block_stride,
    map_stride,
    position_stride,
    positions,
    count: tl.constexpr,
    POSITIONS: tl.constexpr,
    MAPS: tl.constexpr,
):
    """Of the values (positions, maps) of this program: where they lie, which of them exist, and their maps."""
    tiles = (positions + POSITIONS - 1) // POSITIONS
    block, first = tl.program_id(0) // tiles, tl.program_id(0) % tiles * POSITIONS
    rows, columns = tl.arange(0, POSITIONS)[:, None], tl.arange(0, MAPS)[None, :]
    start = block.to(tl.int64) * block_stride + first.to(tl.int64) * position_stride
    exists = (first + rows < positions) & (columns < count)
    at = start + rows.to(tl.int64) * position_stride + columns.to(tl.int64) * map_stride
    return at, exists, tl.broadcast_to(columns, (POSITIONS, MAPS))


@triton.jit
def _window_sums(values, maps, count: tl.constexpr, below: tl.constexpr, above: tl.constexpr, unrolled: tl.constexpr):
    """(positions, maps): the sum of the values from `below` maps further down to `above` maps further up."""
    sums = tl.full(values.shape, 0.0, tl.float32)
    if unrolled:
        for offset in tl.static_range(-below, above + 1):
            sums += _shifted(values, maps + offset, count)
    else:
        for offset in range(-below, above + 1):
            sums += _shifted(values, maps + offset, count)
    return sums


@triton.jit
def _shifted(values, maps, count: tl.constexpr):
    """(positions, maps): the values of these maps, or 0 where there is no such map."""
    exists = (maps >= 0) & (maps < count)
    return tl.where(exists, tl.gather(values, tl.where(exists, maps, 0), 1), 0.0)


@triton.jit
def _inverse_power(base, beta: tl.constexpr):
    """base^-beta, which is 0 for infinity."""
    if beta == 0.75:
        root = tl.rsqrt(base)
        return root * tl.sqrt(root)
    return tl.exp2(-beta * tl.log2(base))


def _dense(x: Tensor, like: Tensor) -> Tensor:
    """The same values without gaps in memory, channels last if `like` is."""
    return x.contiguous(memory_format=torch.channels_last if _is_channels_last(like) else torch.contiguous_format)


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    x, *ctx.settings = inputs
    ctx.save_for_backward(x)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    (x,) = ctx.saved_tensors
    return _response_norm_gradient(gradient, x, *ctx.settings), None, None, None, None, None


response_norm.register_autograd(_backward, setup_context=_keep_input)
