"""Networks on meshes: the part of each device, and the exchanges."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.graph.graph import Graph
from alexc.compiler.net.net import Axis, Keep, Placement, Split
from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.placed_graph.place import place
from alexc.compiler.placed_graph.placed_graph import PlacedGraph
from alexc.runtime.parallel.placement import Placement as RuntimePlacement
from tests.conftest import ROOT
from tests.support.compiled import names_of

SPECS = [ROOT / "spec" / "alexnet.net", *sorted((ROOT / "examples").glob("*.net"))]
FLAGSHIP = check_file(SPECS[0])

NET = """
network Net {
  input  3x16x16
  towers 2

  conv1: conv 8 kernel=3 pad=1             -> relu -> lrn 5 k=2 alpha=1e-4 beta=0.75 norm=sum over=all
  conv2: conv 8 kernel=3 pad=1 reads=tower -> relu -> maxpool 2
  conv3: conv 8 kernel=3 pad=1 reads=all   -> batchnorm -> relu
  fc4:   linear 16 reads=all               -> relu -> dropout 0.5 scale=test
  fc5:   linear 8 reads=all                -> softmax
}

placement p {
"""


def placed(text: str, net: str = NET) -> PlacedGraph:
    checked = check_text(f"{net}{text}\n}}\n", "net.net")
    assert checked.diagnostics == ()
    return checked.placed["p"]


def moves(graph: PlacedGraph) -> list[tuple[str, str, str, str]]:
    """Each exchange: the layer that reads it, the function, the axis, and the shape on a device before it."""
    return [
        (
            each.reader,
            each.transition.function,
            graph.mesh[each.axis].name,
            str(graph.local_shape(each.shape, each.before)),
        )
        for each in graph.exchanges()
    ]


def test_the_towers_of_2012_talk_only_where_the_paper_says() -> None:
    two = FLAGSHIP.placed["two_gpus"]
    assert moves(two) == [
        ("conv3", "all_gather", "tower", "128x13x13"),
        ("fc6", "all_gather", "tower", "128x6x6"),
        ("fc7", "all_gather", "tower", "2048"),
        ("fc8", "all_gather", "tower", "2048"),
        ("fc8.softmax", "all_gather_whole", "tower", "500"),
    ]
    values = [two.local_shape(each.shape, each.before).values for each in two.exchanges()]
    assert values[:4] == [21_632, 4_608, 2_048, 2_048]


def test_the_trick_of_2014_gathers_images_once() -> None:
    trick = FLAGSHIP.placed["one_weird_trick"]
    assert moves(trick) == [
        ("fc6", "all_gather", "gpu", "256x6x6"),
        ("fc7", "all_gather", "gpu", "512"),
        ("fc8", "all_gather", "gpu", "512"),
        ("fc8.softmax", "all_to_all", "gpu", "125"),
    ]
    first = next(trick.exchanges())
    assert (first.before, first.after) == (("images",), ("whole",))
    assert (trick.input, trick.loss) == (("images",), ("images",))
    summed = {node.whole.layer.name for node in trick.layers() if node.summed}
    assert summed == {"conv1", "conv2", "conv3", "conv4", "conv5"}


def test_copies_of_the_towers_share_images_and_nothing_else() -> None:
    pod = FLAGSHIP.placed["pod"]
    assert {each.axis for each in pod.exchanges()} == {1}
    assert (pod.input, pod.loss) == (("images", "whole"), ("images", "whole"))
    assert all(node.summed == (0,) for node in pod.layers() if node.whole.weights)


def test_a_device_has_its_share_of_every_weight() -> None:
    for name, share in (("two_gpus", 2), ("pod", 2)):
        for node in FLAGSHIP.placed[name].layers():
            if node.whole.weights:
                assert node.local.weights is not None
                assert node.local.weight_count * share == node.whole.weight_count
                assert node.local.bias_count * share == node.whole.bias_count
                assert node.local.weights.shape[1:] == node.whole.weights.shape[1:]


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("mesh gpu=1\nsplit channels by gpu", []),
        ("mesh gpu=2\nsplit images by gpu", []),
        (  # maps of the neighbour for the normalisation, all maps where a layer reads all
            "mesh gpu=2\nsplit channels by gpu",
            [
                ("conv1.lrn", "with_halo", "gpu", "4x16x16"),
                ("conv3", "all_gather", "gpu", "4x8x8"),
                ("fc4", "all_gather", "gpu", "4x8x8"),
                ("fc5", "all_gather", "gpu", "8"),
                ("fc5.softmax", "all_gather_whole", "gpu", "4"),
            ],
        ),
        (  # as in the released program: the last layer is on one GPU and reads both halves
            "mesh gpu=2\nsplit channels by gpu\nkeep fc5 on gpu 1",
            [
                ("conv1.lrn", "with_halo", "gpu", "4x16x16"),
                ("conv3", "all_gather", "gpu", "4x8x8"),
                ("fc4", "all_gather", "gpu", "4x8x8"),
                ("fc5", "gather", "gpu", "8"),
            ],
        ),
        (  # a layer on each device in turn
            "mesh gpu=3\nkeep conv1 on gpu 0\nkeep conv2..conv3 on gpu 1\nkeep fc4 on gpu 2",
            [
                ("conv1", "keep_on", "gpu", "3x16x16"),
                ("conv2", "send", "gpu", "8x16x16"),
                ("fc4", "send", "gpu", "8x8x8"),
                ("fc5", "broadcast_whole", "gpu", "16"),
            ],
        ),
        (  # from one device to parts of the images and of the channels, and to layers that read all
            "mesh gpu=2\nkeep conv1 on gpu 1\nsplit images by gpu in conv2\nsplit channels by gpu in conv3..fc5",
            [
                ("conv1", "keep_on", "gpu", "3x16x16"),
                ("conv2", "scatter", "gpu", "8x16x16"),
                ("conv3", "all_gather", "gpu", "8x8x8"),
                ("fc4", "all_gather", "gpu", "4x8x8"),
                ("fc5", "all_gather", "gpu", "8"),
                ("fc5.softmax", "all_to_all", "gpu", "4"),
            ],
        ),
        (
            "mesh gpu=2\nkeep conv1..conv2 on gpu 1\nsplit channels by gpu in conv3",
            [
                ("conv1", "keep_on", "gpu", "3x16x16"),
                ("conv3", "broadcast", "gpu", "8x8x8"),
                ("fc4", "all_gather_whole", "gpu", "4x8x8"),
            ],
        ),
        (  # whole between split layers
            "mesh gpu=2\nsplit channels by gpu in conv1, conv3, fc5\nsplit images by gpu in fc4",
            [
                ("conv1.lrn", "with_halo", "gpu", "4x16x16"),
                ("conv2", "all_gather_whole", "gpu", "4x16x16"),
                ("conv3", "spread", "gpu", "8x8x8"),
                ("fc4", "all_to_all", "gpu", "4x8x8"),
                ("fc5", "all_gather", "gpu", "16"),
                ("fc5.softmax", "all_to_all", "gpu", "4"),
            ],
        ),
        (
            "mesh gpu=2\nsplit images by gpu in fc4..fc5",
            [("fc4", "own_part", "gpu", "8x8x8")],
        ),
    ],
)
def test_exchanges(placement: str, expected: list[tuple[str, str, str, str]]) -> None:
    placement = placement.replace("conv1, conv3, fc5", "conv1 conv3 fc5")
    assert moves(placed(placement)) == expected


def test_layers_that_read_the_same_share_an_exchange() -> None:
    net = """
network Branches {
  input 3x8x8

  stem:  conv 8 kernel=3 pad=1 -> relu
  left:  conv 8 kernel=1
  right: stem -> conv 8 kernel=3 pad=1 -> add left
  fc:    linear 8 -> softmax
}

placement p {
"""
    graph = placed("mesh gpu=2\nsplit channels by gpu", net)
    gathered = [each for each in graph.exchanges() if each.reads == "stem.relu"]
    assert len(gathered) == 1
    readers = [node.whole.layer.name for node in graph.layers() if gathered[0].name in node.local.layer.inputs]
    assert readers == ["left", "right"]


def test_images_need_no_gradient() -> None:
    graph = placed("mesh gpu=2\nkeep conv1 on gpu 0")
    assert [each.has_gradient for each in graph.exchanges()] == [False, True]


def test_a_split_without_in_covers_the_remaining_layers() -> None:
    one = placed("mesh gpu=2\nsplit channels by gpu\nkeep fc5 on gpu 0")
    other = placed("mesh gpu=2\nkeep fc5 on gpu 0\nsplit channels by gpu in conv1..fc4")
    assert [each.layout for each in one.layers()] == [each.layout for each in other.layers()]


def on_many_meshes(graph: Graph) -> dict[str, Placement]:
    """Placements of every kind for any network."""
    span, lines = graph.net.name_span, tuple(graph.statements())

    def made(mesh: dict[str, int], splits: list[Split], keeps: tuple[Keep, ...] = ()) -> Placement:
        axes = tuple(Axis(name, devices, span) for name, devices in mesh.items())
        return Placement("p", span, axes, tuple(splits), keeps)

    images, channels = Split("images", "a", None, span), Split("channels", "a", None, span)
    inner = Split("channels", "b", None, span)
    return {
        "images": made({"a": 2}, [images]),
        "channels": made({"a": 2}, [channels]),
        "both": made({"a": 2, "b": 2}, [images, inner]),
        "last kept": made({"a": 2}, [channels], (Keep(lines[-1:], "a", 1, span),)),
        "first kept": made({"a": 2}, [images], (Keep(lines[:1], "a", 1, span),)),
        "trick": made({"a": 2}, [Split("images", "a", lines[:-2], span), Split("channels", "a", lines[-2:], span)]),
        "halves by turns": made({"a": 2}, [Split("channels", "a", lines[::2], span)]),
    }


# What two devices cannot share: the 13 groups of a convolution, and convolutions of one kernel each.
ODD = {"regnet_y_400mf": ("images", "first kept"), "lenet5": ("images", "first kept", "trick")}


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_every_example_can_be_placed(spec: Path) -> None:
    graph = check_file(spec).graph
    assert graph is not None
    for name, placement in on_many_meshes(graph).items():
        laid_out, diagnostics = place(graph, placement)
        if spec.stem in ODD and name not in ODD[spec.stem]:
            assert {each.code for each in diagnostics} == {"E0404"}
            continue
        assert laid_out is not None, (name, diagnostics)
        laid_out.verify()
        text = write_pytorch(graph, spec.name, laid_out)  # this also checks the syntax tree of the file
        assert text.count("exchange.") == text.count("exchange.", text.index(f"class {laid_out.class_name}"))
        read = {name for node in laid_out.layers() for name in node.local.layer.inputs}
        read |= {each.reads for each in laid_out.exchanges()} | set(laid_out.outputs)
        assert {each.name for each in laid_out.exchanges()} <= read


def test_a_mesh_does_not_change_what_is_computed() -> None:
    for graph in FLAGSHIP.placed.values():
        for node in graph.layers():
            devices = graph.parts(node.layout, "channels")
            assert node.local.multiply_adds * devices == node.whole.multiply_adds


def test_the_runtime_gets_an_axis_that_splits_images_only_for_layers_without_weights() -> None:
    net = """
network Net {
  input  3x16x16

  conv1: conv 8 kernel=3 pad=1 -> relu
  pool:  maxpool 2
  fc:    linear 8              -> softmax
}

placement p {
"""
    graph = placed("mesh gpu=2\nsplit images by gpu in pool", net)
    placement = names_of(graph.graph, graph)["PLACEMENT"]
    assert isinstance(placement, RuntimePlacement)
    assert (placement.images, placement.loss, placement.images_within) == ((), (), ("gpu",))
    assert placement.image_axes == {"gpu"}
    assert "images_within" not in write_pytorch(FLAGSHIP.placed["pod"].graph, "a.net", FLAGSHIP.placed["pod"])
