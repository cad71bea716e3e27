"""Each broken spec in `broken_specs/` gets exactly the message that lies beside it.

When a message is bettered: run `python -m tests.test_broken_specs` and read the change.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from alexc.compiler.diagnostics import TITLES, render_all
from alexc.compiler.pipeline import check_text
from tests.conftest import ROOT, Alexc

FOLDER = ROOT / "tests" / "broken_specs"
SPECS = sorted(FOLDER.glob("*.net"))


@cache
def message(spec: Path) -> str:
    checked = check_text(spec.read_bytes().decode(), spec.name)
    assert checked.graph is None
    return render_all(checked.source, checked.diagnostics) + "\n"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_message(spec: Path) -> None:
    assert message(spec) == spec.with_suffix(".txt").read_text(encoding="utf-8")


def test_every_message_has_its_spec() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == {path.stem for path in SPECS}


def test_every_code_has_an_example() -> None:
    shown = {code for spec in SPECS for code in re.findall(r"error\[(E\d+)\]", message(spec))}
    of_specs = {code for code in TITLES if code[1:3] != "09"}  # those of foreign files: test_import_caffe
    assert of_specs - shown == {"E0102"}  # files that are no text: test_unreadable_files


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_one_mistake_is_one_error(spec: Path) -> None:
    errors = message(spec).count("error[")
    assert errors == (3 if spec.stem.startswith("several_") else 1)


def test_names_that_differ_in_case_alone() -> None:
    assert "`Conv1` differs from `conv1` in case alone" in message(FOLDER / "name_differs_in_case_alone.net")


def test_too_many_parameters() -> None:
    assert "at most 100,000,000,000 are taken" in message(FOLDER / "too_many_parameters.net")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"network A {\xff}", "not UTF-8"),
        (b"network A {\0}", "zero byte"),
        (b"#" * (2**24 + 1), "larger than 16,777,216 bytes"),
    ],
)
def test_unreadable_files(tmp_path: Path, alexc: Alexc, data: bytes, words: str) -> None:
    spec = tmp_path / "odd.net"
    spec.write_bytes(data)
    result = alexc("check", spec)
    assert result.returncode == 1
    assert "error[E0102]" in result.stdout
    assert words in result.stdout
    assert result.stderr == ""


def test_places_are_right_with_tabs_wide_letters_and_a_byte_order_mark(tmp_path: Path, alexc: Alexc) -> None:
    spec = tmp_path / "wide.net"
    spec.write_bytes(
        "\ufeffnetwork A {\r\n\tinput 3x8x8\r\n\tx: conv 4 kernel=3 # 漢字\r\n\ty: rellu\r\n}\r\n".encode()
    )
    out = alexc("check", spec).stdout
    assert f"{spec}:4:5" in out
    assert "4 |     y: rellu\n  |        ^^^^^\n" in out


if __name__ == "__main__":
    for each in SPECS:
        each.with_suffix(".txt").write_text(message(each), encoding="utf-8")
