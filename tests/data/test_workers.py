"""Processes that are kept for many tests and timings: what they keep, and what is told when one fails."""

from __future__ import annotations

import ctypes
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.workers import Worker, WorkerFailed, ask_all
from tests.support.ranks import run_ranks

pytestmark = pytest.mark.slow


def with_one_more(kept: list[int], number: int) -> list[int]:
    kept.append(number)
    return kept


def raise_in_the_first(kept: list[int]) -> None:
    if kept[0] == 0:
        raise ValueError("not this one")


def die(kept: list[int]) -> None:
    os._exit(3)


def read_nowhere() -> None:
    ctypes.string_at(0)


def sleep(kept: list[int]) -> None:
    time.sleep(600)


@pytest.fixture(scope="module")
def three() -> Iterator[list[Worker[list[int]]]]:
    """Workers for all tests: each ends some of those that the tests before it have left, and the fixture the others."""
    workers = [Worker(f"worker {number}", with_one_more, [], number) for number in range(3)]
    yield workers
    for worker in workers:
        worker.end()
        assert not (Path("/proc") / str(worker.pid)).exists()


def test_a_worker_keeps_what_it_has_made(three: list[Worker[list[int]]]) -> None:
    assert ask_all(three[:2], 120, with_one_more, 7) == [[0, 7], [1, 7]]
    assert ask_all(three[:2], 120, with_one_more, number=8) == [[0, 7, 8], [1, 7, 8]]


def test_one_that_raises_is_told_with_its_lines_and_ends(three: list[Worker[list[int]]]) -> None:
    two = three[:2]
    with pytest.raises(WorkerFailed, match=r"(?s)worker 0:.*in raise_in_the_first.*ValueError: not this one") as failed:
        ask_all(two, 120, raise_in_the_first)
    assert "worker 1" not in str(failed.value)
    with pytest.raises(WorkerFailed, match="worker 0 died: exit code 0"):
        ask_all(two, 120, with_one_more, 7)


def test_one_that_dies_or_is_silent_is_told(three: list[Worker[list[int]]]) -> None:
    three[2].ask(die)
    three[1].ask(sleep)
    with pytest.raises(WorkerFailed, match="worker 2 died: exit code 3"):
        three[2].answer(120)
    with pytest.raises(WorkerFailed, match=r"worker 1 did not answer in 0\.1 s"):
        three[1].answer(0.1)


def test_of_a_rank_that_crashes_the_signal_and_the_line_are_told() -> None:
    with pytest.raises(AssertionError, match="rank 0 died: signal 11, Segmentation fault") as failed:
        run_ranks(1, read_nowhere)
    assert re.search(r"Fatal Python error: Segmentation fault(?s:.*) in read_nowhere", str(failed.value))
