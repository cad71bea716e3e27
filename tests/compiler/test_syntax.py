"""The parser: text to a syntax tree."""

from __future__ import annotations

import random
import time

import pytest

from alexc.compiler.pipeline import check_text
from alexc.compiler.text.source import Source
from alexc.compiler.tree.syntax import parse
from alexc.compiler.tree.tree import Block, Call, Dimensions, LayerRange, Number, Pipeline, Tree, Word
from tests.conftest import ROOT

FLAGSHIP = (ROOT / "spec" / "alexnet.net").read_text()


def tree_of(text: str) -> Tree:
    tree, diagnostics = parse(Source("test.net", text))
    assert diagnostics == []
    return tree


def pipelines(block: Block) -> list[Pipeline]:
    found = [each for each in block.statements if isinstance(each, Pipeline)]
    assert len(found) == len(block.statements)
    return found


def test_values() -> None:
    (block,) = tree_of("a B {\n k 3x4 1e-4 -2 w a=f(1, x) b..c d, e\n}").blocks
    values = [value for argument in pipelines(block)[0].steps[0].arguments for value in argument.values]
    dimensions, small, negative, word, call, layers, first, second = values
    assert isinstance(dimensions, Dimensions)
    assert dimensions.sizes == (3, 4)
    assert isinstance(small, Number)
    assert (small.value, type(small.value)) == (1e-4, float)
    assert isinstance(negative, Number)
    assert (negative.value, type(negative.value)) == (-2, int)
    assert isinstance(word, Word)
    assert isinstance(call, Call)
    assert [call.name.text, len(call.values)] == ["f", 2]
    assert isinstance(layers, LayerRange)
    assert (layers.first.text, layers.last.text) == ("b", "c")
    assert isinstance(first, Word)
    assert isinstance(second, Word)


def test_every_span_covers_the_text_of_its_node() -> None:
    tree = tree_of(FLAGSHIP)
    for block in tree.blocks:
        assert block.keyword.span.text == block.keyword.text
        for statement in pipelines(block):
            if statement.label:
                assert statement.label.span.text == statement.label.kind.text
            for step in statement.steps:
                assert step.kind.span.text == step.kind.text
                for argument in step.arguments:
                    key = f"{argument.key.text}=" if argument.key else ""
                    values = ", ".join(value.span.text for value in argument.values)
                    assert argument.span.text == key + values


@pytest.mark.parametrize(
    "text",
    [
        "a {\n x -> y -> z\n}",
        "a {\n x ->\n y ->\n\n   # a comment\n z\n}",
        "a {\n x\n -> y\n   # a comment\n\n -> z\n}",
        "a { x -> y -> z }",
        "\n\na\n{ x -> y\n-> z\n\n\n}\n\n",
        "a {\r\n x -> y ->\r\n z\r\n}\r\n",
    ],
)
def test_a_pipeline_continues_after_and_before_an_arrow(text: str) -> None:
    (block,) = tree_of(text).blocks
    (statement,) = pipelines(block)
    assert [step.kind.text for step in statement.steps] == ["x", "y", "z"]


def test_random_edits_of_the_flagship_never_raise() -> None:
    rng = random.Random(0)
    letters = " \t\n{}()=,:.->#x0189aé\"'\\\0\u202e" + "conv relu"
    found = 0
    for _ in range(150):
        text = list(FLAGSHIP)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(text))
            action = rng.randrange(3)
            if action == 0:
                text[place] = rng.choice(letters)
            elif action == 1:
                text.insert(place, rng.choice(letters))
            else:
                del text[place : place + rng.randint(1, 30)]
        checked = check_text("".join(text), "edited.net")
        assert (checked.graph is None) == any(each.severity == "error" for each in checked.diagnostics)
        found += bool(checked.diagnostics)
    assert found > 50  # most edits do break it


@pytest.mark.slow
@pytest.mark.parametrize(
    "hostile",
    [
        "1" * 200_000,
        "a" * 200_000,
        "{" * 200_000,
        "->" * 100_000,
        "x" + ".a" * 100_000,
        "3" + "x3" * 100_000,
        "(" * 100_000,
        " " * 200_000 + ";",
        "a=" * 100_000,
        "1.1." * 50_000,
        "#" * 500_000,
        "a..b" * 50_000,
        "x" + " a" * 200_000,
        "x" + " -> relu" * 100_000,
        "x" + " f(" * 100_000,
        "a=f(" * 1_000 + ")" * 1_000,
        "{\n" * 100_000 + "}\n" * 100_000,
        "repeat 1 {\n" * 100_000 + "}\n" * 100_000,
        "concat a b\n" * 50_000,
        "x: relu\n" * 50_000,
    ],
)
def test_long_runs_are_answered_at_once(hostile: str) -> None:
    started = time.process_time()
    assert check_text(f"network A {{\n {hostile}\n}}", "long.net").diagnostics
    assert time.process_time() - started < 20  # a hang, not a speed: the worst takes well under a second


def test_an_unfinished_line_before_a_brace_hides_no_other_error() -> None:
    text = "network A {\n  conv 4\n  fc: relu -> # more\n\n}\nnetwork B {\n  lrn ( 3\n  fc: linear 10\n}\n"
    tree, diagnostics = parse(Source("a.net", text))
    assert [each.span.line_and_column[0] for each in diagnostics] == [5, 7]
    assert [len(block.statements) for block in tree.blocks] == [1, 1]
