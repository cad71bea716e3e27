"""The networks of `examples/` have the published sizes, and `docs/examples.md` lists them.

`python -m tests.compiler.test_examples` writes that page.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.graph.graph import Graph
from alexc.compiler.pipeline import check_file
from alexc.table import markdown
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "examples.md"
SPECS = [ROOT / "spec" / "alexnet.net", *sorted((ROOT / "examples").glob("*.net"))]

# The parameters of networks that torchvision does not have: from the authors' files, or summed by hand.
PUBLISHED = {
    "alexnet": 60_965_224,
    "caffenet": 60_965_224,
    "overfeat_fast": 145_920_872,
    "zfnet": 62_357_608,
    "nin": 7_595_176,
    "googlenet": 6_998_552 + 3_188_840 + 3_190_888,  # with the two auxiliary heads of training
    "lenet": 520 + 25_050 + 400_500 + 5_010,  # Caffe's lenet.prototxt
    # The paper's 60,000 of c1, s2, c3, s4, c5 and f6, and the ten units of the softmax.
    "lenet5": 156 + 12 + 1_516 + 32 + 48_120 + 10_164 + 850,
    "cifar_80sec": 2_432 + 25_632 + 51_264 + 65_600 + 650,
    "cifar_18pct": 2_432 + 25_632 + 51_264 + 10_250,
    # separate kernels and biases at each of 6x6 positions
    "cifar_13pct": 4_864 + 102_464 + 36 * (64 * 9 + 1) * 32 + 36 * (32 * 9 + 1) * 32 + 11_530,
    "cifar_11pct": 4_864 + 102_464 + 36 * (64 * 9 + 1) * 64 + 36 * (64 * 9 + 1) * 32 + 11_530,
}

INTRODUCTION = """\
# The networks of `examples/`

<!-- Written by `python -m tests.compiler.test_examples`; edit that. -->

Each network is a `.net` file with a training recipe. A variant extends another file and says only what it changes. The
columns *spec lines* and *Python lines* count lines without blank lines and comments, in the spec and in the Python file
that `alexc compile` writes. Python files with fewer than 400 lines in total are in `generated/`. Multiply-adds are per
image.

"""

WEIGHTS = """
## Weights from torchvision

`alexnet_2014`, `googlenet_bn`, `resnext50` and `shufflenet_v2` are the networks that torchvision calls `alexnet`,
`googlenet`, `resnext50_32x4d` and `shufflenet_v2_x1_0`. `vgg*`, `squeezenet*`, `resnet*`, `inception_v3`,
`densenet121`, `mobilenet_*`, `efficientnet_b0`, `regnet_y_400mf` and `convnext_tiny` have the same name there. They
have the same number of parameters. With the same weights, they produce the same logits and gradients, also those of
GoogLeNet's auxiliary heads in training.
`tests/runtime/test_torchvision.py` checks this in float64. So you can use weights that torchvision has trained:

    alexc compile examples/resnet50.net
    alexc weights import resnet50.pth --into generated/resnet50.py --out resnet50.safetensors

Layers are matched by the shapes of their tensors and by their order. The command prints the matches, and refuses a file
that does not fit. `--without LAYER` skips a layer of the file and everything inside it. The command writes a file for
`load_state_dict`:

    from safetensors.torch import load_file
    network.load_state_dict(load_file("resnet50.safetensors"))

