"""Times local response normalisation against torch's layer, forward and backward, at the two sizes of AlexNet.

`python -m benchmarks.normalisation` writes benchmarks/results/normalisation.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from alexc.runtime.allocator import keep_freed_memory
from alexc.runtime.device import device_text
from alexc.runtime.layers.local_response_norm import LocalResponseNorm
from benchmarks.result_file import markdown_table, write_result
from benchmarks.side_by_side import Rounds, run_rounds

SIZES = {"conv1": (96, 55), "conv2": (256, 27)}  # maps, and their height and width
FORMATS = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}
TYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


class TorchsNorm(nn.Module):
    """torch's layer with the numbers of the paper; it computes in float32, as under torch.autocast."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H, W)."""
        return self.norm(x.float()).to(x.dtype)  # type: ignore[no-any-return]


def input_of(layer: str, batch: int, memory_format: torch.memory_format, dtype: torch.dtype) -> Tensor:
    """Random values after a ReLU, as the layer gets them in the network."""
    maps, side = SIZES[layer]
    values = torch.randn(batch, maps, side, side, generator=torch.Generator().manual_seed(0)).relu() * 10
    return values.to(dtype=dtype, memory_format=memory_format).requires_grad_()


def forward_and_backward(norm: nn.Module, x: Tensor, gradient: Tensor) -> None:
    """The passes of a training step."""
    torch.autograd.grad(norm(x), x, gradient)


def kept_bytes(norm: nn.Module, x: Tensor) -> int:
    """Bytes that the forward pass keeps for the backward pass, without the input: the layer before keeps that."""
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        y = norm(x)
    kept.pop(x.untyped_storage().data_ptr(), None)
    return sum(kept.values()) * bool(y.numel())


def compare(layer: str, batch: int, memory_format: torch.memory_format, dtype: torch.dtype, rounds: int) -> Rounds:
    """The times of torch's layer and of alexc's layer."""
    x = input_of(layer, batch, memory_format, dtype)
    gradient = torch.randn_like(x)
    peers: dict[str, Callable[[], None]] = {
        "torch": partial(forward_and_backward, TorchsNorm(), x, gradient),
        "alexc": partial(forward_and_backward, LocalResponseNorm(5, 1e-4, 0.75, 2.0, towers=2), x, gradient),
    }
    return run_rounds(peers, rounds, layer)


def main() -> None:
    """Compare in both memory formats and types, with the default allocator and with alexc's; write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32, help="batch size; 32 by default")
    parser.add_argument("--rounds", type=int, default=9, help="number of timings of each; 9 by default")
    given = parser.parse_args()
    rows = [["layer", "memory", "type", "allocator", "torch, ms", "alexc, ms", "times", "torch keeps, MB", "alexc, MB"]]
    for allocator in ("as it is", "alexc's"):
        if allocator == "alexc's":
            keep_freed_memory()
        for layer in SIZES:
            for memory, memory_format in FORMATS.items():
                for name, dtype in TYPES.items():
                    timed = compare(layer, given.batch, memory_format, dtype, given.rounds)
                    x = input_of(layer, given.batch, memory_format, dtype)
                    kept = [kept_bytes(norm, x) for norm in (TorchsNorm(), LocalResponseNorm(5, 1e-4, 0.75, 2.0, 2))]
                    rows.append(
                        [
                            *(layer, memory, name, allocator),
                            *(f"{timed.median(peer) * 1e3:.1f}" for peer in ("torch", "alexc")),
                            f"{timed.ratio('torch', 'alexc'):.1f}",
                            *(f"{each / 1e6:.1f}" for each in kept),
                        ]
                    )
    write_result(
        "normalisation",
        "Local response normalisation beside torch's",
        markdown_table(rows, text_columns=4),
        ["torch"],
        [f"Device: {device_text(torch.device('cpu'))}", f"Batch: {given.batch} images"],
    )


if __name__ == "__main__":
    main()
