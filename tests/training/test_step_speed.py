"""Speed must not regress: ratios to peers in the same run, with wide margins, and counts of bytes."""

from __future__ import annotations

import pytest
import torch

from alexc.runtime.layers.local_response_norm import LocalResponseNorm
from benchmarks.normalisation import FORMATS, SIZES, TorchsNorm, compare, input_of, kept_bytes
from benchmarks.step import FLAGSHIP, Peer, measure

CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.parametrize("layer", SIZES)
@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
def test_normalisation_is_much_faster_than_torchs(layer: str, memory_format: torch.memory_format) -> None:
    timed = compare(layer, 8, memory_format, torch.float32, rounds=5)
    ratio = timed.ratio("torch", "alexc")
    assert ratio >= 2.5, f"only {ratio:.1f} times as fast as torch's; 6 to 10 is usual"


@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
def test_normalisation_keeps_its_input_alone(memory_format: torch.memory_format) -> None:
    x = input_of("conv2", 2, memory_format, torch.float32)
    assert kept_bytes(LocalResponseNorm(5, 1e-4, 0.75, 2.0, towers=2), x) == 0
    assert kept_bytes(TorchsNorm(), x) >= 3 * x.numel() * x.element_size()


@pytest.mark.slow
def test_a_step_of_the_flagship_is_as_fast_as_a_hand_written_one() -> None:
    peers = [Peer("by hand", FLAGSHIP, "hand"), Peer("alexc", FLAGSHIP, "alexc")]
    timed, memory = measure(peers, 8, CPU, rounds=3)
    ratio = timed.ratio("0", "1")
    assert ratio >= 1.2, f"only {ratio:.2f} times as fast as by hand; 1.7 is usual"
    assert memory["1"] <= 1.05 * memory["0"], f"{memory['1']:,.0f} MB, by hand {memory['0']:,.0f}"
