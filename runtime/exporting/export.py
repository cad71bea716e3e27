"""Exports a network to another program, for `alexc export`."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from ..errors import UserError
from ..evaluation.file_weights import NOTHING_SAID, Preparation
from ..files import check_new, write_new
from ..progress import Progress
from ..recipes import CrossEntropy
from .comparison import Comparison
from .description import description
from .onnx_file import onnx_content
from .subject import subject_of
from .torch_file import torch_content

Form = Literal["onnx", "pt2"]


@dataclass(frozen=True)
class Exported:
    """The result: the metadata of the file, the comparison with torch, and (channels, height, width) of an image."""

    texts: dict[str, str]
    comparison: Comparison
    input_shape: tuple[int, int, int]


def export_network(
    source: Path,
    weights: Path | None,
    out: Path,
    form: Form,
    softmax: bool,
    said: Preparation = NOTHING_SAID,
) -> Exported:
    """Export a network, for batches of any size, after comparing it with torch.

    Args:
        source: the folder of a run, one of its checkpoints, or a network file.
        weights: the weights for a network file: a run, a checkpoint, or a file of `alexc weights import`.
        out: the file to write, which must not exist.
        form: the format.
        softmax: whether the outputs are probabilities instead of logits.
        said: how images are prepared for a network file; by default as its recipe says.

    Raises:
        UserError: something cannot be read, a package is missing, the export differs from torch, or `out` cannot be
            written.
    """
    check_new(out)
    with Progress("export", 3, "steps") as progress:
        subject = subject_of(source, weights, said)
        network, output = subject.network, "logits"
        if softmax:
            recipe = subject.file.recipe
            if recipe is not None and not isinstance(recipe.loss, CrossEntropy):
                raise UserError(f"--softmax: the loss of {subject.file.name} does not read a softmax: leave it out")
            network = nn.Sequential(OrderedDict([("network", network), ("softmax", nn.Softmax(1))])).eval()
            output = "probabilities"
        texts = description(subject.file, subject.network, subject.statistics) | {"output": output}
        if said.classes:
            texts["classes"] = json.dumps(said.classes)
        progress.advance()
        if form == "onnx":
            content, comparison = onnx_content(network, subject.images, texts, output)
        else:
            content, comparison = torch_content(network, subject.images, texts)
        progress.advance()
        write_new(out, content)
        progress.advance()
    return Exported(texts, comparison, subject.file.input_shape)
