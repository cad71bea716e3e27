"""A network as a program of torch.export, run again before it is written: `alexc export --torch-export`."""

from __future__ import annotations

import io
import json
from typing import Any

import torch
from torch import Tensor, nn

from .checked import Check, compared

DESCRIPTION = "alexc.json"
EXAMPLES = 2  # torch takes a batch of one for a size that never changes


def dynamic_batch() -> tuple[dict[int, Any]]:
    """What torch.export is told of the shape of the images: there may be any number of them."""
    return ({0: torch.export.Dim("batch")},)


def torch_content(network: nn.Module, images: dict[str, Tensor], texts: dict[str, str]) -> tuple[bytes, Check]:
    """The bytes of a .pt2 file, and how far what it computes is from the network.

    Args:
        network: on the CPU, in evaluation mode.
        images: by name, inputs to compare on.
        texts: what the file's `DESCRIPTION` says.

    Raises:
        UserError: the outputs differ.
    """
    example = next(iter(images.values()))[:EXAMPLES]
    program = torch.export.export(network, (example,), dynamic_shapes=dynamic_batch())
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names files of this machine
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={DESCRIPTION: json.dumps(texts)})
    content.seek(0)
    loaded = torch.export.load(content).module()

    def exported(given: Tensor) -> Tensor:
        with torch.no_grad():
            made: Tensor = loaded(given)
        return made

    return content.getvalue(), compared(network, exported, images)
