"""Every diagnostic code is explained by a spec that gets it, and by the same spec without the error."""

from __future__ import annotations

import pytest

from alexc.commands.explain import findings_in
from alexc.compiler.text.diagnostics import TITLES
from alexc.compiler.text.explain import ZERO_BYTE, code_meant, explanation
from alexc.compiler.text.source import Source
from alexc.compiler.tree.format import format_spec
from tests.conftest import ROOT, Alexc

FOLDER = ROOT / "compiler" / "text" / "explanations"


def test_every_code_has_its_file() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(TITLES)


@pytest.mark.parametrize("code", TITLES)
def test_the_example_gets_the_code_and_the_fixed_one_none(code: str) -> None:
    page = explanation(code)
    assert (page.code, page.title) == (code, TITLES[code])
    assert [each.code for each in findings_in(page.example, page.language)[1]] == [code]
    assert list(findings_in(page.fixed, page.language)[1]) == []
    if page.language == "net":
        assert format_spec(Source("fixed.net", page.fixed)) == (page.fixed, [])
    assert max(map(len, page.text.split("\n"))) <= 120


@pytest.mark.parametrize("word", ["E0301", "e0301", "301", "0301"])
def test_a_code_is_known_in_several_spellings(word: str) -> None:
    assert code_meant(word) == "E0301"


def test_a_warning_keeps_its_letter() -> None:
    assert (code_meant("w901"), code_meant("901")) == ("W0901", "E0901")


@pytest.mark.parametrize("word", ["", "E", "E9999", "E030x", "../E0301", "E00000301x", "\u0663\u0660\u0661"])
def test_words_that_are_not_codes(word: str) -> None:
    assert code_meant(word) is None


@pytest.mark.slow
def test_the_command(alexc: Alexc) -> None:
    page = alexc("explain", "e0301")
    assert page.returncode == 0
    assert page.stdout.startswith(f"E0301: {TITLES['E0301']}\n")
    assert "    error[E0301]: `conv2` needs `reads`, because its input is split into 2 towers\n" in page.stdout
    assert "reads=tower" in page.stdout.split("Fixed:")[1]
    assert page.stderr == ""

    listed = alexc("explain")
    assert [line.split("  ")[0] for line in listed.stdout.splitlines()] == list(TITLES)

    unknown = alexc("explain", "E9\x1b[2J")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == "error: E9\\x1b[2J: there is no such code; `alexc explain` lists all of them\n"

    zero = alexc("explain", "E0102").stdout
    assert ZERO_BYTE in zero
    assert "\0" not in zero
