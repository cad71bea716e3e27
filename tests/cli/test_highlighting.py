"""Highlighting of `.net` files: the Pygments lexer, and the grammar and other files of the VS Code extension."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments import highlight, lex
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Error, Keyword, Name, Token

from alexc.compiler.layers.registry import kinds
from alexc.compiler.recipe.steps import RECIPE_STATEMENTS
from alexc.compiler.reference import calls, steps
from alexc.compiler.vocabulary import BLOCKS, EDITS, PLACEMENT_STATEMENTS, REPETITION, SETTINGS
from alexc.highlighting import TOKENS, NetLexer, rules, words_of
from alexc.language_server.inlay_hints import DETAILS
from alexc.language_server.semantic_tokens import LEGEND
from tests.conftest import ROOT
from tools import textmate_grammar

SPECS = sorted([ROOT / "spec" / "alexnet.net", *(ROOT / "examples").glob("*.net")])
EXTENSION = ROOT / "editors" / "vscode"


def tokens_of(text: str) -> list[tuple[Any, str]]:
    return list(lex(text, NetLexer(stripnl=False, ensurenl=False)))


def test_pygments_finds_the_lexer() -> None:
    assert isinstance(get_lexer_by_name("net"), NetLexer)
    assert isinstance(get_lexer_for_filename("mine.net"), NetLexer)
    html = highlight("network A {\n  conv1: conv 4 kernel=3\n}\n", get_lexer_by_name("alexc"), HtmlFormatter())
    assert '<span class="kd">network</span>' in html
    assert '<span class="nb">conv</span>' in html


def test_the_lexer_is_found_without_the_compiler(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pygments.lexers import get_lexer_by_name\nget_lexer_by_name('net')\n"
        "heavy = {'lark', 'pydantic', 'torch', 'typer'} & set(sys.modules)\nassert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_specs_have_no_error_tokens(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tokens = tokens_of(text)
    assert "".join(value for _, value in tokens) == text
    assert [value for kind, value in tokens if kind in Error] == []


@given(st.text(alphabet='ab_ .:=->{}(),"#\n\t1x5eé🙂;conv', max_size=60))
def test_no_text_is_lost(text: str) -> None:
    assert "".join(value for _, value in tokens_of(text)) == text.replace("\r", "\n")


def kind_of(text: str, word: str) -> object:
    return next(kind for kind, value in tokens_of(text) if value == word)


@pytest.mark.parametrize("word", [*SETTINGS, *REPETITION, *EDITS])
def test_statements_of_a_network(word: str) -> None:
    assert kind_of(f"network A {{\n  {word} x\n}}\n", word) is Keyword
    assert kind_of(f"network A {{\n  {word}x 3\n}}\n", f"{word}x") is Name


@pytest.mark.parametrize("word", [*PLACEMENT_STATEMENTS, *RECIPE_STATEMENTS])
def test_statements_of_placements_and_recipes(word: str) -> None:
    assert kind_of(f"train {{\n  {word} x\n}}\n", word) is Keyword
    assert kind_of(f"network A {{\n  {word}: conv 3\n}}\n", word) is Name.Label


@pytest.mark.parametrize("word", [*kinds(), *steps()])
def test_kinds_and_steps(word: str) -> None:
    assert kind_of(f"network A {{\n  x: {word} 3 -> {word}\n}}\n", word) is Name.Builtin


@pytest.mark.parametrize("word", sorted(calls()))
def test_words_before_parentheses(word: str) -> None:
    assert kind_of(f"train {{\n  test x y={word}(1, 2)\n}}\n", word) is Name.Function
    assert kind_of(f"network A {{\n  {word}: conv 3\n}}\n", word) is Name.Label


@pytest.mark.parametrize("word", BLOCKS)
def test_blocks_and_their_names(word: str) -> None:
    assert kind_of(f"{word} Name {{\n}}\n", word) is Keyword.Declaration
    assert kind_of(f"{word} Name {{\n}}\n", "Name") is Name.Class


def test_a_character_without_meaning_is_an_error_token() -> None:
    assert kind_of("network A {\n  conv 4 ; relu\n}\n", ";") is Token.Error


def test_the_grammar_is_current() -> None:
    assert textmate_grammar.FILE.read_text(encoding="utf-8") == textmate_grammar.grammar_text(), (
        "run `python -m tools.textmate_grammar` and read the change"
    )
    assert set(textmate_grammar.SCOPES) == set(TOKENS) == {role for _, roles in rules() for role in roles}


def scopes_in(text: str) -> Iterator[tuple[int, str, str]]:
    """The scopes of a text in the TextMate grammar, line by line: the leftmost match counts, then the first pattern."""
    grammar = json.loads(textmate_grammar.FILE.read_text(encoding="utf-8"))
    patterns = [(re.compile(each["match"]), each["captures"]) for each in grammar["patterns"]]
    start = 0
    for line in text.splitlines(keepends=True):
        place = 0
        while True:
            found = [(match, each) for pattern, each in patterns if (match := pattern.search(line, place))]
            if not found:
                break
            match, captures = min(found, key=lambda pair: pair[0].start())
            for number, capture in captures.items():
                yield start + match.start(int(number)), match[int(number)], capture["name"]
            place = match.end()
        start += len(line)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_grammar_and_the_lexer_see_the_same_words(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lexed = [(start, text[start:end], textmate_grammar.SCOPES[role]) for start, end, role in words_of(text)]
    assert list(scopes_in(text)) == lexed


def test_the_files_that_the_extension_names_exist() -> None:
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    (language,), (grammar,) = package["contributes"]["languages"], package["contributes"]["grammars"]
    assert language["id"] == grammar["language"] == "alexc-net"
    assert language["extensions"] == [".net"]
    assert grammar["scopeName"] == textmate_grammar.SCOPE
    for name in (package["main"], language["configuration"], grammar["path"]):
        assert (EXTENSION / name).is_file()
    json.loads((EXTENSION / language["configuration"]).read_text(encoding="utf-8"))
    script = (EXTENSION / package["main"]).read_text(encoding="utf-8")
    assert f'language: "{language["id"]}"' in script
    needed = set(re.findall(r'require\("((?!node:)[^"/]+)', script)) - {"vscode"}
    assert needed == set(package["dependencies"])
    commands = {each["command"] for each in package["contributes"]["commands"]}
    assert set(re.findall(r'registerCommand\("([^"]+)"', script)) == commands
    assert {each["command"] for items in package["contributes"]["menus"].values() for each in items} <= commands
    settings = package["contributes"]["configuration"]["properties"]
    assert settings["alexc.command"]["default"] == []
    assert settings["alexc.command"]["scope"] == "machine"  # a folder that is opened must not choose what is started
    assert 'getConfiguration("alexc").get("command")' in script
    assert tuple(settings["alexc.inlayHints"]["enum"]) == DETAILS
    (scopes,) = package["contributes"]["semanticTokenScopes"]
    coloured = {each for found in scopes["scopes"].values() for each in found}
    assert coloured <= set(textmate_grammar.SCOPES.values())
    assert {each.partition(".")[0] for each in scopes["scopes"]} == set(LEGEND.token_types)
