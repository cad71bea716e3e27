"""Small Caffe nets whose import had wrong values: initial weights, running statistics, sizes of images and pooling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.imported import Imported, imported

DEPLOY = """
name: "z" input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3 %s } }
layer { name: "d" type: "Convolution" bottom: "c" top: "d" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "f" type: "InnerProduct" bottom: "d" top: "f"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "s" type: "Softmax" bottom: "f" top: "s" }
"""


def net(text: str) -> Imported:
    return imported({"net.prototxt": text})


@pytest.mark.parametrize("filler", ["", "weight_filler { }", 'weight_filler { type: "constant" value: 0 }'])
def test_a_net_for_deployment_says_no_weights_of_zero(filler: str) -> None:
    found = net(DEPLOY % filler)
    assert found.line("c") == "c: conv 4 kernel=3"
    assert found.line("d") == "d: conv 4 kernel=3"
    assert found.line("f") == "f: linear 10 weight=lecun -> softmax"
    assert found.said() == [
        (
            "W0902",
            3,
            "`c` and 1 more would start from weights that are all zero; the net is for deployment, so the spec gives "
            "no initial values here",
        )
    ]


def test_a_net_for_deployment_keeps_other_fillers() -> None:
    found = net(DEPLOY % 'weight_filler { type: "constant" value: 2 }')
    assert found.line("c") == "c: conv 4 kernel=3 weight=constant(2)"
    assert [code for code, _, _ in found.said()] == ["W0902"]  # of `d`


def test_a_net_for_training_starts_from_zeros_as_caffe_and_says_so() -> None:
    loss = DEPLOY.replace('"Softmax" bottom: "f"', '"SoftmaxWithLoss" bottom: "f" bottom: "label"')
    found = net(loss.replace('input: "data"', 'input: "data" input: "label"') % "")
    assert "default conv weight=constant(0)" in " ".join(found.text.split())
    assert [headline for _, _, headline in found.said()] == [
        "all weights of `c` and 1 more start from zero, as in Caffe: such a layer may never learn"
    ]


NORM = """
name: "b" input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { %s } }
layer { name: "sc" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }
layer { name: "f" type: "InnerProduct" bottom: "bn" top: "f" inner_product_param { num_output: 10 } }
layer { name: "s" type: "Softmax" bottom: "f" top: "s" }
"""


@pytest.mark.parametrize("fraction", [0.999, 0.995])
def test_the_warning_about_running_statistics_has_the_numbers_of_a_training(fraction: float) -> None:
    """500 steps of torch's batch norm, on batches with mean 5 and variance 9; Caffe's sums, divided by their weight."""
    norm = nn.BatchNorm1d(1, momentum=1 - fraction)
    sums, weight = np.zeros(2), 0.0
    batch = torch.tensor([[2.0], [5.0], [8.0]])  # its unbiased variance is 9
    for _ in range(500):
        norm(batch)
        weight = 1 + fraction * weight
        sums = np.array([5.0, 9.0]) + fraction * sums
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, variance = norm.running_mean.item(), norm.running_var.item()
    assert sums / weight == pytest.approx([5, 9])
    (warning,) = net(NORM % f"moving_average_fraction: {fraction}").findings
    assert warning.code == "W0901"
    assert warning.headline.endswith(
        f"of mean 5 and variance 9, they are {mean:.2f} and {variance:.2f}; in Caffe, about 5 and 9"
    )


def test_running_statistics_that_forget_their_start_soon() -> None:
    assert net(NORM % "moving_average_fraction: 0.9").findings == ()


def test_running_statistics_that_are_used_in_training_are_told() -> None:
    fields = "moving_average_fraction: 0.9 use_global_stats: true"
    assert net(NORM % fields).findings == ()  # a net for deployment uses them anyway
    trained = NORM.replace('"Softmax" bottom: "f"', '"SoftmaxWithLoss" bottom: "f" bottom: "label"')
    found = net(trained.replace('input: "data"', 'input: "data" input: "label"') % fields)
    assert [headline for _, _, headline in found.said()] == [
        "in Caffe, `bn` uses its running statistics in training, too; here, those of the batch"
    ]


POOLED = """
name: "r" input: "data" input_shape { dim: 1 dim: 3 dim: 32 dim: 32 }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 8 kernel_size: 3 } }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { kernel_size: 3 stride: 2 %s } }
layer { name: "f" type: "InnerProduct" bottom: "p" top: "f" inner_product_param { num_output: 10 } }
layer { name: "s" type: "Softmax" bottom: "f" top: "s" }
"""


@pytest.mark.parametrize(
    ("field", "size"),
    [
        ("ceil_mode: false", 14),
        ("round_mode: FLOOR", 14),
        ("round_mode: 1", 14),
        ("ceil_mode: true", 15),
        ("round_mode: CEIL", 15),
        ("", 15),
    ],
)
def test_how_pooling_rounds(field: str, size: int) -> None:
    graph = net(POOLED % field).graph()
    assert [str(node.output) for node in graph.nodes if node.layer.name == "c.maxpool"] == [f"8x{size}x{size}"]
    assert graph.parameters == 3 * 9 * 8 + 8 + 8 * size * size * 10 + 10


@pytest.mark.parametrize("field", ["ceil_mode: false", "round_mode: FLOOR"])
def test_how_pooling_of_whole_maps_rounds_does_not_matter(field: str) -> None:
    text = POOLED.replace("kernel_size: 3 stride: 2", "pool: AVE global_pooling: true")
    assert "global_avgpool" in net(text % field).text


SHOWN = """
name: "n"
layer {{ name: "data" type: "{type}" top: "data" top: "label" include {{ phase: TRAIN }}
  transform_param {{ {train} }} {own}_param {{ batch_size: 32 {train_own} }} }}
