"""Exports to ONNX, for `alexc export --onnx`, and compares with torch in onnxruntime."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UserError
from .comparison import Comparison, compare
from .torch_file import EXAMPLES, dynamic_batch

INPUT = "images"
_NEEDED = ("onnx", "onnxruntime", "onnxscript")
_LARGEST_BYTES = 2**31 - 2**24  # a Protocol Buffers file must be smaller than 2 GiB, with the graph of nodes


def onnx_content(
    network: nn.Module, images: dict[str, Tensor], texts: dict[str, str], output: str
) -> tuple[bytes, Comparison]:
    """The bytes of an ONNX file, and the difference between the outputs of onnxruntime and torch.

    Args:
        network: on the CPU, in evaluation mode.
        images: inputs to compare on, by name.
        texts: the file's metadata.
        output: the name of the output.

    Raises:
        UserError: a package is missing, the network is too large, or the outputs differ.
    """
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise UserError(f"--onnx needs {', '.join(missing)}, not installed here: pip install {' '.join(missing)}")
    if sum(each.numel() * each.element_size() for each in network.state_dict().values()) > _LARGEST_BYTES:
        raise UserError("the weights are too large for one ONNX file, which holds 2 GB: use --torch-export")
    import onnxruntime  # type: ignore[import-untyped]

    example = next(iter(images.values()))[:EXAMPLES]
    program = torch.onnx.export(
        network,
        (example,),
        input_names=[INPUT],
        output_names=[output],
        dynamic_shapes=dynamic_batch(),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    content = _described(program.model_proto, texts)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def exported(given: Tensor) -> Tensor:
        (made,) = session.run(None, {INPUT: np.ascontiguousarray(given.numpy())})
        return torch.from_numpy(np.asarray(made))

    return content, compare(network, exported, images)


def _described(model: Any, texts: dict[str, str]) -> bytes:  # noqa: ANN401 - onnx may be missing
    """The model with its metadata, without torch's notes on each node, which contain paths of this machine."""
    for node in (*model.graph.node, *(node for function in model.functions for node in function.node)):
        del node.metadata_props[:]
    model.doc_string = f"{texts['network']}, made by alexc {texts['alexc']}. {texts['preprocessing']}."
    for name, text in texts.items():
        model.metadata_props.add(key=name, value=text)
    content: bytes = model.SerializeToString()
    return content
