"""cuda-convnet's files become specs of the same network: sizes, counts and values by the library's own rules."""

from __future__ import annotations

import itertools
import math
import re

import pytest
import torch
from torch import Tensor

from alexc.compiler.graph.diff import diff
from alexc.compiler.graph.graph import Graph
from alexc.compiler.net.net import Recipe
from alexc.compiler.pipeline import check_file
from alexc.compiler.recipe.steps import SGD, ConstantRate, DiscreteExponentialRate, ExponentialRate, LinearRate
from alexc.compiler.text.source import Source
from alexc.compiler.tree.format import format_spec
from tests.conftest import ROOT, Alexc
from tests.support.compiled import network_of
from tests.support.foreign_rules import CudaConvnet, cuda_convnet_sizes, ini
from tests.support.imported import (
    FOREIGN,
    Imported,
    imported,
    imported_files,
    parameters_in_torch,
    shapes_in_torch,
)

IMAGENET, CIFAR, CROPPED = (3, 224, 224), (3, 32, 32), (3, 24, 24)
FIXTURES = {
    "alexnet-two-gpus": IMAGENET,
    "alexnet-one-gpu": IMAGENET,
    "cifar-80sec": CIFAR,
    "cifar-18pct": CIFAR,
    "cifar-13pct": CROPPED,
    "cifar-11pct": CROPPED,
}


def fixture(name: str) -> Imported:
    return imported_files(f"cuda_convnet/{name}.cfg", f"cuda_convnet/{name}-params.cfg", size=FIXTURES[name])


def small(*layers: str, params: str = "", size: tuple[int, int, int] = (3, 12, 12), **end: object) -> Imported:
    """A network of these layers behind its data; with parameters it ends in units, which have rates, and softmax."""
    text = f"[data]\ntype=data\ndataIdx=0\n{''.join(layers)}"
    if not params:
        return imported({"net.cfg": text}, size)
    last = re.findall(r"^\[(.*)\]", text, re.MULTILINE)[-1]
    text += section("end", type="fc", inputs=last, outputs=10) + section("chances", type="softmax", inputs="end")
    return imported({"net.cfg": text, "params.cfg": params + rates("end", **end)}, size)


def section(name: str, **said: object) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in said.items())


def conv(name: str, inputs: str, channels: object = 3, **said: object) -> str:
    usual = {"filters": 16, "filterSize": 3, "initW": 0.01}
    return section(name, type="conv", inputs=inputs, channels=channels, **{**usual, **said})


def recipe_of(found: Imported) -> Recipe:
    recipe = found.graph().net.recipe
    assert recipe is not None
    return recipe


def rates(name: str, **said: object) -> str:
    return section(name, **{"epsW": 0.01, "epsB": 0.02, "momW": 0.9, "momB": 0.9, "wc": 0.0005, **said})


# -- whole networks


@pytest.mark.parametrize("name", FIXTURES)
def test_sizes_and_counts_are_those_of_the_librarys_rules(name: str) -> None:
    text = (FOREIGN / "cuda_convnet" / f"{name}.cfg").read_text()
    graph, wanted = fixture(name).graph(), cuda_convnet_sizes(text, FIXTURES[name])
    assert (graph.parameters, graph.neurons) == (wanted.parameters, wanted.neurons)
    assert graph.multiply_adds == wanted.multiply_adds
    assert parameters_in_torch(graph) == wanted.parameters
    trained = [each for each, said in ini(text).items() if said["type"] in ("conv", "local", "fc")]
    by_layer: dict[str, list[tuple[int, ...]]] = {}
    for each in trained:
        by_layer.setdefault(each.removesuffix("_left").removesuffix("_right"), []).append(wanted.outputs[each])
    together = [(sum(shape[0] for shape in copies), *copies[0][1:]) for copies in by_layer.values()]
    assert shapes_in_torch(graph) == together


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("alexnet-two-gpus", (60_965_224, 659_272, 724_406_816)),  # cuda-convnet2's layers-imagenet-2gpu-model.cfg
        ("alexnet-one-gpu", (61_100_840, None, None)),  # layers-imagenet-1gpu.cfg
        ("cifar-80sec", (145_578, None, None)),  # the same as Caffe's cifar10_quick
        ("cifar-18pct", (89_578, None, None)),  # the same as Caffe's cifar10_full
    ],
)
def test_published_counts(name: str, counts: tuple[int | None, ...]) -> None:
    graph = fixture(name).graph()
    found = (graph.parameters, graph.neurons, graph.multiply_adds)
    assert [own for own, wanted in zip(found, counts, strict=True) if wanted is not None] == [
        wanted for wanted in counts if wanted is not None
    ]


