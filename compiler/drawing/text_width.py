"""An upper bound for the width of a text in any sans-serif font.

The bound is the sum of the widths of the letters in DejaVu Sans and DejaVu Sans Bold. These are the widest fonts among
those of the style sheet and their usual replacements. A test compares the bounds with the font itself.
"""

from __future__ import annotations

ASCENT, DESCENT = 0.8, 0.24  # of letters above and below the baseline, as a multiple of the font size

_WIDTHS = {  # as a multiple of the font size
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
    """The largest possible width of `text` in pixels, for a font of `size` pixels."""
    return size * sum(_OF_LETTER.get(letter, _WIDEST) for letter in text)
