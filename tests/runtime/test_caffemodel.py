"""`alexc weights import` of a `.caffemodel`: bytes written by hand become the network that Caffe had."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.runtime.caffemodel import read_caffemodel
from alexc.runtime.errors import UserError
from alexc.runtime.network_file import NetworkFile, load_network_file
from alexc.runtime.runs.starting_weights import starting_weights
from alexc.runtime.weights_import import Imported, import_weights
from tests.conftest import Alexc
from tests.support.caffe_wire import (
    blob,
    dimensions,
    doubles,
    field,
    floats,
    integer,
    layer,
    legacy_blob,
    legacy_dimensions,
    v0_layer,
    v1_layer,
    varint,
)
from tests.support.peak_memory import peak_kibibytes

RECIPE = """
train {
  prepare   resize 12 -> center_crop 12
  test      center 12
  loss      cross_entropy
  optimizer sgd lr=0.01
  schedule  constant
  batch     4
  epochs    1
}
"""
PLAIN = """
  conv1: conv 8 kernel=3 -> relu -> maxpool 2
  conv2: conv 6 kernel=3 pad=1 groups=2 -> relu
  ip1:   linear 7 -> relu
  ip2:   linear 5 -> softmax
"""
CONVOLUTION, INNER_PRODUCT = 4, 14  # of V1LayerParameter.LayerType

Weights = dict[str, Tensor]


def network_of(folder: Path, lines: str) -> NetworkFile:
    graph = check_text(f"network Net {{\n  input 3x12x12\n{lines}}}\n{RECIPE}", "net.net").graph
    assert graph is not None
    path = folder / "net.py"
    path.write_text(write_pytorch(graph, "net.net"))
    return load_network_file(path)


def taken(folder: Path, lines: str, content: bytes, bgr: bool | None = None) -> tuple[nn.Module, Imported]:
    """The network with the weights of a file."""
    network = network_of(folder, lines)
    (folder / "net.caffemodel").write_bytes(content)
    imported = import_weights(folder / "net.caffemodel", network, [], folder / "net.safetensors", bgr)
    module = network.build(seed=1)
    module.load_state_dict(load_file(folder / "net.safetensors"))
    return module.eval(), imported


def sources(imported: Imported) -> dict[str, str]:
    return {match.target: match.source for match in imported.matches}


@pytest.fixture
def drawn() -> Weights:
    """The numbers of the plain network, as Caffe has them."""
    torch.manual_seed(0)
    shapes = {"conv1": (8, 3, 3, 3), "conv2": (6, 4, 3, 3), "ip1": (7, 150), "ip2": (5, 7)}
    weights = {f"{name}.weight": torch.randn(shape) for name, shape in shapes.items()}
    return weights | {f"{name}.bias": torch.randn(shape[0]) for name, shape in shapes.items()}


@pytest.fixture
def images() -> Tensor:
    return torch.randn(3, 3, 12, 12)


def as_caffe_computes(w: Weights, bgr: Tensor) -> Tensor:
    """The plain network over images whose channels are blue, green, red."""
    x = F.max_pool2d(F.conv2d(bgr, w["conv1.weight"], w["conv1.bias"]).relu(), 2)
    x = F.conv2d(x, w["conv2.weight"], w["conv2.bias"], padding=1, groups=2).relu()
    x = (x.reshape(len(x), -1) @ w["ip1.weight"].T + w["ip1.bias"]).relu()
    return x @ w["ip2.weight"].T + w["ip2.bias"]


def new_form(w: Weights, write: Callable[[Tensor], bytes] = blob) -> bytes:
    def blobs(name: str) -> tuple[bytes, bytes]:
        return write(w[f"{name}.weight"]), write(w[f"{name}.bias"])

    return field(1, "Net") + b"".join(
        [
            layer("Input", "data", "", "data"),
            layer("Convolution", "conv1", "data", "conv1", *blobs("conv1")),
            layer("ReLU", "relu1", "conv1", "conv1"),
            layer("Pooling", "pool1", "conv1", "pool1"),
            layer("Convolution", "conv2", "pool1", "conv2", *blobs("conv2")),
            layer("ReLU", "relu2", "conv2", "conv2"),
            layer("InnerProduct", "ip1", "conv2", "ip1", *blobs("ip1")),
            layer("ReLU", "relu3", "ip1", "ip1"),
            layer("InnerProduct", "ip2", "ip1", "ip2", *blobs("ip2")),
            layer("Softmax", "prob", "ip2", "prob"),
        ]
    )


def v1_form(w: Weights) -> bytes:
    def blobs(name: str) -> tuple[bytes, bytes]:
        return legacy_blob(w[f"{name}.weight"]), legacy_blob(w[f"{name}.bias"])

    return field(1, "Net") + b"".join(
        [
            v1_layer(5, "data", "", "data"),
            v1_layer(CONVOLUTION, "conv1", "data", "conv1", *blobs("conv1")),
            v1_layer(17, "pool1", "conv1", "pool1"),
            v1_layer(CONVOLUTION, "conv2", "pool1", "conv2", *blobs("conv2")),
            v1_layer(INNER_PRODUCT, "ip1", "conv2", "ip1", *blobs("ip1")),
            v1_layer(INNER_PRODUCT, "ip2", "ip1", "ip2", *blobs("ip2")),
        ]
    )


def v0_form(w: Weights) -> bytes:
    kinds = {"conv1": "conv", "conv2": "conv", "ip1": "innerproduct", "ip2": "innerproduct"}
    bottoms = dict(zip(kinds, ["data", *kinds], strict=False))
    return b"".join(
        v0_layer(kind, name, bottoms[name], name, legacy_blob(w[f"{name}.weight"]), legacy_blob(w[f"{name}.bias"]))
        for name, kind in kinds.items()
    )


FORMS: dict[str, Callable[[Weights], bytes]] = {
    "layers of today": new_form,
    "layers of today, shapes of four axes": lambda w: new_form(w, legacy_blob),
    "layers of 2014": v1_form,
    "layers of 2013": v0_form,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_network_computes_what_caffes_did(form: str, tmp_path: Path, drawn: Weights, images: Tensor) -> None:
    network, imported = taken(tmp_path, PLAIN, FORMS[form](drawn))
    assert sources(imported) == {name: name for name in ("conv1", "conv2", "ip1", "ip2")}
    assert imported.turned == ("conv1",)
    torch.testing.assert_close(network(images), as_caffe_computes(drawn, images.flip(1)), rtol=1e-4, atol=1e-4)


def test_the_order_of_the_channels_can_be_kept(tmp_path: Path, drawn: Weights, images: Tensor) -> None:
    network, imported = taken(tmp_path, PLAIN, new_form(drawn), bgr=False)
    assert imported.turned == ()
    torch.testing.assert_close(network(images), as_caffe_computes(drawn, images), rtol=1e-4, atol=1e-4)


def test_other_files_can_be_turned_too(tmp_path: Path, drawn: Weights, images: Tensor) -> None:
    torch.save(drawn, tmp_path / "converted.pt")
    network = network_of(tmp_path, PLAIN)
    imported = import_weights(tmp_path / "converted.pt", network, [], tmp_path / "net.safetensors", bgr=True)
    module = network.build(seed=1)
    module.load_state_dict(load_file(tmp_path / "net.safetensors"))
    assert imported.turned == ("conv1",)
    torch.testing.assert_close(module(images), as_caffe_computes(drawn, images.flip(1)), rtol=1e-4, atol=1e-4)

    torch.save({"ip2.weight": drawn["ip2.weight"]}, tmp_path / "none.pt")
    with pytest.raises(UserError, match=r"--bgr: .*none\.pt has no convolution that reads three channels"):
        import_weights(tmp_path / "none.pt", network, [], tmp_path / "none.safetensors", bgr=True)


@pytest.mark.slow
def test_the_command_says_what_it_turned(tmp_path: Path, alexc: Alexc, drawn: Weights) -> None:
    network = network_of(tmp_path, PLAIN)
    (tmp_path / "given.caffemodel").write_bytes(v1_form(drawn))
    result = alexc("weights", "import", "given.caffemodel", "--into", network.path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["conv1", "->", "conv1", "weight", "8x3x3x3,", "bias", "8"]
    assert lines[-4:] == [
        "turned from blue, green, red to red, green, blue: conv1",
        "if the network was trained on red, green, blue, import it with --no-bgr",
        "",
        "net.safetensors  written: 4 layers",
    ]
    result = alexc(
        "weights", "import", "given.caffemodel", "--into", network.path, "--no-bgr", "--out", "b.safetensors"
    )
    assert "turned" not in result.stdout


NORMALISED = """
  conv1: conv 8 kernel=3 bias=none -> batchnorm -> relu
  conv2: conv 8 kernel=3 bias=none -> batchnorm -> relu
  ip1:   linear 5 -> softmax