@pytest.mark.parametrize("name", ["cifar-80sec", "cifar-18pct", "cifar-13pct", "cifar-11pct"])
def test_the_examples_for_cifar_say_the_same_mathematics(name: str) -> None:
    example = check_file(ROOT / "examples" / f"{name.replace('-', '_')}.net").graph
    assert example is not None
    found = diff(example, fixture(name).graph())
    assert found.layers == ()
    assert found.weights.load
    assert not {each.name for each in found.settings} & {"input", "towers", "train optimizer", "train loss"}


@pytest.mark.parametrize("name", FIXTURES)
def test_specs_are_laid_out_and_only_tell_of_what_they_lose(name: str) -> None:
    found = fixture(name)
    assert found.errors() == []
    assert format_spec(Source("imported.net", found.text)) == (found.text, [])


def test_gpus_become_towers_and_a_placement() -> None:
    found = fixture("alexnet-two-gpus")
    graph = found.graph()
    assert graph.net.towers == 2
    assert {line: found.line(line) for line in ("two", "three", "four", "six", "eight")} == {
        "two": "two: conv 256 kernel=5 pad=2 reads=tower weight=normal(0, 0.01) bias=1 -> relu -> lrn -> maxpool",
        "three": "three: conv 384 kernel=3 pad=1 reads=all -> relu",
        "four": "four: conv 384 kernel=3 pad=1 reads=tower bias=1 -> relu",
        "six": "six: linear 4096 reads=all bias=1 -> relu -> dropout",
        "eight": "eight: linear 1000 reads=all -> softmax",
    }
    placement = found.text[found.text.index("placement") : found.text.index("train")]
    assert placement.split() == (
        [
            "placement",
            "gpus",
            "{",
            "mesh",
            "tower=2",
            "split",
            "channels",
            "by",
            "tower",
            "keep",
            "eight",
            "on",
            "tower",
            "0",
            "}",
        ]
    )
    assert {entry.name for entry in graph.net.placements} == {"gpus"}


def test_gpus_that_share_images_and_then_units_need_no_towers() -> None:
    found = imported_files("cuda_convnet/four-gpus.cfg", size=CIFAR)
    graph = found.graph()
    assert graph.net.towers == 1
    text = (FOREIGN / "cuda_convnet" / "four-gpus.cfg").read_text()
    assert graph.parameters == cuda_convnet_sizes(text, CIFAR).parameters
    placement = found.text[found.text.index("placement") :]
    assert placement.split() == (
        [
            "placement",
            "gpus",
            "{",
            "mesh",
            "gpu=4",
            "split",
            "images",
            "by",
            "gpu",
            "in",
            "c1..c2",
            "split",
            "channels",
            "by",
            "gpu",
            "in",
            "u1..u2",
            "keep",
            "u3",
            "on",
            "gpu",
            "0",
            "}",
        ]
    )


def test_images_shared_throughout() -> None:
    found = small(conv("a", "data", gpu="0,1"), conv("b", "a", 16))
    assert found.text.split()[-10:] == ["placement", "gpus", "{", "mesh", "gpu=2", "split", "images", "by", "gpu", "}"]


# -- the values, against the library's rules computed one by one


