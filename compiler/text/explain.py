"""What each code of a message means: the files of `explanations/`, one a code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from .diagnostics import TITLES

ZERO_BYTE = "\u2400"  # what stands for one in an example


@dataclass(frozen=True)
class Explanation:
    """A code in plain words, with a file that gets it and the same file mended.

    `language` is what the two are written in: `net`, or for codes about foreign files `prototxt`.
    """

    code: str
    title: str
    text: str
    language: str
    example: str
    mended: str


def explanation(code: str) -> Explanation:
    """The explanation of one of the codes of `TITLES`."""
    text = files("alexc.compiler.text").joinpath("explanations", f"{code}.md").read_text(encoding="utf-8")
    found = re.fullmatch(
        r"# (.+?): (.+?)\n\n(.+?)\n\n```(\w+)\n(.+?)```\n\nMended:\n\n```\4\n(.+?)```\n", text, re.DOTALL
    )
    assert found is not None, f"explanations/{code}.md has not the form of an explanation"
    code, title, text, language, example, mended = found.groups()
    return Explanation(code, title, text, language, example.replace(ZERO_BYTE, "\0"), mended)


def code_meant(word: str) -> str | None:
    """The code that is meant by `word`: in any case, without leading zeros, without the `E`; None where none is."""
    found = re.fullmatch(r"([EeWw]?)0*([0-9]{1,4})", word)
    code = f"{found.group(1).upper() or 'E'}{found.group(2):>04}" if found else ""
    return code if code in TITLES else None
