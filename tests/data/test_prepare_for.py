"""`alexc prepare --for SPEC`: the store that a network trains from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alexc.cli import app
from alexc.runtime.data import prepare as preparing
from alexc.runtime.data.store import Geometry
from alexc.runtime.errors import UserError
from tests.conftest import ROOT

SPEC = (ROOT / "examples" / "small.net").read_text()


class Asked(Exception):  # noqa: N818 - ends the command before it makes a store
    """What `prepare` was called with."""


@pytest.fixture(autouse=True)
def _asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(_data: Path, destination: Path, geometry: Geometry, *_: Any) -> None:  # noqa: ANN401
        raise Asked(destination, geometry)

    monkeypatch.setattr(preparing, "prepare", prepare)
    monkeypatch.chdir(tmp_path)
    Path("mine.net").write_text(SPEC)


def asked(*arguments: str) -> tuple[Path, Geometry]:
    with pytest.raises(Asked) as calls:
        app(["prepare", "images", *arguments], standalone_mode=False)
    destination, geometry = calls.value.args
    return destination, geometry


@pytest.mark.parametrize("network", ["mine.net", str(ROOT / "generated" / "small.py")])
def test_it_is_the_store_that_a_training_looks_for(network: str) -> None:
    destination, geometry = asked("--for", network)
    assert geometry == Geometry(72, 72)
    assert destination == preparing.default_destination(Path("images"), geometry)


def test_grey_images_of_any_shape() -> None:
    edits = {
        "input  3x64x64": "input  1x64x80",
        "resize 72 -> center_crop 72": "resize 75x90 -> center_crop 72x88",
        "random_crop 64 -> mirror -> pca_color 0.1 by=eigenvalue": "random_crop 64x80 -> mirror",
        "ten_crop 64": "ten_crop 64x80",
    }
    text = SPEC
    for before, after in edits.items():
        assert before in text
        text = text.replace(before, after)
    Path("mine.net").write_text(text)
    assert asked("--for", "mine.net")[1] == Geometry((75, 90), (72, 88), 1)


def test_the_spec_decides_alone() -> None:
    assert asked()[1] == Geometry(256, 256)
    assert asked("--crop", "224")[1] == Geometry(256, 224)
    for option, value in (("--resize", "256"), ("--crop", "72"), ("--channels", "3"), ("--bits", "8")):
        with pytest.raises(Exception, match=f"leave {option} out"):
            app(["prepare", "images", "--for", "mine.net", option, value], standalone_mode=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SPEC[: SPEC.index("train {")], "--for mine.net: the spec has no recipe: add a `train` block"),
        (SPEC.replace("conv", "cnv"), "did you mean `conv`"),
        (None, "mine.net: there is no such file"),
    ],
)
def test_specs_that_do_not_say_it(text: str | None, message: str) -> None:
    Path("mine.net").unlink()
    if text is not None:
        Path("mine.net").write_text(text)
    with pytest.raises(UserError, match=message.replace("?", "")):
        app(["prepare", "images", "--for", "mine.net"], standalone_mode=False)
