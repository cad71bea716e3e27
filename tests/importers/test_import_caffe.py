"""Caffe's nets and solvers as specs: counts, values, recipes, and what is said about what has no counterpart.

When a spec or a message is bettered: run `python -m tests.importers.test_import_caffe` and read the change.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from alexc.compiler.graph.graph import Graph, Node
from alexc.compiler.layers.kind import Shape
from alexc.compiler.net.spec_text import recipe_texts, step_text
from alexc.compiler.pipeline import check_text
from alexc.compiler.text.diagnostics import TITLES, render_all
from alexc.compiler.text.source import Source
from alexc.compiler.tree.format import format_spec
from alexc.importers.foreign.network import Assumptions
from alexc.importers.foreign.spec_writer import ImportResult
from alexc.importers.pipeline import import_sources
from tests.conftest import ROOT, Alexc
from tests.support import caffe_oracle
from tests.support.compiled import network_of

FOLDER = ROOT / "tests" / "importers" / "files" / "caffe"
BROKEN = sorted((FOLDER / "broken").glob("*.prototxt"))
FILES_SAY_IT = Assumptions()
CIFAR = Assumptions(50_000, Shape((3, 32, 32)))

# The spec that each of these comes to lies beside them, under the name of the first.
IMPORTED: dict[str, tuple[Sequence[str], Assumptions]] = {
    "alexnet_train": (["alexnet_train", "alexnet_solver"], Assumptions()),
    "alexnet_v1": (["alexnet_v1"], Assumptions()),
    "cifar_quick_train": (["cifar_quick_train", "cifar_quick_deploy", "cifar_quick_solver"], Assumptions(50_000)),
    "cifar_quick_deploy": (["cifar_quick_deploy"], Assumptions()),
    "cifar_full_train": (["cifar_full_train"], CIFAR),
    "inception_train": (["inception_train", "inception_solver"], Assumptions()),
    "residual_deploy": (["residual_deploy"], Assumptions()),
}


def written(*names: str, assumed: Assumptions = FILES_SAY_IT) -> ImportResult:
    paths = [FOLDER / f"{name}.prototxt" for name in names]
    return import_sources([Source(path.name, path.read_text(encoding="utf-8")) for path in paths], assumed)


def imported(text: str, solver: str = "", assumed: Assumptions = FILES_SAY_IT) -> tuple[Graph, ImportResult]:
    """The graph of a net that is written out here."""
    sources = [Source("net.prototxt", text), *([Source("solver.prototxt", solver)] if solver else [])]
    result = import_sources(sources, assumed)
    assert result.text is not None, [each.headline for each in result.findings]
    return graph_of(result.text), result


def graph_of(text: str) -> Graph:
    graph = check_text(text, "imported.net").graph
    assert graph is not None
    return graph


def net(*layers: str, size: str = "1 3 32 32") -> str:
    """A net for use whose layers each read the one before; a layer is its type and its further fields."""
    sizes = " ".join(f"input_dim: {each}" for each in size.split())
    lines = ['name: "Net"', f'input: "data" {sizes}']
    before = "data"
    for number, layer in enumerate(layers, 1):
        type_, _, fields = layer.partition(" ")
        lines.append(f'layer {{ name: "l{number}" type: "{type_}" bottom: "{before}" top: "b{number}" {fields} }}')
        before = f"b{number}"
    return "\n".join(lines)


def kinds_of(graph: Graph) -> list[str]:
    return [step_text(node.layer.kind) for node in graph.nodes]


def node_of(graph: Graph, name: str) -> Node:
    return next(node for node in graph.nodes if node.layer.name == name)


@pytest.mark.parametrize("name", IMPORTED)
def test_the_spec_is_the_one_that_was_read_over(name: str) -> None:
    files, assumed = IMPORTED[name]
    text = written(*files, assumed=assumed).text
    assert text == (FOLDER / f"{name}.net").read_text(encoding="utf-8")
    assert text is not None
    assert format_spec(Source("imported.net", text)) == (text, [])


@pytest.mark.parametrize(
    ("name", "parameters", "neurons", "multiply_adds"),
    [
        ("alexnet_train", 60_965_224, 659_272, 724_406_816),
        ("alexnet_v1", 60_965_224, 659_272, 724_406_816),
        ("cifar_quick_train", 145_578, None, None),
        ("cifar_quick_deploy", 145_578, None, None),
        ("cifar_full_train", 89_578, None, None),
    ],
)
def test_the_published_counts(name: str, parameters: int, neurons: int | None, multiply_adds: int | None) -> None:
    graph = graph_of((FOLDER / f"{name}.net").read_text(encoding="utf-8"))
    assert graph.parameters == parameters
    assert neurons in (None, graph.neurons)
    assert multiply_adds in (None, graph.multiply_adds)


def test_the_old_form_is_the_same_network() -> None:
    new, old = written("alexnet_train", "alexnet_solver").text, written("alexnet_v1").text
    assert new is not None
    assert old is not None
    assert kinds_of(graph_of(new)) == kinds_of(graph_of(old))


# The traps, each with its numbers.


@pytest.mark.parametrize(("size", "made"), [(32, 16), (33, 16), (34, 17), (8, 4), (7, 3)])
def test_pooling_rounds_up(size: int, made: int) -> None:
    layers = ["Pooling pooling_param { pool: MAX kernel_size: 3 stride: 2 }"]
    graph, _ = imported(net(*layers, size=f"1 3 {size} {size}"))
    assert graph.nodes[0].output.sizes == (3, made, made)
    assert made == caffe_oracle.pooled_size(size, 3, 2, 0)


@pytest.mark.parametrize(("size", "window", "stride", "pad"), [(4, 2, 2, 1), (5, 3, 3, 1), (6, 3, 2, 1), (7, 3, 2, 1)])
@pytest.mark.parametrize("how", ["MAX", "AVE"])
def test_pooled_values_are_caffes(size: int, window: int, stride: int, pad: int, how: str) -> None:
    """A last window that starts in the padding is left out; a mean counts the zeros of the padding."""
    fields = f"pool: {how} kernel_size: {window} stride: {stride} pad: {pad}"
    graph, _ = imported(net(f"Pooling pooling_param {{ {fields} }}", size=f"1 2 {size} {size}"))
    maps = np.random.default_rng(size).normal(size=(2, size, size))
    expected = caffe_oracle.pooled(maps, window, stride, pad, how == "AVE")
    np.testing.assert_allclose(run(graph, maps), expected, rtol=1e-12)


def test_a_last_window_in_the_padding_is_clipped() -> None:
    graph, _ = imported(net("Pooling pooling_param { kernel_size: 2 stride: 2 pad: 1 }", size="1 1 5 5"))
    assert graph.nodes[0].output.sizes == (1, 3, 3)  # rounded up only it were 4: windows at -1, 1, 3, 5


def test_a_window_that_reads_nothing_is_an_error() -> None:
    text = net("Pooling pooling_param { kernel_size: 1 stride: 3 }", size="1 1 5 5")
    (finding,) = import_sources([Source("net.prototxt", text)], Assumptions()).findings
    assert (finding.code, finding.span.line_and_column) == ("E0903", (3, 20))
    assert "maps of 3x3 here" in finding.headline
    assert "alexc 2x2" in finding.headline


def test_convolution_rounds_down() -> None:
    graph, _ = imported(
        net("Convolution convolution_param { num_output: 4 kernel_size: 11 stride: 4 }", size="1 3 224 224")
    )
    assert graph.nodes[0].output.sizes == (4, 54, 54)


def test_kernels_are_counted_in_all_groups() -> None:
    graph, _ = imported(net("Convolution convolution_param { num_output: 8 kernel_size: 3 group: 2 }", size="1 4 9 9"))
    assert graph.nodes[0].output.channels == 8
    assert graph.parameters == 8 * 2 * 9 + 8


@pytest.mark.parametrize(
    "fields", ["kernel_h: 3 kernel_w: 5 pad_h: 0 pad_w: 2", "kernel_size: 3 kernel_size: 5 pad: 0 pad: 2"]
)
def test_height_stands_before_width(fields: str) -> None:
    graph, _ = imported(net(f"Convolution convolution_param {{ num_output: 2 {fields} stride: 1 }}"))
    assert graph.nodes[0].output.sizes == (2, 30, 32)


def test_pads_and_dilation() -> None:
    graph, _ = imported(
        net("Convolution convolution_param { num_output: 2 kernel_size: 3 pad: 2 dilation: 2 bias_term: false }")
    )
    assert graph.nodes[0].output.sizes == (2, 32, 32)
    assert graph.parameters == 2 * 3 * 9


@pytest.mark.parametrize("region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
def test_normalised_values_are_caffes(region: str) -> None:
    """Alpha is divided by the number of neighbours; k is 1 where nothing is said, and always within a map."""
    k = "k: 2" if region == "ACROSS_CHANNELS" else ""
    graph, _ = imported(
        net(f"LRN lrn_param {{ local_size: 3 alpha: 0.5 beta: 0.75 norm_region: {region} {k} }}", size="1 4 5 5")
    )
    maps = np.random.default_rng(1).normal(size=(4, 5, 5))
    expected = caffe_oracle.normalised(maps, 3, 0.5, 0.75, 2.0, region == "WITHIN_CHANNEL")
    np.testing.assert_allclose(run(graph, maps), expected, rtol=1e-6)


def test_what_normalisation_takes_where_nothing_is_said() -> None:
    assert kinds_of(imported(net("LRN"))[0]) == ["lrn 5 k=1 alpha=1 beta=0.75 norm=mean"]


def test_batch_normalisation_and_its_scale_are_one_layer() -> None:
    graph, _ = imported(
        net(
            "BatchNorm batch_norm_param { eps: 0.001 moving_average_fraction: 0.9 }",
            "Scale scale_param { bias_term: true }",
            size="1 4 5 5",
        )
    )
    assert kinds_of(graph) == ["batchnorm eps=0.001"]  # a momentum of 0.1, which is the default here
    rng = np.random.default_rng(2)
    maps, (mean, weight, bias), variance = rng.normal(size=(4, 5, 5)), rng.normal(size=(3, 4)), rng.uniform(1, 2, 4)
    module = network_of(graph, "cpu").double().eval()
    (norm,) = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
    norm.load_state_dict(
        {
            "running_mean": torch.tensor(mean),
            "running_var": torch.tensor(variance),
            "weight": torch.tensor(weight),
            "bias": torch.tensor(bias),
        },
        strict=False,
    )
    expected = caffe_oracle.batch_normalised(maps, mean, variance, 0.001, weight, bias)
    np.testing.assert_allclose(module(torch.tensor(maps)[None])[0].detach().numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("layers", "kind"),
    [
        (["BatchNorm"], "batchnorm momentum=0.001 weight_rate=0 bias_rate=0"),
        (["BatchNorm", "Scale"], "batchnorm momentum=0.001 bias_rate=0"),
        (
            [
                "BatchNorm",
                "Scale param { lr_mult: 2 decay_mult: 0 } scale_param { bias_term: true filler { value: 3 } }",
            ],
            "batchnorm momentum=0.001 weight=3 weight_rate=2 weight_decay=0",
        ),
    ],
)
def test_what_a_batch_normalisation_trains(layers: Sequence[str], kind: str) -> None:
    assert kinds_of(imported(net(*layers))[0]) == [kind]


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        ("ReLU relu_param { negative_slope: 0.1 engine: CAFFE }", "leaky_relu 0.1"),
        ("TanH", "tanh"),
        ("Sigmoid", "sigmoid"),
        ("BNLL", "softplus"),
        ("ELU elu_param { alpha: 2 }", "elu 2"),
        ("Dropout", "dropout 0.5 scale=train"),
        ("Pooling pooling_param { pool: AVE global_pooling: true }", "global_avgpool"),
        ("Pooling pooling_param { global_pooling: true }", "global_maxpool"),
        ("Flatten", "flatten"),
        ("Reshape reshape_param { shape { dim: 0 dim: -1 } }", "flatten"),
        ("Reshape reshape_param { shape { dim: 0 dim: 3072 } }", "flatten"),
    ],
)
def test_kinds(layer: str, kind: str) -> None:
    assert kinds_of(imported(net(layer))[0]) == [kind]


def test_all_of_each_map_stays_maps_where_a_convolution_reads_it() -> None:
    layers = [
        "Pooling pooling_param { pool: %s global_pooling: true }",
        "ReLU",
        "Convolution convolution_param { num_output: 2 kernel_size: 1 }",
    ]
    mean, largest = ([layer.replace("%s", how) for layer in layers] for how in ("AVE", "MAX"))
    assert kinds_of(imported(net(*mean))[0])[0] == "adaptive_avgpool 1"
    assert kinds_of(imported(net(*largest))[0])[0] == "maxpool 32"


def test_a_softmax_of_maps_of_one_value() -> None:
    layers = ["Pooling pooling_param { pool: AVE kernel_size: 32 }", "Softmax"]
    assert kinds_of(imported(net(*layers))[0]) == ["avgpool 32 stride=1 round=ceil", "flatten", "softmax"]


def test_multipliers_and_fillers() -> None:
    fields = 'num_output: 2 weight_filler { %s } bias_filler { type: "constant" value: 0.5 }'
    rates = "param { lr_mult: 0 } param { lr_mult: 2 decay_mult: 0 }"
    fillers = {
        'type: "gaussian" std: 0.02': "normal(0, 0.02)",
        'type: "uniform" min: -0.5 max: 0.5': "uniform(-0.5, 0.5)",
        'type: "constant" value: 3': "constant(3)",
        'type: "xavier"': "lecun",  # even, with variance 1 / fan_in: what Caffe calls xavier
        'type: "msra"': "",  # kaiming, which is the default
    }
    for filler, distribution in fillers.items():
        graph, _ = imported(net(f"InnerProduct {rates} inner_product_param {{ {fields % filler} }}"))
        weight = f"weight={distribution} " if distribution else ""
        assert kinds_of(graph) == [f"linear 2 {weight}bias=0.5 weight_rate=0 bias_rate=2 bias_decay=0"]


def test_without_a_filler_weights_start_from_zero_if_the_file_says_initial_values() -> None:
    said = net(
        'InnerProduct inner_product_param { num_output: 4 weight_filler { type: "xavier" } }',
        "InnerProduct inner_product_param { num_output: 2 }",
    )
    head = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "b2" bottom: "label" top: "loss" }'
    graph, result = imported(said.replace('input: "data"', 'input: "data" input: "label"') + head)
    assert kinds_of(graph)[1] == "linear 2 weight=constant(0)"
    assert [(each.code, each.headline) for each in result.findings] == [
        ("W0902", "all weights of `l2` start from zero, as in Caffe: such a layer may never learn")
    ]
    for_use = net("InnerProduct inner_product_param { num_output: 2 }")
    graph, result = imported(for_use)
    assert kinds_of(graph) == ["linear 2"]
    assert result.text is not None
    assert "# The file is for deployment and has no initial values." in result.text


def test_the_further_head_has_its_share_and_the_main_one_ends_the_network() -> None:
    graph = graph_of((FOLDER / "inception_train.net").read_text(encoding="utf-8"))
    assert [(head.layer.name, head.layer.kind.share_of_loss) for head in graph.heads] == [
        ("loss3_classifier.softmax", 1.0),
        ("loss1_classifier.softmax", 0.3),
    ]


def test_a_main_head_that_comes_first_is_moved_to_the_end() -> None:
    text = net("Convolution convolution_param { num_output: 4 kernel_size: 3 }")
    text = text.replace('input: "data"', 'input: "data" input: "label"')
    for name, share in (("main", 1), ("aux", 0.3)):
        text += f"""
        layer {{
          name: "{name}" type: "InnerProduct" bottom: "b1" top: "{name}" inner_product_param {{ num_output: 3 }}
        }}
        layer {{ name: "{name}_loss" type: "SoftmaxWithLoss" bottom: "{name}" bottom: "label" loss_weight: {share} }}"""
    graph, _ = imported(text)
    assert [head.layer.name for head in graph.heads] == ["main.softmax", "aux.softmax"]


def test_blobs_that_are_changed_in_their_place() -> None:
    """What reads a blob gets what was made of it last, however many layers changed it."""
    text = net("Convolution convolution_param { num_output: 3 kernel_size: 3 pad: 1 }")
    text += """
    layer { name: "relu" type: "ReLU" bottom: "b1" top: "b1" }
    layer { name: "copies" type: "Split" bottom: "b1" top: "left" top: "right" }
    layer { name: "drop" type: "Dropout" bottom: "left" top: "left" }
    layer { name: "sum" type: "Eltwise" bottom: "left" bottom: "right" top: "sum" eltwise_param { operation: SUM } }
    """
    graph, _ = imported(text)
    inputs = {node.layer.name: node.layer.inputs for node in graph.nodes}
    assert inputs == {"l1": (None,), "l1.relu": ("l1",), "drop": ("l1.relu",), "drop.add": ("drop", "l1.relu")}


# Recipes.

MANY = [500 * number for number in range(3, 43)]
CONV = 'Convolution convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } }'


def trained(transform: str = "crop_size: 24 mirror: true", batch: int = 100) -> str:
    text = net(CONV, 'InnerProduct inner_product_param { num_output: 3 weight_filler { type: "msra" } }')
    data = f"""layer {{ name: "data" type: "Data" top: "data" top: "label"
      transform_param {{ {transform} }} data_param {{ batch_size: {batch} }} }}"""
    head = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "b2" bottom: "label" top: "loss" }'
    lines = text.splitlines()
    return "\n".join([lines[0], data, *lines[2:], head])


def recipe_of(solver: str, transform: str = "crop_size: 24 mirror: true") -> tuple[dict[str, str], ImportResult]:
    graph, result = imported(trained(transform), f"base_lr: 0.1 max_iter: 5000 {solver}", Assumptions(50_000))
    assert graph.net.recipe is not None
    return recipe_texts(graph.net.recipe), result


@pytest.mark.parametrize(
    ("solver", "schedule"),
    [
        ('lr_policy: "fixed"', "constant"),
        ('lr_policy: "step" gamma: 0.1 stepsize: 1000', "step every=2 divide=10"),
        ('lr_policy: "step" gamma: 0.5 stepsize: 1250', "step every=iterations(1250) divide=2"),  # 2.5 epochs
        ('lr_policy: "multistep" gamma: 0.1 stepvalue: 2000 stepvalue: 4000', "step every=4 divide=10"),
        (
            'lr_policy: "multistep" gamma: 0.5 stepvalue: 1250 stepvalue: 2500 stepvalue: 3750',
            "step every=iterations(1250) divide=2",
        ),
        ('lr_policy: "step" gamma: 0.1 stepsize: 1300', "step every=iterations(1300) divide=10"),
        (
            'lr_policy: "multistep" gamma: 0.1 stepvalue: 1200 stepvalue: 4500',
            "milestones at=iterations(1200, 4500) divide=10",
        ),
        (
            'lr_policy: "multistep" gamma: 0.1 stepvalue: 100 stepvalue: 200 stepvalue: 1600 stepvalue: 2500',
            "milestones at=iterations(100, 200, 1600, 2500) divide=10",
        ),
        (
            'lr_policy: "multistep" gamma: 0.1 stepvalue: 4500 stepvalue: 1000',  # one after the other
            "milestones at=iterations(4500, 4501) divide=10",
        ),
        ('lr_policy: "inv" gamma: 0.0001 power: 0.75', "inverse gamma=0.0001 power=0.75"),
        ('lr_policy: "step" gamma: 1 stepsize: 1000', "constant"),
        ('lr_policy: "step" gamma: 0.1 stepsize: 5000', "constant"),  # at the end, where no iteration is left
        ('lr_policy: "multistep" gamma: 0.1 stepvalue: 5000 stepvalue: 9000', "constant"),
        (
            'lr_policy: "multistep" gamma: 0.1 stepvalue: 1000 stepvalue: 4500 stepvalue: 9000',
            "milestones at=epochs(2, 9) divide=10",
        ),
        ('lr_policy: "exp" gamma: 0.96', "step every=iterations(1) divide=1.0416666666667"),  # 10^89 in all
        (
            'lr_policy: "multistep" gamma: 0.1 stepvalue: 1000 stepvalue: 4500',
            "milestones at=epochs(2, 9) divide=10",
        ),
        (  # the rate stays after the second, which `step` would divide again
            'lr_policy: "multistep" gamma: 0.1 stepvalue: 1000 stepvalue: 2000',
            "milestones at=epochs(2, 4) divide=10",
        ),
        ('lr_policy: "exp" gamma: 0.9999', "exponential divide=1.6487625"),
        ('lr_policy: "poly" power: 0.5', "polynomial power=0.5"),
    ],
)
def test_schedules_that_say_the_same(solver: str, schedule: str) -> None:
    texts, result = recipe_of(solver)
    assert (texts["schedule"], texts["epochs"], texts["batch"]) == (schedule, "10", "100")
    assert result.findings == ()


@pytest.mark.parametrize(
    ("solver", "schedule", "comment"),
    [
        (
            'lr_policy: "sigmoid" gamma: -0.001 stepsize: 2500',
            "constant",
            "in Caffe, sigmoid, gamma -0.001, stepsize 2500",
        ),
    ],
)
def test_schedules_that_lose_something(solver: str, schedule: str, comment: str) -> None:
    texts, result = recipe_of(solver)
    assert texts["schedule"] == schedule
    assert result.text is not None
    assert f"# {comment}" in result.text
    assert [each.code for each in result.findings] == ["W0901"]


def test_more_steps_than_a_recipe_may_have() -> None:
    """Forty divisions by 2 become as many as a recipe may have, which come to the same in all."""
    steps = " ".join(f"stepvalue: {500 * epoch}" for epoch in range(3, 43))
    texts, result = recipe_of(f'lr_policy: "multistep" gamma: 0.5 {steps} max_iter: 50000')
    assert [each.code for each in result.findings] == ["W0901"]
    first = ", ".join(map(str, range(3, 35)))
    assert texts["schedule"] == f"milestones at=epochs({first}) divide={2 ** (40 / 32):.9g}"


@pytest.mark.parametrize(
    ("solver", "optimizer", "codes"),
    [
        ("momentum: 0.9 weight_decay: 0.004", "sgd lr=0.1 momentum=0.9 weight_decay=0.004", []),
        ('type: "Nesterov" momentum: 0.9', "sgd lr=0.1 momentum=0.9 form=nesterov", []),
        ("solver_type: NESTEROV momentum: 0.9", "sgd lr=0.1 momentum=0.9 form=nesterov", []),
        ('type: "Adam" momentum: 0.9 momentum2: 0.99', "adam lr=0.1 beta2=0.99", []),
        ('type: "RMSProp" rms_decay: 0.98', "sgd lr=0.1", ["W0901"]),
        ('weight_decay: 0.1 regularization_type: "L1"', "sgd lr=0.1 weight_decay=0.1", ["W0901"]),
    ],
)
def test_optimizers(solver: str, optimizer: str, codes: Sequence[str]) -> None:
    texts, result = recipe_of(f'lr_policy: "fixed" {solver}')
    assert texts["optimizer"] == optimizer
    assert [each.code for each in result.findings] == codes


def test_batches_that_are_put_together_and_gradients_that_are_cut() -> None:
    texts, _ = recipe_of('lr_policy: "fixed" iter_size: 4 clip_gradients: 35')
    assert (texts["batch"], texts["epochs"], texts["gradients"]) == ("400", "40", "clip_norm 35")


@pytest.mark.parametrize(
    ("transform", "prepare", "augment", "codes"),
    [
        ('mirror: true mean_file: "m"', "subtract mean_image", "random_crop 24 -> mirror", []),
        (
            "mean_value: 104 mean_value: 117 mean_value: 123",
            "normalize mean=rgb(0.48235294, 0.45882353, 0.40784314) std=rgb(0.0039215686, 0.0039215686, 0.0039215686)",
            "random_crop 24",
            [],
        ),
        (
            "mean_value: 51",
            "normalize mean=rgb(0.2, 0.2, 0.2) std=rgb(0.0039215686, 0.0039215686, 0.0039215686)",
            "random_crop 24",
            [],
        ),
        (
            "scale: 0.00390625",
            "normalize mean=rgb(0, 0, 0) std=rgb(1.0039216, 1.0039216, 1.0039216)",
            "random_crop 24",
            [],
        ),
        (
            "scale: 0.017 mean_value: 102 mean_value: 51 mean_value: 0",
            "normalize mean=rgb(0, 0.2, 0.4) std=rgb(0.23068051, 0.23068051, 0.23068051)",
            "random_crop 24",
            [],
        ),
    ],
)
def test_what_is_done_to_images(transform: str, prepare: str, augment: str, codes: Sequence[str]) -> None:
    """Caffe's channel values are in the order blue, green, red; it subtracts before it scales."""
    texts, result = recipe_of('lr_policy: "fixed"', f"crop_size: 24 {transform}")
    assert texts["prepare"] == f"resize 32 -> center_crop 32 -> {prepare}"
    assert (texts["augment"], texts["test"]) == (augment, "center 24")
    assert [each.code for each in result.findings] == codes


