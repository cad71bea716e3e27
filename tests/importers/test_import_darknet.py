"""darknet's files become specs of the same network: sizes, counts and values by darknet's own rules."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexc.compiler.layers.arguments import Iterations
from alexc.compiler.net.net import Recipe
from alexc.compiler.pipeline import check_file
from alexc.compiler.recipe.augmentations.color_jitter import ColorJitter
from alexc.compiler.recipe.augmentations.mirror import Mirror
from alexc.compiler.recipe.augmentations.random_crop import RandomCrop
from alexc.compiler.recipe.augmentations.random_resized_crop import RandomResizedCrop
from alexc.compiler.recipe.steps import (
    SGD,
    Adam,
    CenterCrop,
    ConstantRate,
    ExponentialRate,
    MilestoneRate,
    Normalize,
    PolynomialRate,
    Resize,
    StepRate,
)
from alexc.compiler.text.source import Source
from alexc.compiler.tree.format import format_spec
from tests.conftest import ROOT, Alexc
from tests.support.compiled import network_of
from tests.support.foreign_rules import darknet_maxpool, darknet_sections, darknet_sizes
from tests.support.imported import (
    FOREIGN,
    Imported,
    imported,
    imported_files,
    parameters_in_torch,
    shapes_in_torch,
)

FIXTURES = ("alexnet", "vgg16", "darknet19", "tiny", "reference", "resnet50", "joined")


def section(name: str, **said: object) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in said.items())


def conv(**said: object) -> str:
    return section("convolutional", **{"filters": 8, "size": 3, "activation": "linear", **said})


END = section("connected", output=10, activation="linear") + "[softmax]\n"


def small(*sections: str, **net: object) -> Imported:
    """A network of these sections that reads 3x12x12; the training set has 1000 images."""
    head = section("net", **{"channels": 3, "height": 12, "width": 12, "batch": 10, "max_crop": 12, **net})
    return imported({"net.cfg": head + "".join(sections)}, images=1000)


def recipe_of(found: Imported) -> Recipe:
    recipe = found.graph().net.recipe
    assert recipe is not None
    return recipe


def after(*epochs: int, divide: float) -> MilestoneRate:
    """The rate divided after each of these epochs; the divisor has the digits that a spec is given."""
    return MilestoneRate.model_validate({"at": ("epochs", *epochs), "divide": float(f"{divide:.8g}")})


def at(*iterations: int, divide: float) -> MilestoneRate:
    """The rate divided at each of these iterations."""
    return MilestoneRate.model_validate({"at": Iterations(*iterations), "divide": divide})


# -- whole networks


@pytest.mark.parametrize("name", FIXTURES)
def test_sizes_and_counts_are_those_of_darknets_rules(name: str) -> None:
    text = (FOREIGN / "darknet" / f"{name}.cfg").read_text()
    graph, wanted = imported_files(f"darknet/{name}.cfg").graph(), darknet_sizes(text)
    assert (graph.parameters, graph.neurons) == (wanted.parameters, wanted.neurons)
    assert graph.multiply_adds == wanted.multiply_adds
    assert parameters_in_torch(graph) == wanted.parameters
    trained = [
        wanted.outputs[str(number)]
        for number, (kind, _) in enumerate(darknet_sections(text)[1:])
        if kind in ("convolutional", "local", "connected")
    ]
    assert shapes_in_torch(graph) == trained


@pytest.mark.parametrize(
    ("name", "parameters", "example"),
    [
        ("alexnet", 62_378_344, "alexnet_one_gpu"),
        ("vgg16", 138_357_544, "vgg16"),
        ("resnet50", 25_557_032, "resnet50"),
        ("darknet19", 20_842_376, None),
    ],
)
def test_published_counts(name: str, parameters: int, example: str | None) -> None:
    graph = imported_files(f"darknet/{name}.cfg").graph()
    assert graph.parameters == parameters
    if example is not None:
        own = check_file(ROOT / "examples" / f"{example}.net").graph
        assert own is not None
        assert (graph.parameters, graph.multiply_adds) == (own.parameters, own.multiply_adds)


@pytest.mark.parametrize("name", FIXTURES)
def test_specs_are_laid_out_and_only_tell_of_what_they_lose(name: str) -> None:
    found = imported_files(f"darknet/{name}.cfg")
    assert found.errors() == []
    assert format_spec(Source("imported.net", found.text)) == (found.text, [])
    assert found.graph().net.recipe is not None


def test_a_block_with_a_shortcut_reads_well() -> None:
    found = imported_files("darknet/resnet50.cfg")
    assert [found.line(f"conv{number}") for number in (2, 4, 5, 8)] == [
        "conv2: conv 64 kernel=1 -> batchnorm -> relu",
        "conv4: conv 256 kernel=1 -> batchnorm",
        "conv5: conv1 -> conv 256 kernel=1 -> batchnorm",
        "conv8: conv 256 kernel=1 -> batchnorm -> add shortcut1 -> relu",
    ]
    assert found.line("shortcut1") == "shortcut1: add conv4 conv5 -> relu"


# -- what sections mean


@pytest.mark.parametrize(("size", "pad"), [(1, 0), (2, 1), (3, 1), (5, 2), (7, 3)])
def test_pad_is_half_the_kernel(size: int, pad: int) -> None:
    found = small(conv(size=size, pad=1, padding=4))
    assert found.graph().nodes[0].layer.kind.pad == (pad,) * 4  # type: ignore[attr-defined]
    assert small(conv(size=size, padding=1, pad=0)).graph().nodes[0].layer.kind.pad == (1,) * 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("side", "size", "stride", "padding"),
    [
        (side, size, stride, padding)
        for side, size, stride in itertools.product((9, 10, 11, 13), (1, 2, 3, 4, 5), (1, 2, 3))
        for padding in (None, 0, 1, 2, 3)
        if padding is None or padding < size
    ],
)
def test_maxpool(side: int, size: int, stride: int, padding: int | None) -> None:
    said = {"size": size, "stride": stride} | ({} if padding is None else {"padding": padding})
    found = small(section("maxpool", **said), channels=2, height=side, width=side + 1)
    whole = size - 1 if padding is None else padding
    image = torch.randn(2, side, side + 1)
    wanted = darknet_maxpool(image, size, stride, whole)
    possible = [
        tuple(nn.functional.max_pool2d(image[None], size, stride, whole // 2, ceil_mode=ceil).shape[1:])
        for ceil in (False, True)
    ]
    if tuple(wanted.shape) not in possible:
        assert [(code, line) for code, line, _ in found.errors()] == [("E0903", 8 if padding is None else 10)]
        return
    made = network_of(found.graph(), "cpu").eval()(image[None])[0]
    torch.testing.assert_close(made, wanted)


def test_the_usual_maxpools_all_have_a_counterpart() -> None:
    assert small(section("maxpool", size=2, stride=2)).line("pool1") == "pool1: maxpool 2"
    assert (
        small(section("maxpool", size=2, stride=2), height=13, width=13).line("pool1") == "pool1: maxpool 2 round=ceil"
    )
    assert small(section("maxpool", size=3, stride=2)).line("pool1") == "pool1: maxpool 3 stride=2 pad=1"
    assert small(section("maxpool", size=3, stride=1)).line("pool1") == "pool1: maxpool 3 stride=1 pad=1"
    assert small(section("maxpool", stride=2)).line("pool1") == "pool1: maxpool 2"


def test_a_maxpool_that_keeps_the_size_with_an_even_window_has_none() -> None:
    ((code, line, headline),) = small(section("maxpool", size=2, stride=1)).errors()
    assert (code, line) == ("E0903", 8)
    assert "makes 12x12 from 12x12" in headline


def test_activations() -> None:
    for word, wanted in {
        "leaky": "-> leaky_relu 0.1",
        "relie": "-> leaky_relu",
        "relu": "-> relu",
        "logistic": "-> sigmoid",
        "tanh": "-> tanh",
        "elu": "-> elu",
        "swish": "-> silu",
        "mish": "-> mish",
        "relu6": "-> relu6",
        "loggy": "-> affine 0.5 -> tanh",
        "selu": "-> elu 1.6732 -> affine 1.0507",
    }.items():
        assert small(conv(activation=word)).line("conv1").endswith(wanted)
    silent = "[convolutional]\nfilters=8\nsize=3\n"
    assert small(silent).line("conv1").endswith("-> sigmoid")  # darknet's own default
    assert small("[connected]\noutput=8\n").line("fc1").endswith("-> sigmoid")
    misspelt = small(conv(activation="leeky"))
    assert misspelt.line("conv1").endswith("-> relu")
    assert [(code, line, headline) for code, line, headline in misspelt.said() if "leeky" in headline] == [
        ("W0902", 10, "darknet has no activation `leeky`; it uses ReLU")
    ]
    assert [(code, line) for code, line, _ in small(conv(activation="stair")).errors()] == [("E0903", 10)]


def test_batch_normalisation_takes_the_place_of_the_bias() -> None:
    found = small(conv(batch_normalize=1), END)
    network = network_of(found.graph(), "cpu").eval()
    convolution, normalisation = (
        next(each for each in network.modules() if isinstance(each, kind)) for kind in (nn.Conv2d, nn.BatchNorm2d)
    )
    assert convolution.bias is None
    assert (normalisation.momentum, normalisation.eps) == (0.01, 1e-5)
    decays = {node.layer.name: node.layer.kind.multipliers() for node in found.graph().nodes if node.weights}
    assert decays == {
        "conv1": {},
        "conv1.batchnorm": {"weight": (1.0, 0.0), "bias": (1.0, 0.0)},
        "fc1": {"bias": (1.0, 0.0)},
    }


def test_a_rate_of_its_own() -> None:
    found = small(conv(learning_rate=0), END)
    assert found.graph().nodes[0].layer.kind.multipliers() == {"weight": (0.0, 1.0), "bias": (0.0, 0.0)}


def test_initial_weights_are_darknets() -> None:
    layers = conv(filters=64), section("connected", output=500, activation="relu"), END
    network = network_of(small(*layers).graph(), "cpu").eval()
    weights = {name: weight.detach() for name, weight in network.named_parameters()}
    assert float(weights["conv1.weight"].std()) == pytest.approx(math.sqrt(2 / (3 * 9)), rel=0.05)
    units = weights["fc1.weight"]
    bound = math.sqrt(2 / units.shape[1])
    assert float(units.abs().max()) == pytest.approx(bound, rel=1e-3)
    assert float(units.std()) == pytest.approx(bound / math.sqrt(3), rel=0.01)


def test_shortcuts_and_routes_count_from_here_or_from_the_beginning() -> None:
    three = conv(pad=1) * 3
    assert small(three, section("shortcut", **{"from": -3})).line("conv3").endswith("-> add conv1")
    assert (
        small(three, section("shortcut", **{"from": 0, "activation": "relu"}))
        .line("conv3")
        .endswith("-> add conv1 -> relu")
    )
    assert small(three, section("route", layers="-1,-3")).line("route1") == "route1: concat conv3 conv1"
    assert small(three, section("route", layers="0,2")).line("route1") == "route1: concat conv1 conv3"
    again = small(three, section("route", layers=-3), conv(filters=5, pad=1), section("route", layers="-1, 2"))
    assert again.line("conv4") == "conv4: conv1 -> conv 5 kernel=3 pad=1"
    assert again.line("route1") == "route1: concat conv4 conv3"


# darknet's activations that are more than one kind, and their formulas.
COMPOSED: dict[str, Callable[[Tensor], Tensor]] = {
    "ramp": lambda x: x * (x > 0) + 0.1 * x,
    "loggy": lambda x: 2 / (1 + (-x).exp()) - 1,
    "selu": lambda x: torch.where(x >= 0, 1.0507 * x, 1.0507 * 1.6732 * (x.exp() - 1)),
    "mish": lambda x: x * (1 + x.exp()).log().tanh(),
    "relu6": lambda x: x.clamp(0, 6),
}


@pytest.mark.parametrize("word", COMPOSED)
def test_composed_activations_compute_darknets_formula(word: str) -> None:
    network = network_of(small(conv(activation=word), conv(activation="linear")).graph(), "cpu").double()
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    image = torch.randn(1, 3, 12, 12, dtype=torch.float64, requires_grad=True)
    first, first_bias, second, second_bias = network.parameters()
    wanted = F.conv2d(COMPOSED[word](F.conv2d(image, first, first_bias)), second, second_bias)
    made = network(image)
    torch.testing.assert_close(made, wanted, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(each.square().sum(), image) for each in (made, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-8)


def maps_of(found: Imported, image: Tensor) -> dict[str, Tensor]:
    """What each convolution of the network makes of an image, and its output under `end`; in float64."""
    torch.manual_seed(0)
    network = network_of(found.graph(), "cpu").double().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    made: dict[str, Tensor] = {}

    def keep(name: str, _layer: nn.Module, _given: object, output: Tensor) -> None:
        made.setdefault(name, output.clone())

    for name, layer in network.named_children():
        layer.register_forward_hook(partial(keep, name))
    return made | {"end": network(image)}


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ((conv(filters=4, pad=1), conv(filters=8, pad=1)), "widened1: conv1 -> widen 8"),
        ((conv(filters=8, pad=1), conv(filters=4, pad=1)), "reduced1: conv1 -> slice 0 4"),
        ((conv(filters=4, pad=1), conv(filters=4, pad=1, stride=2)), "reduced1: conv1 -> maxpool 1 stride=2"),
        (
            (conv(filters=3, pad=1), conv(filters=5, pad=1, stride=3)),
            "reduced1: conv1 -> maxpool 1 stride=3 -> widen 5",
        ),
        (
            (conv(filters=5, pad=1), conv(filters=3, pad=1, stride=2)),
            "reduced1: conv1 -> maxpool 1 stride=2 -> slice 0 3",
        ),
    ],
)
def test_shortcuts_of_unequal_widths_add_what_both_have(sections: tuple[str, ...], line: str) -> None:
    """Against darknet's own loop over channels and places."""
    found = small(*sections, section("shortcut", **{"from": -2, "activation": "linear"}))
    assert found.errors() == []
    assert found.line(line.partition(":")[0]) == line
    made = maps_of(found, torch.randn(2, 3, 12, 12, dtype=torch.float64))
    other, own = made["conv1"], made["conv2"]
    wanted, stride = own.clone(), other.shape[3] // own.shape[3]
    for k in range(min(other.shape[1], own.shape[1])):
        for j in range(min(other.shape[2], own.shape[2])):
            for i in range(min(other.shape[3], own.shape[3])):
                wanted[:, k, j, i] += other[:, k, j * stride, i * stride]
    assert torch.equal(made["end"], wanted)