def values(layers: str, params: str = "", size: int = 12, channels: int = 3) -> tuple[Tensor, Tensor]:
    """What the last layer makes of a random image: by the library's rules, and by the compiled module."""
    torch.manual_seed(0)
    files = {"net.cfg": layers} | ({"params.cfg": params} if params else {})
    graph = imported(files, (channels, size, size)).graph()
    image = torch.randn(channels, size, size)
    there = CudaConvnet(ini(layers), ini(params))
    made = there.run(image)
    network = network_of(graph, "cpu").eval()
    load(network, graph, there)
    last = [name for name, said in there.layers.items() if said["type"] != "data"]
    copies = [name for name in last if there.layers[name].get("inputs") == there.layers[last[-1]].get("inputs")]
    wanted = torch.cat([made[name] for name in (copies if len(copies) > 1 else last[-1:])])
    with torch.no_grad():
        return wanted, network(image[None])[0]


def load(network: torch.nn.Module, graph: Graph, there: CudaConvnet) -> None:
    """Give the module the weights: copies of a layer one after the other, and their inputs by GPU."""
    for node in graph.nodes:
        if node.weights is None:
            continue
        name = node.layer.line
        copies = [each for each in there.biases if each == name or each in (f"{name}_l", f"{name}_r")]
        rows = []
        for copy in copies:
            read = sorted(each for of, each in there.weights if of == copy)
            rows.append(torch.cat([there.weights[copy, each] for each in read], 1))
        layer = network.get_submodule(name)
        with torch.no_grad():
            layer.weight.copy_(torch.cat(rows))  # type: ignore[operator]
            layer.bias.copy_(torch.cat([there.biases[copy] for copy in copies]))  # type: ignore[operator]


def agree(layers: str, params: str = "", size: int = 12, channels: int = 3) -> None:
    wanted, found = values(layers, params, size, channels)
    assert found.shape == wanted.shape
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


DATA = "[data]\ntype=data\ndataIdx=0\n"


@pytest.mark.parametrize(
    ("size", "filter_", "stride", "padding"),
    [case for case in itertools.product((10, 11, 12), (3, 5), (1, 2, 3, 4), (0, 1, 2)) if case[3] < case[1]],
)
def test_convolution_rounds_up(size: int, filter_: int, stride: int, padding: int) -> None:
    agree(DATA + conv("a", "data", filterSize=filter_, stride=stride, padding=padding, sumWidth=1), size=size)


def test_224_gives_55() -> None:
    found = small(conv("a", "data", filters=64, filterSize=11, stride=4), size=IMAGENET)
    assert found.line("a") == "a: conv 64 kernel=11 stride=4 pad=sides(0, 3, 0, 3) weight=normal(0, 0.01)"
    assert found.graph().nodes[0].output.sizes == (64, 55, 55)