def test_a_recipe_for_grey_images() -> None:
    text = trained("crop_size: 24 force_gray: true scale: 0.00390625 mean_value: 33")
    graph, result = imported(text, 'base_lr: 0.1 max_iter: 5000 lr_policy: "fixed"', Assumptions(50_000))
    assert graph.net.recipe is not None
    prepare = recipe_texts(graph.net.recipe)["prepare"]
    assert prepare == "resize 32 -> center_crop 32 -> normalize mean=0.12941176 std=1.0039216"
    assert str(graph.net.input) == "1x24x24"
    assert not result.findings


def test_a_recipe_for_images_that_are_no_squares() -> None:
    text = trained("mirror: true").replace('type: "Data"', 'type: "ImageData"')
    text = text.replace("data_param {", "image_data_param { new_height: 24 new_width: 40")
    graph, _ = imported(text, 'base_lr: 0.1 max_iter: 5000 lr_policy: "fixed"', Assumptions(50_000))
    assert graph.net.recipe is not None
    texts = recipe_texts(graph.net.recipe)
    assert (texts["prepare"], texts["test"]) == ("resize 24x40 -> center_crop 24x40", "center 24x40")


def test_a_recipe_for_images_that_alexc_cannot_show_is_a_comment() -> None:
    wide = trained("crop_size: 24").replace('"Data"', '"MemoryData"')
    wide = wide.replace(
        "data_param { batch_size: 100", "memory_data_param { batch_size: 100 channels: 5 height: 24 width: 24"
    )
    graph, result = imported(wide, 'base_lr: 0.1 max_iter: 5000 lr_policy: "fixed"', Assumptions(50_000))
    assert graph.net.recipe is None
    assert result.text is not None
    assert "# train {\n#   prepare resize 32" in result.text
    assert [each.code for each in result.findings] == ["W0901"]


