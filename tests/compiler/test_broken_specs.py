"""Each broken spec in `broken_specs/` gets exactly the message that lies beside it.

When a message is bettered: run `python -m tests.compiler.test_broken_specs` and read the change.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.text.diagnostics import TITLES, render_all
from alexc.compiler.text.source import Source
from alexc.importers.network import Assumed
from alexc.importers.reading import import_sources
from tests.conftest import ROOT, Alexc

FOLDER = ROOT / "tests" / "compiler" / "broken_specs"
SPECS = sorted(FOLDER.glob("*.net"))


@cache
def message(spec: Path) -> str:
    checked = check_text(spec.read_bytes().decode(), spec.name)
    assert checked.diagnostics
    return render_all(checked.source, checked.diagnostics) + "\n"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_message(spec: Path) -> None:
    assert message(spec) == spec.with_suffix(".txt").read_text(encoding="utf-8")


def test_every_message_has_its_spec() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == {path.stem for path in SPECS}


def test_every_code_has_an_example() -> None:
    shown = {code for spec in SPECS for code in re.findall(r"^\w+\[(\w+)\]", message(spec), re.MULTILINE)}
    of_specs = {code for code in TITLES if code[1:3] != "09"}  # those of foreign files: test_import_caffe
    assert of_specs - shown == {"E0102"}  # files that are no text: test_unreadable_files


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_one_mistake_is_one_message(spec: Path) -> None:
    messages = re.findall(r"^\w+\[", message(spec), re.MULTILINE)
    assert len(messages) == (3 if spec.stem.startswith("several_") else 1)


def test_names_that_differ_in_case_alone() -> None:
    assert "`Conv1` differs from `conv1` in case alone" in message(FOLDER / "name_differs_in_case_alone.net")


def test_too_many_parameters() -> None:
    assert "the limit is 100,000,000,000" in message(FOLDER / "too_many_parameters.net")


def test_very_many_parameters_are_a_warning_and_a_network() -> None:
    spec = FOLDER / "very_many_parameters.net"
    checked = check_file(spec)
    assert checked.graph is not None
    assert checked.graph.parameters == 4_129_026_792 == 64 * 3 * 9 + 64 + 64 * 254 * 254 * 1000 + 1000
    assert "warning[W0304]: the network has 4,129,026,792 parameters\n" in message(spec)
    assert "17 GB in float32" in message(spec)  # 4 bytes each
    for most in (4_129_026_791, 4_129_026_792):
        limited = check_file(spec, most_parameters=most)
        assert [each.code for each in limited.diagnostics] == ["W0304" if limited.graph else "E0304"]
        assert (limited.graph is not None) == (most == 4_129_026_792)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "summary", "compile", "draw", "plan", "diff"])
def test_every_command_that_reads_a_network_warns_and_takes_the_limit(
    tmp_path: Path, alexc: Alexc, command: str
) -> None:
    spec = tmp_path / "large.net"
    placement = "placement two {\n  mesh tower=2\n  split images by tower\n}\n"
    spec.write_text((FOLDER / "very_many_parameters.net").read_text() + placement)
    specs = [spec, spec] if command == "diff" else [spec]
    taken = alexc(command, *specs)
    assert taken.returncode == 0, taken.stderr
    assert "warning[W0304]" in (taken.stdout if command == "check" else taken.stderr)
    refused = alexc(command, *specs, "--most-parameters", "4000000000")
    assert refused.returncode == (2 if command == "diff" else 1)
    said = refused.stdout if command == "check" else refused.stderr
    assert "error[E0304]: the network has 4,129,026,792 parameters; the limit is 4,000,000,000" in said


def test_an_imported_network_is_judged_by_the_same_limit() -> None:
    text = """
        name: "Net" input: "data" input_dim: 1 input_dim: 3 input_dim: 256 input_dim: 256
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
                convolution_param { num_output: 64 kernel_size: 3 } }
        layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param { num_output: 1000 } }
        layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
    """
    source = Source("net.prototxt", text)
    warned = import_sources([source], Assumed())
    assert warned.text is not None
    assert [(each.code, each.span.line_and_column[0]) for each in warned.findings] == [("W0304", 5)]
    refused = import_sources([source], Assumed(most_parameters=10**9))
    assert refused.text is None
    assert [(each.code, each.span.line_and_column[0]) for each in refused.findings] == [("E0907", 5)]


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
