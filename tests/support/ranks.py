"""Runs a function on several ranks: processes that are joined by gloo and reused by later tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from benchmarks.workers import Worker, WorkerFailed, ask_all, exit_text, work
from tests.support.commands import Command

_ROOT = Path(__file__).resolve().parents[2]
_workers: list[Worker[int]] = []  # kept until the tests end


class _Rank(Worker[int]):
    """A worker that is forked from a process which has imported torch."""

    def __init__(self, rank: int) -> None:
        self._name = f"rank {rank}"
        with Listener() as listener:
            self._command = Command(listener.address, rank, cwd=_ROOT, program=__name__)
            self._pipe = listener.accept()

    @property
    def pid(self) -> int:
        return self._command.pid

    def _cause_of_death(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._command.wait(5)
        return f"{exit_text(self._command.returncode)}\n{self._command.complaints}"

    def end(self) -> None:
        self._pipe.close()
        self._command.kill()


def main() -> None:
    """In the process of a rank: answer the test that has started it."""
    warnings.simplefilter("default")
    address, rank = sys.argv[1:]
    with Client(address) as pipe:
        work(pipe, _begin, (int(rank),), {})


def run_ranks(count: int, function: Callable[..., None], *arguments: Any, timeout: float = 120) -> None:  # noqa: ANN401
    """Call `function(*arguments)` on `count` ranks of one group.

    Raises:
        AssertionError: a rank raised, with its traceback; or they were not done within `timeout` seconds.
    """
    while len(_workers) < count:
        _workers.append(_Rank(len(_workers)))
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
