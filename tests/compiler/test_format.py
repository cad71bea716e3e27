"""The canonical format: the tree and all comments stay the same, and formatting twice changes nothing more."""

from __future__ import annotations

import random
import re
import stat
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alexc.compiler.pipeline import check_file
from alexc.compiler.text.source import Source
from alexc.compiler.tree.format import WIDEST, format_spec, without_spans
from alexc.compiler.tree.syntax import parse
from tests.conftest import ROOT, Alexc

SPECS = sorted(
    [*ROOT.glob("spec/*.net"), *ROOT.glob("examples/*.net"), *ROOT.glob("tests/compiler/broken_specs/*.net")]
)
WELL_FORMED = [path for path in SPECS if not parse(Source(path.name, path.read_text(encoding="utf-8")))[1]]


def laid_out(text: str) -> str:
    result, diagnostics = format_spec(Source("test.net", text))
    assert diagnostics == []
    assert result is not None
    return result


def comments(text: str) -> list[str]:
    return [each.rstrip() for each in re.findall(r"#[^\r\n]*", text)]


def hold(text: str) -> str:
    """Check the rules that hold for the format of every text."""
    result = laid_out(text)
    assert laid_out(result) == result
    before, after = (parse(Source("test.net", each))[0].blocks for each in (text, result))
    assert without_spans(after) == without_spans(before)
    assert comments(result) == comments(text)
    for line in result.split("\n"):
        assert line == line.rstrip(" \t\f")
        assert "\t" not in line.split("#")[0]
    assert "\n\n\n" not in result
    assert not result.startswith("\n")
    assert result == "" or result.endswith("\n")
    assert not result.endswith("\n\n")
    return result


def test_the_flagship_is_formatted() -> None:
    text = (ROOT / "spec" / "alexnet.net").read_text(encoding="utf-8")
    assert laid_out(text) == text


@pytest.mark.parametrize("spec", WELL_FORMED, ids=lambda spec: spec.stem)
def test_formatting_does_not_change_the_tree(spec: Path) -> None:
    hold(spec.read_bytes().decode())


def test_different_trees_are_not_equal() -> None:
    def tree(text: str) -> object:
        return without_spans(parse(Source("test.net", text))[0].blocks)

    assert tree("a {\n x 1 -> y\n}") == tree("a{x 1->y}")
    for other in ("a {\n x 2 -> y\n}", "a {\n x 1\n y\n}", "a {\n x k=1 -> y\n}", "b {\n x 1 -> y\n}"):
        assert tree(other) != tree("a {\n x 1 -> y\n}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a{x->y}", "a {\n  x -> y\n}\n"),
        ("a {\n\n\n x\n\n\n\n y\n\n}\n\n\n\nb {}", "a {\n  x\n\n  y\n}\n\nb {\n}\n"),
        ("a {}b {}", "a {\n}\n\nb {\n}\n"),
        ("\n\n# c\n\n\n# d\na {\n}", "# c\n\n# d\na {\n}\n"),
        ("a {\r\n\tx   1 # c  \r\n}\r\n", "a {\n  x 1  # c\n}\n"),
        ("a {\n x k = f( 1 ,2 ) -1,  b .. c\n}", "a {\n  x k=f(1, 2) -1, b..c\n}\n"),
        ("network A {\n a : k=1\n}", "network A {\n  a: k=1\n}\n"),
        ("network A extends  'x' {}".replace("'", '"'), 'network A extends "x" {\n}\n'),
        ("block b ( p,q = 3 ){\nx\n}", "block b(p, q=3) {\n  x\n}\n"),
        ("network A {\nrepeat 3{x 1->y}\n}", "network A {\n  repeat 3 { x 1 -> y }\n}\n"),
        ("network A {\nrepeat 3{\nx 1->y}\n}", "network A {\n  repeat 3 {\n    x 1 -> y\n  }\n}\n"),
        ("", ""),
        ("# only this", "# only this\n"),
    ],
)
def test_formats(text: str, expected: str) -> None:
    assert hold(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # a line break at an arrow stays, and the arrow begins the continuation line
        ("a {\n x ->\n y # c\n   # d\n -> z\n}", "a {\n  x\n    -> y  # c\n    # d\n    -> z\n}\n"),
        ("a {\n x -> # c\n y\n}", "a {\n  x  # c\n    -> y\n}\n"),
        ("a {\n x\n -> # c\n y\n}", "a {\n  x\n    # c\n    -> y\n}\n"),
        # a line break at a comma stays only if a comment needs it
        ("a {\n x b,\n c\n}", "a {\n  x b, c\n}\n"),
        ("a {\n x b, # c\n c\n}", "a {\n  x b,  # c\n    c\n}\n"),
        # around braces
        ("a # c\n# d\n{ # e\n}", "a {  # c\n  # d\n  # e\n}\n"),
        ("a {\n x\n # c\n} # d\n# e", "a {\n  x\n  # c\n}  # d\n\n# e\n"),
    ],
)
def test_comments_stay_in_their_place(text: str, expected: str) -> None:
    assert hold(text) == expected


