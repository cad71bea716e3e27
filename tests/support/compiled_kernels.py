"""Compiles the kernels for GPUs that this machine need not have, and prints what each needs there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import torch

GPUS = {80: torch.float32, 90: torch.bfloat16}  # compute capability, and the type of the maps there


def main() -> None:
    """Print a JSON object for each kernel: its registers, and what it keeps elsewhere or exchanges between threads."""
    os.environ.pop("TRITON_INTERPRET", None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRITON_CACHE_DIR"] = folder
        for capability, dtype in GPUS.items():
            for kernel in _compiled(capability, dtype):
                print(json.dumps({"capability": capability, **_needs(kernel, Path(folder))}))


def _compiled(capability: int, dtype: torch.dtype) -> list[Any]:
    """The kernels, as they are launched for AlexNet's conv1 and for a fully connected layer."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime.driver import driver
    from triton.runtime.jit import JITFunction

    from alexc.runtime.kernels.keep_mask import keep_mask_on_gpu
    from alexc.runtime.kernels.response_norm import differentiate, normalise

    made: list[Any] = []
    run = JITFunction.run

    def compile_only(kernel: Any, *arguments: Any, grid: Any, warmup: bool, **options: Any) -> None:  # noqa: ANN401
        made.append(run(kernel, *arguments, grid=grid, warmup=True, **options))

    target = GPUTarget("cuda", capability, 32)
    driver.set_active(
        Mock(
            get_current_target=lambda: target,
            get_current_device=lambda: capability,  # the kernels compiled for it are kept by this number
            get_current_stream=lambda device: 0,
        )
    )
    with patch.object(JITFunction, "run", compile_only):
        for memory_format in (torch.channels_last, torch.contiguous_format):
            x = torch.empty(2, 96, 55, 55, dtype=dtype, device="meta").to(memory_format=memory_format)
            normalise(x, 5, 1e-4, 0.75, 2.0, 2)
            differentiate(x, x, 5, 1e-4, 0.75, 2.0, 2)
        keep_mask_on_gpu(torch.empty((), dtype=torch.int64, device="meta"), 128, 4096, 2**31, (0, 0))
    return made


def _needs(kernel: Any, folder: Path) -> dict[str, object]:  # noqa: ANN401
    from triton import knobs

    cubin = folder / "kernel.cubin"
    cubin.write_bytes(kernel.asm["cubin"])
    command = [knobs.nvidia.cuobjdump.path, "-res-usage", str(cubin)]
    usage = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    counts = {name: int(count) for name, count in re.findall(r"(REG|STACK|LOCAL|SHARED):(\d+)", usage)}
    return {
        "name": kernel.metadata.name,
        "registers": counts["REG"],
        "spilled": counts["STACK"] + counts["LOCAL"],
        "exchanged": counts["SHARED"] + kernel.asm["ptx"].count("shfl."),
    }