def test_a_shortcut_with_factors() -> None:
    found = small(conv(pad=1), conv(pad=1), section("shortcut", **{"from": -2, "alpha": 0.5, "beta": -2}))
    made = maps_of(found, torch.randn(2, 3, 12, 12, dtype=torch.float64))
    torch.testing.assert_close(made["end"], 0.5 * made["conv2"] - 2 * made["conv1"])


@pytest.mark.parametrize(("groups", "part", "kept"), [(2, 0, (0, 4)), (2, 1, (4, 8)), (4, 2, (4, 6))])
def test_a_route_of_a_part_of_the_channels(groups: int, part: int, kept: tuple[int, int]) -> None:
    found = small(conv(pad=1), section("route", layers=-1, groups=groups, group_id=part))
    made = maps_of(found, torch.randn(1, 3, 12, 12, dtype=torch.float64))
    assert torch.equal(made["end"], made["conv1"][:, slice(*kept)])


def test_parts_of_several_routes_are_joined() -> None:
    found = small(conv(pad=1), conv(pad=1, filters=4), section("route", layers="-1,-2", groups=2, group_id=1))
    made = maps_of(found, torch.randn(1, 3, 12, 12, dtype=torch.float64))
    assert torch.equal(made["end"], torch.cat([made["conv2"][:, 2:], made["conv1"][:, 4:]], 1))