# Findings.


def said(path: Path) -> str:
    source = Source(path.name, path.read_text(encoding="utf-8"))
    result = import_sources([source], Assumptions())
    assert (result.text is None) == any(each.severity == "error" for each in result.findings)
    return render_all(source, result.findings) + "\n"


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_messages(path: Path) -> None:
    assert said(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_every_code_has_a_message() -> None:
    shown = "".join(map(said, BROKEN))
    assert {code for code in TITLES if code[1:3] == "09"} == {code for code in TITLES if f"[{code}]" in shown}


def test_files_of_other_programs_and_of_none() -> None:
    good = Source("net.prototxt", net("ReLU"))
    (unknown,) = import_sources([good, Source("notes.md", "hello\n")], Assumptions()).findings
    assert (unknown.code, unknown.span.source.name) == ("E0906", "notes.md")
    assert unknown.headline.startswith("alexc cannot import this file; it imports Caffe's prototxt, darknet's cfg or")
    assert "such as train_val.prototxt" in unknown.help
    (spec,) = import_sources([Source("mine.net", "network Mine {\n}\n")], Assumptions()).findings
    assert (spec.code, spec.headline) == ("E0906", "this is already a spec of alexc")
    assert spec.help == "`alexc check`, `alexc summary` and `alexc compile` read it"
    (twice,) = import_sources([good, Source("other.prototxt", net("ReLU"))], Assumptions()).findings
    assert (twice.code, twice.span.source.name) == ("E0906", "other.prototxt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a { " * 40, "more than 32 deep"),
        ("layer { name: " + "x" * 5000 + " }", "more than 4,096 characters"),
        ('layer { name: "x }', "a string does not end on its line"),
        ("layer { name: \u202e }", "has no meaning"),
        ("layer }", "has no value"),
        ("}", "is unexpected here: expected a field name"),
        ("layer { pad: 1e999 }", "has no `type`"),
        ("layer " + "{ }" * 3, "is unexpected here: expected a field name"),
    ],
)
def test_hostile_files(text: str, words: str) -> None:
    source = Source("x.prototxt", text)
    findings = import_sources([source], CIFAR).findings
    shown = render_all(source, findings)
    assert words in shown
    assert shown.isprintable() or all(line.isprintable() for line in shown.splitlines())


