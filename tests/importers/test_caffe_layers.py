"""Caffe's layers with several inputs or outputs, learned slopes, and the fields of forks: values and messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexc.compiler.net.spec_text import step_text
from tests.support.compiled import network_of
from tests.support.imported import Imported, imported

CONV = "Convolution convolution_param { num_output: 4 kernel_size: 3 pad: 1 }"


def net(*layers: str, size: str = "2 4 6 6", more: str = "") -> str:
    """A net whose layers each read the one before, and whose blobs are `data`, `b1`, `b2`, …

    A layer is its type and its further fields; with `bottom`, it reads what these say.
    """
    sizes = " ".join(f"input_dim: {each}" for each in size.split())
    lines, before = [f'name: "Net" input: "data" {sizes} {more}'], "data"
    for number, layer in enumerate(layers, 1):
        type_, _, fields = layer.partition(" ")
        bottom = "" if "bottom:" in fields else f'bottom: "{before}"'
        top = "" if "top:" in fields else f'top: "b{number}"'
        lines.append(f'layer {{ name: "l{number}" type: "{type_}" {bottom} {top} {fields} }}')
        before = f"b{number}"
    return "\n".join(lines)


def read(*layers: str, size: str = "2 4 6 6", more: str = "") -> Imported:
    return imported({"net.prototxt": net(*layers, size=size, more=more)})


def kinds(found: Imported) -> list[str]:
    return [step_text(node.layer.kind) for node in found.graph().nodes]


def built(found: Imported) -> nn.Module:
    """The network in float64, with random parameters."""
    torch.manual_seed(0)
    network = network_of(found.graph(), "cpu").double().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    return network


def images(*sizes: int) -> Tensor:
    return torch.randn(*(sizes or (2, 4, 6, 6)), dtype=torch.float64, generator=torch.Generator().manual_seed(1))


# Layers with one input, without weights: what each becomes, and its formula.
ONE_INPUT: dict[str, tuple[list[str], Callable[[Tensor], Tensor]]] = {
    "Power power_param { scale: 0.5 shift: -1 }": (["affine 0.5 shift=-1"], lambda x: 0.5 * x - 1),
    "Power power_param { power: 2 }": (["square"], lambda x: x * x),
    "Power power_param { power: 3 scale: 2 shift: 1 }": (["affine 2 shift=1", "power 3"], lambda x: (1 + 2 * x) ** 3),
    "Power power_param { power: -1 shift: 9 }": (["affine 1 shift=9", "power -1"], lambda x: 1 / (9 + x)),
    "Power power_param { power: 0.5 shift: 9 }": (["affine 1 shift=9", "sqrt"], lambda x: (9 + x).sqrt()),
    "Log log_param { shift: 9 base: 10 }": (
        ["affine 1 shift=9", "log", "affine 0.434294481903"],
        lambda x: (9 + x).log10(),
    ),
    "AbsVal": (["abs"], torch.abs),
    "HardSwish": (["hardswish"], lambda x: x * (x + 3).clamp(0, 6) / 6),
    "ReLU relu_param { relu6: true }": (["relu6"], lambda x: x.clamp(0, 6)),
    "ReLU relu_param { maximum: 0.5 }": (["relu limit=0.5"], lambda x: x.clamp(0, 0.5)),
    "ShuffleChannel shuffle_channel_param { group: 2 }": (["channel_shuffle 2"], lambda x: x[:, [0, 2, 1, 3]]),
    "Reshape reshape_param { shape { dim: 0 dim: 0 dim: -1 dim: 6 } } ": ([], lambda x: x),
    "Reshape reshape_param { shape { dim: 2 dim: 144 } } ": (["flatten"], lambda x: x.flatten(1)),
    "Reshape reshape_param { shape { dim: -1 dim: 144 } } ": (["flatten"], lambda x: x.flatten(1)),
    "Reshape reshape_param { shape { dim: -1 } axis: 1 } ": (["flatten"], lambda x: x.flatten(1)),
    "Reshape reshape_param { shape { dim: 0 } axis: 1 num_axes: 1 } ": ([], lambda x: x),
    'Crop bottom: "data" bottom: "data" crop_param { axis: 2 }': ([], lambda x: x),
    "Eltwise eltwise_param { coeff: -2 } ": (["affine -2"], lambda x: -2 * x),
}


@pytest.mark.parametrize("layer", ONE_INPUT)
def test_layers_without_weights(layer: str) -> None:
    wanted, formula = ONE_INPUT[layer]
    found = read("ReLU", layer.replace('"data"', '"b1"'), "Sigmoid")
    assert found.findings == ()
    assert kinds(found) == ["relu", *wanted, "sigmoid"]
    x = images()
    torch.testing.assert_close(built(found)(x), formula(x.relu()).sigmoid(), rtol=1e-11, atol=1e-11)


# Joins of `b1`, the image times 2, and `data`.
JOINS: dict[str, tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "Eltwise": ("add", lambda a, b: a + b),
    "Eltwise eltwise_param { coeff: 1 coeff: -0.5 }": ("add", lambda a, b: a - 0.5 * b),
    "Eltwise eltwise_param { operation: SUM coeff: 0.1 coeff: 3 }": ("add", lambda a, b: 0.1 * a + 3 * b),
    "Eltwise eltwise_param { operation: PROD }": ("multiply", lambda a, b: a * b),
    "Eltwise eltwise_param { operation: 2 }": ("maximum", torch.maximum),
    "Scale scale_param { axis: 0 }": ("multiply", lambda a, b: a * b),
    "Bias bias_param { axis: 0 }": ("add", lambda a, b: a + b),
    "Mul": ("multiply", lambda a, b: a * b),
}


@pytest.mark.parametrize("layer", JOINS)
def test_joins(layer: str) -> None:
    keyword, formula = JOINS[layer]
    type_, _, fields = layer.partition(" ")
    found = read("Power power_param { scale: 2 }", f'{type_} bottom: "b1" bottom: "data" {fields}')
    assert found.findings == ()
    assert found.graph().nodes[-1].layer.kind.keyword == keyword
    x = images()
    torch.testing.assert_close(built(found)(x), formula(2 * x, x), rtol=1e-12, atol=1e-12)


def test_axpy_multiplies_maps_by_one_value_each_and_adds() -> None:
    pool = 'Pooling bottom: "b1" pooling_param { pool: AVE global_pooling: true }'
    found = read(CONV, pool, "Sigmoid", 'Axpy bottom: "b3" bottom: "b1" bottom: "data"')
    assert kinds(found) == ["conv 4 kernel=3 pad=1", "global_avgpool", "sigmoid", "multiply", "add"]
    x, network = images(), built(found)
    maps = F.conv2d(x, network.get_parameter("l1.weight"), network.get_parameter("l1.bias"), padding=1)
    torch.testing.assert_close(network(x), maps.mean((2, 3), keepdim=True).sigmoid() * maps + x)


def test_a_scale_of_two_inputs_behind_a_reshape_with_zeros() -> None:
    """The excitation of SE-BN-Inception: 1x1 maps become a vector, whose values multiply the maps."""
    layers = [
        CONV,
        "Pooling pooling_param { pool: AVE global_pooling: true }",
        "Convolution convolution_param { num_output: 4 kernel_size: 1 }",
        "Reshape reshape_param { shape { dim: 0 dim: 0 } }",
        'Scale bottom: "b1" bottom: "b4" scale_param { axis: 0 bias_term: false }',
    ]
    found = read(*layers)
    assert kinds(found)[1:] == ["adaptive_avgpool 1", "conv 4 kernel=1", "flatten", "multiply"]
    x, network = images(), built(found)
    maps = F.conv2d(x, network.get_parameter("l1.weight"), network.get_parameter("l1.bias"), padding=1)
    gate = maps.mean((2, 3)) @ network.get_parameter("l3.weight")[:, :, 0, 0].T + network.get_parameter("l3.bias")
    torch.testing.assert_close(network(x), maps * gate[:, :, None, None])


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ("slice_param { axis: 1 slice_point: 1 slice_point: 3 }", [(0, 1), (1, 3), (3, 4)]),
        ("slice_param { slice_dim: 1 slice_point: 2 slice_point: 3 }", [(0, 2), (2, 3), (3, 4)]),
    ],
)
def test_a_slice_has_a_line_for_each_output(fields: str, wanted: Sequence[tuple[int, int]]) -> None:
    joined = 'Concat bottom: "last" bottom: "first" bottom: "second"'
    found = read("ReLU", f'Slice top: "first" top: "second" top: "last" {fields}', joined)
    assert found.line("second").startswith("second: l1 -> slice")
    x = images()
    parts = [x.relu()[:, start:end] for start, end in wanted]
    torch.testing.assert_close(built(found)(x), torch.cat([parts[2], parts[0], parts[1]], 1))


def test_a_slice_without_points_has_equal_parts() -> None:
    maxout = 'Eltwise bottom: "left" bottom: "right" eltwise_param { operation: MAX }'
    found = read(CONV, 'Slice top: "left" top: "right"', maxout)
    assert found.line("left") == "left: slice 0 2"
    x, network = images(), built(found)
    maps = F.conv2d(x, network.get_parameter("l1.weight"), network.get_parameter("l1.bias"), padding=1)
    torch.testing.assert_close(network(x), torch.maximum(maps[:, :2], maps[:, 2:]))


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        ("PReLU", "prelu"),
        ("PReLU prelu_param { channel_shared: true }", "prelu shared=yes"),
        ('PReLU prelu_param { filler { type: "constant" value: 0.1 } }', "prelu 0.1"),
        ("PReLU prelu_param { filler { } }", "prelu 0"),  # a filler without a value is 0
        ("PReLU param { lr_mult: 2 decay_mult: 0 }", "prelu weight_rate=2 weight_decay=0"),
        ("Scale", "layer_scale 1"),
        ("Scale scale_param { bias_term: true bias_filler { value: 2 } }", "layer_scale 1 bias=2"),
        ("Scale param { lr_mult: 0 } scale_param { filler { value: 3 } }", "layer_scale 3 weight_rate=0"),
        ("Bias param { lr_mult: 2 }", "layer_scale 1 bias=0 weight_rate=0 bias_rate=2"),
        ("ConvolutionDepthwise convolution_param { num_output: 4 kernel_size: 3 }", "conv 4 kernel=3 groups=4"),
    ],
)
def test_layers_with_weights(layer: str, kind: str) -> None:
    found = read("Sigmoid", layer)
    assert found.errors() == []
    assert kinds(found)[1:] == [kind]


def test_learned_factors_and_slopes_compute_what_caffe_computes() -> None:
    found = read("Scale scale_param { bias_term: true }", "PReLU")
    x, network = images(), built(found)
    weight, bias, slope = (each.view(1, -1, 1, 1) for each in network.parameters())
    scaled = x * weight + bias
    torch.testing.assert_close(network(x), scaled.clamp(min=0) + slope * scaled.clamp(max=0))


@pytest.mark.parametrize("pads", ["pad_l: 0 pad_r: 1 pad_t: 1 pad_b: 2", "pad_type: 1"])
def test_the_four_pads_of_a_convolution(pads: str) -> None:
    found = read(f"Convolution convolution_param {{ num_output: 2 kernel_size: 3 stride: 2 {pads} }}")
    x, network = images(), built(found)
    sides = (0, 1, 0, 1) if "type" in pads else (0, 1, 1, 2)
    weight, bias = network.parameters()
    torch.testing.assert_close(network(x), F.conv2d(F.pad(x, sides), weight, bias, stride=2))


@pytest.mark.parametrize("side", [6, 7, 8])
@pytest.mark.parametrize("ceil", ["true", "false"])
@pytest.mark.parametrize("how", ["MAX", "AVE_EXC_PAD"])
@pytest.mark.parametrize("pads", [(0, 1), (1, 1), (0, 0), (1, 2)])
def test_the_four_pads_of_a_pool(side: int, ceil: str, how: str, pads: tuple[int, int]) -> None:
    """Against windows that are cut off at the edges of the maps, one by one.

    A window that begins in the last row of the maps and ends in the padding has no counterpart.
    """
    before, after = pads
    fields = f"pool: {how} kernel_size: 3 stride: 2 ceil_mode: {ceil} pad_t: {before} pad_l: {before} pad_b: {after}"
    found = read(f"Pooling pooling_param {{ {fields} pad_r: {after} }}", size=f"1 2 {side} {side}")
    room = side + before + after - 3
    count = (-(-room // 2) if ceil == "true" else room // 2) + 1
    if sum(pads) and (count - 1) * 2 >= side + before:
        count -= 1
    if (side, ceil, pads) == (7, "true", (0, 1)):
        assert [code for code, _, _ in found.errors()] == ["E0903"]
        return
    starts = [2 * number - before for number in range(count)]
    x = images(1, 2, side, side)
    windows = [
        [x[:, :, max(top, 0) : top + 3, max(left, 0) : left + 3].flatten(2) for left in starts] for top in starts
    ]
    reduced = [[each.amax(2) if how == "MAX" else each.mean(2) for each in row] for row in windows]
    wanted = torch.stack([torch.stack(row, -1) for row in reduced], -2)
    torch.testing.assert_close(built(found)(x), wanted)


REFUSED: dict[str, tuple[str, str]] = {
    'Slice top: "a" top: "b" slice_param { slice_point: 1 slice_point: 2 }': ("E0904", "2 outputs need 1 values"),
    'Slice top: "a" top: "b" top: "c"': ("E0903", "the input cannot be cut into 3 equal parts"),
    'Slice top: "a" top: "b" slice_param { axis: 2 }': ("E0903", "only the channel axis can be the `axis` here"),
    'Eltwise bottom: "b1" bottom: "data" eltwise_param { coeff: 1 }': ("E0904", "1 values of `coeff` do not fit a SUM"),
    'Eltwise bottom: "b1" bottom: "data" eltwise_param { operation: PROD coeff: 1 coeff: 2 }': (
        "E0904",
        "2 values of `coeff` do not fit a PROD of 2 layers",
    ),
    'Axpy bottom: "b1" bottom: "data"': ("E0904", "an `Axpy` has 3 inputs, but `l2` has 2"),
    'Scale bottom: "b1" bottom: "data"': ("E0903", "the product of two layers has a counterpart only if"),
    'Bias bottom: "b1" bottom: "data"': ("E0903", "the sum of two layers has a counterpart only if"),
    "Scale scale_param { num_axes: 0 }": ("E0903", "only one value for each map has a counterpart"),
    "Power power_param { power: 0 }": ("E0903", "a power that is the same for all values"),
    "Log log_param { base: 1 }": ("E0904", "there is no logarithm to the base 1"),
    'Crop bottom: "b1" bottom: "data" crop_param { offset: 1 }': ("E0903", "a crop of 4x6x6 to 4x6x6"),
    "Reshape reshape_param { shape { dim: 0 dim: 2 dim: -1 } }": ("E0903", "only a reshape to one vector per image"),
    "Reshape reshape_param { shape { dim: 4 dim: -1 } }": ("E0903", "only a reshape to one vector per image"),
    "Reshape reshape_param { shape { dim: -1 dim: 0 dim: -1 } }": ("E0903", "only a reshape to one vector per image"),
    "Reshape reshape_param { shape { dim: 0 dim: 0 dim: 0 dim: 0 dim: 0 } }": ("E0903", "only a reshape to one"),
    "Pooling pooling_param { pool: AVE kernel_size: 2 stride: 2 pad_r: 1 pad_b: 1 }": (
        "E0903",
        "this pool has another padding at the far side",
    ),
    "Convolution convolution_param { num_output: 2 kernel_size: 2 pad: 1 pad_l: 1 }": (
        "E0904",
        "`pad` and `pad_t` say the same",
    ),
    "ReLU relu_param { relu6: true negative_slope: 0.1 }": ("E0903", "a ReLU with a slope and a largest value"),
}


@pytest.mark.parametrize("layer", REFUSED)
def test_what_has_no_counterpart_is_refused(layer: str) -> None:
    ((code, _, headline), *_) = read("ReLU", layer).errors()
    assert (code, headline[: len(REFUSED[layer][1])]) == REFUSED[layer]


def test_a_message_in_place_of_a_name_is_an_error() -> None:
    text = net("ReLU").replace('bottom: "data"', "bottom: { }")
    assert [code for code, _, _ in imported({"net.prototxt": text}).errors()] == ["E0904", "E0905"]


@pytest.mark.parametrize(("axes", "codes"), [(32, []), (33, ["E0903"])])
def test_a_reshape_has_at_most_as_many_axes_as_caffes_blobs(axes: int, codes: list[str]) -> None:
    sizes = f"dim: 0 dim: -1 {'dim: 1 ' * (axes - 2)}"
    found = read(f"Reshape reshape_param {{ shape {{ {sizes} }} }}")
    assert [code for code, _, _ in found.errors()] == codes


# What forks of Caffe, and deploy files, say beside the network.


def test_intels_settings_are_left_out_with_one_note_each() -> None:
    norm = "BatchNorm batch_norm_param { moving_average_fraction: 0.9 filler { value: 1 } bias_filler { value: 0 } }"
    layers = [
        f'{CONV[:-1]} conv_algorithm: "winograd" }} quantization_param {{ bw_params: 8 scale_in: 1.5 }}',
        norm,
        "Scale scale_param { bias_term: true }",
        norm,
        "InnerProduct inner_product_param { num_output: 3 } quantization_param { bw_params: 8 }",
    ]
    found = read(*layers, more='bn_stats_batch_size: 32 multinode { } engine: "MKLDNN"')
    assert [headline.partition(":")[0] for _, _, headline in found.said()] == [
        "`bn_stats_batch_size` is left out",
        "`multinode` is left out",
        "`quantization_param` of 2 layers is left out",
        "`filler` of 2 layers is left out",
        "`bias_filler` of 2 layers is left out",
    ]
    plain = [CONV, *layers[1:3], norm, "InnerProduct inner_product_param { num_output: 3 }"]
    assert kinds(found) == kinds(read(*[each.replace(norm, norm.split(" filler")[0] + " }") for each in plain]))


def test_a_gradient_that_is_stopped_is_told() -> None:
    assert read(CONV, "ReLU propagate_down: true").findings == ()
    ((code, _, headline),) = read(CONV, "ReLU propagate_down: false").said()
    assert (code, headline.partition(":")[0]) == ("W0901", "`propagate_down")


def test_unread_heads_of_a_deploy_file_are_left_out_and_told() -> None:
    """An auxiliary head without a softmax, as in GoogLeNet's deploy files."""
    layers = [
        CONV,
        "InnerProduct inner_product_param { num_output: 7 }",
        'InnerProduct bottom: "b1" inner_product_param { num_output: 5 }',
        "Softmax",
        'InnerProduct bottom: "b1" inner_product_param { num_output: 9 }',
        "ReLU",
    ]
    found = read(*layers)
    assert found.said() == [
        ("W0902", 3, "nothing reads `l2` and `l6`: what only leads there is left out; the output is `l4`")
    ]
    assert kinds(found) == ["conv 4 kernel=3 pad=1", "linear 5", "softmax"]
    assert "# Left out, because nothing reads it: l2, l6." in found.text
    without_softmax = read(*layers[:3])
    assert kinds(without_softmax) == ["conv 4 kernel=3 pad=1", "linear 5"]


