"""Messages in color, and tables that fit the terminal."""

from __future__ import annotations

import io
import re

import pytest

from alexc.commands.explain import findings_in
from alexc.compiler.text.diagnostics import render_all
from alexc.compiler.text.explain import explanation
from alexc.printable import columns_of, printable_lines
from alexc.table import aligned, filled, listed
from alexc.terminal import print_message, terminal_width

_ESCAPE = re.compile("\x1b\\[[0-9;]*m")
FINDINGS = ["E0101", "E0202", "E0207", "E0301", "E0501", "E0901", "W0501"]


class Terminal(io.StringIO):
    """A terminal that keeps what it shows."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown(text: str, file: io.StringIO | None = None) -> str:
    file = file or Terminal()
    print_message(text, file)
    return file.getvalue()


def rendered(code: str) -> str:
    page = explanation(code)
    return render_all(*findings_in(page.example, page.language))


@pytest.mark.parametrize("code", FINDINGS)
def test_color_changes_no_character_of_a_finding(code: str) -> None:
    text = rendered(code)
    colored = shown(text)
    assert _ESCAPE.sub("", colored) == f"{text}\n"
    assert colored.startswith("\x1b[1;33mwarning[" if code.startswith("W") else "\x1b[1;31merror[")


def test_the_parts_of_a_finding_have_their_own_colors() -> None:
    lines = shown(rendered("E0202")).splitlines()
    assert any("\x1b[1;31m^^^" in line for line in lines)
    assert any("\x1b[1;34m-->\x1b[0m" in line for line in lines)
    assert any("\x1b[1;32mhelp:\x1b[0m" in line for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "error: a.net: there is no such file",
        "warning: first\nnote: second",
        "error: [red]no markup[/red] :smile: https://example.org 12 'quoted'",
        f"error: {'a long path ' * 40}",
        "error: 日本語/e\u0301.net  two blanks",
        "error: one\nerror: two",
        "no prefix",
        "",
    ],
)
def test_color_changes_no_character_of_a_message(text: str) -> None:
    colored = shown(text)
    assert _ESCAPE.sub("", colored) == f"{text}\n"
    assert len(_ESCAPE.findall(colored)) == 2 * len(re.findall("(?m)^(error|warning|note):", text))


@pytest.mark.parametrize("file", [Terminal, io.StringIO])
def test_control_characters_are_escaped(file: type[io.StringIO]) -> None:
    assert "a\\x1b[31m\\x07\\r\\u202eb.net" in shown("error: a\x1b[31m\a\r\u202eb.net", file())


@pytest.mark.parametrize(
    ("variables", "terminal", "pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, False),
    ],
)
def test_color_is_for_terminals_and_for_whoever_asks(
    variables: dict[str, str], terminal: bool, pipe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b" in shown("error: x", Terminal())) == terminal
    assert ("\x1b" in shown("error: x", io.StringIO())) == pipe


TABLE = [
    ("layer", "output", "weights", "what happens"),
    ("first.conv", "96x55x55", "34,848", "relu lrn maxpool"),
    ("second", "1000", "4,096,000,000", "softmax"),
]
NUMERIC = ("weights",)


def test_a_pipe_gets_full_rows() -> None:
    assert aligned(TABLE, NUMERIC) == [
        "layer       output          weights  what happens",
        "first.conv  96x55x55         34,848  relu lrn maxpool",
        "second      1000      4,096,000,000  softmax",
    ]
    assert aligned(TABLE, NUMERIC, 53, ["output"]) == aligned(TABLE, NUMERIC)


def test_the_least_important_column_is_left_out_and_named() -> None:
    lines = aligned(TABLE, NUMERIC, 52, ["output", "what happens"])
    assert lines[0] == "layer             weights  what happens"
    assert lines[-2:] == ["", "left out, because the terminal is too narrow: output"]


def test_words_are_wrapped_and_numbers_never() -> None:
    assert aligned(TABLE, NUMERIC, 44) == [
        "layer       output          weights  what",
        "                                     happens",
        "first.conv  96x55x55         34,848  relu",
        "                                     lrn",
        "                                     maxpool",
        "second      1000      4,096,000,000  softmax",
    ]
    header = [("multiply-adds in MB", "x"), ("1,000,000", "y")]
    assert aligned(header, ("multiply-adds in MB",), 16) == [
        "multiply-adds  x",
        "        in MB",
        "    1,000,000  y",
    ]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_no_line_is_longer_than_the_terminal_and_no_word_is_lost(width: int) -> None:
    names = ["日本語の画像のクラス名" * 3, "a_name_without_blanks" * 4, "e\u0301" * 40, "several short words " * 5]
    table = [("class", "images", "note"), *((name, f"{10**place:,}", name) for place, name in enumerate(names))]
    lines = aligned(table, ("images",), width)
    assert max(map(columns_of, lines)) <= width
    text = "".join("".join(lines).split())
    assert all(sorted(text).count(each) >= name.count(each) for name in names for each in set(name) - {" "})


def test_a_text_after_a_name_hangs_below_itself_and_a_path_stays_whole() -> None:
    rows = [("run", "/a/very/long/path/that/cannot/be/broken.py"), ("note", "one two three four five six")]
    assert listed(rows, 26) == [
        "run   /a/very/long/path/that/cannot/be/broken.py",
        "note  one two three four",
        "      five six",
    ]
    assert listed(rows) == [f"{name:<4}  {text}" for name, text in rows]
    assert listed([]) == []


def test_paragraphs_are_wrapped_one_by_one() -> None:
    assert filled("one two\nthree\n\nfour", 9) == "one two\nthree\n\nfour"
    assert filled("one two\nthree\n\nfour", 80) == "one two three\n\nfour"
    assert filled("one two\nthree", None) == "one two\nthree"


def test_a_message_without_a_terminal_is_only_made_safe() -> None:
    text = "error: a\tb\n  c"
    assert shown(text, io.StringIO()) == f"{printable_lines(text)}\n"


class Written:
    """What some programs put in place of standard output."""

    def write(self, text: str) -> int:
        return len(text)


@pytest.mark.parametrize("stand_in", [None, Written(), io.StringIO()])
def test_what_stands_in_for_standard_output_has_no_width(stand_in: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", stand_in)
    monkeypatch.setattr("sys.stderr", stand_in)
    print_message("error: x")
    assert terminal_width() is None


def test_a_terminal_has_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "61")
    monkeypatch.setattr("sys.stdout", Terminal())
    assert terminal_width() == 61
