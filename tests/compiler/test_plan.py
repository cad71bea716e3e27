"""The numbers of `alexc plan`: compared with the paper's network, and counted by hand for small meshes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alexc import Net, SpecError
from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.placed_graph.place import place
from alexc.compiler.placed_graph.placed_graph import PlacedGraph
from alexc.compiler.placed_graph.plan import UnevenBatch, data_parallel, plan
from tests.compiler.test_place import NET, placed
from tests.conftest import ROOT, Alexc

SPEC = ROOT / "spec" / "alexnet.net"
FLAGSHIP = check_file(SPEC)
assert FLAGSHIP.graph is not None
GRAPH = FLAGSHIP.graph


def megabytes(graph: PlacedGraph, batch: int = 128, value_bytes: int = 4) -> float:
    return plan(graph, batch, value_bytes).busiest().sent() / 1e6


def test_the_towers_of_2012() -> None:
    (device,) = plan(FLAGSHIP.placed["two_gpus"], 128, 4).devices
    sent = {(each.layer, each.phase): each.sent / 1e6 for each in device.messages}
    rounded = {key: round(value, 2) for key, value in sent.items()}
    assert rounded == {
        ("conv3", "forward"): 11.08,
        ("fc6", "forward"): 2.36,
        ("fc7", "forward"): 1.05,
        ("fc8", "forward"): 1.05,
        ("fc8.softmax", "forward"): 0.26,
        ("fc8", "backward"): 1.05,
        ("fc7", "backward"): 1.05,
        ("fc6", "backward"): 2.36,
        ("conv3", "backward"): 11.08,
    }
    assert sum(sent.values()) == pytest.approx(31.32, abs=0.005)
    assert (device.count, device.parameters * 2) == (2, 60_965_224)
    assert device.multiply_adds * 2 == 724_406_816 * 128


def test_exchanges_in_float16_are_half_the_bytes_and_gradients_stay() -> None:
    text = SPEC.read_text().replace("placement pod {", "placement pod {\n  send half")
    half, whole = (check_text(each, "net.net").placed["pod"] for each in (text, SPEC.read_text()))
    assert half.placement.half
    for value_bytes, share in ((4, 2), (8, 4), (2, 1)):
        (one, *_), (other, *_) = (plan(each, 128, value_bytes).devices for each in (whole, half))
        for phase in ("forward", "backward"):
            assert one.sent(phase) == share * other.sent(phase) > 0
        assert one.sent("gradients") == other.sent("gradients") > 0
        assert one.parameters == other.parameters


@pytest.mark.parametrize("wrong", ["send", "send float16", "send half half", "send what=half"])
def test_a_placement_sends_half_or_nothing(wrong: str) -> None:
    text = SPEC.read_text().replace("placement pod {", f"placement pod {{\n  {wrong}")
    (problem,) = check_text(text, "net.net").diagnostics
    assert (problem.code, problem.help) == ("E0403", "for example: `send half`")


def test_data_parallelism_and_the_trick_on_two_gpus() -> None:
    copies, _ = place(GRAPH, data_parallel(GRAPH, 2))
    assert copies is not None
    assert megabytes(copies) == pytest.approx(243.9, abs=0.05)
    trick = check_text(SPEC.read_text().replace("mesh  gpu=8", "mesh  gpu=2"), "two.net").placed["one_weird_trick"]
    assert megabytes(trick) == pytest.approx(18.5, abs=0.05)


def test_half_as_many_bytes_in_half_precision_and_twice_as_many_for_twice_the_images() -> None:
    two = FLAGSHIP.placed["two_gpus"]
    assert megabytes(two, value_bytes=2) * 2 == megabytes(two) == megabytes(two, batch=64) * 2


def test_gradients_do_not_grow_with_the_batch() -> None:
    pod = FLAGSHIP.placed["pod"]
    few, many = (plan(pod, batch, 4).busiest() for batch in (4, 128))
    assert few.sent("gradients") == many.sent("gradients") == 2 * 3 * (60_965_224 // 2) * 4 // 4
    assert few.sent("forward") * 32 == many.sent("forward")


def test_devices_that_differ_are_counted_apart() -> None:
    graph = placed("mesh gpu=4\nsplit channels by gpu\nkeep conv2 on gpu 2", NET.replace("towers 2", "towers 4"))
    devices = plan(graph, 2, 4).devices
    assert [(each.number, each.count) for each in devices] == [(0, 1), (1, 1), (2, 1), (3, 1)]
    ends, middle = devices[0], devices[1]
    halo = [each.sent for each in ends.messages if each.layer == "conv1.lrn"]
    # A device has 2 of the 8 maps of 16x16, and sends 2 to each neighbour: 2 images, 4 bytes per number.
    assert halo == [2 * 16 * 16 * 2 * 4] * 2
    assert [each.sent for each in middle.messages if each.layer == "conv1.lrn"] == [2 * each for each in halo]
    kept = next(node.whole for node in graph.layers() if node.whole.layer.name == "conv2")
    has_conv2 = devices[2].parameters - devices[1].parameters
    assert has_conv2 == kept.weight_count + kept.bias_count


def test_only_the_devices_with_a_layer_exchange_its_statistics() -> None:
    graph = placed("mesh a=2 b=2\nkeep conv3 on a 1\nsplit images by b")
    sent = {
        device.number: [(each.phase, each.sent) for each in device.messages if each.layer == "conv3.batchnorm"]
        for device in plan(graph, 4, 4).devices
    }
    # 8 means and 8 variances of 4 bytes go to the other device of the axis, and their gradients come back.
    assert sent == {0: [], 2: [("forward", 64), ("backward", 64), ("gradients", 64)]}


def test_many_devices_are_not_counted_one_by_one() -> None:
    graph = placed("mesh copy=65536\nsplit images by copy")
    (device,) = plan(graph, 65536, 4).devices
    assert device.count == 65536


def test_a_whole_layer_is_computed_on_each_device() -> None:
    graph = placed("mesh gpu=2\nsplit images by gpu in conv1")
    done = plan(graph, 2, 4)
    first = next(node.whole.multiply_adds for node in graph.layers())
    whole = graph.graph.multiply_adds
    assert done.work() == pytest.approx((first + 2 * (whole - first)) / whole)


def test_memory_has_velocities_only_with_momentum() -> None:
    two = FLAGSHIP.placed["two_gpus"]
    plain = check_text(SPEC.read_text().replace(" momentum=0.9", ""), "plain.net").placed["two_gpus"]
    with_momentum, without = plan(two, 128, 4), plan(plain, 128, 4)
    (device,) = with_momentum.devices
    assert with_momentum.memory(device) - without.memory(device) == device.parameters * 4


def test_memory_has_two_moments_with_adam() -> None:
    two = FLAGSHIP.placed["two_gpus"]
    text = SPEC.read_text().replace("sgd lr=0.01 momentum=0.9", "adamw lr=0.01")
    adam = check_text(text, "adam.net").placed["two_gpus"]
    with_momentum, with_moments = plan(two, 128, 4), plan(adam, 128, 4)
    (device,) = with_momentum.devices
    assert with_moments.memory(device) - with_momentum.memory(device) == device.parameters * 4


def test_an_uneven_batch_is_refused() -> None:
    with pytest.raises(UnevenBatch) as found:
        plan(FLAGSHIP.placed["pod"], 130, 4)
    assert found.value.devices == 4


def test_devices_that_all_differ_are_refused(tmp_path: Path) -> None:
    layers = [f"{axis}{number}" for axis in "ab" for number in range(32)]
    net = "".join(f"  {layer}: conv 2 kernel=1\n" for layer in layers)
    keeps = "".join(f"  keep {layer} on axis_{layer[0]} {layer[1:]}\n" for layer in layers)
    file = tmp_path / "many.net"
    file.write_text(
        f"network A {{\n  input 2x4x4\n{net}  fc: linear 2 -> softmax\n}}\n"
        f"placement p {{\n  mesh axis_a=32 axis_b=32\n{keeps}}}\n"
    )
    with pytest.raises(SpecError, match="p has 1,024 devices that differ from each other: too many to plan"):
        Net.from_file(file).plan("p")


def test_the_command(alexc: Alexc) -> None:
    result = alexc("plan", SPEC, "--placement", "two_gpus")
    assert (result.returncode, result.stderr) == (0, "")
    for words in ("30,482,612", "21,632       11.08", "4,608        2.36", "31.32 MB sent per step per device"):
        assert words in result.stdout
    together = alexc("plan", SPEC).stdout
    for words in ("two_gpus", "one_weird_trick", "pod", "one device", "images over 8", "243.86", "31.32"):
        assert words in together


def test_json_holds_everything(alexc: Alexc) -> None:
    made = json.loads(alexc("plan", SPEC, "--placement", "pod", "--batch", "64", "--format", "json").stdout)
    assert (made["mesh"], made["batch"], made["value_bytes"]) == ({"copy": 4, "tower": 2}, 64, 4)
    (device,) = made["devices"]
    assert device["alike"] == 8
    assert device["bytes_sent"] == sum(each["sent"] for each in device["messages"])
    assert {each["phase"] for each in device["messages"]} == {"forward", "backward", "gradients"}
    every = json.loads(alexc("plan", SPEC, "--format", "json").stdout)
    assert set(every) >= {"two_gpus", "one_weird_trick", "pod", "one device"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--placement", "two_gpu"), "did you mean `two_gpus`?"),
        (("--placement", "pod", "--batch", "30"), "the 4 devices of pod that split the images cannot share it evenly"),
    ],
)
def test_mistakes(alexc: Alexc, arguments: tuple[str, ...], words: str) -> None:
    result = alexc("plan", SPEC, *arguments)
    assert result.returncode == 1
    assert words in result.stderr


def test_a_spec_without_placements(alexc: Alexc, tmp_path: Path) -> None:
    spec = tmp_path / "plain.net"
    spec.write_text((ROOT / "examples" / "small.net").read_text())
    result = alexc("plan", spec)
    assert result.returncode == 1
    assert "has no placement; add one" in result.stderr


JOINED = """
network Net {
  input  3x16x16

  copy:  conv 8 kernel=3 pad=1                      -> relu
  left:  conv 8 kernel=1
  right: copy -> conv 24 kernel=1
  both:  concat left right -> conv 8 kernel=1 -> batchnorm -> flatten
  fc:    linear 8                                   -> softmax
}

