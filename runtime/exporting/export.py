"""A network written for other programs, and compared with torch: what `alexc export` does."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from ..files import check_new, write_new
from ..progress import Progress
from .checked import Check
from .description import description
from .onnx_file import onnx_content
from .subject import subject_of
from .torch_file import torch_content

Form = Literal["onnx", "pt2"]


@dataclass(frozen=True)
class Exported:
    """What was written: the metadata of the file, and the comparison with torch."""

    texts: dict[str, str]
    check: Check


def export_network(source: Path, weights: Path | None, out: Path, form: Form, softmax: bool) -> Exported:
    """Write a network, for batches of any size, after comparing it with torch.

    Args:
        source: the folder of a run, or a network file.
        weights: the weights of a network file: a run, a checkpoint, or what `alexc weights import` wrote.
        out: the file to write, which must not be there.
        form: what to write.
        softmax: whether its outputs are probabilities, not logits.

    Raises:
        UserError: something cannot be read, a package is missing, what was made differs from torch, or `out` cannot be
            written.
    """
    check_new(out)
    with Progress("export", 3, "steps") as progress:
        subject = subject_of(source, weights)
        network, output = subject.network, "logits"
        if softmax:
            network = nn.Sequential(OrderedDict([("network", network), ("softmax", nn.Softmax(1))])).eval()
            output = "probabilities"
        texts = description(subject.file, subject.network, subject.facts) | {"output": output}
        progress.advance()
        if form == "onnx":
            content, check = onnx_content(network, subject.images, texts, output)
        else:
            content, check = torch_content(network, subject.images, texts)
        progress.advance()
        write_new(out, content)
        progress.advance()
    return Exported(texts, check)
