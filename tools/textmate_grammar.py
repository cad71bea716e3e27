"""Writes the TextMate grammar of editors/vscode/ from the rules of `alexc.highlighting`.

Run it with `python -m tools.textmate_grammar`.
"""

from __future__ import annotations

import json

from alexc.highlighting import rules
from tests.conftest import ROOT

FILE = ROOT / "editors" / "vscode" / "syntaxes" / "alexc.tmLanguage.json"
SCOPE = "source.alexc"
SCOPES = {
    "comment": "comment.line.number-sign.alexc",
    "path": "string.quoted.double.alexc",
    "heading": "storage.type.alexc",
    "declared": "entity.name.type.alexc",
    "statement": "keyword.control.alexc",
    "kind": "support.function.alexc",
    "distribution": "support.type.alexc",
    "choice": "constant.language.alexc",
    "label": "entity.name.function.alexc",
    "argument": "variable.parameter.alexc",
    "number": "constant.numeric.alexc",
    "operator": "keyword.operator.alexc",
    "punctuation": "punctuation.separator.alexc",
    "name": "variable.other.alexc",
}


def grammar_text() -> str:
    """The grammar as JSON."""
    patterns = [
        {"match": pattern, "captures": {str(n): {"name": SCOPES[role]} for n, role in enumerate(roles, 1)}}
        for pattern, roles in rules()
    ]
    grammar = {"name": "alexc", "scopeName": SCOPE, "fileTypes": ["net"], "patterns": patterns}
    return json.dumps(grammar, indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(grammar_text(), encoding="utf-8")
