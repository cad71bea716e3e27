"""Local response normalisation on a GPU: a kernel for the forward pass and one for the backward pass.

The formulas are those of `layers.torch_only.local_response_norm`. Each kernel reads its inputs once from the GPU's
memory, writes its result once, and sums in float32.

A thread computes a piece: some neighbouring maps of a tower at one position. It also loads the maps around its piece
that windows reach. It then has every value in a register of its own, so the sum of a window is an addition of
registers. Threads exchange nothing: the threads next to it load the same values, so they come from the L1 cache, and to
compute some of them twice takes less time than an exchange. Neighbouring threads access neighbouring memory: in
channels-last memory, each loads 16 bytes and has the piece after that of the thread before; in NCHW memory, it has the
same maps at the next position.

Triton gives no access to threads. A program loads tables of (pieces, maps), and Triton gives each row to one thread
where it is laid out as above. `tests/runtime/test_kernels.py` checks this in the compiled code.
"""

# Triton's language has types of its own.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false, reportFunctionMemberAccess=false
# pyright: reportAssignmentType=false, reportOperatorIssue=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op, wrap_triton

from .sliced_norm import reach

_PIECES = 128  # of a program: Triton starts as many threads
_PIECE_BYTES = 16  # in channels-last memory: the widest load of a thread
_PIECE_MAPS = 16  # in NCHW memory
_ROW = 64  # neighbouring positions that a program computes in NCHW memory, before it goes on to the next maps


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
    below, above = reach(size, x, towers)
    y = torch.empty_like(x)
    grid, sizes = _tiling(x, towers)
    wrap(_normalise)[grid](x, y, alpha, k, beta=beta, below=below, above=above, **sizes)
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
    gradient = _dense(gradient, x)
    below, above = reach(size, x, towers)
    result = torch.empty_like(x)
    grid, sizes = _tiling(x, towers)
    wrap(_differentiate)[grid](x, gradient, result, alpha, k, beta=beta, below=below, above=above, **sizes)
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