@pytest.mark.parametrize(
    ("how", "size", "window", "stride", "start"),
    [
        case
        for case in itertools.product(("max", "avg"), (8, 9, 10, 11), (2, 3, 4), (1, 2, 3), (0, -1))
        if case[3] <= case[2]
    ],
)
def test_pools_round_up_and_means_are_of_what_is_there(
    how: str, size: int, window: int, stride: int, start: int
) -> None:
    layers = DATA + section(
        "p", type="pool", pool=how, inputs="data", channels=16, sizeX=window, stride=stride, start=start
    )
    room = size - start - window
    wanted = math.ceil(room / stride) + 1
    padded = size - 2 * start - window
    if wanted not in (padded // stride + 1, _ceil_in_torch(size, window, stride, -start)):
        found = imported({"net.cfg": layers}, (16, size, size))
        assert [each[0] for each in found.errors()] == ["E0903"]
        return
    agree(layers, size=size, channels=16)


def _ceil_in_torch(size: int, window: int, stride: int, pad: int) -> int:
    return int(
        torch.nn.functional.max_pool2d(
            torch.empty(1, 1, size, size, device="meta"), window, stride, pad, ceil_mode=True
        ).shape[-1]
    )


@pytest.mark.parametrize("least", ["", "minDiv=2\n"])
@pytest.mark.parametrize(("kind", "size"), [("cmrnorm", 5), ("cmrnorm", 4), ("rnorm", 3), ("rnorm", 5)])
def test_scale_is_divided_by_what_is_looked_at(kind: str, size: int, least: str) -> None:
    layers = DATA + section("n", type=kind, inputs="data", channels=16, size=size)
    agree(layers, f"[n]\nscale=0.9\npow=0.75\n{least}", size=6, channels=16)


def test_filters_are_counted_by_group() -> None:
    agree(DATA + conv("a", "data", 16, groups=2, filters=16), channels=16)
    found = small(conv("a", "data", 16, groups=2, filters=16), size=(16, 12, 12))
    assert found.line("a") == "a: conv 32 kernel=3 groups=2 weight=normal(0, 0.01)"


@pytest.mark.parametrize("neuron", ["relu", "logistic", "softrelu", "tanh[1,1]", "tanh[1.0, 1]", "ident"])
def test_neurons(neuron: str) -> None:
    there = "tanh[1,1]" if neuron.startswith("tanh") else neuron
    agree(DATA + conv("a", "data", neuron=there))
    assert small(conv("a", "data", neuron=neuron)).errors() == []


@pytest.mark.parametrize(
    ("neuron", "written"),
    [
        ("abs", "abs"),
        ("square", "square"),
        ("sqrt", "sqrt"),
        ("linear[2, -0.5]", "affine 2 shift=-0.5"),
        ("linear[1,0]", ""),
        ("tanh[1.7159,0.6667]", "affine 0.6667 -> tanh -> affine 1.7159"),
        ("tanh[1,0.5]", "affine 0.5 -> tanh"),
        ("abstanh[1.5,-0.6]", "affine -0.6 -> tanh -> affine 1.5 -> abs"),
        ("brelu[1.5]", "relu limit=1.5"),
        ("log[3]", "affine 1 shift=3 -> log"),
    ],
)
def test_neurons_with_arguments(neuron: str, written: str) -> None:
    arrow = f" -> {written}" if written else ""
    own = small(section("f", type="fc", inputs="data", outputs=3, initW=0.1, neuron=neuron))
    assert own.line("f") == f"f: linear 3 weight=normal(0, 0.1){arrow}"
    apart = small(
        section("f", type="fc", inputs="data", outputs=3, initW=0.1)
        + section("n", type="neuron", inputs="f", neuron=neuron)
        + section("g", type="fc", inputs="n", outputs=2, initW=0.1)
    )
    assert apart.errors() == []
    assert apart.line("f") == f"f: linear 3{arrow}"


def test_a_pool_over_a_pass_of_two_layers_reads_both() -> None:
    found = small(
        conv("a", "data"),
        conv("b", "data", filters=8, gpu=1),
        section("both", type="pass", inputs="a,b"),
        section("p", type="pool", pool="max", inputs="both", channels=24, sizeX=2, stride=2),
        conv("c", "p", 24),
    )
    assert found.errors() == []
    assert found.line("p_inputs") == "p_inputs: concat a b -> maxpool 2"
    sizes = {node.layer.name: str(node.output) for node in found.graph().nodes}
    assert sizes["c"] == "16x3x3"


def test_convolutions_can_have_a_bias_for_each_place() -> None:
    found = small(conv("a", "data", sharedBiases=0, initB=2), conv("b", "a", 16, sharedBiases=1))
    assert "shared_bias=no" in found.line("a")
    assert "shared_bias" not in found.line("b")


def test_pool_and_neurons_keep_their_order() -> None:
    found = small(
        conv("a", "data"),
        section("p", type="pool", pool="avg", inputs="a", channels=16, sizeX=2, stride=2, neuron="relu"),
    )
    assert found.line("a").endswith("-> avgpool 2 -> relu")


def copies(name: str, **said: object) -> str:
    """A layer on two GPUs; `@` in what it says is `l` and `r`."""
    return "".join(
        section(f"{name}_{side}", **{key: str(value).replace("@", side) for key, value in said.items()})
        for side in ("l", "r")
    ).replace("gpu=l", "gpu=0").replace("gpu=r", "gpu=1")  # fmt: skip


TOWERS = (
    copies("a", type="conv", inputs="data", channels=3, filters=16, filterSize=3, initW=0.1, gpu="@", neuron="relu")
    + copies("n", type="cmrnorm", inputs="a_@", channels=16, size=5)
    + copies("b", type="conv", inputs="n_@", channels=16, filters=16, filterSize=3, initW=0.1, groups=2)
    + copies(
        "c",
        type="conv",
        inputs="b_l, b_r",
        channels="32,32",
        filters="16,16",
        filterSize="3,3",
        initW="0.1,0.1",
        gpu="@",
    )
    + copies("p", type="pool", pool="max", inputs="c_@", channels=16, sizeX=3, stride=2, neuron="relu")
)
TOWERS_PARAMS = "[n_l]\nscale=0.5\npow=0.75\nminDiv=2\n[n_r]\nscale=0.5\npow=0.75\nminDiv=2\n"


def test_towers_compute_what_the_copies_do() -> None:
    layers = DATA + TOWERS + section("f", type="fc", inputs="p_l,p_r", outputs=10, initW="0.1,0.1", gpu=0)
    agree(layers, TOWERS_PARAMS)


def test_copies_that_read_each_other_in_another_order() -> None:
    both = copies("f", type="fc", inputs="p_l, p_r", outputs=6, initW=0.1, gpu="@").replace(
        "[f_r]\ntype=fc\ninputs=p_l, p_r", "[f_r]\ntype=fc\ninputs=p_r, p_l"
    )
    last = section("z", type="fc", inputs="f_l, f_r", outputs=10, initW=0.1, gpu=0)
    agree(DATA + TOWERS + both + last, TOWERS_PARAMS)


def test_several_inputs_of_one_size_are_joined_and_others_added() -> None:
    branches = conv("a", "data") + conv("b", "data", filterSize=1)
    joined = small(conv("a", "data"), conv("b", "data", filters=32), conv("c", "a,b", "16,32"))
    assert joined.errors() == []
    assert joined.line("c") == "c: conv 16 kernel=3"
    added = small(branches, conv("c", "a,b", "16,16", filterSize="1,3"))
    assert [added.line(name) for name in ("c_1", "c_2", "c")] == [
        "c_1: a -> conv 16 kernel=1",
        "c_2: b -> conv 16 kernel=3 bias=none",
        "c: add c_1 c_2",
    ]
    units = small(branches, section("f", type="fc", inputs="a,b", outputs=10, initW="0.1,0.2"))
    assert units.line("f") == "f: add f_1 f_2"


# -- recipes


def test_rates_become_multipliers_of_the_most_common_ones() -> None:
    found = small(
        conv("a", "data"),
        conv("b", "a", 16),
        section("f", type="fc", inputs="b", outputs=10),
        params=rates("a") + rates("b", wc=0) + rates("f", epsW=0.05, wc=0.03),
    )
    optimizer = recipe_of(found).optimizer
    assert isinstance(optimizer, SGD)
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay, optimizer.form) == (0.01, 0.9, 0.0005, "paper")
    kinds = {node.layer.name: node.layer.kind.multipliers() for node in found.graph().nodes if node.layer.name in "abf"}
    assert kinds == {
        "a": {"bias": (2.0, 0.0)},
        "b": {"weight": (1.0, 0.0), "bias": (2.0, 0.0)},
        "f": {"weight": (5.0, 60.0), "bias": (2.0, 0.0)},
    }
    assert found.said() == []