ONLY_TESTED = """
name: "t"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 8 mean_value: 10 } data_param { batch_size: 5 } }
layer { name: "drop" type: "Dropout" bottom: "data" top: "data" include { phase: TRAIN } }
layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 10 } }
layer { name: "a" type: "Accuracy" bottom: "f" bottom: "label" top: "a" include { phase: TEST } }
layer { name: "s" type: "Softmax" bottom: "f" top: "s" include { phase: TEST } }
"""


def test_a_net_whose_only_images_are_for_testing_is_read_as_in_testing() -> None:
    found = imported({"net.prototxt": ONLY_TESTED})
    assert kinds(found) == ["linear 10", "softmax"]
    assert found.graph().net.input.sizes == (3, 8, 8)
    assert found.said()[0] == (
        "W0902",
        3,
        "the net has images only for testing, so its layers are those of the phase TEST",
    )
    assert "Images in Caffe: cropped to 8; minus 10; in batches of 5." in found.text


def test_a_layer_with_other_settings_in_testing_is_that_of_training() -> None:
    norm = 'layer { name: "n" type: "BatchNorm" bottom: "b1" top: "b1" include { phase: %s } batch_norm_param { %s } }'
    settings = "moving_average_fraction: 0.9 use_global_stats: "
    end = 'layer { name: "s" type: "InnerProduct" bottom: "b1" top: "s" inner_product_param { num_output: 3 } }'
    norms = [norm % ("TRAIN", f"{settings}false"), norm % ("TEST", f"{settings}true")]
    found = imported({"net.prototxt": "\n".join([net(CONV), *norms, end])})
    assert found.findings == ()
    assert kinds(found) == ["conv 4 kernel=3 pad=1", "batchnorm weight_rate=0 bias_rate=0", "linear 3"]