placement p {
"""


def test_a_join_has_a_row_for_each_layer_that_it_reads(alexc: Alexc, tmp_path: Path) -> None:
    spec = tmp_path / "joined.net"
    spec.write_text(JOINED + "  mesh gpu=2\n  split images by gpu in copy..right\n}\n")
    rows = alexc("plan", spec, "--placement", "p", "--batch", "128").stdout.splitlines()
    sizes = {row.split()[1]: row.split()[6] for row in rows if row.startswith("both ") and "all-gather" in row}
    # 8 and 24 maps of 16x16, 64 images on each of two devices, 4 bytes per number
    assert sizes == {"left": f"{8 * 256 * 64 * 4 / 1e6:.2f}", "right": f"{24 * 256 * 64 * 4 / 1e6:.2f}"}


def test_statistics_have_a_row_of_their_own(alexc: Alexc, tmp_path: Path) -> None:
    spec = tmp_path / "joined.net"
    spec.write_text(JOINED + "  mesh gpu=2\n  split channels by gpu in copy..right\n  split images by gpu in both\n}\n")
    printed = alexc("plan", spec, "--placement", "p").stdout
    assert "both.batchnorm" in printed
    assert "statistics" in printed


def test_a_flatten_takes_no_memory() -> None:
    graph = placed("mesh gpu=2\nsplit images by gpu", JOINED.partition("\nplacement")[0] + "\nplacement p {\n")
    (device,) = plan(graph, 2, 4).devices
    values = [node.local.output.values for node in graph.layers() if node.whole.layer.kind.keyword != "flatten"]
    assert device.activations == sum(values)
    assert len(values) == len(list(graph.layers())) - 1


def test_data_parallelism_avoids_the_names_of_layers_and_is_left_out_if_the_batch_is_uneven(
    alexc: Alexc, tmp_path: Path
) -> None:
    spec = tmp_path / "joined.net"
    spec.write_text(JOINED + "  mesh gpu=4\n  split channels by gpu in copy..right\n}\n")
    result = alexc("plan", spec, "--batch", "2")
    assert (result.returncode, result.stderr) == (0, "")
    assert "one device" in result.stdout
    assert "images over 4" not in result.stdout