def test_a_net_for_use_that_is_another_one() -> None:
    deploy = (FOLDER / "cifar_quick_deploy.prototxt").read_text(encoding="utf-8")
    train = (FOLDER / "cifar_quick_train.prototxt").read_text(encoding="utf-8")
    other = Source("deploy.prototxt", deploy.replace("num_output: 64", "num_output: 63", 1))
    findings = import_sources([other, Source("net.prototxt", train)], FILES_SAY_IT).findings
    (finding,) = [each for each in findings if each.severity == "error"]
    assert (finding.code, finding.headline) == ("E0906", "`conv3` differs from the layer in the net for training")


def test_a_logistic_loss_belongs_to_the_softmax_that_it_reads() -> None:
    text = net("InnerProduct inner_product_param { num_output: 3 }", "Softmax")
    text = text.replace('input: "data"', 'input: "data" input: "label"')
    loss = 'layers { name: "loss" type: MULTINOMIAL_LOGISTIC_LOSS bottom: "b2" bottom: "label" loss_weight: 0.5 }'
    old = text.replace("layer {", "layers {").replace('"InnerProduct"', "INNER_PRODUCT").replace('"Softmax"', "SOFTMAX")
    graph, result = imported(f"{old}\n{loss}")
    assert kinds_of(graph) == ["linear 3", "softmax share=0.5"]
    assert result.findings == ()


