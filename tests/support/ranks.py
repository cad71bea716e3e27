"""Runs a function on several ranks: processes that are joined by gloo and reused by later tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

from benchmarks.workers import Worker, WorkerFailed, ask_all

_workers: list[Worker[int]] = []  # kept until the tests end, because starting a process takes longer than most calls


def run_ranks(count: int, function: Callable[..., None], *arguments: Any, timeout: float = 120) -> None:  # noqa: ANN401
    """Call `function(*arguments)` on `count` ranks of one group.

    Raises:
        AssertionError: a rank raised, with its traceback; or they were not done within `timeout` seconds.
    """
    while len(_workers) < count:
        _workers.append(Worker(f"rank {len(_workers)}", _begin, len(_workers)))
    with tempfile.TemporaryDirectory() as folder:
        try:
            ask_all(_workers[:count], timeout, _in_group, count, f"{folder}/store", function, arguments)
        except WorkerFailed as failed:
            for worker in _workers:
                worker.end()
            _workers.clear()
            raise AssertionError(str(failed)) from None


def _begin(rank: int) -> int:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    return rank


def _in_group(rank: int, count: int, store: str, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Run the function in a new group, with the default dtype of torch."""
    torch.set_default_dtype(torch.float32)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=count)
    function(*arguments)
    dist.barrier()
    dist.destroy_process_group()
