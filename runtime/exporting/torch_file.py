"""Exports to torch.export, for `alexc export --torch-export`, and runs the result for comparison."""

from __future__ import annotations

import io
import json
from typing import Any

import torch
from torch import Tensor, nn

from .comparison import Comparison, compare

_DESCRIPTION = "alexc.json"
EXAMPLES = 2  # torch treats a batch size of one as constant


def dynamic_batch() -> tuple[dict[int, Any]]:
    """The shapes for torch.export: any number of images."""
    return ({0: torch.export.Dim("batch")},)


def torch_content(network: nn.Module, images: dict[str, Tensor], texts: dict[str, str]) -> tuple[bytes, Comparison]:
    """The bytes of a .pt2 file, and the difference between its outputs and the network's.

    Args:
        network: on the CPU, in evaluation mode.
        images: inputs to compare on, by name.
        texts: the file's metadata, which it holds as alexc.json.

    Raises:
        UserError: the outputs differ.
    """
    example = next(iter(images.values()))[:EXAMPLES]
    program = torch.export.export(network, (example,), dynamic_shapes=dynamic_batch())
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # contains paths of this machine
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={_DESCRIPTION: json.dumps(texts)})
    content.seek(0)
    loaded = torch.export.load(content).module()

    def exported(given: Tensor) -> Tensor:
        with torch.no_grad():
            made: Tensor = loaded(given)
        return made

    return content.getvalue(), compare(network, exported, images)