@pytest.mark.slow
def test_very_many_layers_take_time_in_proportion() -> None:
    layers = ["BatchNorm", "ReLU", "Pooling pooling_param { pool: AVE kernel_size: 1 }"] * 2000
    text = net(*layers)
    started = time.process_time()
    graph, _ = imported(re.sub('name: "l[0-9]+"', 'name: "same"', text))
    assert len(graph.nodes) == 6000
    assert time.process_time() - started < 60


@pytest.mark.slow
def test_deep_brackets_cost_no_recursion_and_long_files_little_time() -> None:
    source = Source("x.prototxt", "layer {\n" + 'bottom: "b"\n' * 50_000 + "}\n")
    assert {each.code for each in import_sources([source], CIFAR).findings} == {"E0902", "E0905"}


VALUES = ["-1", "0", "1e-40", "1e300", "0.1234567890123456789", "nan", "true", "MAX", '"x"', '"\\n#}"', "{ }", "[1, 2]"]


@pytest.mark.parametrize("seed", range(35))
def test_damaged_files_give_a_sound_spec_or_an_error(seed: int) -> None:
    """Lines lost, doubled and swapped, values changed: whatever comes of it, no spec that does not compile."""
    rng = random.Random(seed)
    files, assumed = list(IMPORTED.values())[seed % len(IMPORTED)]
    lines = (FOLDER / f"{files[0]}.prototxt").read_text(encoding="utf-8").splitlines()
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                del lines[place]
            case 1:
                lines.insert(place, rng.choice(lines))
            case 2:
                lines[place], lines[-1 - place] = lines[-1 - place], lines[place]
            case _:
                name, colon, rest = lines[place].partition(": ")
                lines[place] = f"{name}{colon}{rng.choice(VALUES)} {' '.join(rest.split()[1:])}"
    source = Source("damaged.prototxt", "\n".join(lines))
    result = import_sources([source], assumed)
    if result.text is None:
        assert any(each.severity == "error" for each in result.findings)
        assert render_all(source, result.findings)
    else:
        assert check_text(result.text, "imported.net").graph is not None


