"""Whatever stands in a cfg file, an import ends with a spec that compiles, or with errors; never with a traceback."""

from __future__ import annotations

import random

import pytest

from tests.support.imported import FOREIGN, imported

WHOLE = (
    (("cuda_convnet/alexnet-two-gpus.cfg", "cuda_convnet/alexnet-two-gpus-params.cfg"), (3, 224, 224)),
    (("cuda_convnet/cifar-18pct.cfg", "cuda_convnet/cifar-18pct-params.cfg"), (3, 32, 32)),
    (("cuda_convnet/four-gpus.cfg",), (3, 32, 32)),
    (("darknet/alexnet.cfg",), None),
    (("darknet/joined.cfg",), None),
    (("darknet/vgg16.cfg",), None),
)
VALUES = (
    "0", "-1", "1", "3,3", "1e9", "1e400", "nan", "abc", "", "-1,-2", "9" * 20, "relu", "tanh[1,1]", "é\u202e", "1_0",
    "dexp[base=0.01;tgtFactor=0;numSteps=0]", "[", "٣",
)  # fmt: skip
LINES = (
    "[route]", "[shortcut]", "[net]", "[softmax]", "[avgpool]", "[dropout]", "layers=-1,-2", "from=-2",
    "inputs=pictures", "gpu=0,1", "gpu=1", "type=pass", "type=concat", "type=cost.logreg",
)  # fmt: skip


def damaged(text: str, rng: random.Random) -> str:
    """A text with a few lines lost, doubled, swapped, cut, or with other keys and values."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 4)):
        place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        key, _, value = lines[place].partition("=")
        changed = [
            "",
            lines[other],
            f"{lines[other]}\n{lines[place]}",
            lines[place][: rng.randint(0, len(lines[place]))],
            f"{key}={rng.choice(VALUES)}",
            f"{rng.choice(VALUES)}={value}",
            rng.choice(LINES),
        ]
        lines[place] = rng.choice(changed)
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_are_imported_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    for names, size in WHOLE:
        found = imported({name: damaged((FOREIGN / name).read_text(), rng) for name in names}, size)
        assert bool(found.text) != bool(found.errors())
        if found.text:
            assert found.graph().nodes