def _tiling(x: Tensor, towers: int) -> tuple[tuple[int], dict[str, int]]:
    """The number of programs, and the sizes that they are told.

    A block is what one image has of a tower, or in channels-last memory the whole image. All sizes but the number of
    blocks are constants of the compiled kernel, because divisions by them would take a tenth of its instructions.
    """
    count, places = x.shape[1] // towers, int(x.shape[2:].numel())
    if _is_channels_last(x):  # the towers of a position lie side by side, so each of them is like a position
        blocks, positions, map_stride, position_stride = len(x), places * towers, 1, count
        row, maps = 1, min(_PIECE_BYTES // x.element_size(), count & -count)  # a power of 2 that divides the count
    else:
        blocks, positions, map_stride, position_stride = len(x) * towers, places, places, 1
        row, maps = _ROW, min(_PIECE_MAPS, triton.next_power_of_2(count))
    pieces = triton.cdiv(positions, row) * row * triton.cdiv(count, maps)
    tiles = triton.cdiv(pieces, _PIECES)
    sizes = {
        "tiles": tiles,
        "positions": positions,
        "position_stride": position_stride,
        "map_stride": map_stride,
        "count": count,
        "ROW": row,
        "MAPS": maps,
        "PIECES": _PIECES,
    }
    return (blocks * tiles,), sizes


@triton.jit
def _normalise(
    x,
    y,
    alpha,
    k,
    beta: tl.constexpr,
    below: tl.constexpr,
    above: tl.constexpr,
    tiles: tl.constexpr,
    positions: tl.constexpr,
    position_stride: tl.constexpr,
    map_stride: tl.constexpr,
    count: tl.constexpr,
    ROW: tl.constexpr,
    MAPS: tl.constexpr,
    PIECES: tl.constexpr,
):
    at, first, exists = _pieces(tiles, positions, position_stride, map_stride, count, ROW, MAPS, PIECES)
    around: tl.constexpr = (max(below, above) + MAPS - 1) // MAPS
    a = _load(x + at, first, exists, around, map_stride, count, MAPS)
    squares: tl.tuple = ()
    for each in tl.static_range(len(a)):
        squares += (a[each] * a[each],)
    results: tl.tuple = ()
    for own in tl.static_range(around * MAPS, around * MAPS + MAPS):  # the maps of the piece itself
        s = k + alpha * _sum(squares, own - below, own + above)
        power, _ = _inverses(s, beta)
        results += (a[own] * power,)
    _store(y + at, results, first, exists, map_stride, count, MAPS)


@triton.jit
def _differentiate(
    x,
    gradient,
    result,
    alpha,
    k,
    beta: tl.constexpr,
    below: tl.constexpr,
    above: tl.constexpr,
    tiles: tl.constexpr,
    positions: tl.constexpr,
    position_stride: tl.constexpr,
    map_stride: tl.constexpr,
    count: tl.constexpr,
    ROW: tl.constexpr,
    MAPS: tl.constexpr,
    PIECES: tl.constexpr,
):
    at, first, exists = _pieces(tiles, positions, position_stride, map_stride, count, ROW, MAPS, PIECES)
    around: tl.constexpr = (below + above + MAPS - 1) // MAPS
    a = _load(x + at, first, exists, around, map_stride, count, MAPS)
    g = _load(gradient + at, first, exists, around, map_stride, count, MAPS)
    squares: tl.tuple = ()
    for each in tl.static_range(len(a)):
        squares += (a[each] * a[each],)
    direct: tl.tuple = ()  # like `shares`, from `above` maps before the piece on
    shares: tl.tuple = ()
    for each in tl.static_range(around * MAPS - above, around * MAPS + MAPS + below):
        s = k + alpha * _sum(squares, each - below, each + above)
        power, inverse = _inverses(s, beta)
        direct += (g[each] * power,)
        shares += (g[each] * power * a[each] * inverse,)
    results: tl.tuple = ()
    for own in tl.static_range(MAPS):
        share = 2 * alpha * beta * a[around * MAPS + own] * _sum(shares, own, own + above + below)
        results += (direct[own + above] - share,)
    _store(result + at, results, first, exists, map_stride, count, MAPS)


@triton.jit
def _pieces(
    tiles: tl.constexpr,
    positions: tl.constexpr,
    position_stride: tl.constexpr,
    map_stride: tl.constexpr,
    count: tl.constexpr,
    ROW: tl.constexpr,
    MAPS: tl.constexpr,
    PIECES: tl.constexpr,
):
    """Of the pieces of this program: where they lie in memory, their first maps, and whether they exist."""
    steps: tl.constexpr = (count + MAPS - 1) // MAPS
    block, tile = tl.program_id(0) // tiles, tl.program_id(0) % tiles
    piece = tile * PIECES + tl.arange(0, PIECES)[:, None]
    position = piece // (ROW * steps) * ROW + piece % ROW
    first = piece // ROW % steps * MAPS
    at = position.to(tl.int64) * position_stride + first.to(tl.int64) * map_stride
    at += block.to(tl.int64) * (positions * count)
    if ROW > 1:  # loads of several positions by a thread would spread the maps of a piece over threads
        at = tl.multiple_of(at, (1, 1))
    return at, first, position < positions


@triton.jit
def _load(
    start, first, exists, around: tl.constexpr, map_stride: tl.constexpr, count: tl.constexpr, MAPS: tl.constexpr
):
    """Columns (pieces, 1): the maps of each piece, and as many maps before and after as `around` pieces have."""
    columns: tl.tuple = ()
    for step in tl.static_range(-around, around + 1):
        offsets = step * MAPS + tl.arange(0, MAPS)[None, :]
        where = start + offsets.to(tl.int64) * map_stride
        if step == 0 and count % MAPS == 0:
            table = tl.load(where, mask=exists)
        else:
            table = tl.load(where, mask=exists & (first + offsets >= 0) & (first + offsets < count), other=0.0)
        parts = (table.to(tl.float32),)
        for _ in tl.static_range(MAPS - 1):  # the first part is halved, so all are as wide in the end
            halves = parts[0].reshape(parts[0].shape[0], 2, parts[0].shape[1] // 2)
            parts = parts[1:] + tl.split(halves.permute(0, 2, 1))
        columns += parts
    return columns


@triton.jit
def _store(start, columns, first, exists, map_stride: tl.constexpr, count: tl.constexpr, MAPS: tl.constexpr):
    """Write columns (pieces, 1), where there are such maps."""
    parts = columns
    for _ in tl.static_range(MAPS - 1):
        halves = tl.join(parts[0], parts[1]).permute(0, 2, 1)
        parts = parts[2:]
        parts += (halves.reshape(halves.shape[0], 2 * halves.shape[2]),)
    offsets = tl.arange(0, MAPS)[None, :]
    where = start + offsets.to(tl.int64) * map_stride
    tl.store(where, parts[0].to(start.dtype.element_ty), mask=exists & (first + offsets < count))


@triton.jit
def _sum(values, low: tl.constexpr, high: tl.constexpr):
    """The sum of values[low] to values[high]."""
    total = values[low]
    for each in tl.static_range(low + 1, high + 1):
        total += values[each]
    return total


@triton.jit
def _inverses(s, beta: tl.constexpr):
    """s^-beta and 1 / s. Both are 0 for infinity."""
    if beta == 0.75:
        root = tl.rsqrt(s)
        return root * tl.sqrt(root), root * root
    return tl.exp2(-beta * tl.log2(s)), 1 / s


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
