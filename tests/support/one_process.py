"""Makes stores in the process of the test, which saves the seconds that worker processes take to start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from alexc.runtime.data import prepare as preparing


def make_shards_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `prepare` make its shards one after the other in this process."""

    def run(function: Callable[[Any], None], tasks: Iterable[Any], _: int, finished: Callable[[Any], None]) -> None:
        for task in tasks:
            function(task)
            finished(task)

    monkeypatch.setattr(preparing, "run_in_workers", run)
    monkeypatch.setattr(preparing, "start_importing", lambda: None)