"""


def test_batch_norm_and_scale_become_one_layer(tmp_path: Path, images: Tensor) -> None:
    torch.manual_seed(1)
    first, second, weight, bias = torch.randn(8, 3, 3, 3), torch.randn(8, 8, 3, 3), torch.randn(5, 512), torch.randn(5)
    mean, variance, gamma, beta = torch.randn(8), torch.rand(8) + 0.5, torch.randn(8), torch.randn(8)
    other_mean, other_variance = torch.randn(8), torch.rand(8) + 0.5
    seen = 999.98  # what Caffe's moving average has summed up to
    content = b"".join(
        [
            layer("Input", "data", "", "data"),
            layer("Convolution", "conv1", "data", "conv1", blob(first)),
            layer(
                "BatchNorm",
                "bn_a",
                "conv1",
                "conv1",
                blob(mean * seen),
                blob(variance * seen),
                blob(torch.tensor([seen])),
            ),
            layer("Scale", "scale_a", "conv1", "conv1", blob(gamma), blob(beta)),
            layer("ReLU", "relu1", "conv1", "conv1"),
            layer("Convolution", "conv2", "conv1", "conv2", blob(second)),
            layer("BatchNorm", "bn_b", "conv2", "bn_b", blob(other_mean), blob(other_variance), blob(torch.ones(1))),
            layer("ReLU", "relu2", "bn_b", "bn_b"),
            layer("InnerProduct", "ip1", "bn_b", "ip1", blob(weight), blob(bias)),
        ]
    )
    network, imported = taken(tmp_path, NORMALISED, content)
    assert sources(imported)["conv1_batchnorm"] == "bn_a"
    assert sources(imported)["conv2_batchnorm"] == "bn_b"

    def column(values: Tensor) -> Tensor:
        return values[None, :, None, None]

    x = F.conv2d(images.flip(1), first)
    x = ((x - column(mean)) / (column(variance) + 1e-5).sqrt() * column(gamma) + column(beta)).relu()
    x = F.conv2d(x, second)
    x = ((x - column(other_mean)) / (column(other_variance) + 1e-5).sqrt()).relu()
    torch.testing.assert_close(network(images), x.flatten(1) @ weight.T + bias, rtol=1e-3, atol=1e-3)


def vectors(count: int, factor: float = 1.0) -> tuple[bytes, bytes, bytes]:
    return blob(torch.full((count,), 3.0)), blob(torch.full((count,), 5.0)), blob(torch.tensor([factor]))


def read(folder: Path, *layers: bytes) -> Weights:
    (folder / "a.caffemodel").write_bytes(b"".join(layers))
    return read_caffemodel(folder / "a.caffemodel").tensors


def test_a_batch_norm_that_saw_nothing_is_all_zero_as_in_caffe(tmp_path: Path) -> None:
    found = read(tmp_path, layer("BatchNorm", "bn", "data", "bn", *vectors(2, factor=0.0)))
    assert found["bn.running_mean"].tolist() == found["bn.running_var"].tolist() == [0, 0]


def test_a_scale_without_bias_adds_nothing(tmp_path: Path) -> None:
    scale = layer("Scale", "scale", "bn", "scale", blob(torch.tensor([7.0, 8.0])))
    found = read(tmp_path, layer("BatchNorm", "bn", "data", "bn", *vectors(2)), scale)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "bn.weight": [7, 8],
        "bn.bias": [0, 0],
        "bn.running_mean": [3, 3],
        "bn.running_var": [5, 5],
    }


def test_a_scale_behind_something_else_stays_a_layer_of_its_own(tmp_path: Path) -> None:
    norm = layer("BatchNorm", "bn", "data", "x", *vectors(2))
    scale = layer("Scale", "scale", "x", "x", blob(torch.ones(2)), blob(torch.ones(2)))
    assert "scale.weight" not in read(tmp_path, norm, scale)
    assert "scale.weight" in read(tmp_path, norm, layer("ReLU", "relu", "x", "x"), scale)


LEARNED = """
  conv1: conv 4 kernel=3 bias=none -> layer_scale 1 bias=0 -> prelu
  conv2: conv 4 kernel=3 groups=4 bias=none -> layer_scale 1 bias=0 weight_rate=0 -> prelu
  ip: linear 5 bias=none -> softmax