@pytest.mark.parametrize(
    ("written", "schedule", "lost"),
    [
        ("0.01", ConstantRate(), 0),
        ("const[base=0.01]", ConstantRate(), 0),
        ("exp[base=0.01;tgtFactor=100]", ExponentialRate(divide=100), 0),
        ("dexp[base=0.01;tgtFactor=250;numSteps=4]", DiscreteExponentialRate(divide=250, steps=4), 0),
        ("linear[base=0.01;tgtFactor=10]", LinearRate(divide=10), 0),
        ("dexp[base=0.01;tgtFactor=10;numSteps=1]", ConstantRate(), 1),
    ],
)
def test_schedules(written: str, schedule: object, lost: int) -> None:
    biases = written.replace("0.01", "0.02")
    found = small(conv("a", "data"), params=rates("a", epsW=written, epsB=biases), epsW=written, epsB=biases)
    assert recipe_of(found).schedule == schedule
    assert [(code, line) for code, line, _ in found.said()] == [("W0901", 2)] * lost


def test_the_discrete_schedule_is_the_librarys() -> None:
    """lr.cu: the i-th of n rates is base * (1 / factor) ** (i / (n - 1)), each for one n-th of the training."""
    from alexc.runtime import recipes as of_runtime
    from alexc.runtime.training.schedule import FixedSchedule

    rule = of_runtime.DiscreteExponentialRate(divide=250, steps=4)
    schedule = FixedSchedule(rule, 0.02, 8)
    found = [schedule.rate_at(epoch * 10 + 5, 10) for epoch in range(8)]
    wanted = [0.02 * (1 / 250) ** (step / 3) for step in range(4) for _ in range(2)]
    assert found == pytest.approx(wanted)


