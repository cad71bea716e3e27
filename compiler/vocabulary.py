"""The keywords of the language, each spelled here and nowhere else.

The formatter, the parsers of blocks, the lexer and the language server import them. The keyword of a layer kind, of a
recipe's step or of a distribution is an attribute of its class; `reference` collects those.
"""

from __future__ import annotations

from typing import Final

NETWORK: Final = "network"
PLACEMENT: Final = "placement"
TRAIN: Final = "train"
BLOCK: Final = "block"
EXTENDS: Final = "extends"

INPUT: Final = "input"
TOWERS: Final = "towers"
DEFAULT: Final = "default"
REPEAT: Final = "repeat"
EVERY: Final = "every"
WITHOUT: Final = "without"
AFTER: Final = "after"
BEFORE: Final = "before"

MESH: Final = "mesh"
SPLIT: Final = "split"
KEEP: Final = "keep"
SEND: Final = "send"
HALF: Final = "half"
IMAGES: Final = "images"
CHANNELS: Final = "channels"
BY: Final = "by"
IN: Final = "in"
ON: Final = "on"

# The keywords by the place where they may stand, each with the sentence that an editor shows.
BLOCKS = {
    NETWORK: "the layers: their kinds, sizes, towers, connections and initial weights",
    PLACEMENT: "which device computes which part; the result is the same on every placement, but for `send half`",
    TRAIN: "the training recipe: image preparation, augmentation, test views, optimizer, learning rate schedule",
    BLOCK: "a reusable group of layers with parameters; use it like a layer kind",
}
SETTINGS = {
    INPUT: "the shape of one image, channels x height x width: `input 3x227x227`",
    TOWERS: "splits the channels of every layer into this number of equal parts: `towers 2`, or `towers 2x2` in a grid",
    DEFAULT: "default arguments for all layers of the named kinds: `default conv pad=1`",
}
REPETITION = {REPEAT: "repeats its lines N times and appends the number to each name: `repeat 3 { … }`"}
EDITS = {
    EVERY: "changes all layers of a kind: `every relu: tanh` or `every conv: bias=0`",
    WITHOUT: "removes all layers of a kind, or one line: `without lrn`",
    AFTER: "inserts a line after another one: `after conv5: conv 256 kernel=3`",
    BEFORE: "inserts a line before another one: `before fc6: dropout 0.2 scale=train`",
}
PLACEMENT_STATEMENTS = {
    MESH: "the axes of the device mesh, the outermost first: `mesh copy=4 tower=2`",
    SPLIT: "splits images or channels along an axis: `split channels by tower in conv1..conv5`",
    KEEP: "keeps layers on one device of an axis: `keep fc8 on tower 0`",
    SEND: "rounds what devices send each other to float16: `send half`",
}
SPLIT_WORDS = (IMAGES, CHANNELS)
SEND_WORDS = (HALF,)
LINKING_WORDS = (BY, IN, ON)

NO_LINE_NAMES = frozenset((INPUT, *REPETITION, *EDITS))  # words that a line cannot have as its name
