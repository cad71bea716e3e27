"""Runs a function on several ranks, each a process of its own, joined by gloo."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist
from torch import multiprocessing


def run_ranks(count: int, function: Callable[..., None], *arguments: Any, timeout: float = 120) -> None:  # noqa: ANN401
    """Call `function(*arguments)` on `count` ranks of one group.

    Raises:
        AssertionError: a rank raised, with its traceback; or they were not done within `timeout` seconds.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        pipes = [context.Pipe(duplex=False) for _ in range(count)]
        ranks = [
            context.Process(target=_rank, args=(rank, count, f"{folder}/store", pipe[1], function, arguments))
            for rank, pipe in enumerate(pipes)
        ]
        for process in ranks:
            process.start()
        try:
            failures = [_answer(rank, pipe[0], timeout) for rank, pipe in enumerate(pipes)]
        finally:
            for process in ranks:
                process.join(5)
                process.kill()
    assert not any(failures), "\n".join(filter(None, failures))


def _answer(rank: int, pipe: Connection, timeout: float) -> str | None:
    """What went wrong on a rank, or None."""
    if not pipe.poll(timeout):
        return f"rank {rank} did not answer in {timeout} s"
    try:
        failure: str | None = pipe.recv()
    except EOFError:
        return f"rank {rank} died"
    return failure


def _rank(
    rank: int, count: int, store: str, pipe: Connection, function: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    try:
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=count)
        function(*arguments)
        dist.barrier()
        dist.destroy_process_group()
        pipe.send(None)
    except BaseException:
        pipe.send(f"rank {rank}:\n{traceback.format_exc()}")
