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

pytestmark = pytest.mark.slow

TEXTS = {"network": "Net", "alexc": "0", "preprocessing": "none"}
# Layers behind a first convolution in two towers, 8x13x13, for each kind; more where a kind has forms of its own.
LAYERS: dict[str, tuple[str, ...]] = {
    "conv": (
        "conv 8 kernel=3x2 stride=2 pad=same reads=tower groups=2",
        "conv 8 kernel=3 pad=sides(0, 1, 2, 1) dilation=2 reads=all bias=none",
        "conv 8 kernel=3 pad=1 reads=tower shared_bias=no",
    ),
    "linear": ("linear 8 reads=tower", "linear 8 reads=all bias=none"),
    "local": ("local 8 kernel=3 stride=2 pad=1 reads=tower groups=2", "local 4 kernel=2 reads=all bias=none"),
    "batchnorm": ("relu -> batchnorm eps=1e-3", "linear 8 reads=all -> batchnorm"),
    "layernorm": ("layernorm eps=1e-3", "linear 8 reads=all -> layernorm"),
    "layer_scale": ("layer_scale 0.1", "linear 8 reads=all -> layer_scale 0.1 bias=0.5"),
    "prelu": ("prelu", "prelu shared=yes", "linear 8 reads=all -> prelu"),
    "maxpool": (
        "maxpool 3 stride=2",
        "maxpool 3 stride=3 round=ceil",
        "maxpool 3 stride=2 pad=1 round=ceil",
        "maxpool 2 stride=3x1 pad=0x1",
    ),
    "avgpool": (
        "avgpool 3 stride=2",
        "avgpool 3 stride=3 round=ceil",
        "avgpool 3 stride=2 pad=1 round=ceil count_pad=no",
        "avgpool 3 stride=3 pad=1 round=ceil count_pad=yes",
        "avgpool 3 stride=2 pad=0x1 count_pad=yes",
    ),
    "adaptive_avgpool": ("adaptive_avgpool 5", "adaptive_avgpool 6x4"),
    "global_avgpool": ("global_avgpool",),
    "global_maxpool": ("global_maxpool",),
    "flatten": ("flatten",),
    "add": ("relu -> add first",),
    "concat": ("conv 4 kernel=1 reads=all -> concat first",),
    "maximum": ("relu -> maximum first",),
    "multiply": (
        "relu -> multiply first",
        "global_avgpool -> multiply first",
        "adaptive_avgpool 1 -> sigmoid -> multiply first",
    ),
    "lrn": (
        "lrn 5 k=2 alpha=0.1 beta=0.75 norm=sum over=tower",
        "lrn 4 k=1 alpha=0.1 beta=0.5 norm=mean over=all",
        "lrn 3 k=1 alpha=0.1 beta=0.75 norm=sum within=map",
        "lrn 3 k=1 alpha=0.1 beta=0.75 norm=sum within=map about=mean",
    ),
    "dropout": ("dropout 0.3 scale=test", "dropout 0.3 scale=train"),
    "stochastic_depth": ("stochastic_depth 0.3 scale=test", "stochastic_depth 0.3 scale=train"),
    "slice": ("conv 8 kernel=1 reads=all towers=1 -> slice 2 7", "conv 8 kernel=1 reads=all towers=1 -> slice 3"),
    "widen": ("conv 4 kernel=1 towers=1 reads=all -> widen 9", "linear 8 towers=1 reads=all -> widen 9"),
    "reorg": ("conv 8 kernel=1 towers=1 reads=all -> adaptive_avgpool 4 -> reorg 2",),
    "channel_shuffle": ("channel_shuffle 4",),
    "hardsigmoid": ("hardsigmoid",),
    "hardswish": ("hardswish",),
    "blur": ("blur 5 std=2",),
    "subsample": ("subsample 3", "subsample 2x1"),
    "flip": ("flip",),
    "relu": ("relu", "relu limit=0.5"),
    "abs": ("abs",),
    "square": ("square",),
    "sqrt": ("abs -> sqrt",),
    "log": ("softplus -> log",),
    "affine": ("affine -0.5 shift=1",),
    "relu6": ("relu6",),
    "mish": ("mish",),
    "power": ("power 3",),
    "tanh": ("tanh",),
    "sigmoid": ("sigmoid",),
    "gelu": ("gelu",),
    "silu": ("silu",),
    "softplus": ("softplus",),
    "leaky_relu": ("leaky_relu 0.2",),
    "elu": ("elu 0.5",),
    "tree_linear": ("tree_linear 4 tree=parents(4, 4, 6, 5, 5, 6)",),
    "softmax": ("linear 8 reads=all -> softmax -> linear 4 reads=all",),
}
FORMS = [form for forms in LAYERS.values() for form in forms]
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