"""


def test_learned_slopes_factors_and_summands(tmp_path: Path, images: Tensor) -> None:
    """Two PReLUs of the same shape go where their convolutions go; a Bias has a factor of 1."""
    torch.manual_seed(3)
    first, second, last = torch.randn(4, 3, 3, 3), torch.randn(4, 1, 3, 3), torch.randn(5, 256)
    factor, summand, slope, bias, other_slope = torch.randn(5, 4)
    content = b"".join(
        [
            layer("Convolution", "conv1", "data", "conv1", blob(first)),
            layer("Scale", "scale", "conv1", "conv1", blob(factor), blob(summand)),
            layer("PReLU", "prelu_b", "conv1", "conv1", blob(slope)),
            layer("ConvolutionDepthwise", "conv2", "conv1", "conv2", blob(second)),
            layer("Bias", "bias", "conv2", "conv2", blob(bias)),
            layer("PReLU", "prelu_a", "conv2", "conv2", blob(other_slope)),
            layer("InnerProduct", "ip", "conv2", "ip", blob(last)),
        ]
    )
    network, imported = taken(tmp_path, LEARNED, content)
    assert sources(imported)["conv1_prelu"] == "prelu_b"
    assert sources(imported)["conv2_layer_scale"] == "bias"
    x = F.conv2d(images.flip(1), first) * factor[:, None, None] + summand[:, None, None]
    x = F.prelu(x, slope)
    x = F.prelu(F.conv2d(x, second, bias, groups=4), other_slope)
    torch.testing.assert_close(network(images), x.flatten(1) @ last.T, rtol=1e-4, atol=1e-4)


def test_packed_numbers_in_pieces_double_precision_and_a_transposed_matrix(tmp_path: Path) -> None:
    pieces = floats([1.0, 2.0]) + field(6, b"\0" * 24) + floats([3.0, 4.0, 5.0, 6.0]) + dimensions(2, 3)
    transpose = field(117, integer(1, 3) + integer(6, 1))
    found = read(
        tmp_path,
        layer("InnerProduct", "a", "data", "a", pieces),
        layer("InnerProduct", "b", "a", "b", pieces, more=transpose),
        layer("InnerProduct", "c", "b", "c", doubles([0.5, 0.25]) + floats([9.0, 9.0]) + dimensions(1, 2)),
    )
    assert found["a.weight"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found["b.weight"].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert found["c.weight"].tolist() == [[0.5, 0.25]]
    assert found["c.weight"].dtype == torch.float32


ALIKE = """
  {0}: conv 4 kernel=3 pad=1 bias=none
  {1}: conv 4 kernel=3 pad=1 bias=none
  {2}: conv 4 kernel=3 pad=1 bias=none
  ip: linear 5 bias=none -> softmax
