"""What `alexc diff` finds, and that "the weights load" is what torch says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alexc.compiler.graph.diff import Diff, diff
from alexc.compiler.graph.graph import Graph
from alexc.compiler.layers.conv import Conv
from alexc.compiler.layers.kind import Join, Kind
from alexc.compiler.net.argument_binding import bind
from alexc.compiler.net.spec_text import step_text
from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.text.source import Source
from alexc.compiler.tree.syntax import parse
from alexc.compiler.tree.tree import Pipeline
from tests.conftest import ROOT, Alexc
from tests.support.compiled import network_of

SMALL = """network Small {
  input 3x16x16

  conv1: conv 8 kernel=3 pad=1 -> relu -> maxpool 2
  conv2: conv 8 kernel=3 pad=1 -> relu -> dropout 0.5 scale=train
  fc3: linear 10 -> softmax
}
placement two {
  mesh gpu=2
  split images by gpu in conv1..conv2
}
"""


def graph(text: str) -> Graph:
    checked = check_text(text, "test.net")
    assert checked.graph is not None, checked.diagnostics
    return checked.graph


def edited(*edits: tuple[str, str]) -> Diff:
    text = SMALL
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return diff(graph(SMALL), graph(text))


def changes(found: Diff) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.layer, each.change, each.what) for each in found.layers]


@pytest.mark.parametrize("spec", sorted(ROOT.glob("examples/*.net")), ids=lambda spec: spec.stem)
def test_a_spec_is_the_same_as_itself(spec: Path) -> None:
    checked = check_file(spec).graph
    assert checked is not None
    found = diff(checked, checked)
    assert found.same
    assert found.weights.load


def test_another_layout_is_the_same() -> None:
    assert edited(("  conv1: conv 8 kernel=3 pad=1 -> relu", "\n conv1: conv  kernel=3x3 kernels=8 pad=1\n->relu")).same


def test_settings() -> None:
    found = edited(("network Small", "network Large"), ("3x16x16", "3x32x32"), ("conv1..conv2", "conv1"))
    assert [(each.name, each.before, each.after) for each in found.settings] == [
        ("network", "Small", "Large"),
        ("input", "3x16x16", "3x32x32"),
        (
            "placement two",
            "mesh gpu=2; split images by gpu in conv1..conv2",
            "mesh gpu=2; split images by gpu in conv1",
        ),
    ]
    assert [each.layer for each in found.layers if each.change != "changed" or each.before == each.after] == []
    assert found.weights.reshaped == ("fc3",)


def test_an_argument() -> None:
    found = edited(("conv2: conv 8 kernel=3 pad=1", "conv2: conv 8 kernel=5 pad=2"))
    what = ("kernel 3 -> 5", "pad 1 -> 2", "weights 8x8x3x3 -> 8x8x5x5")
    assert changes(found) == [("conv2", "changed", what)]
    (layer,) = found.layers
    assert layer.before is not None
    assert layer.after is not None
    assert (layer.before.parameters, layer.after.parameters) == (8 * 8 * 9 + 8, 8 * 8 * 25 + 8)
    assert found.after.multiply_adds - found.before.multiply_adds == 8 * 8 * 8 * 8 * (25 - 9)
    assert (found.weights.alike, found.weights.reshaped) == (("conv1", "fc3"), ("conv2",))
    assert not found.weights.load


def test_a_kind_in_the_place_of_another_is_one_change_and_what_follows_is_none() -> None:
    found = edited(("pad=1 -> relu -> maxpool", "pad=1 -> tanh -> maxpool"))
    assert changes(found) == [("conv1.tanh", "changed", ("relu -> tanh",))]
    assert found.weights.load


def test_dropped_and_added() -> None:
    found = edited((" -> dropout 0.5 scale=train", ""), ("  fc3:", "  conv2b: conv 4 kernel=1\n  fc3:"))
    assert changes(found) == [
        ("conv2.dropout", "dropped", ("dropout 0.5 scale=train",)),
        ("conv2b", "added", ("conv 4 kernel=1",)),
        ("fc3", "changed", ("weights 10x512 -> 10x256",)),
    ]
    assert found.weights.only_after == ("conv2b",)


def test_the_order_of_layers_counts() -> None:
    found = edited(("-> relu -> maxpool 2", "-> maxpool 2 -> relu"))
    assert {each.layer for each in found.layers} == {"conv1.relu", "conv1.maxpool"}
    assert found.weights.load


def test_what_a_layer_reads() -> None:
    text = """network Small {
  input 3x16x16
  stem: conv 8 kernel=1
  left: conv 8 kernel=1
  right: stem -> conv 8 kernel=1
  concat left right
  fc: linear 10 -> softmax
}
"""
    found = diff(graph(text), graph(text.replace("right: stem", "right: left")))
    assert changes(found) == [("right", "changed", ("input stem -> left",))]
    assert found.weights.load
    last = "  last: stem -> conv 16 kernel=1 -> add concat1\n"
    longer = diff(graph(text), graph(text.replace("  fc:", f"{last}  fc:")))
    assert changes(longer)[:2] == [
        ("last", "added", ("conv 16 kernel=1", "input stem")),
        ("last.add", "added", ("add", "input last, concat1")),
    ]
    turned = diff(graph(text), graph(text.replace("left right", "right left")))
    assert changes(turned) == [("concat1", "changed", ("input left, right -> right, left",))]


def test_a_recipe() -> None:
    flagship = check_file(ROOT / "spec" / "alexnet.net")
    assert flagship.graph is not None
    text = flagship.source.text.replace("lr=0.01", "lr=0.02").replace("epochs    90", "epochs    60")
    assert [(each.name, each.before, each.after) for each in diff(flagship.graph, graph(text)).settings] == [
        (
            "train optimizer",
            "sgd lr=0.01 momentum=0.9 weight_decay=0.0005",
            "sgd lr=0.02 momentum=0.9 weight_decay=0.0005",
        ),
        ("train epochs", "90", "60"),
    ]


@pytest.mark.parametrize(
    ("edit", "loads"),
    [
        (("-> relu -> maxpool", "-> tanh -> maxpool"), True),
        (("-> relu -> maxpool 2", "-> maxpool 2 -> relu"), True),
        ((" -> dropout 0.5 scale=train", ""), True),
        (("conv2: conv 8 kernel=3 pad=1", "conv2: conv 8 kernel=5 pad=2"), False),
        (("conv2: conv 8 kernel=3 pad=1", "conv2: conv 8 kernel=3 pad=1 bias=none"), False),
        (("conv2: conv 8 kernel=3 pad=1", "conv2: conv 8 kernel=3 pad=1 groups=2"), False),
        (("  conv2:", "  other:"), False),
        (("pad=1 -> relu -> maxpool", "pad=1 -> batchnorm -> relu -> maxpool"), False),
    ],
)
def test_whether_weights_load_is_what_torch_says(edit: tuple[str, str], loads: bool) -> None:
    text = SMALL.replace("conv1..conv2", "conv1").replace(*edit)
    assert text != SMALL.replace("conv1..conv2", "conv1")
    graphs = graph(SMALL), graph(text)
    before, after = (network_of(each, "cpu") for each in graphs)
    assert diff(*graphs).weights.load == loads
    for target, source in ((before, after), (after, before)):
        if loads:
            target.load_state_dict(source.state_dict())
        else:
            with pytest.raises(RuntimeError, match="loading state_dict"):
                target.load_state_dict(source.state_dict())


@pytest.mark.parametrize("spec", sorted(ROOT.glob("examples/*.net")), ids=lambda spec: spec.stem)
def test_a_step_as_text_reads_back_as_itself(spec: Path) -> None:
    checked = check_file(spec).graph
    assert checked is not None
    for node in checked.nodes:
        if not isinstance(node.layer.kind, Join):
            assert read_back(step_text(node.layer.kind), type(node.layer.kind)) == node.layer.kind


@pytest.mark.parametrize(
    "text",
    [
        "conv 8 kernel=3 pad=same",
        "conv 8 kernel=3x5 pad=1x2",
        "conv 8 kernel=3 pad=sides(0, 1, 0, 1)",
        "conv 8 kernel=3 weight=uniform(-0.1, 0.1) bias=none",
        "conv 8 kernel=3 weight=xavier(2)",
    ],
)
def test_an_argument_as_text(text: str) -> None:
    assert step_text(read_back(text, Conv)) == text


def read_back(text: str, kind: type[Kind]) -> Kind:
    (block,) = parse(Source("test.net", f"a {{\n {text}\n}}"))[0].blocks
    (statement,) = block.statements
    assert isinstance(statement, Pipeline)
    model, _, diagnostics = bind(kind, statement.steps[0].kind, statement.steps[0].arguments, {})
    assert diagnostics == []
    assert model is not None
    return model


@pytest.mark.slow
def test_the_command(tmp_path: Path, alexc: Alexc) -> None:
    (tmp_path / "a.net").write_text(SMALL)
    (tmp_path / "b.net").write_text(
        SMALL.replace("conv 8 kernel=3 pad=1 -> relu -> drop", "conv 16 kernel=1 -> relu -> drop")
    )
    (tmp_path / "wrong.net").write_text("network A {\n  conv 4 kernal=3\n}\n")
    same = alexc("diff", "a.net", "a.net")
    assert same.returncode == 0
    assert same.stdout.startswith("a.net -> a.net: equal\n")
    other = alexc("diff", "a.net", "b.net")
    assert other.returncode == 1
    assert "kernels 8 -> 16" in other.stdout
    assert "same name, different shape: conv2, fc3" in other.stdout
    as_json = alexc("diff", "a.net", "b.net", "--format", "json")
    assert as_json.returncode == 1
    told = json.loads(as_json.stdout)
    assert (told["same"], told["weights_load"]) == (False, False)
    assert [each["layer"] for each in told["layers"]] == ["conv2", "fc3"]
    for spec in ("wrong.net", "nowhere.net"):
        broken = alexc("diff", "a.net", spec)
        assert (broken.returncode, broken.stdout) == (2, "")
        assert "error" in broken.stderr
