"""The compiled flagship at full size: the paper's table and, in float64, the oracle of its equations."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from alexc.runtime import recipes
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.dropout import Dropout, fix_masks, keep_mask
from generated.alexnet import RECIPE, AlexNet
from tests.support import paper_oracle as paper
from tests.support.paper_oracle import Array, Given

# layer: shape of the weight, neurons, multiply-adds
PAPER = {
    "conv1": ((96, 3, 11, 11), 290_400, 105_415_200),
    "conv2": ((256, 48, 5, 5), 186_624, 223_948_800),
    "conv3": ((384, 256, 3, 3), 64_896, 149_520_384),
    "conv4": ((384, 192, 3, 3), 64_896, 112_140_288),
    "conv5": ((256, 192, 3, 3), 43_264, 74_760_192),
    "fc6": ((4096, 9216), 4_096, 37_748_736),
    "fc7": ((4096, 4096), 4_096, 16_777_216),
    "fc8": ((1000, 4096), 1_000, 4_096_000),
}
BIASES_OF_ONE = ("conv2", "conv4", "conv5", "fc6", "fc7", "fc8")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def flagship() -> AlexNet:
    """In float64, with weights that keep every layer's signal alive, so that an error anywhere reaches the logits."""
    network = meta_flagship().to_empty(device="cpu").double()
    generator = torch.Generator().manual_seed(2012)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            std = (2 / weight[0].numel()) ** 0.5 if name.endswith("weight") else 1.0
            weight.normal_(0, std, generator=generator)
    return network


def meta_flagship() -> AlexNet:
    """Shapes and operations without values."""
    with torch.device("meta"):
        return AlexNet().eval()


def images(count: int) -> Array:
    """Full-size images as the network sees them: about -128 to 128, smooth enough for LRN and pooling to matter."""
    rng = np.random.default_rng(5)
    coarse = torch.from_numpy(rng.normal(0, 60, (count, 3, 15, 15)))
    smooth = F.interpolate(coarse, size=(227, 227), mode="bilinear").numpy()
    return np.asarray(smooth + rng.normal(0, 10, smooth.shape))


def weights_of(network: nn.Module) -> dict[str, Array]:
    return {name: weight.detach().numpy() for name, weight in network.named_parameters()}


def masks_of(network: nn.Module, count: int, units: int) -> dict[str, NDArray[np.bool_]]:
    """The dropout masks that the network's next training pass uses."""
    masks = {}
    for name, module in network.named_modules():
        if isinstance(module, Dropout):
            assert module.key is not None
            masks[name] = keep_mask(int(module.key), count, units, module.p, CPU).numpy()
    return masks


def assert_close(found: Tensor, expected: Array, tolerance: float = 1e-10) -> None:
    """Equal up to a share of the largest value."""
    difference = np.abs(found.detach().cpu().numpy() - expected).max()
    assert difference <= tolerance * np.abs(expected).max()


def test_every_weight_of_the_table() -> None:
    shapes = {name: tuple(weight.shape) for name, weight in meta_flagship().named_parameters()}
    kernels = {f"{name}.weight": shape for name, (shape, _, _) in PAPER.items()}
    biases = {f"{name}.bias": shape[:1] for name, (shape, _, _) in PAPER.items()}
    assert shapes == kernels | biases


def test_total_of_the_table() -> None:
    counts = {name: weight.numel() for name, weight in meta_flagship().named_parameters()}
    assert sum(counts.values()) == 60_965_224
    assert sum(count for name, count in counts.items() if name.endswith("weight")) == 60_954_656
    assert sum(count for name, count in counts.items() if name.endswith("bias")) == 10_568
    assert not list(meta_flagship().buffers())


def test_every_neuron_of_the_table() -> None:
    network = meta_flagship()
    neurons: dict[str, int] = {}

    def count(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda module, inputs, output: neurons.update({name: output[0].numel()})

    for name in PAPER:
        network.get_submodule(name).register_forward_hook(count(name))
    network(torch.empty(1, 3, 227, 227, device="meta"))
    assert neurons == {name: row[1] for name, row in PAPER.items()}
    assert sum(neurons.values()) == 659_272


def test_every_multiply_add_of_the_table() -> None:
    network = meta_flagship()
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, 227, 227, device="meta"))
    by_module = counter.get_flop_counts()
    counts = {name: sum(by_module[f"AlexNet.{name}"].values()) for name in PAPER}
    assert counts == {name: 2 * row[2] for name, row in PAPER.items()}
    assert counter.get_total_flops() == 2 * 724_406_816


def test_input_is_227_pixels_a_side() -> None:
    """At 224 the maps would be 54, 26, 12 and 5 pixels a side, and 256 * 5 * 5 units would reach fc6."""
    assert AlexNet.input_shape == (3, 227, 227)
    with pytest.raises(RuntimeError, match="6400"):
        meta_flagship()(torch.empty(1, 3, 224, 224, device="meta"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 7])