"""


@pytest.mark.parametrize(
    ("file", "spec", "taken_from"),
    [
        (("b", "a", "c"), ("a", "b", "c"), ("a", "b", "c")),  # names decide, whatever the order
        (("b/3x3", "a.x", "c-1"), ("a_x", "b_3x3", "c_1"), ("a.x", "b/3x3", "c-1")),  # names as a spec has them
        (("z", "y", "x"), ("a", "b", "c"), ("z", "y", "x")),  # no name says anything: the order does
        (("c0", "c1", "c2"), ("c1", "c2", "c3"), ("c0", "c1", "c2")),  # some names agree, and mean something else
    ],
)
def test_names_come_first_where_all_agree(
    tmp_path: Path, file: tuple[str, ...], spec: tuple[str, ...], taken_from: tuple[str, ...]
) -> None:
    content = layer("Convolution", "first", "data", "first", blob(torch.ones(4, 3, 1, 1)))
    for name in file:
        content += layer("Convolution", name, "first", name, blob(torch.ones(4, 4, 3, 3)))
    content += layer("InnerProduct", "ip", file[-1], "ip", blob(torch.ones(5, 576)))
    _, imported = taken(tmp_path, "  first: conv 4 kernel=1 bias=none\n" + ALIKE.format(*spec), content)
    assert tuple(sources(imported)[name] for name in spec) == taken_from


RESIDUAL = """
  stem:  conv 4 kernel=3 pad=1 bias=none -> relu
  left:  stem -> conv 4 kernel=1 bias=none -> batchnorm
  right: stem -> conv 4 kernel=1 bias=none -> batchnorm
  both:  left -> add right -> relu
  ip:    linear 5 bias=none -> softmax