@pytest.mark.parametrize(
    "name", ["weights", "1x1", "conv", "input", "forward", "print", "a__b", "é", "x" * 200, "", "#\n}"]
)
def test_any_name_becomes_a_name(name: str) -> None:
    text = (
        net(CONV, CONV)
        .replace('"l1"', f'"{name}"'.replace("\n", "\\n"))
        .replace('"Net"', f'"{name}"'.replace("\n", "\\n"))
    )
    graph, result = imported(text)
    assert len(graph.nodes) == 2
    assert result.text is not None
    assert all(line.isprintable() for line in result.text.splitlines())


def test_a_size_that_is_not_that_of_the_file() -> None:
    findings = import_sources([Source("net.prototxt", net("ReLU"))], Assumptions(input=Shape((3, 24, 24)))).findings
    assert [(each.code, each.headline) for each in findings] == [("E0904", "the images are 3x32x32 here, not 3x24x24")]


def test_names_that_become_equal_stay_apart() -> None:
    text = net(CONV, CONV).replace('"l1"', '"a/b"').replace('"l2"', '"a_b"')
    assert [node.layer.name for node in imported(text)[0].nodes] == ["a_b", "a_b_2"]


# The command.


@pytest.mark.slow
def test_the_command(tmp_path: Path, alexc: Alexc) -> None:
    files = [FOLDER / "alexnet_train.prototxt", FOLDER / "alexnet_solver.prototxt"]
    expected = (FOLDER / "alexnet_train.net").read_text(encoding="utf-8")
    shown = alexc("import", *files)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, expected, "")

    kept = alexc("import", *files, "-o", "mine.net")
    assert (kept.returncode, kept.stdout) == (0, "mine.net  written\n")
    assert (tmp_path / "mine.net").read_text(encoding="utf-8") == expected
    assert alexc("compile", "mine.net").returncode == 0

    again = alexc("import", *files, "-o", "mine.net")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "error: mine.net: exists; move it away, or give another name with -o\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.prototxt"], "missing.prototxt: there is no such file; expected a .prototxt of Caffe"),
        ([FOLDER], "this is a folder; expected a .prototxt of Caffe"),
        (["caffenet.caffemodel"], "this file contains weights; give the files that describe the network"),
        (["x.prototxt", "-o", "x.txt"], "the name of a spec ends in `.net`"),
        (["x.prototxt", "--input", "3x32"], "must be channels x height x width"),
        (["x.prototxt", "--input", "0x32x32"], "must be channels x height x width"),
    ],
)
def test_the_commands_mistakes(arguments: Sequence[str | Path], words: str, alexc: Alexc) -> None:
    result = alexc("import", *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert words in result.stderr


def test_errors_end_with_1_and_print_no_spec(alexc: Alexc) -> None:
    result = alexc("import", FOLDER / "broken" / "unknown_type.prototxt")
    assert (result.returncode, result.stdout) == (1, "")
    assert "error[E0902]" in result.stderr


def run(graph: Graph, maps: caffe_oracle.Maps) -> caffe_oracle.Maps:
    made = network_of(graph, "cpu").double().eval()(torch.tensor(maps)[None])[0].detach().numpy()
    assert isinstance(made, np.ndarray)
    return made


if __name__ == "__main__":
    for each, (files, assumed) in IMPORTED.items():
        (FOLDER / f"{each}.net").write_text(written(*files, assumed=assumed).text or "", encoding="utf-8")
    for each_path in BROKEN:
        each_path.with_suffix(".txt").write_text(said(each_path), encoding="utf-8")
