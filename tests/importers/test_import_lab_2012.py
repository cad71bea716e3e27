"""The features of the layer files of 2012: columns on several GPUs, a blurred branch, random maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexc import Net
from alexc.compiler.graph.graph import Graph
from alexc.compiler.layers.kind import Shape
from alexc.compiler.layers.trained import Trained
from alexc.compiler.net.spec_text import recipe_texts
from alexc.compiler.text.source import Source
from alexc.importers.foreign.network import Assumptions
from alexc.importers.pipeline import import_sources
from alexc.runtime.layers.gaussian_blur import gaussian_blur
from alexc.runtime.layers.subsample import subsample
from tests.support.compiled import network_of
from tests.support.imported import Imported, imported

FILES = Path(__file__).resolve().parents[3] / "shared" / "data" / "alexnet-2012"
files_only = pytest.mark.skipif(not FILES.is_dir(), reason="the files of 2012 are not present")
DATA = "[data]\ntype=data\ndataIdx=0\n[labels]\ntype=data\ndataIdx=1\n"


def section(name: str, **said: object) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in said.items())


def on_gpus(name: str, reads: dict[str, str], **said: object) -> str:
    """A layer with a copy for each letter, a on GPU 0; `@` stands for the letter. `reads` are the inputs of each."""
    texts = []
    for gpu, (letter, inputs) in enumerate(reads.items()):
        own = {key: str(value).replace("@", letter) for key, value in said.items()}
        texts.append(section(f"{name}{letter}", inputs=inputs.replace("@", letter), gpu=gpu, **own))
    return "".join(texts)


def run(found: Imported, size: int) -> tuple[Any, Graph, Tensor, Tensor]:
    """The network with random weights, its graph, an image, and what the network makes of it, in float64."""
    graph = found.graph()
    torch.manual_seed(0)
    network: Any = network_of(graph, "cpu").eval().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
        image = torch.randn(1, 3, size, size, dtype=torch.float64)
        return network, graph, image, network(image)


def same(made: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(made, wanted, rtol=1e-11, atol=1e-11)


SOFTMAX = section("probs", type="softmax", inputs="out")


def conv(name: str, reads: dict[str, str], **said: object) -> str:
    return on_gpus(name, reads, **{"type": "conv", "filters": 4, "filterSize": 3, "initW": 0.1, **said})


def contrast(x: Tensor, alpha: float) -> Tensor:
    """Contrast normalisation with a window of 3x3."""
    ones = torch.ones_like(x)
    d = x - window_sum(x) / window_sum(ones)
    return x * (1 + alpha * window_sum(d * d)) ** -0.75


def window_sum(x: Tensor) -> Tensor:
    """The sum of each window of 3x3; the zeros of the padding count."""
    return 9 * F.avg_pool2d(x, 3, 1, 1)


# -- columns that read a branch that is not split


def test_a_blurred_copy_is_read_beside_the_own_column() -> None:
    text = (
        DATA
        + section("soft", type="blur", inputs="data", stdev=2, filterSize=5, channels=3, gpu=0)
        + section("nails", type="nailbed", inputs="soft", stride=3, channels=3)
        + conv("c1", dict.fromkeys("ab", "data"), channels=3)
        + on_gpus("n1", {"a": "c1a", "b": "c1b"}, type="cnorm", channels=4, size=3)
        + conv("c3", {"a": "nails,n1a", "b": "nails,n1b"}, channels="3,4", filters="4,4", filterSize="3,5",
               padding="1,0", stride="1,1", initW="0.1,0.2", neuron="relu")
        + section("out", type="fc", outputs=5, inputs="c3a,c3b", initW="0.1,0.1", gpu=1)
        + SOFTMAX
    )  # fmt: skip
    params = section("n1a", scale=0.9, pow=0.75) + section("n1b", scale=0.9, pow=0.75)
    found = imported({"net.cfg": text, "params.cfg": params}, (3, 9, 9))
    assert [found.line(name) for name in ("soft", "c3_1", "c3_2", "c3")] == [
        "soft: blur 5 std=2 -> subsample 3",
        "c3_1: soft -> conv 8 kernel=3 pad=1",
        "c3_2: c1 -> conv 8 kernel=5 reads=tower weight=normal(0, 0.2) bias=none",
        "c3: add c3_1 c3_2 -> relu",
    ]
    assert found.line("c1").endswith("-> lrn 3 k=1 alpha=0.9 beta=0.75 norm=mean within=map about=mean")
    placement = found.text[found.text.index("placement") :].split()
    assert "keep soft on tower 0 keep out on tower 1" in " ".join(placement)
    network, _, image, made = run(found, 9)
    branch = subsample(gaussian_blur(image, 5, std=2.0), 3)
    columns = []
    for tower in (0, 1):
        own = F.conv2d(image, network.c1.weight.chunk(2)[tower], network.c1.bias.chunk(2)[tower])
        own = F.conv2d(contrast(own, 0.1), network.c3_2.weight.chunk(2)[tower])
        low = F.conv2d(branch, network.c3_1.weight.chunk(2)[tower], network.c3_1.bias.chunk(2)[tower], padding=1)
        columns.append((own + low).relu())
    same(made, F.linear(torch.cat(columns, 1).flatten(1), network.out.weight, network.out.bias))


def test_columns_that_see_different_images() -> None:
    text = (
        DATA
        + section("mirror", type="href", inputs="data", channels=3, gpu=1)
        + conv("c1", {"a": "data", "b": "mirror"}, channels=3)
        + conv("c3", {"a": "c1a", "b": "c1b"}, channels=4)
        + section("out", type="fc", outputs=5, inputs="c3a,c3b", initW="0.1,0.1", gpu=1)
        + SOFTMAX
    )
    found = imported({"net.cfg": text}, (3, 7, 7))
    assert found.line("c1_inputs") == "c1_inputs: concat input mirror"
    assert found.line("c1") == "c1: conv 8 kernel=3 groups=2"
    network, _, image, made = run(found, 7)
    columns = []
    for tower, seen in enumerate((image, image.flip(3))):
        own = F.conv2d(seen, network.c1.weight.chunk(2)[tower], network.c1.bias.chunk(2)[tower])
        columns.append(F.conv2d(own, network.c3.weight.chunk(2)[tower], network.c3.bias.chunk(2)[tower]))
    same(made, F.linear(torch.cat(columns, 1).flatten(1), network.out.weight, network.out.bias))


# -- four GPUs

PAIRS = {"a": "c1a,c1b", "b": "c1a,c1b", "c": "c1c,c1d", "d": "c1d,c1c"}
ALL_BUT_ONE = {"a": "c3a,c3b,c3c", "b": "c3a,c3b,c3d", "c": "c3c,c3d,c3a", "d": "c3c,c3d,c3b"}


def four(last: str, outputs: int = 3) -> str:
    every = dict.fromkeys("abcd", "f1a,f1b,f1c,f1d")
    return (
        DATA
        + conv("c1", dict.fromkeys("abcd", "data"), channels=3, filters=2)
        + conv("c3", PAIRS, channels="2,2", filters="4,4")
        + on_gpus("f1", ALL_BUT_ONE, type="fc", outputs=6, initW=0.1)
        + on_gpus("o", every, type="fc", outputs=outputs, initW=0.1)
        + section("out", type="concat", inputs=last)
        + SOFTMAX
    )


def test_four_gpus_form_a_grid() -> None:
    found = imported({"net.cfg": four("oa,ob,oc,od")}, (3, 7, 7))
    assert "towers 2x2" in found.text
    lines = [found.line(name) for name in ("c1", "c3", "f1", "o")]
    assert lines == [
        "c1: conv 8 kernel=3",
        "c3: conv 16 kernel=3 reads=row",
        "f1: linear 24 reads=cross",
        "o: linear 12 reads=all -> softmax",
    ]
    placement = " ".join(found.text[found.text.index("placement") :].split())
    assert placement == "placement gpus { mesh row=2 column=2 split channels by row split channels by column }"
    network, _, image, made = run(found, 7)
    first = F.conv2d(image, network.c1.weight, network.c1.bias).chunk(4, 1)
    second = [
        F.conv2d(torch.cat(first[:2] if gpu < 2 else first[2:], 1), weight, bias)
        for gpu, (weight, bias) in enumerate(zip(network.c3.weight.chunk(4), network.c3.bias.chunk(4), strict=True))
    ]
    units = []
    for gpu, (weight, bias) in enumerate(zip(network.f1.weight.chunk(4), network.f1.bias.chunk(4), strict=True)):
        read = [second[other].flatten(1) for other in range(4) if other != 3 - gpu]
        units.append(F.linear(torch.cat(read, 1), weight, bias))
    same(made, F.linear(torch.cat(units, 1), network.o.weight, network.o.bias))


def test_parts_that_are_joined_in_another_order_are_lines_of_their_own() -> None:
    found = imported({"net.cfg": four("ob,oa,oc,od")}, (3, 7, 7))
    assert "towers" not in found.text
    assert found.line("out") == "out: concat ob oa oc od -> softmax"
    assert found.line("f1d_inputs") == "f1d_inputs: concat c3c c3d c3b"


def test_units_that_three_gpus_cannot_share() -> None:
    text = (
        DATA
        + conv("c1", dict.fromkeys("abc", "data"), channels=3)
        + conv("c3", {each: f"c1{each}" for each in "abc"}, channels=4)
        + section("left", type="fc", outputs=4, inputs="c3a,c3b,c3c", initW=0.1, gpu=0)
        + section("right", type="fc", outputs=6, inputs="c3a,c3b,c3c", initW=0.1, gpu=1)
        + section("out", type="concat", inputs="left,right")
        + SOFTMAX
    )
    found = imported({"net.cfg": text}, (3, 7, 7))
    assert found.line("left") == "left: linear 4 reads=all towers=1"
    assert found.line("right") == "right: c3 -> linear 6 reads=all towers=1"
    network, _, image, made = run(found, 7)
    parts = F.conv2d(image, network.c1.weight, network.c1.bias)
    parts = F.conv2d(parts, network.c3.weight, network.c3.bias, groups=3).flatten(1)
    same(made, torch.cat([network.left(parts), network.right(parts)], 1))


def test_a_layer_that_is_read_twice_has_two_matrices() -> None:
    text = (
        DATA
        + conv("c1", dict.fromkeys("ab", "data"), channels=3, filters=1)
        + section("out", type="fc", outputs=5, inputs="c1b,c1a,c1a", initW="0.1,0.1,0.1", gpu=0)
        + SOFTMAX
    )
    found = imported({"net.cfg": text}, (3, 5, 5))
    assert found.line("out_inputs") == "out_inputs: concat c1b c1a c1a"
    assert found.graph().parameters == 2 * (27 + 1) + 5 * 27 + 5


# -- random maps


def test_groups_that_read_random_maps() -> None:
    text = (
        DATA
        + conv("c1", dict.fromkeys("ab", "data"), channels=3, filters=8)
        + conv("c2", {"a": "c1a", "b": "c1b"}, channels=8, filters=4, groups=2, randSparse=1)
        + conv("c3", dict.fromkeys("ab", "c2a,c2b"), channels="8,8", filters="4,4", groups="2,2", randSparse="1,1")
        + section("out", type="fc", outputs=5, inputs="c3a,c3b", initW="0.1,0.1", gpu=1)
        + SOFTMAX
    )
    found = imported({"net.cfg": text}, (3, 9, 9))
    assert found.line("c2") == "c2: conv 16 shuffles=1 kernel=3 groups=2 reads=tower"
    assert found.line("c3") == "c3: conv 16 shuffles=1 kernel=3 groups=2 reads=all"
    network, _, image, made = run(found, 9)
    own, every = network.c2.order.view(2, 8), network.c3.order.view(2, 2, 2, 4)  # tower, group, tower read, maps
    assert [sorted(tower.tolist()) for tower in own] == [list(range(8)), list(range(8, 16))]
    for tower in every:
        assert sorted(tower.flatten().tolist()) == list(range(16))
        assert all(
            set(maps.tolist()) < set(range(8 * read, 8 * read + 8)) for g in tower for read, maps in enumerate(g)
        )
    assert not torch.equal(own[0], own[0].sort().values)
    x = network.c1(image)
    for layer in (network.c2, network.c3):
        groups = layer.order.view(4, -1)
        pairs = zip(groups, layer.weight.chunk(4), layer.bias.chunk(4), strict=True)
        x = torch.cat([F.conv2d(x[:, maps], weight, bias) for maps, weight, bias in pairs], 1)
    same(made, F.linear(x.flatten(1), network.out.weight, network.out.bias))


def test_a_map_can_be_read_by_several_groups() -> None:
    text = DATA + conv("c", {"": "data"}, channels=3, filters=8) + conv(
        "d", {"": "c"}, channels=8, filters=3, groups=4, randSparse="true", filterChannels=4
    )  # fmt: skip
    found = imported({"net.cfg": text}, (3, 7, 7))
    assert found.line("d") == "d: conv 12 shuffles=2 kernel=3 groups=4"
    network, graph, _, _ = run(found, 7)
    assert graph.nodes[-1].weights is not None
    assert graph.nodes[-1].weights.shape == (12, 4, 3, 3)
    assert [sorted(each.tolist()) for each in network.d.order.view(2, 8)] == [list(range(8))] * 2


def test_the_order_of_random_maps_is_a_function_of_the_seed_and_is_kept() -> None:
    text = DATA + conv("c", {"": "data"}, channels=3, filters=8) + conv(
        "d", {"": "c"}, channels=8, groups=2, randSparse=1
    )  # fmt: skip
    graph = imported({"net.cfg": text}, (3, 7, 7)).graph()
    one, other = (network_of(graph, "cpu").eval() for _ in range(2))
    one.reset_parameters(seed=3)  # type: ignore[operator]
    other.reset_parameters(seed=3)  # type: ignore[operator]
    assert torch.equal(one.state_dict()["d.order"], other.state_dict()["d.order"])
    other.reset_parameters(seed=4)  # type: ignore[operator]
    assert not torch.equal(one.state_dict()["d.order"], other.state_dict()["d.order"])


def test_the_scale_of_a_normalisation_can_stand_in_the_layer_file() -> None:
    text = DATA + section("n", type="rnorm", inputs="data", channels=3, sizeX=3, scale=0.9, pow=0.75)
    found = imported({"net.cfg": text}, (3, 7, 7))
    assert found.line("n") == "n: lrn 3 k=1 alpha=0.9 beta=0.75 norm=mean within=map"


# -- the same features in other combinations


def column(name: str, reads: str, letters: str = "ab", **said: object) -> str:
    """A layer with a copy on each GPU; `@` stands for the letter of a copy."""
    return on_gpus(name, dict.fromkeys(letters, reads), **said)


def columns_of(found: Imported) -> int:
    """The number of towers, or 1; the network runs forward and backward."""
    network = network_of(found.graph(), "cpu").train()
    network(torch.randn(2, 3, 23, 23)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert sum(parameter.numel() for parameter in network.parameters()) == found.graph().parameters
    return int(found.graph().net.towers)


HEAD = section("probs", type="softmax", inputs="out", gpu=0)


def test_four_columns_can_read_two_layers_by_turns() -> None:
    text = DATA + section("mirrored", type="href", inputs="data", channels=3, gpu=1)
    reads = {"a": "data", "b": "mirrored", "c": "data", "d": "mirrored"}
    text += conv("c", reads, channels=3) + section("out", type="fc", inputs="ca,cb,cc,cd", outputs=5, initW=0.1, gpu=0)
    found = imported({"net.cfg": text + HEAD}, (3, 23, 23))
    assert found.line("c_inputs") == "c_inputs: concat input mirrored input mirrored"
    assert "conv 16 kernel=3 groups=4" in found.line("c")
    assert columns_of(found) == 1


def test_columns_can_be_joined_in_any_order_for_random_weights() -> None:
    text = DATA + column("c", "data", type="conv", filters=4, filterSize=3, initW=0.1, channels=3)
    text += column("f", "c@", type="fc", outputs=3, initW=0.1) + section("all", type="concat", inputs="fb,fa")
    last = section("out", type="fc", inputs="all", outputs=5, initW=0.1, gpu=0)
    assert columns_of(imported({"net.cfg": text + last + HEAD}, (3, 23, 23))) == 2
    placed = last.replace("initW=0.1", "initW=0.1\ninitWFunc=w.make(out)")
    assert columns_of(imported({"net.cfg": text + placed + HEAD}, (3, 23, 23))) == 1


def test_a_random_convolution_reads_a_branch_and_its_pair_of_four() -> None:
    text = DATA + section("low", type="blur", inputs="data", channels=3, filterSize=3, stdev=2, gpu=0)
    text += section("few", type="nailbed", inputs="low", channels=3, stride=2)
    text += column(
        "c", "data", "abcd", type="conv", filters=4, filterSize=3, stride=2, initW=0.1, channels=3, padding=1
    )
    pairs = {letter: f"few,{'ca,cb' if letter in 'ab' else 'cc,cd'}" for letter in "abcd"}
    text += conv(
        "d",
        pairs,
        channels="3,4,4",
        filters="4,2,2",
        groups="1,2,2",
        randSparse="0,1,1",
        initW="0.1,0.1,0.1",
        filterSize="3,3,3",
        padding="1,1,1",
        stride="1,1,1",
    )
    text += column("e", "d@", "abcd", type="cnorm", channels=4, size=3, scale=0.5, pow=0.75)
    text += section("out", type="fc", inputs="ea,eb,ec,ed", outputs=5, initW="0.1,0.1,0.1,0.1", gpu=3)
    found = imported({"net.cfg": text + HEAD.replace("gpu=0", "gpu=3")}, (3, 23, 23))
    assert found.errors() == []
    assert columns_of(found) in (1, 4)


def test_columns_with_places_of_their_own() -> None:
    text = DATA + column("c", "data", type="conv", filters=4, filterSize=3, initW=0.1, channels=3, neuron="tanh[2,0.5]")
    text += column("d", "c@", type="conv", filters=4, filterSize=3, initW=0.1, channels=4, sharedBiases=0)
    text += column("l", "d@", type="local", filters=4, filterSize=3, initW=0.1, channels=4, neuron="brelu[3]")
    text += section("out", type="fc", inputs="la,lb", outputs=5, initW="0.1,0.1", gpu=0)
    found = imported({"net.cfg": text + HEAD}, (3, 23, 23))
    assert columns_of(found) == 2
    biases = {node.layer.name: node.bias_count for node in found.graph().nodes}
    assert biases["d"] == 8 * 19 * 19


def test_weights_and_biases_of_a_checkpoint_are_told_once() -> None:
    functions = {"initWFunc": "w.weights(c)", "initBFunc": "w.biases(c)"}
    found = imported({"net.cfg": DATA + conv("c", {"": "data"}, channels=3, **functions)}, (3, 7, 7))
    warnings = [headline for _, _, headline in found.said()]
    assert warnings == ["the weights and biases of `c` start from the values of a Python function"]
    assert "# In cuda-convnet, the weights and biases start from w.weights(c) and w.biases(c)." in found.text


# -- class trees


def test_a_layer_over_a_class_tree_has_the_classes_of_its_name() -> None:
    columns = conv("c", {"a": "data", "b": "data"}, channels=3)
    head = section("all", type="concat", inputs="ca,cb") + section("fc12", type="treefc", inputs="all", initW=0.5)
    text = DATA + columns + head + section("probs", type="softmax", inputs="fc12", gpu=0)
    parameters = rates("ca") + rates("cb") + rates("fc12", epsW=0.02)
    found = imported({"net.cfg": text, "params.cfg": parameters}, (3, 7, 7))
    assert found.line("fc12").startswith("fc12: tree_linear 12 weight=normal(0, 0.5) ")
    assert "the class tree of `fc12` is not in the files" in [headline for _, _, headline in found.said()]
    (node,) = [node for node in found.graph().nodes if node.layer.name == "fc12"]
    assert (node.weight_count, node.bias_count) == (12 * 8 * 5 * 5, 12)


# -- losses over vectors of labels


def for_labels(cost: str, neuron: str = "logistic", coeff: float = 1) -> Imported:
    """A network with a loss over a vector of labels; `sum2` reads the difference from the labels."""
    end = section("units", type="fc", outputs=7, inputs="c", initW=0.1, neuron=neuron)
    if cost == "sum2":
        end += section("gap", type="eltsum", inputs="labels,units", coeffs="1,-1")
    end += section("cost", type=f"cost.{cost}", inputs="gap" if cost == "sum2" else "labels,units")
    text = DATA + conv("c", {"": "data"}, channels=3) + end
    parameters = rates("c") + rates("units") + section("cost", coeff=coeff, topk=5)
    return imported({"net.cfg": text, "params.cfg": parameters}, (3, 7, 7))


@pytest.mark.parametrize(
    ("cost", "loss"),
    [
        ("crossent2", "binary_cross_entropy"),
        ("bce", "binary_cross_entropy"),
        ("rflickr", "log_square"),
        ("sum2", "square"),
    ],
)
def test_a_loss_over_a_vector_of_labels_is_the_loss_of_the_recipe(cost: str, loss: str) -> None:
    found = for_labels(cost)
    assert found.line("units").endswith(" -> sigmoid")
    recipe = found.graph().net.recipe
    assert recipe is not None
    assert recipe.loss.keyword == loss
    assert len(found.graph().without_loss()) == (2 if loss == "binary_cross_entropy" else 3)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (lambda: for_labels("crossent2", neuron="ident"), "`units` does not have logistic neurons"),
        (lambda: for_labels("rflickr", coeff=2), "it has a factor, `coeff`"),
    ],
)
def test_a_loss_that_a_recipe_cannot_express_leaves_the_recipe_out(found: Callable[[], Imported], reason: str) -> None:
    network = found()
    assert network.graph().net.recipe is None
    assert f"a recipe cannot express the loss `cost`: {reason}" in [headline for _, _, headline in network.said()]


def test_factors_of_a_sum_stand_in_the_layer_file_too() -> None:
    text = DATA + conv("c", {"": "data"}, channels=3) + conv("d", {"": "data"}, channels=3)
    found = imported({"net.cfg": text + section("sum", type="eltsum", inputs="c,d", coeffs="1,0.5")}, (3, 7, 7))
    (error,) = found.errors()
    assert error[2] == "`sum` multiplies its inputs by factors before it adds them"


# -- the parameter files


def rates(name: str, **said: object) -> str:
    return section(name, **{"epsW": 0.01, "epsB": 0.02, "momW": 0.9, "momB": 0.9, "wc": 0.0005, **said})


def with_rates(**said: object) -> Imported:
    text = DATA + conv("c", {"": "data"}, channels=3) + section("out", type="fc", outputs=5, inputs="c", initW=0.1)
    parameters = rates("c", **said) + rates("out", **said)
    return imported({"net.cfg": text + SOFTMAX, "params.cfg": parameters}, (3, 7, 7))


@pytest.mark.parametrize(
    ("written", "schedule"),
    [
        ("linear[1000]", "linear divide=1000"),
        ("exp[tgtFactor=1000,noiseStdev=0]", "exponential divide=1000"),
        ("dexp[tgtFactor=250,noiseStdev=0,numSteps=4]", "discrete_exponential divide=250 steps=4"),
        ("dexp[250,0,4]", "discrete_exponential divide=250 steps=4"),
        ("dexp[500,4]", "discrete_exponential divide=500 steps=4"),
        ("jdexp[1000,4]", "discrete_exponential divide=1000 steps=4 jumps=yes"),
        ("default", "constant"),
    ],
)
def test_schedules_in_every_spelling(written: str, schedule: str) -> None:
    both = with_rates(sched=written)
    apart = with_rates(schedW=written, schedB=written)
    for found in (both, apart):
        assert found.said() == []
        assert f"schedule {schedule}" in " ".join(found.text.split())


def recipe_of(found: Imported) -> dict[str, str]:
    recipe = found.graph().net.recipe
    assert recipe is not None
    return recipe_texts(recipe)


@pytest.mark.parametrize(
    ("said", "weights", "biases"),
    [
        (
            {"schedW": "dexp[250,0,4]", "schedB": "dexp[10,2]"},
            "discrete_exponential divide=250 steps=4",
            "discrete_exponential divide=10 steps=2",
        ),
        ({"schedW": "linear[1000]"}, "linear divide=1000", "constant"),
        ({"schedB": "exp[10]"}, "constant", "exponential divide=10"),
        ({"sched": "exp[10]", "schedB": "jdexp[9,3]"}, "exponential divide=10",
         "discrete_exponential divide=9 steps=3 jumps=yes"),
        ({"schedW": "linear[1,1]"}, "constant noise=1", "constant"),
        ({"sched": "exp[tgtFactor=8,noiseStdev=0.5]"}, "exponential divide=8 noise=0.5", ""),
        ({"sched": "dexp[1,0.25,4]", "schedB": "linear[1,0.25]"}, "constant noise=0.25", ""),
    ],
)  # fmt: skip
def test_weights_and_biases_have_schedules_and_noise_of_their_own(
    said: dict[str, object], weights: str, biases: str
) -> None:
    found = with_rates(**said)
    assert found.said() == []
    texts = recipe_of(found)
    assert (texts["schedule"], texts["bias_schedule"]) == (weights, biases)


def test_a_layer_with_another_schedule_is_a_comment() -> None:
    sections = [rates("c", schedB="exp[10]"), rates("out", schedB="exp[10]"), rates("d", schedB="exp[20]")]
    text = DATA + conv("c", {"": "data"}, channels=3) + conv("d", {"": "c"}, channels=4)
    text += section("out", type="fc", outputs=5, inputs="d", initW=0.1) + SOFTMAX
    found = imported({"net.cfg": text, "params.cfg": "".join(sections)}, (3, 7, 7))
    assert recipe_of(found)["bias_schedule"] == "exponential divide=10"
    said = "`epsB` of 1 layers has another schedule than the recipe: exp[tgtFactor=20]"
    assert [headline for _, _, headline in found.said()] == [said]
    assert "# In cuda-convnet, the schedule of the biases of d is exp[tgtFactor=20]." in found.text


@pytest.mark.parametrize("written", ["exp[]", "dexp[1,2,3,4]", "dexp[250,0,2.5]", "exp[-2]", "step[2]", "exp[a=2]"])
def test_schedules_that_no_file_has(written: str) -> None:
    assert {code for code, _, _ in with_rates(sched=written).errors()} == {"E0904"}


def rounded(*parameters: str) -> Imported:
    """Two columns: d reads both of c, and out both of d."""
    text = DATA + conv("c", dict.fromkeys("ab", "data"), channels=3)
    text += conv("d", dict.fromkeys("ab", "ca,cb"), channels="4,4", filters="4,4")
    text += section("out", type="fc", outputs=5, inputs="da,db", initW="0.1,0.1", gpu=1) + SOFTMAX
    return imported({"net.cfg": text, "params.cfg": "".join(parameters)}, (3, 9, 9))


def of_half(name: str, **said: object) -> str:
    two = {} if name.startswith("c") else {"epsW": "0.01,0.01", "momW": "0.9,0.9", "wc": "0,0"}
    return rates(name, **two, **said)


BOTH_HALF = {"quantF": "half", "quantB": "half"}


def test_what_travels_between_gpus_is_rounded() -> None:
    all_of_it = (of_half(name, **BOTH_HALF) for name in ("ca", "cb", "da", "db"))
    found = rounded(*all_of_it, of_half("out"))
    assert found.said() == []
    assert found.graph().net.placements[0].half
    assert "  send  half\n" in found.text
    plain = rounded(*(of_half(name, quantF="none") for name in ("ca", "cb", "da", "db")), of_half("out"))
    assert plain.said() == []
    assert not plain.graph().net.placements[0].half


@pytest.mark.parametrize(
    ("of_d", "missing"), [({"quantF": "half"}, "`da` travels too, without `quantB=half`"), ({}, "`quantF=half`")]
)
def test_what_is_rounded_in_part_is_told(of_d: dict[str, object], missing: str) -> None:
    parts = (of_half(name, **BOTH_HALF) for name in ("ca", "cb"))
    found = rounded(*parts, *(of_half(name, **of_d) for name in ("da", "db")), of_half("out"))
    assert [headline for _, _, headline in found.said()] == [
        "`quantF` of `ca` rounds a part of what travels between GPUs, which has no counterpart"
    ]
    assert missing in found.findings[0].help
    assert not found.graph().net.placements[0].half
    assert {code for code, _, _ in rounded(of_half("ca", quantF="int8"), of_half("out")).errors()} == {"E0904"}


def test_the_end_of_a_run_is_told_once() -> None:
    found = with_rates(epsW=0.00001)
    (said,) = [headline for _, _, headline in found.said()]
    assert said == (
        "the file records the end of a run: the weights of c and out are random and have a rate of 1e-05 or less"
    )
    assert "# The file records the end of a run: the weights of c and out are random" in found.text


def test_bounds_on_the_norms_of_kernels() -> None:
    """`wball` and `wcNormMin/Max` are for the norm divided by the number of weights: 27, 36 and 100 here."""
    text = DATA + conv("c", {"": "data"}, channels=3) + conv("d", {"": "c"}, channels=4)
    text += section("out", type="fc", outputs=5, inputs="d", initW=0.1)
    parameters = [rates("c", wball=0.01), rates("d", wcNormMin=0.001, wcNormMax=0.002), rates("out", wball=0.05)]
    found = imported({"net.cfg": text + SOFTMAX, "params.cfg": "".join(parameters)}, (3, 9, 9))
    assert found.said() == []
    assert " max_norm=0.27" in found.line("c")
    assert " min_norm=0.036 max_norm=0.072 norm_about=mean" in found.line("d")
    assert " max_norm=5" in found.line("out")


def test_bounds_of_several_inputs() -> None:
    text = DATA + conv("c", {"": "data"}, channels=3) + conv("d", {"": "data"}, channels=3)
    text += conv("e", {"": "c,d"}, channels="4,4", filters="4,4", filterSize="3,3", initW="0.1,0.1")
    text += section("out", type="fc", outputs=5, inputs="e", initW=0.1) + SOFTMAX
    two = {"epsW": "0.01,0.01", "momW": "0.9,0.9", "wc": "0,0"}

    def read(**said: object) -> Imported:
        parameters = rates("c") + rates("d") + rates("e", **two, **said) + rates("out")
        return imported({"net.cfg": text, "params.cfg": parameters}, (3, 9, 9))

    first = read(wcNormMin="0.001,0", wcNormMax="0.002,0")
    assert " min_norm=0.036 max_norm=0.072 norm_about=mean" in first.line("e_1")
    assert "norm" not in first.line("e_2")
    both = read(wball="0.01,0.01")  # each matrix has its own bound, so they are not joined
    assert " max_norm=0.36" in both.line("e_1")
    assert " max_norm=0.36" in both.line("e_2")


def test_a_bound_on_the_parts_of_several_gpus_is_told() -> None:
    text = DATA + conv("c", dict.fromkeys("ab", "data"), channels=3)
    text += conv("d", dict.fromkeys("ab", "ca,cb"), channels="4,4", filters="4,4")
    text += section("out", type="fc", outputs=5, inputs="da,db", initW="0.1,0.1", gpu=1) + SOFTMAX
    two = {"epsW": "0.01,0.01", "momW": "0.9,0.9", "wc": "0,0"}
    parameters = "".join(rates(name) for name in ("ca", "cb")) + rates("out", **two)
    parameters += "".join(rates(name, **two, wball="0.01,0.01") for name in ("da", "db"))
    found = imported({"net.cfg": text, "params.cfg": parameters}, (3, 9, 9))
    assert [headline for _, _, headline in found.said()] == [
        "`wball` of `da` bounds the parts of a kernel that read different GPUs separately, which has no counterpart"
    ]


def chain_with_rates(*layers: tuple[str, dict[str, object]]) -> tuple[str, str]:
    """The two files of layers a, b, … with these rates."""
    names = [name for name, _ in layers]
    text = DATA + conv(names[0], {"": "data"}, channels=3)
    for before, (name, said) in zip(names, layers[1:], strict=False):
        text += conv(name, {"": before}, channels=4, **{key: said[key] for key in said if key == "initWFunc"})
    text += section("out", type="fc", outputs=5, inputs=names[-1], initW=0.1) + SOFTMAX
    return text, "".join(rates(name, **said) for name, said in layers) + rates("out", **layers[-1][1])


def from_start(*layers: tuple[str, dict[str, object]]) -> Imported:
    text, parameters = chain_with_rates(*layers)
    sources = [Source("net.cfg", text), Source("params.cfg", parameters)]
    written = import_sources(sources, Assumptions(input=Shape((3, 9, 9)), from_start=True))
    return Imported(written.text or "", written.findings)


@pytest.mark.parametrize(
    ("first", "others", "rate", "biases", "assumed"),
    [
        # The last state of conv1 in 2013: the others have their first rates.
        ({"epsW": 0, "epsB": 0}, {"epsW": 0.01, "epsB": 0.02}, 0.01, 0.02,
         "a begins with a rate of 0.01, the largest rate of weights in the file, and with 0.02 for biases."),
        # The last state of 2012: only the biases have their first rates.
        ({"epsW": 0, "epsB": 0}, {"epsW": 0.00001, "epsB": 0.02}, 0.01, 0.02,
         "a, b and out begin with a rate of 0.01, half the largest rate of biases in the file, and with 0.02 for"),
        ({"epsW": 0, "epsB": 0}, {"epsW": 0.00008, "epsB": 0.02}, 0.01, 0.02, "a, b and out begin with a rate of 0.01"),
        ({"epsW": 0, "epsB": 0.001}, {"epsW": 0.01, "epsB": 0.001}, 0.01, 0.001, "a begins with a rate of 0.01, the"),
        ({"epsW": 0, "epsB": 0}, {"epsW": 0.00001, "epsB": 0.00001}, 0.01, 0.02, "0.01, the usual one of the author"),
    ],
)  # fmt: skip
def test_the_rates_of_a_beginning(
    first: dict[str, object], others: dict[str, object], rate: float, biases: float, assumed: str
) -> None:
    found = from_start(("a", first), ("b", others))
    assert found.said() == []
    comment = " ".join(line[2:] for line in found.text.splitlines() if line.startswith("# "))
    assert f"Assumed: {assumed}" in comment or assumed in comment
    assert "The file records the end of a run, with a rate of 1e-05 or less." in comment
    graph = found.graph()
    assert graph.net.recipe is not None
    lr = graph.net.recipe.optimizer.lr
    kinds = [node.layer.kind for node in graph.nodes if isinstance(node.layer.kind, Trained)]
    assert [kind.weight_rate * lr for kind in kinds] == pytest.approx([rate] * 3)
    assert [kind.bias_rate * lr for kind in kinds] == pytest.approx([biases] * 3)


def test_python_assumes_the_rates_of_a_beginning_only_if_asked(tmp_path: Path) -> None:
    files = [tmp_path / "net.cfg", tmp_path / "params.cfg"]
    for file, text in zip(files, chain_with_rates(("a", {"epsW": 0})), strict=True):
        file.write_text(text)
    rates = []
    for asked in (False, True):
        recipe = Net.from_file(*files, input="3x9x9", from_start=asked).graph.net.recipe
        assert recipe is not None
        rates.append(recipe.optimizer.lr)
    assert rates == [0.02, 0.01]  # without it, that of the biases


def test_rates_of_a_beginning_stay_as_they_are() -> None:
    found = from_start(("a", {"epsW": 0.001, "epsB": 0.002}), ("b", {"epsW": 0.01, "epsB": 0.02}))
    assert "Assumed" not in found.text
    assert found.said() == []
    kinds = [node.layer.kind for node in found.graph().nodes if isinstance(node.layer.kind, Trained)]
    assert [kind.weight_rate for kind in kinds] == [0.1, 1, 1]


# -- the files themselves

TOTALS = {
    "145 145": 60_965_224, "145 145-2010": 60_965_224, "145-half 145-half": 59_798_312, "147 147": 60_965_224,
    "148 148": 60_965_224, "150 150": 60_714_408, "153 153": 60_965_224, "153 170-quant": 60_965_224,
    "99 99": 60_870_376, "120 120": 60_870_376, "126 126-2012-full": 60_870_376, "134 134": 60_870_376,
    "135 136": 60_870_376, "131-2009 131-2009": 98_497_224, "141 141": 61_460_456,
    "141-2009-2012 141-2009": 61_460_456, "146-2012-2011 146-2012-2011": 61_555_304, "146-2011 146-2011": 110_605_267,
    "117 117": 84_490_600, "116 116": 100_858_344, "120-4gpu 120-4gpu": 99_749_352, "130 130": 62_666_984,
    "153-4gpu 170-4gpu": 116_262_856, "183-4gpu 183-4gpu": 118_260_936,
}  # fmt: skip


@files_only
@pytest.mark.slow
@pytest.mark.parametrize("pair", TOTALS)
def test_the_files_have_the_parameters_that_were_counted(pair: str) -> None:
    layers, parameters = pair.split()
    names = (f"layers-{layers}.cfg", f"layer-params-{parameters}.cfg")
    found = imported({name: (FILES / "layers" / name).read_text() for name in names}, (3, 224, 224))
    assert found.errors() == []
    assert found.graph().parameters == TOTALS[pair]
    assert "conv1b:" not in found.text  # the columns are towers
