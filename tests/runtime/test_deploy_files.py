"""From a deploy file and a caffemodel to predictions and ONNX: nothing of that needs a recipe."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.compiler.text.reading import read_source
from alexc.preparation import preparation
from alexc.runtime.class_names import read_class_names
from alexc.runtime.data.decode import load_image
from alexc.runtime.data.decoding_work import BadImage
from alexc.runtime.errors import UserError
from alexc.runtime.evaluation.file_weights import NOTHING_SAID, Preparation, load_classifier
from alexc.runtime.evaluation.prediction import predict
from alexc.runtime.exporting.export import export_network
from alexc.runtime.network_file import load_module_file, load_network_file
from alexc.runtime.runs.checkpoint import save_checkpoint
from alexc.runtime.weights_import import import_weights
from tests.conftest import Alexc
from tests.support.caffe_wire import blob, field, layer, legacy_blob
from tests.support.imported import imported

CPU = torch.device("cpu")


def conv(name: str, below: str, outputs: int, more: str) -> str:
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{below}" top: "{name}" '
        f"convolution_param {{ num_output: {outputs} {more} }} }}\n"
    )


def pool(name: str, below: str, kind: str, window: int = 3) -> str:
    return (
        f'layer {{ name: "{name}" type: "Pooling" bottom: "{below}" top: "{name}" '
        f"pooling_param {{ pool: {kind} kernel_size: {window} stride: 2 }} }}\n"
    )


def relu(name: str) -> str:
    return f'layer {{ name: "relu_{name}" type: "ReLU" bottom: "{name}" top: "{name}" }}\n'


def linear(name: str, below: str, outputs: int) -> str:
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{below}" top: "{name}" '
        f"inner_product_param {{ num_output: {outputs} }} }}\n"
    )


def deploy(name: str, shape: tuple[int, int, int], layers: str, last: str) -> str:
    dims = " ".join(f"dim: {each}" for each in (1, *shape))
    data = f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape: {{ {dims} }} }} }}\n'
    return f'name: "{name}"\n{data}{layers}layer {{ name: "prob" type: "Softmax" bottom: "{last}" top: "prob" }}\n'


LRN = (
    'layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1" '
    "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }\n"
)
Weights = Mapping[str, Tensor]


def lenet(w: Weights, x: Tensor) -> Tensor:
    x = F.max_pool2d(F.conv2d(x, w["conv1.weight"], w["conv1.bias"]), 2)
    x = F.max_pool2d(F.conv2d(x, w["conv2.weight"], w["conv2.bias"]), 2)
    x = F.linear(x.flatten(1), w["ip1.weight"], w["ip1.bias"]).relu()
    return F.linear(x, w["ip2.weight"], w["ip2.bias"])


def cifar10_quick(w: Weights, x: Tensor) -> Tensor:
    x = F.max_pool2d(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=2), 3, 2, ceil_mode=True).relu()
    x = F.avg_pool2d(F.conv2d(x, w["conv2.weight"], w["conv2.bias"], padding=2).relu(), 3, 2, ceil_mode=True)
    return F.linear(x.flatten(1), w["ip1.weight"], w["ip1.bias"])


def caffenet(w: Weights, x: Tensor) -> Tensor:
    x = F.max_pool2d(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], stride=4).relu(), 3, 2, ceil_mode=True)
    x = F.local_response_norm(x, 5, alpha=0.0001, beta=0.75, k=1.0)
    x = F.conv2d(x, w["conv2.weight"], w["conv2.bias"], padding=2, groups=2).relu()
    return F.linear(x.flatten(1), w["fc8.weight"], w["fc8.bias"])


@dataclass(frozen=True)
class Case:
    """A deploy file, the shapes of its weights, what Caffe computes, and how its images are prepared.

    `mean` is in Caffe's order of the channels: blue, green, red.
    """

    text: str
    shapes: Mapping[str, tuple[int, ...]]
    compute: Callable[[Weights, Tensor], Tensor]
    mean: tuple[float, ...] = (0.0,)
    scale: float = 1.0


CASES = {
    "LeNet": Case(
        deploy(
            "LeNet",
            (1, 28, 28),
            conv("conv1", "data", 20, "kernel_size: 5")
            + pool("pool1", "conv1", "MAX", 2)
            + conv("conv2", "pool1", 50, "kernel_size: 5")
            + pool("pool2", "conv2", "MAX", 2)
            + linear("ip1", "pool2", 50)
            + relu("ip1")
            + linear("ip2", "ip1", 10),
            "ip2",
        ),
        {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "ip1": (50, 800), "ip2": (10, 50)},
        lenet,
        scale=0.00390625,
    ),
    "cifar10_quick": Case(
        deploy(
            "CIFAR10_quick",
            (3, 32, 32),
            conv("conv1", "data", 8, "kernel_size: 5 pad: 2")
            + pool("pool1", "conv1", "MAX")
            + relu("pool1")
            + conv("conv2", "pool1", 8, "kernel_size: 5 pad: 2")
            + relu("conv2")
            + pool("pool2", "conv2", "AVE")
            + linear("ip1", "pool2", 10),
            "ip1",
        ),
        {"conv1": (8, 3, 5, 5), "conv2": (8, 8, 5, 5), "ip1": (10, 512)},
        cifar10_quick,
        mean=(113.0, 123.0, 125.0),
    ),
    "caffenet": Case(
        deploy(
            "CaffeNet",
            (3, 67, 67),
            conv("conv1", "data", 8, "kernel_size: 11 stride: 4")
            + relu("conv1")
            + pool("pool1", "conv1", "MAX")
            + LRN
            + conv("conv2", "norm1", 8, "kernel_size: 5 pad: 2 group: 2")
            + relu("conv2")
            + linear("fc8", "conv2", 10),
            "fc8",
        ),
        {"conv1": (8, 3, 11, 11), "conv2": (8, 4, 5, 5), "fc8": (10, 392)},
        caffenet,
        mean=(104.0, 117.0, 123.0),
    ),
}


def drawn(case: Case) -> dict[str, Tensor]:
    """Weights whose logits differ by a few units."""
    torch.manual_seed(0)
    weights = {f"{name}.weight": torch.randn(shape) / np.prod(shape[1:]) ** 0.5 for name, shape in case.shapes.items()}
    weights |= {f"{name}.bias": torch.randn(shape[0]) / 10 for name, shape in case.shapes.items()}
    last = list(case.shapes)[-1]
    weights[f"{last}.weight"] *= 1.0 if case.scale != 1.0 else 0.05
    return weights


def caffemodel(weights: Weights, case: Case) -> bytes:
    below, layers = "data", field(1, "Net")
    for name, shape in case.shapes.items():
        kind = "Convolution" if len(shape) == 4 else "InnerProduct"
        layers += layer(kind, name, below, name, blob(weights[f"{name}.weight"]), blob(weights[f"{name}.bias"]))
        below = name
    return layers


def made(folder: Path, case: Case) -> tuple[Path, Path, dict[str, Tensor]]:
    """The compiled deploy file, its imported weights, and the weights as Caffe has them."""
    weights = drawn(case)
    graph = check_text(imported({"deploy.prototxt": case.text}).text, "net.net").graph
    assert graph is not None
    assert graph.net.recipe is None
    (folder / "net.py").write_text(write_pytorch(graph, "net.net"))
    (folder / "net.caffemodel").write_bytes(caffemodel(weights, case))
    import_weights(folder / "net.caffemodel", load_module_file(folder / "net.py"), [], folder / "net.safetensors")
    return folder / "net.py", folder / "net.safetensors", weights


def picture(folder: Path, case: Case) -> NDArray[np.uint8]:
    """An image of the network's size, (H, W, 3), which is written to photo.png."""
    side = 28 if case.compute is lenet else 32 if case.compute is cifar10_quick else 67
    pixels = np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8)
    if case.compute is lenet:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)  # a grey image
    Image.fromarray(pixels).save(folder / "photo.png")
    return pixels


