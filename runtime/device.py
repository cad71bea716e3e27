"""Chooses the device, and moves networks and images to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .errors import UserError
from .layers.fast_convolution import use_fast_convolutions

KINDS = ("cpu", "cuda", "mps")
_CHANNELS_LAST = ("cpu", "cuda")


def find_device(name: str | None) -> torch.device:
    """The device with this name; for None the first GPU if there is one, else the CPU.

    On it float32 means float32: torch would let a GPU convolve in TF32. `choose_arithmetic` can allow that.

    Raises:
        UserError: this machine has no such device.
    """
    torch.backends.cudnn.allow_tf32 = False
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device {name!r}: expected cpu, cuda, cuda:1 or mps") from None
    if device.type not in KINDS:
        raise UserError(f"--device {name!r}: expected cpu, cuda, cuda:1 or mps")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"--device {name}: torch finds {torch.cuda.device_count()} CUDA devices here; try cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"--device {name}: torch finds no Apple GPU here; try cpu")
    return device


def device_text(device: torch.device) -> str:
    """The device in words."""
    match device.type:
        case "cuda":
            return f"{device}, {torch.cuda.get_device_name(device)}"
        case "cpu":
            return f"cpu, {torch.get_num_threads()} threads"
        case _:
            return str(device)


def choose_arithmetic(device: torch.device, deterministic: bool = True, tf32: bool = False) -> None:
    """Choose how a GPU computes; a CPU has no choice.

    Args:
        device: the device.
        deterministic: use algorithms that give the same bits in each run; torch warns where it has none. Otherwise
            cudnn tries several algorithms and takes the fastest.
        tf32: whether products of float32 numbers use TF32, which keeps 10 of their 23 bits of mantissa.
    """
    if device.type != "cuda":
        return
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = not deterministic
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Filling new memory costs time and only helps to find bugs.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@contextmanager
def settings_of_torch_kept() -> Iterator[None]:
    """Restore what alexc changes of torch after the block: the random generators and what `choose_arithmetic` sets.

    The block is work of alexc in a process of the user, such as a notebook.
    """
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    benchmark, fill = torch.backends.cudnn.benchmark, torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    deterministic, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    try:
        with torch.random.fork_rng(cuda):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = benchmark
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed torch's generators of the CPU and of this device.

    `torch.manual_seed` seeds those of all other kinds of device too: it writes down the call stack for each kind that
    is not in use, which takes longer than a small layer.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error means that the device or the machine is out of memory."""
    on_cpu = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    return on_cpu or isinstance(error, MemoryError | torch.OutOfMemoryError)


def place_network(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to the device, in the form that is fastest there; returns it. Its names and values stay."""
    if device.type == "cuda":
        use_fast_convolutions(network)
    if device.type in _CHANNELS_LAST:
        return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
    return network.to(device)


def place_images(images: Tensor, device: torch.device) -> Tensor:
    """The images (N, channels, H, W) on the device, in the memory format of the network there."""
    images = images.to(device)
    return images if device.type in _CHANNELS_LAST else images.contiguous()
