"""What a message says about a path that does not exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexc.nearby import FOLDER, nearby


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.net", "b.net", "specs/resnet50.net", "specs/vgg.net", "other.py", ".hidden.net"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("specs/resnet5.net", "; did you mean specs/resnet50.net?"),
        ("resnet50.net", "; did you mean specs/resnet50.net?"),
        ("resnet50", "; did you mean specs/resnet50.net?"),
        ("q.net", "; the current folder holds a.net, b.net"),
        ("nothing_like_it", "; the current folder holds a.net, b.net"),
        ("specs/nothing_like_it", "; specs holds resnet50.net, vgg.net"),
        ("specz/a.net", "; there is no folder specz; did you mean specs?"),
        ("elsewhere/deep/a.net", "; there is no folder elsewhere; the current folder holds specs"),
        ("a.net", ""),
        ("a.net/b.net", "; there is no folder a.net; the current folder holds specs"),
        ("n\0ul", "; the current folder holds a.net, b.net"),
        ("x" * 5000, ""),
    ],
)
def test_it_names_what_is_like_it_or_what_is_there(asked: str, hint: str) -> None:
    assert nearby(Path(asked), ".net") == hint


def test_folders_are_named_only_if_they_are_like_it() -> None:
    assert nearby(Path("spec"), FOLDER) == "; did you mean specs?"
    assert nearby(Path("quite another"), FOLDER) == ""


def test_only_a_few_are_named_and_none_with_steering_characters(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / "specs" / f"a\x1b{number}.net").touch()
    hint = nearby(Path("specs/quite another"), ".net")
    assert hint == "; specs holds " + ", ".join(f"a\\x1b{number}.net" for number in range(5)) + " and 6 more"
