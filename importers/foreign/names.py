"""Foreign names as names of a spec."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

from alexc.compiler.layers.registry import kinds
from alexc.compiler.net.name_check import LONGEST_NAME, objection
from alexc.compiler.vocabulary import NO_LINE_NAMES

LONGEST_LABEL = LONGEST_NAME - 4  # leaves room for an ending that tells two names apart


def legal_name(name: str, fallback: str) -> str:
    """The name itself where a line of a spec may have it, otherwise the nearest one that may.

    Args:
        name: any text.
        fallback: what begins the name where that of the file cannot, a legal name.
    """
    plain = unicodedata.normalize("NFKD", name[:1000]).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_") if re.search(r"[^A-Za-z0-9_]|__|^_", name) else plain
    plain = plain[:LONGEST_LABEL].rstrip("_") if len(plain) > LONGEST_LABEL else plain
    if not plain[:1].isalpha():
        plain = f"{fallback}_{plain}"[:LONGEST_LABEL].rstrip("_") if plain else fallback
    if objection(plain) or plain in kinds() or plain in NO_LINE_NAMES:
        plain = f"{plain}_1"
    assert not objection(plain), plain
    return plain


def name_of_file(name: str) -> str:
    """A network's name where only its file has one: `Imagenet2gpuModel` of `…/layers-imagenet-2gpu-model.cfg`."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", PurePath(name).stem) if word]
    if len(words) > 1 and words[0].lower() == "layers" and words[1][0].isalpha():
        words = words[1:]
    return "".join(f"{word[0].upper()}{word[1:]}" for word in words)


def is_plain_change(name: str, legal: str) -> bool:
    """Whether only characters that no name has were changed to `_`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name) == legal