def test_excitation_and_attention() -> None:
    """`[scale_channels]` multiplies maps by one value each, `[sam]` value by value."""
    gate = "[avgpool]\n" + conv(size=1, activation="logistic")
    found = small(conv(pad=1), gate, section("scale_channels", **{"from": -3, "activation": "relu"}))
    made = maps_of(found, torch.randn(2, 3, 12, 12, dtype=torch.float64))
    torch.testing.assert_close(made["end"], (made["conv1"] * made["conv2"].sigmoid()).relu())
    found = small(conv(pad=1), conv(size=1, activation="logistic"), section("sam", **{"from": -2}))
    made = maps_of(found, torch.randn(2, 3, 12, 12, dtype=torch.float64))
    torch.testing.assert_close(made["end"], made["conv1"] * made["conv2"].sigmoid())


def test_maps_that_are_cut_and_a_vector_with_an_extra_unit() -> None:
    assert small(conv(pad=1), section("reorg", stride=2)).line("conv1").endswith("-> reorg 2")
    go = small(conv(size=1, filters=1), section("reorg", stride=1, extra=1), "[softmax]\n")
    assert go.line("conv1").endswith("-> flatten -> widen 145 -> softmax")


def test_a_softmax_with_a_temperature() -> None:
    found = small(conv(), section("connected", output=10, activation="linear"), "[softmax]\ntemperature=4\n")
    assert found.line("fc1").endswith("-> affine 0.25 -> softmax")
    assert [headline for code, _, headline in found.said() if code == "W0901"] == [
        "in darknet, the gradient of this softmax is not divided by its temperature of 4"
    ]