def test_a_path_is_not_a_comment() -> None:
    assert laid_out('network B   extends "a#b -> c.net"{}') == 'network B extends "a#b -> c.net" {\n}\n'


def test_columns() -> None:
    text = """network A {
input 3x8x8
default conv pad=1
# two of a kind
conv1: conv 8 kernel=3 -> relu   # the first
# between
conv10: conv 128 kernel=3 stride=2 -> relu -> maxpool 2
b: conv1 -> conv 8 -> relu
fc: linear 10

every relu: tanh
left.one: kernel=1
}
placement p {
mesh a=2 b=3
split images by a
split channels by b
}
"""
    assert (
        hold(text)
        == """network A {
  input   3x8x8
  default conv  pad=1
  # two of a kind
  conv1:  conv 8   kernel=3           -> relu  # the first
  # between
  conv10: conv 128 kernel=3 stride=2  -> relu -> maxpool 2
  b:      conv1 -> conv 8             -> relu
  fc:     linear 10

  every relu: tanh
  left.one:   kernel=1
}

placement p {
  mesh  a=2 b=3
  split images   by a
  split channels by b
}
"""
    )


def test_no_column_makes_a_line_too_long() -> None:
    long = " ".join(f"k{number}=1" for number in range(14))
    short = " -> ".join(["relu"] * 8)
    result = hold(f"network A {{\n conv 1 {long} -> relu\n conv 1 -> {short}\n}}")
    assert max(map(len, result.split("\n"))) <= WIDEST
    assert f"  conv 1 -> {short}\n" in result


@pytest.mark.slow
def test_comments_and_breaks_anywhere() -> None:
    """The words of valid specs, with blanks, line breaks and comments wherever the language allows them."""
    rng = random.Random(7)
    texts = [path.read_text(encoding="utf-8") for path in WELL_FORMED]
    for _ in range(150):
        text = rng.choice(texts)
        for _ in range(8):
            places = [each.start() for each in re.finditer(r"(?<=[{,])|(?<=->)|(?=->)|(?= *\{)|(?=\n)", text)]
            place = rng.choice(places)
            line = text[text.rfind("\n", 0, place) + 1 : place]
            if "#" not in line:
                text = (
                    text[:place] + rng.choice(["\n", " # c\n", "\n\n\t# d\r\n", "   ", "\t", "\r\n\r\n"]) + text[place:]
                )
        if not parse(Source("test.net", text))[1]:
            hold(text)


BLANKS = st.sampled_from(["", " ", "\t", "  "])
BREAKS = st.sampled_from(["", " ", "\n", "\r\n", " # c\n", "\n\n # d d \n", "\n\n\n", "# e#f\t\r\n \t"])
LINE_ENDS = st.sampled_from(["\n", "\r\n", " # c\n", "\n\n\n# d\n", "\t\n# e\n# f \n\n"])
WORDS = st.sampled_from(["conv", "x", "relu", "a.b", "input", "default", "every", "extends", "é", "longer_name"])
ATOMS = st.one_of(WORDS, st.sampled_from(["1", "-2", "1e-4", "0.5", "3x4", "3x4x5", "a..b"]))


@st.composite
def joined(draw: st.DrawFn, parts: st.SearchStrategy[str], by: str, breaks: st.SearchStrategy[str], most: int) -> str:
    """Parts with `by` between them, and blanks or line breaks around `by`."""
    text = draw(parts)
    for _ in range(draw(st.integers(0, most))):
        text += draw(BLANKS) + by + draw(breaks) + draw(parts)
    return text


CALLS = joined(ATOMS, ",", BREAKS, 2).map(lambda values: f"f( {values})")
VALUES = st.one_of(ATOMS, CALLS)
KEYED = st.tuples(WORDS, BLANKS, BLANKS, VALUES).map(lambda parts: f"{parts[0]}{parts[1]}={parts[2]}{parts[3]}")
ARGUMENTS = st.lists(st.one_of(joined(VALUES, ",", BREAKS, 2), KEYED), max_size=4).map(
    lambda all_: "".join(f" {each}" for each in all_)
)
STEPS = st.tuples(WORDS, ARGUMENTS).map("".join)
LABELS = st.one_of(st.just(""), st.tuples(WORDS, ARGUMENTS, BLANKS).map(lambda parts: f"{''.join(parts)}:"))
PIPELINES = st.tuples(LABELS, BLANKS, joined(STEPS, "->", BREAKS, 3)).map("".join)
EDITS = st.tuples(WORDS, BLANKS, KEYED).map(lambda parts: f"{parts[0]}{parts[1]}: {parts[2]}")


