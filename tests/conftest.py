"""What several tests share: places of the repository, and the command line as a user calls it."""

from __future__ import annotations

import gc
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alexc.runtime.cores import available_cores
from tests.support.commands import Command

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]

Alexc = Callable[..., subprocess.CompletedProcess[str]]


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, because many tests wait for processes that they have started."""
    return available_cores() + 1


def pytest_collection_finish() -> None:
    """Searches for garbage pass over torch and all else that is loaded by now, and are rarer among so many objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def alexc(tmp_path: Path) -> Alexc:
    """Run `alexc` in a process of its own, in `tmp_path` unless `cwd` says otherwise."""

    def run(*arguments: str | Path, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        command = Command(*arguments, cwd=cwd)
        printed, errors = command.communicate(timeout=600)
        return subprocess.CompletedProcess(list(map(str, arguments)), command.wait(), printed, errors)

    return run


@pytest.fixture(scope="module")  # not longer: until it is closed, no test can start another event loop
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    from tests.support.browser import BROWSER

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