def test_biases_that_go_on_in_another_way_have_their_own_schedule() -> None:
    weights, biases = "dexp[base=0.01;tgtFactor=250;numSteps=4]", "dexp[base=0.02;tgtFactor=10;numSteps=2]"
    found = small(conv("a", "data"), params=rates("a", epsW=weights, epsB=biases), epsW=weights, epsB=biases)
    assert found.said() == []
    assert recipe_of(found).schedule == DiscreteExponentialRate(divide=250, steps=4)
    assert recipe_of(found).bias_schedule == DiscreteExponentialRate(divide=10, steps=2)


def test_one_momentum() -> None:
    found = small(conv("a", "data"), conv("b", "a", 16), params=rates("a") + rates("b", momB=0.5))
    assert found.said() == [("W0901", 11, "a recipe has one momentum, 0.9 here; `b` has momB=0.5")]
    assert "# In cuda-convnet, momB is 0.5 for b.\n" in found.text


def test_a_rate_of_nought_keeps_a_layer() -> None:
    found = small(conv("a", "data"), conv("b", "a", 16), params=rates("a", epsW=0, epsB=0) + rates("b"))
    assert found.line("a").endswith("weight_rate=0 bias_rate=0") or "weight_rate=0 bias_rate=0" in found.line("a")
    assert "lr=0.01" in found.text


def test_without_parameters_there_is_no_recipe() -> None:
    found = small(conv("a", "data"))
    assert found.graph().net.recipe is None
    assert "There is no recipe" in found.text


# -- dropout


def test_dropout_of_all_three_versions() -> None:
    first = small(conv("a", "data", neuron="relu"), params=rates("a", dropout=0.4))
    assert first.line("a").endswith("-> relu -> dropout 0.4 scale=test")
    before = small(conv("a", "data", neuron="logistic"), params=rates("a", dropout=0.4))
    assert before.line("a").endswith("-> dropout 0.4 scale=test -> sigmoid")
    second = small(
        conv("a", "data"), section("d", type="dropout2", inputs="a"), params=rates("a") + section("d", keep=0.7)
    )
    assert second.line("a").endswith("-> dropout 0.3 scale=test")
    assert second.said() == []
    of_2012 = small(
        conv("a", "data"),
        section("d", type="hs", inputs="a", keep=0.7),
        params=rates("a") + section("d", enable="true"),
    )
    assert of_2012.line("a").endswith("-> dropout 0.3 scale=test")


def test_dropout_that_scales_nothing_is_told() -> None:
    found = small(
        conv("a", "data"), section("d", type="dropout", inputs="a"), params=rates("a") + section("d", keep=0.5)
    )
    assert [(code, line) for code, line, _ in found.said()] == [("W0901", 12)]
    assert "does not scale at test time" in found.text


def test_dropout_that_is_off() -> None:
    layers = (conv("a", "data"), section("d", type="dropout2", inputs="a"))
    assert small(*layers, params=rates("a") + section("d", enable="false")).errors() == [
        ("E0903", 8, "`d` drops nothing, but multiplies by 0.5")
    ]
    off = small(layers[0], layers[1].replace("dropout2", "dropout"), params=rates("a") + section("d", enable="false"))
    assert "dropout" not in off.text


# -- what is found


