"""Turns names of other programs into names that a spec can have."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

from alexc.compiler.layers.registry import kinds
from alexc.compiler.net.name_check import LONGEST_NAME, objection
from alexc.compiler.vocabulary import NO_LINE_NAMES

_LONGEST_LABEL = LONGEST_NAME - 4  # leaves room for an ending that tells two names apart


def legal_name(name: str, fallback: str) -> str:
    """The name itself if a spec can have it, otherwise the nearest name that it can have.

    Args:
        name: any text.
        fallback: a legal name, which is put in front of a name that does not begin with a letter.
    """
    plain = unicodedata.normalize("NFKD", name[:1000]).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_") if re.search(r"[^A-Za-z0-9_]|__|^_", name) else plain
    plain = plain[:_LONGEST_LABEL].rstrip("_") if len(plain) > _LONGEST_LABEL else plain
    if not plain[:1].isalpha():
        plain = f"{fallback}_{plain}"[:_LONGEST_LABEL].rstrip("_") if plain else fallback
    if objection(plain) or plain in kinds() or plain in NO_LINE_NAMES:
        plain = f"{plain}_1"
    assert not objection(plain), plain
    return plain


def name_of_file(name: str) -> str:
    """The name of a network from its file's name: `Imagenet2gpuModel` for `…/layers-imagenet-2gpu-model.cfg`."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", PurePath(name).stem) if word]
    if len(words) > 1 and words[0].lower() == "layers" and words[1][0].isalpha():
        words = words[1:]
    return "".join(f"{word[0].upper()}{word[1:]}" for word in words)


def is_plain_change(name: str, legal: str) -> bool:
    """Whether the names differ only in illegal characters, which became `_`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name) == legal
