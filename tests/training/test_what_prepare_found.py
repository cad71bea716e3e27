"""What `prepare` found is told where images are given: at the start of a training, and by `alexc evaluate`."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexc.commands.evaluate import Format, evaluate
from tests.support import tiny_training as tiny


@pytest.mark.slow
def test_training_and_evaluation_tell_how_the_images_were_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    images = tiny.make_images(tmp_path / "images")
    (images / "train" / "red" / "same.png").write_bytes((images / "val" / "blue" / "0.png").read_bytes())
    (images / "train" / "red" / "notes.txt").touch()
    found = "1 found in two classes or splits, 1 clearly not images: `alexc inspect"
    tiny.run_to(tiny.options(tiny.write_network(tmp_path), images, tmp_path / "run"), steps=tiny.STEPS_PER_EPOCH)
    header = capsys.readouterr().out
    assert f"prepared  train from train/, val from val/; {found} stores/images-20-" in header
    evaluate(tmp_path / "run", images, device="cpu", format=Format.JSON)
    assert f": train from train/, val from val/; {found} stores/images-20-" in capsys.readouterr().err
