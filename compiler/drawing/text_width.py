"""How wide a text can be, whatever sans-serif font shows it.

The widths are upper bounds, by the letter, of DejaVu Sans and its bold, the widest of the fonts that the style sheet
names or that a system is likely to put in their place; a test compares them with that font's own.
"""

from __future__ import annotations

ASCENT, DESCENT = 0.8, 0.24  # of letters above and below their base line, in sizes of the font

_WIDTHS = {  # in sizes of the font
    0.40: " '\\ijlI|/J,.·:;",
    0.48: "-f!()[]t",
    0.60: 'r_`"*?zcs',
    0.70: "LxvykaeTEFo$0123456789",
    0.74: "hnu{}bdgpqSYZPC",
    0.88: "BRXAVKUGDHN#+<=>^~×OQ&",
}
_OF_LETTER = {letter: width for width, letters in _WIDTHS.items() for letter in letters}
_WIDEST = 1.12


def text_width(text: str, size: float) -> float:
    """At most how many pixels wide `text` is in a font of `size` pixels."""
    return size * sum(_OF_LETTER.get(letter, _WIDEST) for letter in text)
