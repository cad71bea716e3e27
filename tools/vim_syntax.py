"""Writes the Vim syntax of editors/nvim/ from the rules of `alexc.highlighting`.

Run it with `python -m tools.vim_syntax`.
"""

from __future__ import annotations

import re

from alexc.highlighting import rules
from tests.conftest import ROOT

FILE = ROOT / "editors" / "nvim" / "syntax" / "alexc-net.vim"
GROUPS = {
    "comment": "Comment",
    "path": "String",
    "heading": "Structure",
    "declared": "Type",
    "statement": "Statement",
    "kind": "Function",
    "distribution": "Special",
    "choice": "Constant",
    "label": "Label",
    "argument": "Identifier",
    "number": "Number",
    "operator": "Operator",
    "punctuation": "Delimiter",
    "name": "Normal",
}
_AROUND = {"(?:": "%(", "(?=": "%(", "(?!": "%(", "(?<!": "%(", "(?<=": "%(", "(": "%("}
_AFTER = {"(?:": ")", "(?=": ")@=", "(?!": ")@!", "(?<!": ")@<!", "(?<=": ")@<=", "(": ")"}
_PIECE = re.compile(r"\(\?(?:<?[=!]|:)|\[\^\\W\\d\]|\[(?:\\.|[^\]])*\]|\\.|.")


def syntax_text() -> str:
    """The syntax file. In Vim the last matching rule counts, so the rules are in the opposite order."""
    lines = [
        '" Written by `python -m tools.vim_syntax` from the vocabulary of alexc.',
        "if exists('b:current_syntax')",
        "  finish",
        "endif",
        "syntax case match",
        "syntax sync minlines=1",
    ]
    for pattern, roles in reversed(rules()):
        lines += [
            f"syntax match {_group(role)} '{_in_vim(pattern, number)}'"
            for number, role in reversed([*enumerate(roles)])
        ]
    lines += [f"highlight default link {_group(role)} {group}" for role, group in GROUPS.items() if group != "Normal"]
    return "\n".join([*lines, "let b:current_syntax = 'alexc-net'", ""])


def _group(role: str) -> str:
    return f"alexc{role.capitalize()}"


def _in_vim(pattern: str, marked: int) -> str:
    r"""A pattern of Python as one of Vim (`\v`), which matches only the group with the number `marked`.

    The text before this group becomes a look-behind, because Vim does not look at text that another rule matched.
    """
    text, opened, groups = "", list[tuple[str, bool]](), 0
    for piece in _PIECE.findall(pattern):
        if piece in _AROUND:
            is_marked = piece == "(" and groups == marked
            groups += piece == "("
            opened.append((piece, is_marked))
            text = (_behind(text) if is_marked else text) + _AROUND[piece]
        elif piece == ")":
            kind, is_marked = opened.pop()
            text += _AFTER[kind] + r"\ze" * is_marked
        else:
            text += _atom(piece)
    assert "'" not in text, pattern
    return rf"\v{text}"


def _behind(text: str) -> str:
    return text if not text or text.endswith(("@<!", "@<=", ">)")) else f"%({text})@<="


def _atom(piece: str) -> str:
    if piece == r"[^\W\d]":
        return r"[[:alpha:]_]"
    if piece == r"[^\r\n]":
        return "."
    if piece == r"\b":
        return r"%(<|>)"
    if piece in ("=", "<", ">", "@", "%", "~", "&"):  # characters that Vim reads as operators
        return f"\\{piece}"
    if piece.startswith("["):
        return piece.replace(r"\w", "[:alnum:]_").replace(r"\r\n", "")
    return piece


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(syntax_text(), encoding="utf-8")
