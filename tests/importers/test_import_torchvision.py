"""torchvision's networks as specs: as many parameters, and equal logits once `weights import` has carried weights.

The tests compare one network of each family. `python -m tests.importers.test_import_torchvision` compares all networks
that can be imported, in one to two minutes.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from alexc.compiler.graph.graph import Graph
from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.compiler.layers.kind import Shape
from alexc.compiler.net.spec_text import recipe_texts
from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.recipe.steps import Normalize
from alexc.importers.foreign.spec_writer import ImportResult
from alexc.importers.pipeline import to_spec
from alexc.runtime.errors import UserError
from alexc.runtime.layer_matching import match_layers
from alexc.runtime.tensor_files import natural_order
from alexc.runtime.weights_import import carry_over
from tests.conftest import ROOT, Alexc
from tests.runtime.test_torchvision import close, randomise_normalisation, theirs, without_numbers
from tests.support.compiled import network_of

pytestmark = pytest.mark.slow  # torchvision alone takes seconds to load

FAMILIES = [
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "mnasnet1_0",
    "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18", "resnet50",
    "resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_0", "squeezenet1_1", "vgg11", "vgg16_bn", "wide_resnet50_2",
]  # fmt: skip


@cache
def imported(name: str, side: int | None = None) -> ImportResult:
    from alexc.importers.torchvision.reader import read_torchvision

    read = read_torchvision(name, None if side is None else Shape((3, side, side)))
    return to_spec(read, MOST_PARAMETERS)


def graph_of(result: ImportResult) -> Graph:
    assert result.text is not None, [each.headline for each in result.findings]
    assert result.findings == ()
    graph = check_text(result.text, "imported.net").graph
    assert graph is not None
    return graph


@pytest.mark.parametrize("name", FAMILIES)
def test_the_parameters_are_as_many(name: str) -> None:
    reference = without_numbers(name)
    assert graph_of(imported(name)).parameters == sum(each.numel() for each in reference.parameters())


@pytest.mark.parametrize(
    ("shape", "headline"),
    [
        ("3x8x8", "error[E0907]: as a spec: `features_0.maxpool` has a window of 3"),
        (
            "1x224x224",
            "warning[W0901]: the recipe is left out because it does not fit the network: `normalize` has values for 3",
        ),
    ],
)
def test_a_shape_that_does_not_fit_is_shown_as_the_option(shape: str, headline: str, alexc: Alexc) -> None:
    result = alexc("import", "torchvision:alexnet", "--input", shape)
    assert result.stderr.startswith(headline)
    assert f" --> --input:1:1\n  |\n1 | {shape}\n  | {'^' * len(shape)}" in result.stderr
    assert "x = x()" not in result.stderr


def lines_of(name: str) -> list[str]:
    text = imported(name).text
    assert text is not None
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_sum_of_a_block_stands_behind_both_of_its_ways(name: str) -> None:
    lines = lines_of(name)
    place = next(number for number, line in enumerate(lines) if line.startswith("layer2_0: "))
    last = "layer2_0_conv2" if name == "resnet18" else "layer2_0_conv3"
    before = "layer1_1_conv2" if name == "resnet18" else "layer1_2_conv3"
    kernels = 128 if name == "resnet18" else 512
    assert lines[place - 2].startswith(f"{last}: conv {kernels} ")
    assert lines[place - 2].endswith(" -> batchnorm")
    assert lines[place - 1 : place + 1] == [
        f"layer2_0_downsample_0: {before} -> conv {kernels} kernel=1 stride=2 -> batchnorm",
        f"layer2_0: add {last} layer2_0_downsample_0 -> relu",
    ]
    assert any(line.endswith("-> batchnorm -> add layer2_0 -> relu") for line in lines)  # a shortcut without weights


@pytest.mark.parametrize("name", FAMILIES)
def test_the_logits_are_equal_after_the_weights_are_imported(name: str) -> None:
    made, expected = logits_of_both(name)
    assert same(made, expected)


def logits_of_both(name: str) -> tuple[Tensor, Tensor]:
    """The logits of the imported network with torchvision's weights, and torchvision's, (1, outputs)."""
    reference = drawn(name)
    network = network_of(graph_of(imported(name))).double()
    given = reference.state_dict()
    matches = match_layers(given, network.state_dict())
    network.load_state_dict(carry_over(given, network.state_dict(), matches), assign=True)
    without_order = {key: given[key] for key in sorted(given, key=natural_order)}  # as in a safetensors file
    assert match_layers(without_order, network.state_dict(), ordered=False) == matches
    images = torch.randn(1, 3, 96, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network.eval()(images), reference(images)


def drawn(name: str) -> nn.Module:
    """torchvision's network in float64, in evaluation mode, with numbers that are quick to draw."""
    reference = without_numbers(name).double().to_empty(device="cpu")
    torch.manual_seed(0)
    for tensor in reference.parameters():
        bound = (6 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.1
        nn.init.uniform_(tensor, -bound, bound)
    randomise_normalisation(reference)
    return reference.eval()


def test_the_commands_carry_the_weights_over(tmp_path: Path, alexc: Alexc) -> None:
    torch.manual_seed(0)
    reference = theirs("squeezenet1_1").eval()
    torch.save(reference.state_dict(), tmp_path / "theirs.pth")
    spec = imported("squeezenet1_1").text
    assert spec is not None
    (tmp_path / "mine.net").write_text(spec, encoding="utf-8")
    assert alexc("compile", "mine.net").returncode == 0
    carried = alexc("weights", "import", "theirs.pth", "--into", "generated/mine.py")
    assert carried.returncode == 0, carried.stderr
    network = network_of(graph_of(imported("squeezenet1_1"))).to_empty(device="cpu")
    network.load_state_dict(load_file(tmp_path / "mine.safetensors"))
    images = torch.randn(1, 3, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        assert same(network.double().eval()(images), reference.double()(images))


def same(made: Tensor, expected: Tensor) -> bool:
    return close(made, expected, 0)


def test_the_further_heads_train_with_the_network() -> None:
    heads = graph_of(imported("googlenet")).heads
    assert [head.layer.kind.share_of_loss for head in heads] == [1.0, 0.3, 0.3]
    assert heads[0].layer.name == "fc.softmax"


def test_another_size_of_images() -> None:
    assert graph_of(imported("resnet18", 64)).net.input == Shape((3, 64, 64))
    assert graph_of(imported("inception_v3")).net.input == Shape((3, 299, 299))


def test_images_are_shown_as_torchvision_shows_them() -> None:
    recipe = graph_of(imported("inception_v3")).net.recipe
    assert recipe is not None
    texts = recipe_texts(recipe)
    normalize = "normalize mean=rgb(0.5, 0.5, 0.5) std=rgb(0.5, 0.5, 0.5)"  # by torchvision's `transform_input`
    assert texts["prepare"] == f"resize 342 -> center_crop 342 -> {normalize}"
    assert texts["test"] == "center 299"


@pytest.mark.parametrize(
    ("name", "example"),
    [("googlenet", None), ("inception_v3", None), ("resnet18", None), ("googlenet", "googlenet_bn")],
)
def test_images_are_normalised_as_torchvision_does_it_in_the_preprocessing_and_in_the_network(
    name: str, example: str | None
) -> None:
    """With weights, `transform_input` of GoogLeNet and Inception changes what the preprocessing made."""
    import torchvision  # type: ignore[import-untyped]
    from torchvision.transforms.functional import normalize as normalized  # type: ignore[import-untyped]

    given = next(iter(torchvision.models.get_model_weights(name))).transforms()
    pixels = torch.rand(1, 3, 4, 4)
    shown = normalized(pixels, given.mean, given.std)
    module: Any = theirs(name)
    if hasattr(module, "transform_input"):
        module.transform_input = True  # as torchvision sets it for its weights
        shown = module._transform_input(shown)
    graph = graph_of(imported(name)) if example is None else check_file(ROOT / "examples" / f"{example}.net").graph
    assert graph is not None
    recipe = graph.net.recipe
    assert recipe is not None
    (normalize,) = [step for step in recipe.prepare if isinstance(step, Normalize)]
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (normalize.mean, normalize.std))
    torch.testing.assert_close((pixels - mean) / std, shown)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        (
            "vit_b_16",
            {"reshape": 1, "permute": 1, "expand of class_token": 1, "add of pos_embedding": 1,
             "MultiheadAttention": 12, "getitem": 1},
        ),
        (
            "swin_t",
            {"_get_relative_position_bias of relative_position_bias_table and relative_position_index": 12,
             "shifted_window_attention": 12, "_patch_merging_pad": 3},
        ),
    ],
)  # fmt: skip
def test_all_that_has_no_counterpart_is_said_with_its_first_line_and_its_number(
    name: str, missing: dict[str, int]
) -> None:
    result = imported(name)
    assert result.text is None
    assert {each.code for each in result.findings} == {"E0902"}
    assert [each.headline for each in result.findings] == [f"`{what}` has no counterpart" for what in missing]
    uses = [f"the network has {count} of them" if count > 1 else "" for count in missing.values()]
    assert [each.label for each in result.findings] == uses
    for finding in result.findings:
        line, column = finding.span.line_and_column
        assert column == 1
        assert finding.span.source.line_text(line) == finding.span.text


def test_networks_that_torchvision_does_not_have() -> None:
    with pytest.raises(UserError, match=r"torchvision:resnet19: .* did you mean `torchvision:resnet1"):
        imported("resnet19")


def test_the_command(alexc: Alexc) -> None:
    shown = alexc("import", "torchvision:vgg11")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "conv 64  kernel=3 pad=1" in shown.stdout
    two = alexc("import", "torchvision:vgg11", "torchvision:vgg13")
    assert (two.returncode, two.stderr) == (1, "error: torchvision:vgg13: import a network of torchvision alone\n")


def compare_all() -> None:
    import torchvision

    for name in torchvision.models.list_models(module=torchvision.models):
        if imported(name).text is None:
            print(f"{name:20} is not imported")
            continue
        made, expected = logits_of_both(name)
        print(f"{name:20} {'equal' if same(made, expected) else 'DIFFERENT'}")


if __name__ == "__main__":
    compare_all()