def test_initial_values(seed: int | None) -> None:
    """Weights from N(0, 0.01): mean, variance and kurtosis within five standard errors; biases exact."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = AlexNet()
    if seed is not None:
        network.reset_parameters(seed)
    for name in PAPER:
        weight, bias = (network.get_parameter(f"{name}.{part}").detach() for part in ("weight", "bias"))
        standard = weight / 0.01
        squares = standard.square()
        error = weight.numel() ** -0.5
        assert standard.mean(dtype=torch.float64).item() == pytest.approx(0, abs=5 * error)
        assert squares.mean(dtype=torch.float64).item() == pytest.approx(1, abs=5 * 2**0.5 * error)
        assert squares.square().mean(dtype=torch.float64).item() == pytest.approx(3, abs=5 * 96**0.5 * error)
        assert set(bias.tolist()) == {1.0 if name in BIASES_OF_ONE else 0.0}


@pytest.mark.slow
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("form", ["tiled", "fused"])
def test_logits_at_test_time(
    flagship: AlexNet, layout: torch.memory_format, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two forms of LRN: image by image on a CPU, one expression for GPUs and compilers."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: form == "fused")
    shown = images(2)
    with torch.no_grad():
        found = flagship(torch.from_numpy(shown).to(memory_format=layout))
    assert_close(found, paper.logits_of(paper.ALEXNET, shown, Given(weights_of(flagship))))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "form"),
    [
        ("cpu", "tiled"),
        ("cpu", "fused"),
        pytest.param("cuda", "fused", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")),
    ],
)
def test_loss_and_every_gradient_in_training(
    flagship: AlexNet, device: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All 60,965,224 partial derivatives, with the dropout masks of a training step."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: form == "fused")
    shown, labels = images(2), np.array([3, 997])
    fix_masks(flagship, seed=4, step=9)
    given = Given(weights_of(flagship), masks_of(flagship, 2, 4096))
    expected_loss, expected = paper.loss_and_gradients(paper.ALEXNET, shown, labels, given)
    network = copy.deepcopy(flagship).to(device).train()
    loss = F.cross_entropy(network(torch.from_numpy(shown).to(device)), torch.from_numpy(labels).to(device))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(expected_loss, rel=1e-10)
    for name, weight in network.named_parameters():
        assert weight.grad is not None
        assert np.abs(expected[name]).max() > 0
        assert_close(weight.grad, expected[name])


def test_masks_keep_half_and_differ() -> None:
    network = meta_flagship()
    drawn = []
    for seed, step in ((0, 0), (0, 1), (1, 0)):
        fix_masks(network, seed, step)
        drawn += list(masks_of(network, 128, 4096).values())
    size = 128 * 4096
    for mask in drawn:
        assert abs(mask.mean() - 0.5) < 5 * 0.5 / size**0.5
        assert np.abs(mask.mean(axis=0) - 0.5).max() < 6 * 0.5 / 128**0.5
        assert np.abs(mask.mean(axis=1) - 0.5).max() < 6 * 0.5 / 4096**0.5
    for first in range(len(drawn)):
        for second in range(first):
            assert abs((drawn[first] == drawn[second]).mean() - 0.5) < 5 * 0.5 / size**0.5
    fix_masks(network, 0, 0)
    again = masks_of(network, 128, 4096).values()
    assert all(np.array_equal(one, other) for one, other in zip(drawn[:2], again, strict=True))


@contextmanager
def louder_map(layer: nn.Module, number: int) -> Iterator[None]:
    """Within the context one map of a layer's output is brighter everywhere."""

    def brighten(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        changed = output.clone()
        changed[:, number] += 100
        return changed

    handle = layer.register_forward_hook(brighten)
    try:
        yield
    finally:
        handle.remove()


def outputs(network: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """What these layers put out for one image."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda module, inputs, output: found.update({name: output[0]})

    handles = [network.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    with torch.no_grad():
        network(torch.from_numpy(images(1)))
    for handle in handles:
        handle.remove()
    return found


# Maps at the border of the towers: there a normalisation over all maps would leak.
@pytest.mark.parametrize(
    ("perturbed", "border", "inside", "beyond"),
    [
        ("conv1", 48, ["conv1_lrn", "conv2", "conv2_lrn"], "conv3"),
        ("conv2", 128, ["conv2_lrn"], "conv3"),
        ("conv3", 192, ["conv4", "conv5"], "fc6"),
    ],
)
def test_a_tower_reads_its_own_maps_where_the_paper_says(
    flagship: AlexNet, perturbed: str, border: int, inside: list[str], beyond: str
) -> None:
    names = [*inside, beyond]
    before = outputs(flagship, names)
    for number in (border - 1, border):
        with louder_map(flagship.get_submodule(perturbed), number):
            after = outputs(flagship, names)
        own = number // border
        for name in inside:
            changed = [bool((then != now).any()) for then, now in zip(before[name], after[name], strict=True)]
            half = len(changed) // 2
            towers = changed[:half], changed[half:]
            assert any(towers[own])
            assert not any(towers[1 - own])
        assert all(bool((then != now).any()) for then, now in zip(before[beyond], after[beyond], strict=True))


def test_the_recipe_is_the_papers() -> None:
    assert (
        recipes.Recipe(
            prepare=(recipes.Resize(256), recipes.CenterCrop(256), recipes.Subtract("mean_image")),
            augment=(RandomCrop(227), Mirror(0.5), PCAColor(0.1, "eigenvalue")),
            test=recipes.TenCrop(227),
            loss=recipes.CrossEntropy(),
            optimizer=recipes.SGD(0.01, 0.9, 0.0005),
            schedule=recipes.Plateau("val_error", 10, 3),
            batch=128,
            epochs=90,
        )
        == RECIPE
    )