def test_a_comment_behind_a_number_is_not_part_of_it() -> None:
    """darknet reads a number up to the first character that is none."""
    found = small("[convolutional]\nfilters=8\t#32\nsize=3 ; of three\nactivation=linear\n")
    assert found.line("conv1").startswith("conv1: conv 8")
    assert found.graph().nodes[0].layer.kind.kernel == (3, 3)  # type: ignore[attr-defined]


def test_dropout_works_in_place() -> None:
    """Whoever reads the section before a dropout reads what the dropout leaves."""
    found = small(conv(pad=1), section("dropout", probability=0.3), conv(pad=1), section("shortcut", **{"from": -3}))
    assert found.line("conv1") == "conv1: conv 8 kernel=3 pad=1 -> dropout 0.3 scale=train"
    assert found.graph().nodes[-1].layer.inputs == ("conv2", "conv1.dropout")


def test_a_convolution_behind_a_global_pool() -> None:
    found = small(conv(), "[avgpool]\n", conv(size=1, filters=10), "[softmax]\n")
    assert found.line("conv1").endswith("-> adaptive_avgpool 1")
    assert found.line("conv2").endswith("-> flatten -> softmax")
    behind_units = small(section("connected", output=8, activation="relu"), conv(size=1, filters=10), "[softmax]\n")
    assert behind_units.line("linear1").startswith("linear1: linear 10")