def test_misspelt_and_unknown_keys_are_told() -> None:
    found = small(conv("a", "data", shareBiases=1, colour="red"), params=rates("a", epsw=0.01, momentum=1))
    assert [(code, line, headline) for code, line, headline in found.said() if "knows no" in headline] == [
        ("W0902", 11, "cuda-convnet knows no `shareBiases` here and ignores it"),
        ("W0902", 12, "cuda-convnet knows no `colour` here and ignores it"),
        ("W0902", 8, "cuda-convnet knows no `momentum` here and ignores it"),
    ]
    assert found.findings[-3].help == "did you mean `sharedBiases`?"


def test_a_negative_padding_is_a_border() -> None:
    found = small(conv("a", "data", padding=-1))
    assert found.line("a") == "a: conv 16 kernel=3 pad=1 weight=normal(0, 0.01)"
    assert [(code, line) for code, line, _ in found.said()] == [("W0902", 11)]


def test_what_changes_no_result_is_told_once() -> None:
    found = small(conv("a", "data", partialSum=4), conv("b", "a", 16, partialSum=2))
    assert found.said() == [("W0902", 11, "`partialSum` does not change any result and has no counterpart")]


@pytest.mark.parametrize(
    ("layer", "code", "line", "words"),
    [
        (section("x", type="sum", inputs="data"), "E0902", 5, "sums of neighbouring units"),
        (section("x", type="konv", inputs="data"), "E0902", 5, "no layers of type `konv`"),
        (section("x", inputs="data"), "E0904", 4, "has no `type`"),
        (conv("x", "date"), "E0905", 6, "reads `date`, which is not a layer above it"),
        (conv("x", "data", channels=4), "E0904", 7, "has `channels=4`, but its input has 3"),
        (conv("x", "data", filters="many"), "E0904", 8, "must be a number, not `many`"),
        (conv("x", "data", randSparse="perhaps"), "E0904", 11, "`randSparse` must be 1 or 0, not `perhaps`"),
        (conv("x", "data", weightSource="a"), "E0903", 11, "shares the weights of another layer"),
        (conv("x", "data", neuron="tanh[1.7]"), "E0903", 11, "neurons `tanh[1.7]`"),
        (conv("x", "data", neuron="brelu[-1]"), "E0903", 11, "neurons `brelu[-1]`"),
        (conv("x", "data", neuron="linear[a,b]"), "E0903", 11, "neurons `linear[a,b]`"),
        (conv("x", "data", neuron="drelu[3]"), "E0903", 11, "neurons `drelu[3]`"),
        (conv("x", "data", filterSize=15), "E0904", 9, "does not cover its input of 12 values a side"),
        (section("x", type="pool", pool="maxabs", inputs="data", channels=3), "E0903", 6, "`pool=maxabs`"),
        (
            section("x", type="pool", pool="rand", inputs="data", channels=3),
            "E0903",
            6,
            "kernel is not published",
        ),
        (section("x", type="treefc", inputs="data", initW=0.1), "E0906", 5, "do not say how many classes `x` has"),
        (section("x", type="cmrnorm", inputs="data", channels=3, size=3), "E0906", 4, "is in the parameter file"),
        (section("x", type="eltsum", inputs="data"), "E0904", 6, "several layers, not one"),
        (section("x", type="cost.logreg", inputs="data,data"), "E0904", 6, "labels and a softmax"),
        ("[x\ntype=fc\n", "E0901", 4, "a name in brackets"),
        ("just words\n", "E0901", 4, "`key=value`"),
    ],
)
def test_what_has_no_counterpart_is_an_error_at_its_line(layer: str, code: str, line: int, words: str) -> None:
    found = small(layer)
    assert found.text == ""
    ((found_code, found_line, headline),) = [each for each in found.errors() if each[0] == code][:1]
    assert (found_code, found_line) == (code, line)
    assert words in headline


def test_passes_cannot_blow_up() -> None:
    twice = section("p", type="pass", inputs="data") + section("q", type="pass", inputs="p,p")
    assert small(twice).errors() == [("E0903", 9, "`q` reads a layer twice")]
    parts = "".join(section(f"u{place}", type="fc", inputs="data", outputs=1) for place in range(1025))
    joined = section("p", type="pass", inputs=",".join(f"u{place}" for place in range(1025)))
    ((code, _, headline),) = small(parts + joined).errors()
    assert (code, headline) == ("E0904", "`p` joins 1025 layers; at most 1024 are used")
    chain = "".join(section(f"p{place}", type="pass", inputs=f"p{place - 1}") for place in range(1, 3000))
    assert small(section("p0", type="pass", inputs="data") + chain + conv("a", "p2999")).errors() == []