def said(case: Case) -> Preparation:
    return Preparation(mean=case.mean[::-1], scale=(case.scale,))


def as_caffe(case: Case, weights: Weights, pixels: NDArray[np.uint8]) -> Tensor:
    """The probabilities, (outputs,), for an image that is shown as Caffe shows it: blue, green, red."""
    bgr = pixels[..., ::-1] if len(case.mean) == 3 else pixels[..., :1]
    shown = (torch.from_numpy(bgr.astype(np.float64)) - torch.tensor(case.mean)) * case.scale
    double = {name: tensor.double() for name, tensor in weights.items()}
    return case.compute(double, shown.permute(2, 0, 1)[None]).softmax(1)[0]


@pytest.mark.parametrize("name", CASES)
def test_predictions_are_caffes(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    network, weights, caffes = made(tmp_path, case)
    expected = as_caffe(case, caffes, picture(tmp_path, case))
    assert 0.15 < float(expected.max()) < 0.99  # neither certain nor even
    guesses = predict(load_classifier(network, weights, said(case), CPU), tmp_path / "photo.png")
    assert [each.name for each in guesses] == [f"output {place}" for place in expected.topk(5).indices]
    for guess, probability in zip(guesses, expected.topk(5).values, strict=True):
        assert guess.probability == pytest.approx(float(probability), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_exported_network_computes_the_same(name: str, tmp_path: Path) -> None:
    import onnxruntime  # type: ignore[import-untyped]

    case = CASES[name]
    network, weights, caffes = made(tmp_path, case)
    expected = as_caffe(case, caffes, picture(tmp_path, case))
    exported = export_network(network, weights, tmp_path / "net.onnx", "onnx", softmax=True, said=said(case))
    assert exported.texts["preprocessing"].startswith(
        "Red, green and blue, 0..255" if len(case.mean) == 3 else "Grey, 0..255"
    )
    trained = load_classifier(network, weights, said(case), CPU)
    channels, height, width = trained.file.input_shape
    shown = np.empty((height, width, channels), np.float32)
    pixels = np.asarray(Image.open(tmp_path / "photo.png"))[..., :channels]
    trained.renderer().render(pixels, trained.test_views()[0], shown)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (probabilities,) = session.run(None, {"images": shown.transpose(2, 0, 1)[None].copy()})
    np.testing.assert_allclose(np.asarray(probabilities)[0], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_opencv_reads_the_same_network(name: str, tmp_path: Path) -> None:
    """OpenCV's reader of Caffe's files is independent of alexc's."""
    cv2 = pytest.importorskip("cv2")
    case = CASES[name]
    network, weights, _ = made(tmp_path, case)
    pixels = picture(tmp_path, case)
    (tmp_path / "deploy.prototxt").write_text(case.text)
    reference = cv2.dnn.readNetFromCaffe(str(tmp_path / "deploy.prototxt"), str(tmp_path / "net.caffemodel"))
    shown = pixels[..., ::-1] if len(case.mean) == 3 else pixels[..., 0]
    reference.setInput(cv2.dnn.blobFromImage(np.ascontiguousarray(shown), case.scale, None, case.mean, swapRB=False))
    expected = reference.forward().reshape(-1)
    guesses = predict(load_classifier(network, weights, said(case), CPU), tmp_path / "photo.png")
    for guess in guesses:
        assert guess.probability == pytest.approx(float(expected[int(guess.name.split()[1])]), rel=1e-3)


def test_a_grey_network_is_shown_the_luma_of_a_coloured_image(tmp_path: Path) -> None:
    case = CASES["LeNet"]
    network, weights, caffes = made(tmp_path, case)
    pixels = np.random.default_rng(5).integers(0, 256, (28, 28, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    luma = torch.from_numpy(np.rint(pixels @ np.array([0.299, 0.587, 0.114])))[None, None] * case.scale
    expected = lenet({name: tensor.double() for name, tensor in caffes.items()}, luma).softmax(1)[0]
    best, *_ = predict(load_classifier(network, weights, said(case), CPU), tmp_path / "photo.png")
    assert best.name == f"output {int(expected.argmax())}"
    assert best.probability == pytest.approx(float(expected.max()), rel=1e-4)


def test_a_larger_image_is_scaled_and_cut(tmp_path: Path) -> None:
    case = CASES["cifar10_quick"]
    network, weights, caffes = made(tmp_path, case)
    pixels = np.repeat(np.repeat(picture(tmp_path, case), 2, axis=0), 2, axis=1)[:, 4:-2]
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    trained = load_classifier(network, weights, Preparation(40, case.mean[::-1], None), CPU)
    assert (trained.statistics.geometry.resize, trained.statistics.geometry.crop, trained.file.size) == (40, 40, 32)
    assert len(predict(trained, tmp_path / "photo.png")) == 5
    assert caffes


def test_nothing_is_guessed_about_the_preparation(tmp_path: Path) -> None:
    network, weights, _ = made(tmp_path, CASES["cifar10_quick"])

    def refused(message: str, said: Preparation, source: Path = network, named: Path | None = weights) -> None:
        with pytest.raises(UserError, match=message):
            load_classifier(source, named, said, CPU)

    refused("does not say how images are prepared: say it with --mean and --scale", NOTHING_SAID)
    refused("--mean has 2 numbers: expected one, or 3", Preparation(mean=(1.0, 2.0)))
    refused("no scale of 0", Preparation(scale=(0.0,)))
    refused("expected finite numbers", Preparation(mean=(float("nan"),)))
    refused("--resize 31: .* reads images of 32x32", Preparation(resize=31))
    refused("has no weights: name a run or a file with them with --weights", NOTHING_SAID, named=None)
    refused("holds weights, not a network: name the compiled network", NOTHING_SAID, weights, None)
    with pytest.raises(UserError, match=r"has no RECIPE: .* Write a `train` block in its spec"):
        load_network_file(network)


def test_an_export_without_a_said_preparation_says_so(tmp_path: Path) -> None:
    network, weights, _ = made(tmp_path, CASES["LeNet"])
    exported = export_network(network, weights, tmp_path / "net.pt2", "pt2", softmax=False)
    assert exported.input_shape == (1, 28, 28)
    assert exported.texts["preprocessing"] == "How images are prepared is not known"
    assert exported.texts["size"] == "28"


def test_the_weights_of_a_checkpoint_are_taken(tmp_path: Path) -> None:
    case = CASES["cifar10_quick"]
    network, weights, _ = made(tmp_path, case)
    photo = tmp_path / "photo.png"
    picture(tmp_path, case)
    trained = load_classifier(network, weights, said(case), CPU)
    save_checkpoint(tmp_path / "best.pt", {"weights": trained.network.state_dict()})
    again = load_classifier(network, tmp_path / "best.pt", said(case), CPU)
    assert predict(again, photo) == predict(trained, photo)


def mean_file(folder: Path, values: NDArray[np.float64]) -> Path:
    """Caffe's mean image: (H, W, channels), red first, as a BlobProto of 1 x channels x H x W, blue first."""
    path = folder / "mean.binaryproto"
    path.write_bytes(legacy_blob(torch.from_numpy(values[..., ::-1].transpose(2, 0, 1).copy())))
    return path


@pytest.mark.parametrize(("name", "side"), [("cifar10_quick", 32), ("cifar10_quick", 36), ("LeNet", 28)])
def test_a_mean_image_and_the_names_of_the_classes(name: str, side: int, tmp_path: Path) -> None:
    """As Caffe does it, images have the size of the mean image, and the network sees their central part."""
    case = replace(CASES[name], scale=1.0)
    network, weights, caffes = made(tmp_path, case)
    size, channels = (28, 1) if name == "LeNet" else (32, 3)
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (side, side, channels), np.uint8)
    Image.fromarray(np.broadcast_to(pixels, (side, side, 3)).copy()).save(tmp_path / "photo.png")
    mean = rng.uniform(100, 150, (side, side, channels)).astype(np.float32).astype(np.float64)
    (tmp_path / "synset_words.txt").write_text("".join(f"n0000000{n} thing {n}, it\n" for n in range(10)))
    said = preparation(None, str(mean_file(tmp_path, mean)), None, tmp_path / "synset_words.txt")
    edge = (side - size) // 2
    shown = (pixels - mean)[edge : edge + size, edge : edge + size, ::-1].copy()
    double = {name: tensor.double() for name, tensor in caffes.items()}
    expected = case.compute(double, torch.from_numpy(shown).permute(2, 0, 1)[None]).softmax(1)[0]
    guesses = predict(load_classifier(network, weights, said, CPU), tmp_path / "photo.png")
    assert [each.name for each in guesses] == [f"thing {place}, it" for place in expected.topk(5).indices]
    for guess, probability in zip(guesses, expected.topk(5).values, strict=True):
        assert guess.probability == pytest.approx(float(probability), rel=1e-3, abs=1e-9)


@pytest.mark.slow
def test_an_export_describes_the_mean_image_and_the_classes(tmp_path: Path) -> None:
    network, weights, _ = made(tmp_path, CASES["LeNet"])
    mean = np.random.default_rng(4).uniform(0, 255, (30, 30, 1)).astype(np.float32)
    (tmp_path / "names.txt").write_text("\n".join("abcdefghij"))
    said = preparation(None, str(mean_file(tmp_path, mean.astype(np.float64))), None, tmp_path / "names.txt")
    texts = export_network(network, weights, tmp_path / "net.pt2", "pt2", softmax=False, said=said).texts
    assert json.loads(texts["classes"]) == list("abcdefghij")
    image = np.load(io.BytesIO(base64.b64decode(texts["subtract_image"])))
    np.testing.assert_array_equal(image[0], mean[1:-1, 1:-1, 0])
    assert image.shape == (1, 28, 28)
    alone = Preparation(classes=said.classes)
    assert export_network(network, weights, tmp_path / "b.pt2", "pt2", softmax=False, said=alone).texts == {
        **{name: text for name, text in texts.items() if name != "subtract_image"},
        "preprocessing": "How images are prepared is not known",
    }


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def test_files_of_caffe_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    network, weights, _ = made(tmp_path, CASES["cifar10_quick"])
    grey, small, wide = (np.zeros(shape) for shape in ((32, 32, 1), (30, 30, 3), (32, 40, 3)))

    def refused(message: str, said: Preparation) -> None:
        with pytest.raises(UserError, match=message):
            load_classifier(network, weights, said, CPU)

    for values, message in (
        (grey, r"mean\.binaryproto has 1 channels, but CIFAR10_quick reads 3"),
        (small, "has 30x30 values, but CIFAR10_quick reads images of 32x32"),
        (wide, "has 32x40 values"),
    ):
        refused(message, preparation(None, str(mean_file(tmp_path, values)), None, None))
    good = str(mean_file(tmp_path, np.zeros((40, 40, 3))))
    refused("--resize 36: the mean image has 40x40 values: leave --resize out", preparation(36, good, None, None))
    refused("--scale have no counterpart together", preparation(None, good, "0.5", None))
    (tmp_path / "names.txt").write_text("a\nb\n")
    refused(
        "--classes names 2 classes, but CIFAR10_quick has 10 outputs",
        preparation(None, good, None, tmp_path / "names.txt"),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LFS, r"mean\.binaryproto cannot be read: it is a pointer of Git LFS, not the file itself: run `git lfs pull`"),
        (b"", "is not a mean image of Caffe: expected 1 or 3 channels of values, but it has 0"),
        (b"RIFF", "is not a mean image of Caffe: it is cut off, or holds something else"),
        (blob(torch.ones(1, 2, 4, 4)), "expected 1 or 3 channels of values, but it has 2x4x4"),
        (blob(torch.ones(2, 3, 4, 4)), "expected 1 or 3 channels of values, but it has 2x3x4x4"),
        (blob(torch.full((1, 3, 4, 4), float("nan"))), "holds numbers that are not finite"),
    ],
)
def test_what_is_no_mean_image(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "mean.binaryproto").write_bytes(content)
    with pytest.raises(UserError, match=message):
        preparation(None, str(tmp_path / "mean.binaryproto"), None, None)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"tench\n  goldfish \r\n\n", ("tench", "goldfish")),
        (b"n01440764 tench, Tinca tinca\nn01443537 goldfish\n", ("tench, Tinca tinca", "goldfish")),
        (b"n01440764\nn01443537\n", ("n01440764", "n01443537")),  # synsets.txt has no words
        (b"\xef\xbb\xbfa b\nn01443537 goldfish", ("a b", "n01443537 goldfish")),
    ],
)
def test_names_of_classes(content: bytes, names: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(content)
    assert read_class_names(tmp_path / "names.txt") == names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a\n\nb\n", "line 2 is empty: expected the name of output 1"),
        (b"a" * 2000, "line 1 has more than 1,000 characters"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (LFS, "it is a pointer of Git LFS"),
    ],
)
def test_what_are_no_names_of_classes(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_class_names(tmp_path / "names.txt")


def test_a_pointer_of_git_lfs_is_told_where_any_file_is_read(tmp_path: Path) -> None:
    network, _, _ = made(tmp_path, CASES["LeNet"])
    message = "it is a pointer of Git LFS, not the file itself: run `git lfs pull` in its repository"
    for name in ("a.caffemodel", "a.safetensors", "a.pth"):
        (tmp_path / name).write_bytes(LFS)
        with pytest.raises(UserError, match=message):
            import_weights(tmp_path / name, load_module_file(network), [], tmp_path / "out.safetensors")
    (tmp_path / "photo.png").write_bytes(LFS)
    with pytest.raises(BadImage, match=message):
        load_image(tmp_path / "photo.png")
    (tmp_path / "deploy.prototxt").write_bytes(LFS)
    _, (finding,) = read_source(tmp_path / "deploy.prototxt", "deploy.prototxt")
    assert (finding.code, finding.headline) == ("E0102", message)


def test_another_number_of_channels_is_told(tmp_path: Path) -> None:
    case = CASES["LeNet"]
    network, _, _ = made(tmp_path, CASES["cifar10_quick"])
    (tmp_path / "lenet.caffemodel").write_bytes(caffemodel(drawn(case), case))
    with pytest.raises(
        UserError, match=r"its conv1 reads images of one channel, CIFAR10_quick of 3 channels \(`input`"
    ):
        import_weights(
            tmp_path / "lenet.caffemodel", load_module_file(network), [], tmp_path / "out.safetensors", bgr=False
        )


WITH_RECIPE = """network Small {
  input 3x8x8
  conv1: conv 4 kernel=3
  fc:    linear 6 -> softmax
}
train {
  prepare   resize 8 -> center_crop 8 -> subtract WHAT
  test      center 8
  loss      cross_entropy
  optimizer sgd lr=0.05
  schedule  constant
  batch     8
  epochs    1
}
"""


def trained(folder: Path, what: str, metadata: dict[str, str]) -> tuple[Path, Path, dict[str, Tensor]]:
    """A network with a recipe, and weights with metadata, as `alexc weights export` writes them."""
    graph = check_text(WITH_RECIPE.replace("WHAT", what), "small.net").graph
    assert graph is not None
    (folder / "small.py").write_text(write_pytorch(graph, "small.net"))
    tensors = load_network_file(folder / "small.py").build(seed=1).state_dict()
    save_file(tensors, folder / "small.safetensors", metadata)
    return folder / "small.py", folder / "small.safetensors", tensors


@pytest.mark.parametrize(
    ("what", "preparation"),
    [("mean_color", NOTHING_SAID), ("mean_color", Preparation(mean=(100.0, 110.0, 120.0)))],
)
def test_a_recipe_prepares_the_images_with_the_mean_of_the_file(
    what: str, preparation: Preparation, tmp_path: Path
) -> None:
    said = {"classes": '["a", "b", "c", "d", "e", "f"]', "subtract": "[100, 110, 120]"}
    network, weights, tensors = trained(tmp_path, what, said)
    pixels = np.random.default_rng(3).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    shown = torch.from_numpy(pixels.astype(np.float32) - np.array([100, 110, 120], np.float32)).permute(2, 0, 1)[None]
    hidden = F.conv2d(shown, tensors["conv1.weight"], tensors["conv1.bias"]).flatten(1)
    expected = F.linear(hidden, tensors["fc.weight"], tensors["fc.bias"]).softmax(1)[0]
    best, *_ = predict(load_classifier(network, weights, preparation, CPU), tmp_path / "photo.png")
    assert best.name == "abcdef"[int(expected.argmax())]
    assert best.probability == pytest.approx(float(expected.max()), rel=1e-3)


@pytest.mark.parametrize(
    ("what", "metadata"),
    [
        ("mean_image", {"subtract": "[1, 2, 3]"}),
        ("mean_color", {}),
        ("mean_color", {"subtract": "[1, 2]", "classes": "3"}),
        ("mean_color", {"subtract": "[" * 100_000}),
    ],
)
def test_a_mean_that_is_not_known_is_asked_for(what: str, metadata: dict[str, str], tmp_path: Path) -> None:
    network, weights, _ = trained(tmp_path, what, metadata)
    with pytest.raises(UserError, match=r"of the images that it was trained on, .*: say what to subtract with --mean"):
        load_classifier(network, weights, NOTHING_SAID, CPU)


@pytest.mark.slow
def test_the_commands(tmp_path: Path, alexc: Alexc) -> None:
    case = CASES["LeNet"]
    picture(tmp_path, case)
    (tmp_path / "lenet.prototxt").write_text(case.text)
    (tmp_path / "lenet.caffemodel").write_bytes(caffemodel(drawn(case), case))
    for words in (
        ("import", "lenet.prototxt", "-o", "lenet.net"),
        ("compile", "lenet.net"),
        ("weights", "import", "lenet.caffemodel", "--into", "generated/lenet.py"),
    ):
        result = alexc(*words)
        assert result.returncode == 0, result.stderr
    expected = as_caffe(case, drawn(case), np.asarray(Image.open(tmp_path / "photo.png")))
    shown = alexc(
        "predict", "generated/lenet.py", "--weights", "lenet.safetensors", "--scale", str(case.scale), "photo.png"
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[1].split() == [
        f"{float(expected.max()):.1%}",
        "output",
        str(int(expected.argmax())),
    ]
    wrong = alexc("predict", "generated/lenet.py", "--weights", "lenet.safetensors", "--mean", "a", "photo.png")
    assert wrong.returncode == 2
    assert "expected one number, or three as in 104,117,123" in wrong.stderr
    written = alexc("export", "generated/lenet.py", "--weights", "lenet.safetensors", "--torch-export")
    assert written.returncode == 0, written.stderr
    assert "images:  batch x 1 x 28 x 28. How images are prepared is not known" in written.stdout
