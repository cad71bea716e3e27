"""Variants: every edit gives the network that is written by hand, and every error is reported at its place."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import Checked, check_file, check_text
from alexc.compiler.text.diagnostics import render_all
from tests.conftest import ROOT

BASE = """network A {
  input 3x32x32
  towers 2
  default conv pad=1 weight=normal(0, 0.01)
  default lrn size=5 k=2 alpha=1e-4 beta=0.75 norm=sum over=tower
  conv1: conv 8 kernel=3 -> relu -> lrn -> maxpool 2
  conv2: conv 8 kernel=3 reads=tower -> relu -> lrn
  fc3: linear 16 reads=all -> relu -> dropout 0.5 scale=test
  fc4: linear 20 reads=all -> softmax
}
"""


def compiled(text: str) -> str:
    checked = check_text(text, "test.net")
    assert checked.graph is not None, render_all(checked.source, checked.diagnostics)
    return write_pytorch(checked.graph, "test.net")


def variant(*edits: str) -> str:
    return BASE + "network B extends A {\n" + "".join(f"  {edit}\n" for edit in edits) + "}\n"


def by_hand(*replacements: tuple[str, str]) -> str:
    text = BASE.replace("network A", "network B")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text


EDITS: dict[str, tuple[list[str], list[tuple[str, str]]]] = {
    "nothing": ([], []),
    "input": (["input 3x16x16"], [("3x32x32", "3x16x16")]),
    "towers": (["towers 4"], [("towers 2", "towers 4")]),
    "default": (["default conv weight=xavier"], [("normal(0, 0.01)", "xavier")]),
    "a default more": (["default linear bias=1"], [("default conv", "default linear bias=1\n  default conv")]),
    "an argument": (["conv1: kernel=5"], [("conv1: conv 8 kernel=3", "conv1: conv 8 kernel=5")]),
    "a value without its key": (["conv1: kernels=12"], [("conv1: conv 8", "conv1: conv 12")]),
    "two arguments": (["conv1: kernel=5 stride=2"], [("conv1: conv 8 kernel=3", "conv1: conv 8 kernel=5 stride=2")]),
    "the last edit holds": (
        ["conv1: kernel=5", "conv1: kernel=7"],
        [("conv1: conv 8 kernel=3", "conv1: conv 8 kernel=7")],
    ),
    "a part's argument": (["conv2.lrn: size=3"], [("reads=tower -> relu -> lrn", "reads=tower -> relu -> lrn size=3")]),
    "a line": (
        ["conv2: conv 12 kernel=1 reads=all -> tanh"],
        [("conv2: conv 8 kernel=3 reads=tower -> relu -> lrn", "conv2: conv 12 kernel=1 reads=all -> tanh")],
    ),
    "every kind by another": (["every relu: tanh"], [("relu", "tanh")]),
    "every kind with arguments": (["every relu: leaky_relu 0.2"], [("relu", "leaky_relu 0.2")]),
    "every kind's argument": (["every lrn: size=3"], [("default lrn size=5", "default lrn size=3")]),
    "without a kind": (["without lrn"], [(" -> lrn", "")]),
    "without two kinds": (["without lrn dropout"], [(" -> lrn", ""), (" -> dropout 0.5 scale=test", "")]),
    "without a line": (
        ["without fc3", "fc4: linear 20 reads=all -> softmax"],
        [("  fc3: linear 16 reads=all -> relu -> dropout 0.5 scale=test\n", "")],
    ),
    "without a part": (["without conv1.lrn"], [("relu -> lrn -> maxpool", "relu -> maxpool")]),
    "after a line": (
        ["after conv2 extra: conv 8 kernel=1 reads=all -> relu"],
        [("  fc3", "  extra: conv 8 kernel=1 reads=all -> relu\n  fc3")],
    ),
    "before a line": (["before fc3 pool: maxpool 2"], [("  fc3", "  pool: maxpool 2\n  fc3")]),
    "a name that became free": (
        ["without fc3", "after conv2 fc3: linear 8 reads=all"],
        [("linear 16 reads=all -> relu -> dropout 0.5 scale=test", "linear 8 reads=all")],
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_gives_the_network_that_is_written_by_hand(name: str) -> None:
    edits, replacements = EDITS[name]
    made = compiled(variant(*edits))
    assert made == compiled(by_hand(*replacements))
    assert (made == compiled(by_hand())) == (not edits)


def names(text: str) -> list[str]:
    checked = check_text(text, "test.net")
    assert checked.graph is not None, render_all(checked.source, checked.diagnostics)
    return [node.layer.name for node in checked.graph.nodes]


def test_a_step_inserted_beside_a_step_joins_its_line() -> None:
    made = compiled(variant("after conv1.relu: tanh -> relu", "before conv1.lrn: sigmoid"))
    assert made == compiled(
        by_hand(
            (
                "conv 8 kernel=3 -> relu -> lrn -> maxpool",
                "conv 8 kernel=3 -> relu -> tanh -> relu -> sigmoid -> lrn -> maxpool",
            )
        )
    )
    (problem,) = check_text(variant("after conv1.relu mine: tanh"), "test.net").diagnostics
    assert (problem.code, problem.span.text) == ("E0605", "mine")


def test_steps_are_named_as_if_their_line_were_written_like_this() -> None:
    text = "network A {\n input 3x8x8\n a: conv 4 kernel=1 -> relu -> tanh -> relu\n linear 2\n}\n"
    assert names(text + "network B extends A {\n every relu: tanh\n}\n") == [
        "a",
        "a.tanh",
        "a.tanh2",
        "a.tanh3",
        "linear1",
    ]
    assert names(text + "network B extends A {\n without a.relu\n}\n") == ["a", "a.tanh", "a.relu", "linear1"]


def test_a_line_continues_without_its_first_layer() -> None:
    text = "network A {\n input 3x8x8\n a: lrn 5 k=1 alpha=1 beta=1 norm=sum -> conv 4 kernel=1 -> relu\n linear 2\n}\n"
    assert names(text + "network B extends A {\n without lrn\n}\n") == ["a", "a.relu", "linear1"]


def test_a_line_inside_a_block_instance() -> None:
    text = "block b() {\n c: conv 4 kernel=1\n d: relu\n}\nnetwork A {\n input 3x8x8\n a: b\n linear 2\n}\n"
    edited = text + "network B extends A {\n after a.c e: tanh -> sigmoid\n}\n"
    assert names(edited) == ["a.c", "a.e", "a.e.sigmoid", "a.d", "linear1"]


def test_a_line_keeps_its_start_without_its_first_layer() -> None:
    text = (
        "network A {\n input 3x8x8\n stem: conv 4 kernel=1\n a: stem -> relu\n b: stem -> lrn 5 k=1 alpha=1 beta=1 "
        "norm=sum -> tanh\n add a b\n linear 2\n}\nnetwork B extends A {\n without lrn\n}\n"
    )
    checked = check_text(text, "test.net")
    assert checked.graph is not None
    assert {node.layer.name: node.layer.inputs for node in checked.graph.nodes}["b"] == ("stem",)


def test_variants_of_variants() -> None:
    text = variant("every relu: tanh") + "network C extends B {\n every tanh: sigmoid\n  conv1: kernel=5\n}\n"
    hand = by_hand(("relu", "sigmoid"), ("conv1: conv 8 kernel=3", "conv1: conv 8 kernel=5"))
    assert compiled(text) == compiled(hand.replace("network B", "network C"))


# Across files.


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.net").write_text(text)


def shown(checked: Checked) -> str:
    return render_all(checked.source, checked.diagnostics)


TRAIN = """train {
  prepare   resize 32 -> center_crop 32 -> subtract mean_image
  augment   mirror
  test      center 32
  loss      cross_entropy
  optimizer sgd lr=0.01 momentum=0.9 weight_decay=0.0005
  schedule  constant
  batch     128
  epochs    90
}
"""


def test_a_variant_of_another_file_inherits_its_recipe(tmp_path: Path) -> None:
    write(tmp_path, a=BASE + TRAIN, b='network B extends "a.net" {\n  without lrn\n}\n')
    checked = check_file(tmp_path / "b.net")
    assert checked.graph is not None, shown(checked)
    assert checked.graph.net.recipe is not None
    assert checked.graph.net.recipe.batch == 128
    assert write_pytorch(checked.graph, "test.net") == compiled(by_hand((" -> lrn", "")) + TRAIN)


def test_a_recipe_that_extends_another_replaces_statements(tmp_path: Path) -> None:
    write(tmp_path, a=BASE + TRAIN, b='network B extends "a.net" A {\n}\ntrain extends "a.net" {\n  batch 64\n}\n')
    checked = check_file(tmp_path / "b.net")
    assert checked.graph is not None, shown(checked)
    assert write_pytorch(checked.graph, "test.net") == compiled(by_hand() + TRAIN.replace("128", "64"))


def test_a_placement_that_extends_another(tmp_path: Path) -> None:
    pair = "placement pair {\n  mesh tower=2\n  split channels by tower\n}\n"
    wide = 'placement four extends "a.net" pair {\n  mesh copy=1 tower=2\n}\n'
    write(tmp_path, a=BASE + pair, b='network B extends "a.net" {\n}\n' + wide)
    checked = check_file(tmp_path / "b.net")
    assert checked.graph is not None, shown(checked)
    (placement,) = checked.graph.net.placements
    assert [(axis.name, axis.devices) for axis in placement.mesh] == [("copy", 1), ("tower", 2)]
    assert [split.axis for split in placement.splits] == ["tower"]


def test_an_error_is_shown_in_the_file_that_contains_it(tmp_path: Path) -> None:
    write(tmp_path, a=BASE.replace("kernel=3 ->", "kernle=3 ->"), b='network B extends "a.net" {\n  without lrn\n}\n')
    message = shown(check_file(tmp_path / "b.net"))
    assert message.startswith("error[E0202]: `conv` has no argument `kernle`\n")
    assert f"--> {tmp_path / 'a.net'}:6:17" in message
    assert message.count("error[") == 1


def test_a_syntax_error_is_shown_in_the_other_file(tmp_path: Path) -> None:
    write(tmp_path, a=BASE.replace("input ", "input = "), b='network B extends "a.net" {\n  without lrn\n}\n')
    message = shown(check_file(tmp_path / "b.net"))
    assert message.startswith("error[E0101]: unexpected `=`\n")
    assert f"--> {tmp_path / 'a.net'}:2:9" in message
    assert message.count("error[") == 1


def test_a_name_alone_finds_a_shipped_spec_if_no_file_has_it(tmp_path: Path) -> None:
    write(tmp_path, b='network B extends "alexnet.net" {\n  without lrn\n}\n')
    shipped = check_file(tmp_path / "b.net")
    assert shipped.graph is not None, shown(shipped)
    assert shipped.graph.parameters == 60_965_224
    text = (tmp_path / "b.net").read_text()
    for name in ("six_layers_146.net", "resnet50.net"):
        assert (
            check_text(text.replace("alexnet.net", name).replace("  without lrn\n", ""), "text.net").graph is not None
        )
    write(tmp_path, alexnet=BASE)
    beside = check_file(tmp_path / "b.net")
    assert beside.graph is None or beside.graph.parameters < 60_965_224
    (tmp_path / "alexnet.net").unlink()
    unsaved = {(tmp_path / "alexnet.net").resolve(): BASE.replace("lrn", "lrm")}
    in_editor = check_text(text, "b.net", tmp_path / "b.net", unsaved)
    assert "`lrm`" in shown(in_editor)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("alexnt.net", "none ships with alexc; did you mean `alexnet.net`, which ships with alexc?"),
        ("folders.net", "none ships with alexc; `alexc examples` lists those that do"),
        ("byte.net", "bytes.net?"),
        ("q.net", "none ships with alexc; `alexc examples` lists those that do"),
        ("./alexnet.net", "cannot be read: no such file or directory"),
        ("../spec/alexnet.net", "there is no folder"),
        ("missing.net", "cannot be read: no such file or directory"),
        ("b.py", "is not the path of a `.net` file"),
        ("/etc/passwd", "is not the path of a `.net` file"),
        (".", "is not the path of a `.net` file"),
        ("folder.net", "cannot be read: is a directory"),
        ("bytes.net", "not UTF-8"),
        ("a" * 300 + ".net", "cannot be read: file name too long"),
    ],
)
def test_a_base_that_cannot_be_read(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "folder.net").mkdir()
    (tmp_path / "bytes.net").write_bytes(b"\xff")
    write(tmp_path, b=f'network B extends "{path}" {{\n  without lrn\n}}\n')
    message = shown(check_file(tmp_path / "b.net"))
    assert words in message
    assert message.count("error[") == 1
    assert "Traceback" not in message


def test_files_that_extend_each_other(tmp_path: Path) -> None:
    for one, other in ("ab", "ba"):
        write(tmp_path, **{one: f'network {one.upper()} extends "{other}.net" {{\n  without lrn\n}}\n'})
    message = shown(check_file(tmp_path / "a.net"))
    assert message.startswith("error[E0601]")
    assert message.count("error[") == 1


def test_a_file_that_extends_itself(tmp_path: Path) -> None:
    write(tmp_path, a='network A extends "../' + tmp_path.name + '/a.net" {\n}\n')
    assert shown(check_file(tmp_path / "a.net")).startswith("error[E0601]")


def test_a_long_chain_ends() -> None:
    links = [f"network N{i} extends N{i + 1} {{\n  without lrn\n}}\n" for i in reversed(range(100))]
    (problem,) = check_text(BASE + "".join(links), "test.net").diagnostics
    assert (problem.code, problem.headline) == ("E0601", "the chain of blocks that extend each other is longer than 32")


def test_the_number_of_edits_is_limited() -> None:
    started = time.process_time()
    (problem,) = check_text(variant(*["conv1: kernel=3"] * 5000), "test.net").diagnostics
    assert problem.code == "E0604"
    assert time.process_time() - started < 10


def test_the_example_variants_differ_only_in_their_edits() -> None:
    flagship = check_file(ROOT / "spec" / "alexnet.net").graph
    plain = check_file(ROOT / "examples" / "alexnet_no_lrn.net").graph
    assert flagship is not None
    assert plain is not None
    kept = [node.layer.name for node in flagship.nodes if not node.layer.name.endswith(".lrn")]
    assert [node.layer.name for node in plain.nodes] == kept
    assert plain.parameters == flagship.parameters