"""


def test_a_batch_norm_goes_by_the_layer_that_it_reads(tmp_path: Path) -> None:
    """The file has the right branch first; the names of its layers alone would not tell which BatchNorm is whose."""
    content = layer("Convolution", "stem", "data", "stem", blob(torch.ones(4, 3, 3, 3)))
    for branch, name in (("right", "bn1"), ("left", "bn2")):
        content += layer("Convolution", branch, "stem", branch, blob(torch.ones(4, 4, 1, 1)))
        content += layer("BatchNorm", name, branch, branch, *vectors(4))
    content += layer("InnerProduct", "ip", "left", "ip", blob(torch.ones(5, 576)))
    _, imported = taken(tmp_path, RESIDUAL, content)
    assert sources(imported)["left_batchnorm"] == "bn2"
    assert sources(imported)["right_batchnorm"] == "bn1"


def test_whatever_reads_the_image_is_turned(tmp_path: Path, images: Tensor) -> None:
    torch.manual_seed(2)
    mean, variance, weight = torch.randn(3), torch.rand(3) + 0.5, torch.randn(5, 432)
    content = layer("BatchNorm", "data_bn", "data", "data_bn", blob(mean), blob(variance), blob(torch.ones(1)))
    content += layer("InnerProduct", "ip", "data_bn", "ip", blob(weight))
    network, imported = taken(tmp_path, "  norm: batchnorm\n  ip: linear 5 bias=none -> softmax\n", content)
    assert imported.turned == ("data_bn", "ip")
    x = (images.flip(1) - mean[None, :, None, None]) / (variance[None, :, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(network(images), x.flatten(1) @ weight.T, rtol=1e-4, atol=1e-3)


def test_a_layer_inside_that_reads_three_channels_is_not_turned(tmp_path: Path) -> None:
    lines = "  a: conv 3 kernel=1 bias=none\n  b: conv 3 kernel=1 bias=none\n  ip: linear 5 bias=none -> softmax\n"
    weight = torch.arange(9.0).reshape(3, 3, 1, 1)
    content = layer("Convolution", "a", "data", "a", blob(weight)) + layer("Convolution", "b", "a", "b", blob(weight))
    content += layer("InnerProduct", "ip", "b", "ip", blob(torch.ones(5, 432)))
    network, imported = taken(tmp_path, lines, content)
    assert imported.turned == ("a",)
    state = network.state_dict()
    assert torch.equal(state["a.weight"], weight.flip(1))
    assert torch.equal(state["b.weight"], weight)


def conv(*blobs: bytes) -> bytes:
    return layer("Convolution", "conv1", "data", "conv1", *blobs)


WEIGHT = torch.ones(8, 3, 3, 3)
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "holds no layer with weights"),
    "prototxt": (b'name: "Net"\nlayer { name: "conv1" }\n', "it is cut off, or holds something else"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 500, "it is cut off, or holds something else"),
    "cut": (conv(blob(WEIGHT))[:-5], "it is cut off"),
    "length of 8 exbibytes": (varint(100 << 3 | 2) + varint(2**63 - 1) + b"x", "it is cut off"),
    "length within a layer": (field(100, varint(7 << 3 | 2) + varint(2**40)), "it is cut off"),
    "fewer numbers": (conv(floats([1.0] * 5) + dimensions(8, 3, 3, 3)), "has 5 numbers in a tensor of 8x3x3x3"),
    "more numbers": (conv(floats([1.0] * 5) + dimensions(2, 2)), "`conv1` has 5 numbers in a tensor of 2x2"),
    "half a number": (conv(field(5, b"\0" * 7) + dimensions(2)), "numbers in a tensor of 2"),
    "no numbers": (conv(dimensions(8, 3, 3, 3)), "has 0 numbers"),
    "negative side": (conv(floats([1.0]) + dimensions(-1, -1)), "has a tensor of no possible shape"),
    "negative legacy side": (conv(floats([1.0]) + legacy_dimensions(-1, -1, 1, 1)), "of no possible shape"),
    "terabytes": (conv(floats([1.0]) + dimensions(2**40, 2**40, 2**40)), "has 1 numbers in a tensor of 1099511627776"),
    "axes": (conv(floats([1.0]) + dimensions(*[1] * 33)), "of no possible shape"),
    "nan": (conv(blob(WEIGHT * float("nan"))), "`conv1.weight` holds numbers that are not finite"),
    "infinite double": (conv(doubles([1e300]) + dimensions(1)), "holds numbers that are not finite"),
    "infinite statistics": (
        layer("BatchNorm", "bn", "data", "bn", *vectors(3, factor=1e-45)),
        "`bn.running_mean` holds numbers that are not finite",
    ),
    "three blobs": (conv(*[blob(WEIGHT)] * 3), "`conv1`, of type Convolution, has 3 tensors"),
    "one statistic": (layer("BatchNorm", "bn", "data", "bn", blob(WEIGHT)), "of type BatchNorm, has 1 tensors"),
    "two factors": (
        layer("BatchNorm", "bn", "data", "bn", *[blob(torch.ones(3))] * 3),
        "`bn` has 3 numbers to divide its sums by",
    ),
    "cube": (layer("InnerProduct", "ip", "a", "b", blob(torch.ones(2, 2, 2))), "`ip` has a weight of 2x2x2"),
    "same name": (conv(blob(WEIGHT)) * 2, "the name `conv1` does not tell one layer"),
    "no name": (layer("Convolution", "", "data", "x", blob(WEIGHT)), "the name `` does not tell one layer"),
    "escape": (
        layer("Convolution", "\x1b[2J", "data", "x", floats([1.0]) + dimensions(2)),
        r"layer `\x1b[2J` has 1 numbers",
    ),
    "no text": (
        field(100, field(1, b"\xff\xfe") + field(2, "Convolution") + field(7, dimensions(2))),
        "has 0 numbers in a tensor of 2",
    ),
    "one channel": (conv(blob(torch.ones(8, 1, 3, 3))), "conv1 reads the image, but not three channels"),
    "deconvolution": (
        layer("Deconvolution", "up", "data", "up", blob(WEIGHT)),
        "the network has no place for up (blob0 8x3x3x3)",
    ),
    "parameters of a PReLU": (
        conv(blob(WEIGHT)) + layer("PReLU", "prelu1", "conv1", "x", blob(torch.ones(8))),
        "prelu1 (weight 8)",
    ),
    "swelling": (field(100, b"") * 200_000, "it has more than 100,000 layers"),
}


@pytest.fixture(scope="module")
def plain_network(tmp_path_factory: pytest.TempPathFactory) -> NetworkFile:
    return network_of(tmp_path_factory.mktemp("plain"), PLAIN)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_sound_is_refused(name: str, tmp_path: Path, plain_network: NetworkFile) -> None:
    content, message = REFUSED[name]
    path = tmp_path / "given.caffemodel"
    path.write_bytes(content)
    with pytest.raises(UserError) as mistake:
        import_weights(path, plain_network, [], tmp_path / "out.safetensors")
    assert message in str(mistake.value)
    assert "given.caffemodel" in str(mistake.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_file_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_caffemodel(tmp_path / "none.caffemodel")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_caffemodel(tmp_path)


def test_a_training_does_not_start_from_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.caffemodel is Caffe's: convert its weights with `alexc weights import"):
        starting_weights(tmp_path / "x.caffemodel", {"conv1.weight": WEIGHT})


def test_damage_of_any_kind_never_raises_anything_else(tmp_path: Path, plain_network: NetworkFile) -> None:
    rng = random.Random(5)
    small = layer("Convolution", "conv1", "data", "conv1", blob(torch.ones(2, 3, 1, 1)), blob(torch.ones(2)))
    small += layer("BatchNorm", "bn", "conv1", "x", *vectors(2)) + layer("Scale", "s", "x", "x", blob(torch.ones(2)))
    small += v1_layer(INNER_PRODUCT, "ip", "x", "ip", legacy_blob(torch.ones(2, 2)))
    path = tmp_path / "given.caffemodel"
    refused = 0
    for _ in range(300):
        damaged = bytearray(small)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.randint(1, len(damaged)) if rng.random() < 0.3 else None])
        with pytest.raises(UserError, match=r"given\.caffemodel"):
            import_weights(path, plain_network, [], tmp_path / "out.safetensors")
        refused += 1
    assert refused == 300


MEASURED = """
import sys
from pathlib import Path
from alexc.runtime.caffemodel import read_caffemodel
from alexc.runtime.errors import UserError
try:
    read_caffemodel(Path(sys.argv[1]))
except UserError:
    pass
"""


@pytest.mark.slow
def test_memory_is_bounded_by_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.caffemodel"
    path.write_bytes(conv(blob(torch.ones(1))))
    least = peak_kibibytes(MEASURED, path)
    mebibytes = 48
    numbers = field(5, b"\0\0\x80\x3f" * (mebibytes * 2**18 // 4)) + dimensions(mebibytes * 2**16)
    sound = b"".join(layer("Convolution", f"conv{number}", "data", "x", numbers) for number in range(4))
    swelling = field(100, b"") * (mebibytes * 2**20 // 3)
    for content in (sound, swelling):
        path.write_bytes(content)
        assert peak_kibibytes(MEASURED, path) - least < 16 * mebibytes * 1024