layer {{ name: "data" type: "{type}" top: "data" top: "label" include {{ phase: TEST }}
  transform_param {{ {test} }} {own}_param {{ batch_size: 32 {test_own} }} }}
layer {{ name: "f" type: "InnerProduct" bottom: "data" top: "f"
  inner_product_param {{ num_output: 10 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "s" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "s" }}
"""
MEAN = "mean_value: 102 mean_value: 51 mean_value: 0"
EXACT = "normalize mean=rgb(0, 0.2, 0.4) std=rgb({0}, {0}, {0})"


@pytest.mark.parametrize(
    ("train", "train_own", "test", "test_own", "stored"),
    [
        ("crop_size: 32 mirror: true", "", "", "", 32),  # whole images are shown in testing
        ("crop_size: 100", "", "", "", 100),
        ("crop_size: 32", "new_height: 40 new_width: 40", "crop_size: 32", "", 40),
        ("crop_size: 32", "", "crop_size: 32", "new_height: 36 new_width: 36", 36),
        ("crop_size: 32", "", "crop_size: 32", "", 32),  # no layer says it: the sizes of usual data sets
        ("crop_size: 28", "", "crop_size: 28", "", 32),
        ("crop_size: 56", "", "crop_size: 56", "", 64),
        ("crop_size: 224", "", "crop_size: 224", "", 256),
        ("crop_size: 299", "", "crop_size: 299", "", 299),
    ],
)
@pytest.mark.parametrize(
    ("values", "subtracted"),
    [
        (MEAN, EXACT.format("0.0039215686")),
        (f"{MEAN} scale: 0.0078125", EXACT.format("0.50196078")),
        ("", ""),
    ],
)
def test_the_stored_size_is_the_one_that_the_testing_layers_imply(
    train: str, train_own: str, test: str, test_own: str, stored: int, values: str, subtracted: str
) -> None:
    own = ("ImageData", "image_data") if train_own or test_own else ("Data", "data")
    text = SHOWN.format(
        type=own[0],
        own=own[1],
        train=f"{train} {values}",
        train_own=train_own,
        test=f"{test} {values}",
        test_own=test_own,
    )
    solver = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 100'
    found = imported({"net.prototxt": text, "solver.prototxt": solver})
    assert found.findings == ()
    prepare = f"resize {stored} -> center_crop {stored}" + (f" -> {subtracted}" if subtracted else "")
    assert f"prepare {prepare}" in " ".join(found.text.split())
    assert found.graph().net.recipe is not None


def test_testing_images_of_another_size_are_told() -> None:
    text = SHOWN.format(
        type="ImageData",
        own="image_data",
        train="crop_size: 32",
        train_own="",
        test="",
        test_own="new_height: 40 new_width: 40",
    )
    found = imported({"net.prototxt": text, "solver.prototxt": 'base_lr: 0.1 lr_policy: "fixed" max_iter: 100'})
    assert [headline for _, _, headline in found.said()] == [
        "images are prepared differently for testing, which has no counterpart"
    ]
