"""The devices that can compute: the CPU, and the GPUs that torch finds."""

from __future__ import annotations

from pathlib import Path

import torch

from .section import Finding, Section

_DRIVER = Path("/proc/driver/nvidia/version")


def devices() -> Section:
    """A row for each device; findings for GPUs that are missing or cannot compute."""
    rows = [("cpu", f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads")]
    findings = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        rows.append((f"cuda:{index}", f"{name}, {total / 1e9:.1f} GB, {free / 1e9:.1f} GB of it free"))
        findings += _computes(f"cuda:{index}")
    if torch.backends.mps.is_available():
        rows.append(("mps", "Apple GPU; named with --device mps"))
        findings += _computes("mps")
    if len(rows) == 1:
        findings.append(_no_gpu())
    return Section("devices", tuple(rows), tuple(findings))


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
