"""The list of files that a training prints at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexc.runtime.runs.console import print_files


def test_remarks_are_aligned_after_names_of_any_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / "plain", tmp_path / "steers\x1b[31m"]
    for path in paths:
        path.touch()
    print_files([("best", paths[0], "first"), ("metrics", paths[1], "second")])
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert first.index("first") == second.index("second")
    assert second.isprintable()