def test_crop_becomes_the_recipes() -> None:
    crop = section("crop", crop_height=8, crop_width=8, flip=1, angle=0, saturation=1, exposure=1)
    found = small(crop, conv(), END)
    recipe = recipe_of(found)
    assert str(found.graph().net.input) == "3x8x8"
    half = (0.5, 0.5, 0.5)
    assert recipe.prepare == (Resize(shorter=12), CenterCrop(size=12), Normalize(mean=half, std=half))
    assert recipe.augment == (RandomCrop(size=8), Mirror())
    as_it_is = recipe_of(small(crop + "noadjust=1\n", conv(), END))
    assert as_it_is.prepare[-1] == Normalize(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


# -- recipes


def test_the_optimizer_has_torchs_form_and_darknets_defaults() -> None:
    """v <- momentum v + g + decay w; w <- w - rate v: the rate stays outside."""
    assert recipe_of(small(conv(), END)).optimizer == SGD(lr=0.001, momentum=0.9, weight_decay=1e-4, form="torch")
    adam = recipe_of(small(conv(), END, adam=1, B1=0.8)).optimizer
    assert adam == Adam(lr=0.001, beta1=0.8, beta2=0.999, eps=1e-7, weight_decay=1e-4)


@pytest.mark.parametrize(
    ("net", "schedule", "lost"),
    [
        ({"policy": "constant"}, ConstantRate(), 0),
        ({}, ConstantRate(), 0),
        ({"policy": "poly"}, PolynomialRate(power=4), 0),
        ({"policy": "poly", "power": 1}, PolynomialRate(power=1), 0),
        ({"policy": "exp", "gamma": 0.99}, ExponentialRate(divide=float(f"{0.99**-500:.8g}")), 0),
        ({"policy": "exp", "gamma": 0.01}, StepRate(every=Iterations(1), divide=100), 0),
        ({"policy": "step", "step": 200, "scale": 0.1}, StepRate(every=2, divide=10), 0),
        ({"policy": "step", "step": 250, "scale": 0.1}, StepRate(every=Iterations(250), divide=10), 0),
        ({"policy": "steps", "steps": "200,400", "scales": ".1,.1"}, StepRate(every=2, divide=10), 0),
        ({"policy": "steps", "steps": "250,500", "scales": ".1,.1"}, StepRate(every=Iterations(250), divide=10), 0),
        ({"policy": "steps", "steps": "200,300", "scales": ".1,.1"}, after(2, 3, divide=10), 0),
        ({"policy": "steps", "steps": "100,200", "scales": ".1,.1"}, after(1, 2, divide=10), 0),  # and no further
        ({"policy": "steps", "steps": "200,340", "scales": ".1,.1"}, at(200, 340, divide=10), 0),
        ({"policy": "steps", "steps": "200,300", "scales": ".1,.4"}, after(2, 3, divide=5), 1),
        ({"policy": "steps", "steps": "200,340", "scales": ".1,.4"}, at(200, 340, divide=5), 1),
        ({"policy": "steps", "steps": "30,60,400", "scales": ".1,.1,.1"}, at(30, 60, 400, divide=10), 0),
        ({"policy": "sigmoid", "gamma": 0.1, "step": 20}, ConstantRate(), 1),
        ({"policy": "random"}, ConstantRate(), 1),
        ({"policy": "poly", "burn_in": 100, "power": 1}, PolynomialRate(power=1, warmup=1), 0),
        ({"policy": "poly", "burn_in": 100}, PolynomialRate(power=4, warmup=1), 1),
        ({"policy": "poly", "burn_in": 30, "power": 1}, PolynomialRate(power=1, warmup=Iterations(30)), 0),
        ({"policy": "step", "step": 600, "scale": 0.1}, ConstantRate(), 0),
        ({"policy": "step", "step": 200, "scale": 1}, ConstantRate(), 0),
        ({"policy": "steps", "steps": "200,300,700", "scales": ".1,.1,.1"}, after(2, 3, divide=10), 0),
    ],
)
def test_policies(net: dict[str, object], schedule: object, lost: int) -> None:
    found = small(conv(), END, max_batches=500, **net)
    recipe = recipe_of(found)
    assert recipe.schedule == schedule
    assert recipe.epochs == 5
    assert [code for code, _, _ in found.said()] == ["W0901"] * lost


def test_what_steps_lose_stands_in_a_comment() -> None:
    found = small(conv(), END, max_batches=500, policy="steps", steps="200,340", scales=".1,.4")
    assert "# in darknet, times 0.1, 0.4 after 200, 340 iterations\n" in found.text
    assert [headline for _, _, headline in found.said()] == [
        "a recipe divides by one factor; 5 gives the same final rate",
    ]


def test_augmentation() -> None:
    assert recipe_of(small(conv(), END)).augment == (RandomCrop(size=12), Mirror())
    found = small(conv(), END, max_crop=24, aspect=0.75, hue=0.1, saturation=0.75, exposure=1.25, angle=7)
    assert recipe_of(found).augment == (
        RandomResizedCrop(size=12, smallest=0.25, aspect=1.33333),
        Mirror(),
        ColorJitter(brightness=0.2, saturation=0.25, hue=0.1),
    )
    assert recipe_of(found).prepare[:2] == (Resize(shorter=24), CenterCrop(size=24))
    assert [code for code, _, _ in found.said()] == ["W0901"] * 3
    assert "# In darknet, images are rotated by up to 7 degrees.\n" in found.text


def test_losses() -> None:
    assert small(conv(), END, "[cost]\ntype=sse\n").said() == []
    other = small(conv(), END, "[cost]\ntype=L1\n")
    assert [(code, line) for code, line, _ in other.said()] == [("W0901", 15)]
    assert other.graph().net.recipe is None
    assert "its loss is a `[cost]` of type L1" in other.text


def test_a_file_that_is_set_for_use() -> None:
    found = small(conv(), END, batch=1)
    assert [(code, line) for code, line, _ in found.said()] == [("W0901", 5)]


# -- what is found


@pytest.mark.parametrize(
    ("sections", "code", "line", "words"),
    [
        ("[region]\nclasses=20\n", "E0902", 7, "an object-detection head"),
        ("[yolo]\n", "E0902", 7, "an object-detection head"),
        ("[detection]\n", "E0902", 7, "an object-detection head"),
        ("[upsample]\nstride=2\n", "E0902", 7, "an upsampling layer"),
        ("[reorg3d]\nstride=2\n", "E0902", 7, "maps cut into smaller ones in another order"),
        ("[reorg]\nstride=2\n", "E0904", 7, "cannot cut 3x12x12 evenly"),
        ("[reorg]\nstride=2\nreverse=1\n", "E0903", 9, "`reverse` has no counterpart"),
        ("[normalization]\nsize=5\n", "E0902", 7, "its sums miss one map"),
        ("[lstm]\noutput=8\n", "E0902", 7, "a recurrent layer"),
        ("[convolutionel]\n", "E0902", 7, "no sections `[convolutionel]`"),
        (section("route", layers=-1), "E0905", 8, "not a section above this one"),
        (conv() + section("route", layers="-1", groups=3), "E0904", 13, "8 channels have no part 0 of 3 equal ones"),
        (conv() + section("route", layers="-1", groups=2, group_id=2), "E0904", 14, "no part 2 of 2 equal ones"),
        (conv() + conv(pad=1) + section("shortcut", **{"from": -3}), "E0905", 17, "`from=-3`"),
        (conv(size=5) + conv(padding=3) + section("shortcut", **{"from": -2}), "E0903", 17, "adds 8x8x8 to 8x12x12"),
        (
            conv(size=4) + conv(size=3, stride=4) + section("shortcut", **{"from": -2}),
            "E0903",
            17,
            "adds 8x9x9 to 8x2x2",
        ),
        (
            conv(filters=4) + conv(pad=1) + section("shortcut", **{"from": -2, "beta": 2}),
            "E0903",
            18,
            "`beta` multiplies only a part of the sum",
        ),
        (conv() + conv(filters=4) + section("sam", **{"from": -2}), "E0903", 16, "multiplies 8x10x10 by 4x8x8"),
        (
            conv(pad=1) + conv(size=1, filters=1) + section("scale_channels", **{"from": -2, "scale_wh": 1}),
            "E0903",
            17,
            "multiplies 8x12x12 by 1x12x12",
        ),
        (conv(xnor=1), "E0903", 11, "`xnor`"),
        (conv(groups=2), "E0904", 7, "cannot split 3 input maps evenly into 2 groups"),
        (conv(size="big"), "E0904", 9, "must be a number, not `big`"),
        (conv() + "[softmax]\ntemperature=0\n", "E0904", 12, "`temperature` must be more than 0"),
        (conv() + section("shortcut", **{"from": -1, "weights_type": "per_channel"}), "E0903", 13, "with weights"),
        (section("connected", output=8, activation="relu") + conv(), "E0903", 12, "over a vector"),
        ("filters\n", "E0901", 7, "`key=value`"),
    ],
)
def test_what_has_no_counterpart_is_an_error_at_its_line(sections: str, code: str, line: int, words: str) -> None:
    found = small(sections)
    assert found.text == ""
    ((found_code, found_line, headline),) = found.errors()
    assert (found_code, found_line) == (code, line)
    assert words in headline


def test_one_mistake_is_one_error() -> None:
    found = small("[upsample]\n", conv(), section("route", layers="-1,-2"), END)
    assert [(code, line) for code, line, _ in found.errors()] == [("E0902", 7)]


def test_all_sections_without_a_counterpart_are_told_at_once() -> None:
    found = small("[upsample]\n", conv(), section("route", layers="-1,-2"), "[upsample]\n", END, "[region]\n")
    errors = [(code, headline.split("`")[1]) for code, _, headline in found.errors()]
    assert errors == [("E0902", "[upsample]"), ("E0902", "[upsample]"), ("E0902", "[region]")]


def test_unknown_keys_are_told() -> None:
    found = small(conv(filtres=3, colour="red"), END, mosaic=1)
    assert [(code, line, headline) for code, line, headline in found.said()] == [
        ("W0902", 12, "darknet knows no `filtres` here and ignores it"),
        ("W0902", 13, "darknet knows no `colour` here and ignores it"),
        ("W0902", 7, "darknet knows no `mosaic` here and ignores it"),
    ]
    assert found.findings[0].help == "did you mean `filters`?"


def test_of_two_equal_keys_the_first_counts() -> None:
    found = small(conv() + "filters=16\n")
    assert found.line("conv1").startswith("conv1: conv 8 ")
    assert [(code, line) for code, line, _ in found.said() if code == "W0902"] == [("W0902", 11)]


def test_blanks_mean_nothing() -> None:
    found = imported({"a.cfg": " [net]\n channels = 3\nheight= 1 2\nwidth=12\n\n ; a comment\n[conn]\noutput = 4\n"})
    assert found.line("fc1").startswith("fc1: linear 4")
    assert str(found.graph().net.input) == "3x12x12"


@pytest.mark.slow
def test_the_command(alexc: Alexc) -> None:
    made = alexc("import", FOREIGN / "darknet" / "tiny.cfg", "-o", "tiny.net")
    assert made.returncode == 0, made.stderr
    assert "warning[W0901]" in made.stderr
    assert alexc("check", "tiny.net").returncode == 0
    assert alexc("fmt", "--check", "tiny.net").returncode == 0
    two = alexc("import", *[FOREIGN / "darknet" / "tiny.cfg"] * 2)
    assert two.returncode == 1
    assert "a network of darknet is one file" in two.stderr