@st.composite
def bodies(draw: st.DrawFn, statements: st.SearchStrategy[str]) -> str:
    lines = draw(st.lists(statements, max_size=5))
    return "{" + draw(BREAKS) + "".join(line + draw(LINE_ENDS) for line in lines) + "}"


NESTED = st.tuples(LABELS, STEPS, BREAKS, bodies(st.one_of(PIPELINES, EDITS))).map("".join)
HEADS = st.sampled_from(["network A", "train", "block b(p, q = 3)", 'network B extends "a.net" A', "placement p"])
BLOCKS = st.tuples(HEADS, BREAKS, bodies(st.one_of(PIPELINES, EDITS, NESTED)), LINE_ENDS).map("".join)


@pytest.mark.slow
@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.tuples(LINE_ENDS, st.lists(BLOCKS, max_size=3)).map(lambda parts: parts[0] + "".join(parts[1])))
def test_any_text_of_the_grammar(text: str) -> None:
    assume(not parse(Source("test.net", text))[1])
    hold(text)


@pytest.mark.slow
def test_files(tmp_path: Path, alexc: Alexc) -> None:
    sound, wrong, link = tmp_path / "sound.net", tmp_path / "wrong.net", tmp_path / "link.net"
    untidy = "network A{\r\n input 3x8x8 # c\r\n\tconv 4 kernel=3\r\n}"
    sound.write_bytes(untidy.encode())
    sound.chmod(0o640)
    link.symlink_to(sound)
    wrong.write_text("network A {\n  conv = 3\n}\n")

    checked = alexc("fmt", "--check", "sound.net")
    assert (checked.returncode, checked.stdout) == (1, "sound.net: is not formatted; run `alexc fmt sound.net`\n")
    shown = alexc("fmt", "--diff", "sound.net")
    assert shown.returncode == 1
    assert "+  conv 4 kernel=3\n" in shown.stdout
    assert "\\ No newline at end of file" in shown.stdout
    assert sound.read_bytes() == untidy.encode()

    written = alexc("fmt", "wrong.net", "link.net")
    assert written.returncode == 1
    assert written.stdout == "link.net: formatted\n"
    assert "error[E0101]" in written.stderr
    assert wrong.read_text() == "network A {\n  conv = 3\n}\n"
    assert sound.read_bytes() == b"network A {\n  input 3x8x8  # c\n  conv 4 kernel=3\n}\n"
    assert link.is_symlink()
    assert stat.S_IMODE(sound.stat().st_mode) == 0o640
    assert check_file(sound).diagnostics == ()

    again = alexc("fmt", "sound.net", "--check")
    assert (again.returncode, again.stdout) == (0, "")
    assert alexc("fmt", "--diff", "sound.net").stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.net", "sound.net", "wrong.net"]


def test_a_wide_line_is_broken_before_an_arrow() -> None:
    steps = " -> ".join(["maxpool 3 stride=1 pad=1"] * 6)
    text = f"network N {{\n  input 3x8x8\n  a: conv 8 kernel=1\n  long_name: a -> {steps}  # why\n}}\n"
    lines = hold(text).splitlines()
    assert max(map(len, lines)) <= WIDEST
    assert lines[3:6] == [
        f"  long_name: a -> {' -> '.join(['maxpool 3 stride=1 pad=1'] * 3)}",
        f"    -> {' -> '.join(['maxpool 3 stride=1 pad=1'] * 3)}  # why",
        "}",
    ]


def test_the_first_step_of_a_wide_line_stays_with_the_layer_that_it_reads() -> None:
    name = "n" * 60
    text = f"network N {{\n  {name}: conv 8 kernel=1\n  b: {name} -> conv 8 kernel=3 pad=1 -> relu\n}}\n"
    assert hold(text).splitlines()[2:4] == [
        f"  {'b:'.ljust(61)} {name} -> conv 8 kernel=3 pad=1",
        "    -> relu",
    ]


def test_names_of_joins_are_in_columns_only_if_no_line_becomes_too_wide() -> None:
    names = ["a" * 40, "b" * 40, "c" * 20, "d" * 20]
    one, other = (f"concat {' '.join(names)}", "concat e f")
    inside = "\n".join(f"  {name}: conv 8 kernel=1" for name in (*names, "e", "f"))
    assert f": {one}\n" in re.sub(" +", " ", hold(f"network N {{\n{inside}\n\n  x: {one}\n  y: {other}\n}}\n"))
    made = hold(f"network N {{\n  x: concat {'a' * 70} b\n  y: concat c {'d' * 60}\n}}\n")
    assert made.splitlines()[1:3] == [f"  x: concat {'a' * 70} b", f"  y: concat c {'d' * 60}"]
    made = hold("network N {\n  x: concat aaa b\n  y: concat c ddd\n}\n")
    assert made.splitlines()[1:3] == ["  x: concat aaa b", "  y: concat c   ddd"]
