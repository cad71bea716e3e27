"""Every kind of layer as ONNX and as a program of torch.export: the same numbers as torch's, for any batch."""

from __future__ import annotations

import io

import onnx
import pytest
import torch
from torch import Tensor, nn

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.layers.registry import kinds
from alexc.compiler.pipeline import check_file, check_text
from alexc.runtime.exporting.onnx_file import onnx_content
from alexc.runtime.exporting.torch_file import torch_content
from tests.conftest import ROOT
from tests.support.compiled import names_in
from tests.support.layer_forms import FORMS, LAYERS

pytestmark = pytest.mark.slow

TEXTS = {"network": "Net", "alexc": "0", "preprocessing": "none"}
NETWORKS = 3  # the forms are spread over so many networks: an export takes seconds, whatever it holds


def module_of(text: str) -> nn.Module:
    (network,) = (
        each()
        for each in names_in(text).values()
        if isinstance(each, type) and issubclass(each, nn.Module) and each.__module__ == "compiled"
    )
    return shaken(network)


def shaken(network: nn.Module) -> nn.Module:
    """The network with numbers in it such that no layer can be left out unseen."""
    torch.manual_seed(4)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif tensor.is_floating_point():
            tensor.normal_(std=0.5 if tensor.ndim < 2 else tensor[0].numel() ** -0.5)
    return network.eval()


def images_of(size: int) -> dict[str, Tensor]:
    torch.manual_seed(5)
    return {"random": torch.randn(5, 3, size, size)}


def test_every_kind_is_here() -> None:
    assert set(LAYERS) == set(kinds())


@pytest.mark.parametrize("network", range(NETWORKS))
def test_every_form_gives_the_numbers_of_torch(network: int) -> None:
    """Each form is a branch of its own, with outputs of its own: none hides the error of another."""
    branches = dict(enumerate(FORMS[network::NETWORKS]))
    lines = ["input 3x15x15", "towers 2", "first: conv 8 kernel=3"]
    lines += [f"form{number}: first -> {form} -> linear 4 reads=all" for number, form in branches.items()]
    lines += [f"concat {' '.join(f'form{number}' for number in branches)}"]
    checked = check_text("\n".join(["network Net {", *lines, "}"]), "net.net")
    assert checked.graph is not None, checked.diagnostics
    module, images = module_of(write_pytorch(checked.graph, "net.net")), images_of(15)
    assert module(images["random"]).shape == (5, 4 * len(branches))
    content, check = onnx_content(module, images, TEXTS, "logits")
    assert check.difference < 1e-5
    onnx.checker.check_model(onnx.load(io.BytesIO(content)), full_check=True)
    _, check = torch_content(module, images, TEXTS)
    assert check.difference < 1e-6


@pytest.mark.parametrize("name", ["spec/alexnet", "examples/googlenet"])
def test_whole_networks_are_exported(name: str) -> None:
    graph = check_file(ROOT / f"{name}.net").graph
    assert graph is not None
    network, images = module_of(write_pytorch(graph, "net.net")), images_of(graph.net.input.sizes[1])
    assert onnx_content(network, images, TEXTS, "logits")[1].difference < 1e-4
