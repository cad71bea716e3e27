"""The words of the language have one source: `vocabulary` for keywords, the classes of kinds and steps for theirs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from alexc.compiler import vocabulary
from alexc.compiler.layers.arguments import Arguments
from alexc.compiler.layers.registry import kinds
from alexc.compiler.recipe.steps import RECIPE_STATEMENTS
from alexc.compiler.reference import calls, models
from tests.conftest import ROOT

KEYWORDS = {value for value in vars(vocabulary).values() if isinstance(value, str) and value.isidentifier()}
PARSERS = [
    *sorted((ROOT / "compiler" / "net").glob("*.py")),
    *sorted((ROOT / "compiler" / "tree").glob("*.py")),
    ROOT / "alexc" / "highlighting.py",
]


def strings(tree: ast.Module) -> list[ast.Constant]:
    """The string constants, without those in a `Literal` type."""
    types = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal"
        for each in ast.walk(node)
    }
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [node for node in found if id(node) not in types]


def test_the_keywords_are_those_that_the_language_has() -> None:
    groups = (
        vocabulary.BLOCKS,
        vocabulary.SETTINGS,
        vocabulary.REPETITION,
        vocabulary.EDITS,
        vocabulary.PLACEMENT_STATEMENTS,
        vocabulary.SPLIT_WORDS,
        vocabulary.SEND_WORDS,
        vocabulary.LINKING_WORDS,
    )
    assert sorted(KEYWORDS) == sorted([vocabulary.EXTENDS, *(word for group in groups for word in group)])


@pytest.mark.parametrize("path", PARSERS, ids=lambda path: path.stem)
def test_no_parser_spells_a_keyword_itself(path: Path) -> None:
    words = {*KEYWORDS, *calls()} - {*RECIPE_STATEMENTS}  # a recipe's statements are fields of `Recipe` too
    assert [
        f"{path.name}:{node.lineno}: {node.value}"
        for node in strings(ast.parse(path.read_text(encoding="utf-8")))
        if node.value in words
    ] == []


def test_the_grammar_has_no_other_keyword_than_extends() -> None:
    grammar = (ROOT / "compiler" / "tree" / "grammar.lark").read_text(encoding="utf-8")
    assert re.findall(r'^\w+: "(\w+)"', grammar, re.MULTILINE) == [vocabulary.EXTENDS]


def test_no_keyword_is_a_kind_too() -> None:
    assert not {*KEYWORDS, *RECIPE_STATEMENTS} & {*kinds()}


@pytest.mark.parametrize("model", list(models()), ids=lambda model: model.__name__)
def test_an_argument_that_is_written_with_parentheses_names_the_word_before_them(model: type[Arguments]) -> None:
    for name in model.model_fields:
        expected = model.expectation(name)
        assert set(re.findall(r"`(\w+)\(", expected.words)) == set(expected.calls)
        assert set(expected.calls) <= calls()
