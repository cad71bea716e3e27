"""`alexc weights import` of darknet's `.weights`: bytes written in darknet's order become the network that it had."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.runtime.errors import UserError
from alexc.runtime.network_file import ModuleFile, load_module_file
from alexc.runtime.runs.starting_weights import starting_weights
from alexc.runtime.weights_import import import_weights
from tests.support.imported import imported

NET = "[net]\nchannels=3\nheight=8\nwidth=8\n"
# The header: major, minor, revision, and the images seen in 8 or 4 bytes. The oldest begins with a learning rate.
HEADERS = {
    "of today": struct.pack("<iiiq", 0, 2, 5, 2**33),
    "of version 1": struct.pack("<iiiq", 1, 0, 0, 9),
    "of version 0.1": struct.pack("<iiii", 0, 1, 0, 9),
    "the oldest": struct.pack("<fffi", 0.01, 0.9, 0.0005, 9),
}
EPS = 1e-5


def section(name: str, **said: object) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in said.items())


def conv(filters: int, size: int, normalised: int, **said: object) -> str:
    values = {"filters": filters, "size": size, "batch_normalize": normalised, "activation": "linear", **said}
    return section("convolutional", **values)


def connected(output: int, normalised: int) -> str:
    return section("connected", output=output, batch_normalize=normalised, activation="linear")


def network_of(folder: Path, *sections: str) -> ModuleFile:
    found = imported({"net.cfg": NET + "".join(sections)})
    assert found.errors() == []
    (folder / "net.py").write_text(write_pytorch(found.graph(), "net.net"))
    return load_module_file(folder / "net.py")


def written(header: bytes, *tensors: Tensor) -> bytes:
    numbers = torch.cat([each.flatten() for each in tensors]).tolist()
    return header + struct.pack(f"<{len(numbers)}f", *numbers)


def taken(folder: Path, network: ModuleFile, content: bytes) -> nn.Module:
    (folder / "net.weights").write_bytes(content)
    assert import_weights(folder / "net.weights", network, [], folder / "net.safetensors").turned == ()
    module = network.build(seed=1)
    module.load_state_dict(load_file(folder / "net.safetensors"))
    return module.eval()


def norm(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scales, means and variances, in the order of the file."""
    return torch.randn(count), torch.randn(count), torch.rand(count) + 0.5


