"""The explanation of each diagnostic code, from the files in `explanations/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from .diagnostics import TITLES

ZERO_BYTE = "\u2400"  # stands for a zero byte in an example


@dataclass(frozen=True)
class Explanation:
    """The meaning of a code, with an example of a file that gets it and the same file without the error.

    `language` is the language of both files: `net`, or `prototxt` for codes about foreign files.
    """

    code: str
    title: str
    text: str
    language: str
    example: str
    fixed: str


def explanation(code: str) -> Explanation:
    """The explanation of one of the codes of `TITLES`."""
    text = files("alexc.compiler.text").joinpath("explanations", f"{code}.md").read_text(encoding="utf-8")
    found = re.fullmatch(
        r"# (.+?): (.+?)\n\n(.+?)\n\n```(\w+)\n(.+?)```\n\nFixed:\n\n```\4\n(.+?)```\n", text, re.DOTALL
    )
    assert found is not None, f"explanations/{code}.md does not have the form of an explanation"
    code, title, text, language, example, fixed = found.groups()
    return Explanation(code, title, text, language, example.replace(ZERO_BYTE, "\0"), fixed)


def code_meant(word: str) -> str | None:
    """The code that `word` means, or None. Upper or lower case, leading zeros and a missing `E` do not matter."""
    found = re.fullmatch(r"([EeWw]?)0*([0-9]{1,4})", word)
    code = f"{found.group(1).upper() or 'E'}{found.group(2):>04}" if found else ""
    return code if code in TITLES else None