def test_one_mistake_is_one_error() -> None:
    found = small(
        section("x", type="sum", inputs="data"), conv("b", "x"), conv("c", "b", 16), conv("d", "data", neuron="abs")
    )
    assert [(code, line) for code, line, _ in found.errors()] == [("E0902", 5)]


LAST = section("z", type="fc", inputs="p_l,p_r", outputs=10, gpu=0)


@pytest.mark.parametrize(
    ("layers", "params"),
    [
        (LAST, TOWERS_PARAMS.replace("0.75", "0.5", 1)),
        (
            section("e", type="eltsum", inputs="p_l,p_r", gpu=0) + section("z", type="fc", inputs="e", outputs=10),
            TOWERS_PARAMS,
        ),
    ],
    ids=["other parameters", "adds the copies"],
)
def test_copies_that_are_not_towers_of_one_network_are_layers_of_their_own(layers: str, params: str) -> None:
    agree(DATA + TOWERS + layers, params)
    graph = imported({"net.cfg": DATA + TOWERS + layers, "params.cfg": params}, (3, 12, 12)).graph()
    assert graph.net.towers == 1


def test_a_layer_that_reads_one_copy_of_another_gpu() -> None:
    one = section("x", type="conv", inputs="c_l", channels=16, filters=16, filterSize=1, initW=1, gpu=1)
    text = DATA + TOWERS + one + section("z", type="fc", inputs="p_l,p_r,x", outputs=10, gpu=0)
    found = imported({"net.cfg": text, "params.cfg": TOWERS_PARAMS}, (3, 12, 12))
    assert found.line("x_1") == "x_1: c_l -> conv 16 kernel=1 weight=normal(0, 1)"
    assert "keep a_r, b_r, c_r_inputs..c_r, x_1 on gpu 1" in " ".join(found.text.split())


def test_copies_with_different_dropout() -> None:
    params = TOWERS_PARAMS + rates("a_l", dropout=0.5) + rates("a_r")
    found = imported({"net.cfg": DATA + TOWERS + LAST, "params.cfg": params}, (3, 12, 12))
    assert found.line("a_l").endswith("-> relu -> dropout 0.5 scale=test -> lrn")
    assert found.line("a_r").endswith("-> relu -> lrn")


def test_a_softmax_on_each_gpu_is_a_head_of_its_own() -> None:
    both = copies("f", type="fc", inputs="p_l,p_r", outputs=6, gpu="@")
    text = DATA + TOWERS + both + copies("s", type="softmax", inputs="f_@")
    graph = imported({"net.cfg": text, "params.cfg": TOWERS_PARAMS}, (3, 12, 12)).graph()
    assert [head.layer.line for head in graph.heads] == ["f_r", "f_l"]


@pytest.mark.slow
def test_the_size_of_an_image_must_be_said(alexc: Alexc) -> None:
    path = FOREIGN / "cuda_convnet" / "cifar-80sec.cfg"
    silent = alexc("import", path)
    assert silent.returncode == 1
    assert "--input 3x224x224" in silent.stderr
    said = alexc("import", path, path.with_name("cifar-80sec-params.cfg"), "--input", "3x32x32", "-o", "mine.net")
    assert said.returncode == 0, said.stderr
    assert alexc("check", "mine.net").returncode == 0
    assert alexc("fmt", "--check", "mine.net").returncode == 0


def test_files_in_any_order_and_too_many() -> None:
    layers, params = (f"cuda_convnet/cifar-80sec{end}.cfg" for end in ("", "-params"))
    assert imported_files(params, layers, size=CIFAR).text == imported_files(layers, params, size=CIFAR).text
    both = imported_files(layers, "cuda_convnet/cifar-18pct.cfg", size=CIFAR)
    assert [each[0] for each in both.errors()] == ["E0906"]
    alone = imported_files(params, size=CIFAR)
    assert [each[0] for each in alone.errors()] == ["E0906"]