Torchvision's weights expect images that are preprocessed as in torchvision: scaled to 0..1, then normalised with a mean
and a standard deviation per channel. A recipe fits these weights if it says `normalize`; those of GoogLeNet and of the
ResNets subtract the mean image instead.
"""


def graph_of(spec: Path) -> Graph:
    checked = check_file(spec)
    assert checked.graph is not None, checked.diagnostics
    return checked.graph


def page() -> str:
    """The text of `docs/examples.md`."""
    header = ("network", "spec lines", "Python lines", "parameters", "multiply-adds", "what it is")
    rows = [_row(spec) for spec in SPECS]
    table = markdown([header, *rows], numeric=frozenset(header[1:5]))
    return INTRODUCTION + "\n".join(table) + "\n" + WEIGHTS


def _row(spec: Path) -> tuple[str, ...]:
    text = spec.read_text()
    graph = graph_of(spec)
    made = write_pytorch(graph, spec.name)
    generated = ROOT / "generated" / f"{spec.stem}.py"
    python_lines = f"{_lines_of_code(made):,}"
    return (
        f"[{spec.stem}](../{spec.relative_to(ROOT)})",
        str(_lines_of_code(text)),
        f"[{python_lines}](../{generated.relative_to(ROOT)})" if generated.exists() else python_lines,
        f"{graph.parameters:,}",
        f"{graph.multiply_adds:,}",
        text.splitlines()[0].removeprefix("# "),
    )


def _lines_of_code(text: str) -> int:
    return sum(bool(line.split("#")[0].strip()) for line in text.splitlines())


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page()


def test_the_readme_lists_every_example_with_its_size() -> None:
    listed: list[str] = []
    rows = re.findall(r"^\| (.*) \| .* \| ([0-9., ]+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    for links, sizes in rows:
        specs = re.findall(r"\((examples/\w+\.net)\)", links)
        if specs:
            assert sizes == ", ".join(f"{graph_of(ROOT / spec).parameters / 1e6:.1f}" for spec in specs)
        listed += specs
    assert sorted(listed) == sorted(str(spec.relative_to(ROOT)) for spec in SPECS[1:])


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_every_example_says_what_it_is_and_how_it_is_trained(spec: Path) -> None:
    assert spec.read_text().startswith("# ")
    assert graph_of(spec).net.recipe is not None


@pytest.mark.parametrize("name", [spec.stem for spec in SPECS if spec.stem in PUBLISHED])
def test_parameters_are_those_published(name: str) -> None:
    folder = "spec" if name == "alexnet" else "examples"
    assert graph_of(ROOT / folder / f"{name}.net").parameters == PUBLISHED[name]


def layers(name: str) -> list[tuple[str, str]]:
    """The layers of AlexNet or of an example, with their arguments."""
    spec = ROOT / ("spec" if name == "alexnet" else "examples") / f"{name}.net"
    return [(node.layer.kind.keyword, str(node.layer.kind)) for node in graph_of(spec).nodes]


@pytest.mark.parametrize("kind", ["lrn", "dropout"])
def test_an_ablation_drops_one_kind_and_nothing_else(kind: str) -> None:
    dropped = [each for each in layers("alexnet") if each[0] == kind]
    assert len(dropped) == 2
    assert layers(f"alexnet_no_{kind}") == [each for each in layers("alexnet") if each not in dropped]


def test_tanh_replaces_relu() -> None:
    expected = [("tanh", "") if kind == "relu" else (kind, arguments) for kind, arguments in layers("alexnet")]
    assert layers("alexnet_tanh") == expected


def test_plain_pools_give_maps_of_the_same_sizes() -> None:
    plain, overlapping = (graph_of(ROOT / name) for name in ("examples/alexnet_plain_pooling.net", "spec/alexnet.net"))
    assert [node.output for node in plain.nodes] == [node.output for node in overlapping.nodes]
    pools = [str(node.layer.kind) for node in plain.nodes if node.layer.kind.keyword == "maxpool"]
    assert len(pools) == 3
    assert all("window=(2, 2) stride=(2, 2)" in pool for pool in pools)


def test_the_half_network_has_half_the_kernels_except_in_conv5() -> None:
    weights = [node.output.channels for node in graph_of(ROOT / "examples" / "alexnet_half.net").nodes if node.weights]
    assert weights == [48, 128, 192, 192, 256, 4096, 4096, 1000]


def test_layers_of_a_variant_are_numbered_from_one() -> None:
    graph = graph_of(ROOT / "examples" / "vgg19.net")
    names = [node.layer.name for node in graph.nodes if node.layer.name.startswith("stage3.conv")]
    assert [name for name in names if "relu" not in name] == [f"stage3.conv{number}" for number in range(1, 5)]


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
