"""The Vim syntax of editors/nvim, and how Neovim reads it."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from alexc.highlighting import TOKENS, words_of
from tests.cli.test_highlighting import SPECS
from tests.conftest import ROOT
from tools import vim_syntax

NVIM = shutil.which("nvim")
FOLDER = ROOT / "editors" / "nvim"


def test_the_syntax_is_current() -> None:
    assert vim_syntax.FILE.read_text(encoding="utf-8") == vim_syntax.syntax_text(), (
        "run `python -m tools.vim_syntax` and read the change"
    )


def test_every_role_has_a_group() -> None:
    assert set(vim_syntax.GROUPS) == set(TOKENS)


@pytest.mark.slow
@pytest.mark.skipif(NVIM is None, reason="needs Neovim")
def test_neovim_sees_the_words_of_the_lexer() -> None:
    script = ROOT / "tests" / "support" / "vim_words.lua"
    assert NVIM is not None
    specs = [
        ROOT / "spec" / "alexnet.net",
        *(each for each in SPECS if each.stem in ("squeezenet1_0", "lenet5", "nin")),
    ]
    before = [
        each
        for command in (f"set runtimepath^={FOLDER}", "filetype plugin on", "syntax enable")
        for each in ("--cmd", command)
    ]
    result = subprocess.run(
        [NVIM, "--headless", "-u", "NONE", "-i", "NONE", "-n", *before, *specs, "-c", f"luafile {script}", "-c", "qa!"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    shown = json.loads(result.stdout)
    for spec, seen in zip(specs, shown, strict=True):
        text = spec.read_text(encoding="utf-8")
        assert (seen["type"], seen["comment"]) == ("alexc-net", "# %s")
        words: list[tuple[int, str, str]] = []
        last = -1
        for start, end, role in words_of(text):
            line, group = text.count("\n", 0, start) + 1, f"alexc{role.capitalize()}"
            if words and last == start and words[-1][:2] == (line, group):  # Neovim shows both as one run
                words[-1] = (line, group, words[-1][2] + text[start:end])
            else:
                words.append((line, group, text[start:end]))
            last = end
        assert [(each["line"], each["group"], each["text"]) for each in seen["words"]] == words
