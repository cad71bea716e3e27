"""The devices that can compute: the CPU, and the GPUs that torch finds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from ..device import choose_arithmetic
from .section import Finding, Section

MATRIX, COPIED = 4096, 2**28  # the side of a matrix, and bytes
_CALLS = 10
_DRIVER = Path("/proc/driver/nvidia/version")


def devices() -> Section:
    """A row for each device; findings for GPUs that are missing or cannot compute."""
    rows = [("cpu", f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads")]
    findings = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        rows.append((f"cuda:{index}", f"{name}, {total / 1e9:.1f} GB, {free / 1e9:.1f} GB of it free"))
        broken = _computes(f"cuda:{index}")
        findings += broken
        if not broken:
            rows += [("", text) for text in gpu_rates(torch.device("cuda", index), MATRIX, COPIED)]
    if len(rows) > 1:
        rows.append(("software", _software()))
    if torch.backends.mps.is_available():
        rows.append(("mps", "Apple GPU; named with --device mps"))
        findings += _computes("mps")
    if len(rows) == 1:
        findings.append(_no_gpu())
    return Section("devices", tuple(rows), tuple(findings))


def gpu_rates(device: torch.device, side: int, copied: int) -> list[str]:
    """What a GPU reaches: a product of matrices of `side` in each type, and a copy of so many bytes, each in words."""
    rates = []
    for name, dtype, tf32 in (
        ("float32", torch.float32, False),
        ("TF32", torch.float32, True),
        ("bf16", torch.bfloat16, False),
    ):
        choose_arithmetic(device, tf32=tf32)
        matrix = torch.randn(side, side, device=device).to(dtype)
        seconds = _seconds_of(partial(torch.mm, matrix, matrix), device)
        rates.append(f"{2 * side**3 / seconds / 1e12:,.0f} in {name}")
    choose_arithmetic(device)
    source = torch.empty(copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    bandwidth = 2 * copied / _seconds_of(partial(target.copy_, source), device)
    host = torch.empty(copied, dtype=torch.uint8, pin_memory=device.type == "cuda")
    feed = copied / _seconds_of(partial(target.copy_, host, non_blocking=True), device)
    return [
        f"matrix products, TFLOP/s: {', '.join(rates)}",
        f"memory: {bandwidth / 1e12:,.2f} TB/s read and written; from the machine's memory {feed / 1e9:,.0f} GB/s",
    ]


def _seconds_of(run: Callable[[], object], device: torch.device) -> float:
    """The seconds of one call, the fastest of three groups of calls."""
    times = []
    for _ in range(4):  # the first one warms up
        _synchronise(device)
        started = time.perf_counter()
        for _ in range(_CALLS):
            run()
        _synchronise(device)
        times.append((time.perf_counter() - started) / _CALLS)
    return min(times[1:])


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _software() -> str:
    """The versions of the driver and the libraries of NVIDIA."""
    found = re.search(r"Kernel Module[^\d]*([\d.]+)", _DRIVER.read_text(encoding="utf-8")) if _DRIVER.exists() else None
    parts = [f"driver {found.group(1)}"] if found else []
    parts += [f"CUDA {torch.version.cuda}"] if torch.version.cuda else []
    parts += [f"cuDNN {torch.backends.cudnn.version()}"] if torch.backends.cudnn.is_available() else []  # type: ignore[no-untyped-call]
    if torch.distributed.is_nccl_available():
        parts.append("NCCL " + ".".join(map(str, torch.cuda.nccl.version())))  # type: ignore[no-untyped-call]
    return ", ".join(parts)


def _computes(device: str) -> list[Finding]:
    try:
        (torch.ones(2, device=device) * 2).sum().item()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        remedy = "update its driver, or install the torch that was built for it"
        return [Finding(f"{device} cannot compute ({reason}): {remedy}", is_error=True)]
    return []


def _no_gpu() -> Finding:
    if _DRIVER.exists():
        return Finding(
            f"there is an NVIDIA driver, but torch {torch.__version__} finds no GPU: install a torch for CUDA "
            "(pytorch.org/get-started), or update the driver"
        )
    return Finding("no GPU: training computes on the CPU, which suits small networks only")