def normalised(x: Tensor, bias: Tensor, statistics: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    shape = (1, -1, *[1] * (x.dim() - 2))
    scale, mean, variance = (each.view(shape) for each in statistics)
    return (x - mean) / (variance + EPS).sqrt() * scale + bias.view(shape)


@pytest.mark.parametrize("header", HEADERS)
def test_every_layer_in_darknets_order(header: str, tmp_path: Path) -> None:
    """Convolutions have biases, statistics, weights; connected layers have biases, weights, statistics."""
    torch.manual_seed(0)
    network = network_of(
        tmp_path, conv(4, 3, 1, groups=1), conv(6, 1, 0, groups=2), connected(5, 1), connected(3, 0), "[softmax]\n"
    )
    first, second = torch.randn(4, 3, 3, 3), torch.randn(6, 2, 1, 1)
    third, last = torch.randn(5, 216), torch.randn(3, 5)
    biases, statistics = [torch.randn(count) for count in (4, 6, 5, 3)], [norm(4), norm(5)]
    in_file = [third.T, last.T] if header == "the oldest" else [third, last]  # stored input by input
    content = written(
        HEADERS[header],
        *(biases[0], *statistics[0], first),
        *(biases[1], second),
        *(biases[2], in_file[0], *statistics[1]),
        *(biases[3], in_file[1]),
    )
    images = torch.randn(2, 3, 8, 8)
    x = normalised(F.conv2d(images, first), biases[0], statistics[0])
    x = F.conv2d(x, second, biases[1], groups=2).flatten(1)
    x = F.linear(normalised(x @ third.T, biases[2], statistics[1]), last, biases[3])
    torch.testing.assert_close(taken(tmp_path, network, content)(images), x, rtol=1e-3, atol=1e-3)


def test_a_locally_connected_layer_place_by_place(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = network_of(tmp_path, section("local", filters=2, size=3, stride=2, activation="linear"))
    bias, weight = torch.randn(2, 3, 3), torch.randn(9, 2, 27)  # places, kernels, values of a window
    images = torch.randn(1, 3, 8, 8)
    windows = F.unfold(images, 3, stride=2)[0]  # values of a window, places
    wanted = torch.stack([weight[place] @ windows[:, place] for place in range(9)], 1).view(2, 3, 3) + bias
    made = taken(tmp_path, network, written(HEADERS["of today"], bias, weight))(images)
    torch.testing.assert_close(made[0], wanted)


def test_a_batch_norm_of_its_own_has_no_biases_in_the_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = network_of(tmp_path, conv(4, 3, 0), "[batchnorm]\n", conv(2, 1, 0))
    first, bias, statistics = torch.randn(4, 3, 3, 3), torch.randn(4), norm(4)
    second, other = torch.randn(2, 4, 1, 1), torch.randn(2)
    content = written(HEADERS["of today"], bias, first, *statistics, other, second)
    images = torch.randn(1, 3, 8, 8)
    x = normalised(F.conv2d(images, first, bias), torch.zeros(4), statistics)
    wanted = F.conv2d(x, second, other)
    torch.testing.assert_close(taken(tmp_path, network, content)(images), wanted, rtol=1e-4, atol=1e-4)


def test_a_convolution_of_units_keeps_the_order_of_a_convolution(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = network_of(tmp_path, connected(4, 0), conv(3, 1, 1))
    bias, weight, other, last, statistics = (
        torch.randn(4),
        torch.randn(4, 192),
        torch.randn(3),
        torch.randn(3, 4),
        norm(3),
    )
    content = written(HEADERS["of today"], bias, weight, other, *statistics, last)
    images = torch.randn(2, 3, 8, 8)
    wanted = normalised(F.linear(images.flatten(1), weight, bias) @ last.T, other, statistics)
    torch.testing.assert_close(taken(tmp_path, network, content)(images), wanted, rtol=1e-4, atol=1e-4)


COUNT = 4 * 27 + 4
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not a .weights file of darknet: it ends in its header"),
    "a header": (HEADERS["of today"], "holds 0 numbers, but the network takes 112"),
    "cut off": (written(HEADERS["of today"], torch.ones(COUNT))[:-2], "holds 111.5 numbers, but the network takes 112"),
    "longer": (written(HEADERS["of today"], torch.ones(COUNT + 1)), "holds 113 numbers"),
    "no numbers": (
        written(HEADERS["of today"], torch.full((COUNT,), float("nan"))),
        "`conv1.weight` holds numbers that are not finite",
    ),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "a pointer of Git LFS"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_weights_file_of_this_network_is_refused(name: str, tmp_path: Path) -> None:
    content, message = REFUSED[name]
    (tmp_path / "net.weights").write_bytes(content)
    with pytest.raises(UserError) as mistake:
        import_weights(tmp_path / "net.weights", network_of(tmp_path, conv(4, 3, 0)), [], tmp_path / "o.safetensors")
    assert message in str(mistake.value)
    assert "net.weights" in str(mistake.value)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("conv 4 kernel=1 bias=none", "`conv1` has neither a bias nor a batch norm after it"),
        ("conv 4 kernel=1 -> prelu", "`conv1_prelu` is a layer that darknet does not have"),
    ],
)
def test_layers_that_darknet_does_not_have(layers: str, message: str, tmp_path: Path) -> None:

    graph = check_text(f"network N {{\n input 3x8x8\n {layers}\n}}\n", "net.net").graph
    assert graph is not None
    (tmp_path / "net.py").write_text(write_pytorch(graph, "net.net"))
    (tmp_path / "net.weights").write_bytes(b"\0" * 100)
    with pytest.raises(UserError, match=message):
        import_weights(tmp_path / "net.weights", load_module_file(tmp_path / "net.py"), [], tmp_path / "o.safetensors")


def test_a_training_does_not_start_from_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.weights is darknet's: convert its weights with `alexc weights import"):
        starting_weights(tmp_path / "x.weights", {"conv1.weight": torch.ones(4, 3, 3, 3)})
