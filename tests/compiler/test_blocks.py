"""Blocks and repetitions: their expansion, and its limits for hostile files."""

from __future__ import annotations

import time

import pytest

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.graph.graph import Graph
from alexc.compiler.pipeline import Checked, check_text
from alexc.compiler.text.diagnostics import render_all

TWIN = "block twin(n, k=3) {\n conv n kernel=k pad=1 -> relu\n again: conv n kernel=k pad=1\n}\n"


def check(lines: str, blocks: str = "") -> Checked:
    return check_text(f"{blocks}network Net {{\n input 3x16x16\n{lines}\n}}\n", "test.net")


def graph_of(lines: str, blocks: str = "") -> Graph:
    checked = check(lines, blocks)
    assert checked.graph is not None, render_all(checked.source, checked.diagnostics)
    return checked.graph


def layers(graph: Graph) -> list[tuple[str, str, tuple[str | None, ...]]]:
    return [(node.layer.name, str(node.output), node.layer.inputs) for node in graph.nodes]


def codes(checked: Checked) -> list[str]:
    assert checked.graph is None
    return [each.code for each in checked.diagnostics]


def test_a_block_is_a_group_of_layers() -> None:
    assert layers(graph_of(" a: twin 8 -> relu\n twin n=4 k=1", TWIN)) == [
        ("a.conv1", "8x16x16", (None,)),
        ("a.conv1.relu", "8x16x16", ("a.conv1",)),
        ("a.again", "8x16x16", ("a.conv1.relu",)),
        ("a.relu", "8x16x16", ("a.again",)),
        ("twin1.conv1", "4x18x18", ("a.relu",)),
        ("twin1.conv1.relu", "4x18x18", ("twin1.conv1",)),
        ("twin1.again", "4x20x20", ("twin1.conv1.relu",)),
    ]


def test_a_network_with_blocks_compiles_to_the_network_without_them_except_for_names() -> None:
    made = write_pytorch(graph_of(" a: twin 8\n b: linear 4", TWIN), "test.net")
    hand = write_pytorch(
        graph_of(" first: conv 8 kernel=3 pad=1 -> relu\n second: conv 8 kernel=3 pad=1\n b: linear 4"), "test.net"
    )
    body = made.split("import", 1)[1].replace("a_conv1", "first").replace("a_again", "second")
    assert body == hand.split("import", 1)[1]


def test_input_in_a_block_is_the_input_of_the_block() -> None:
    residual = "block residual(n) {\n conv n kernel=3 pad=1 -> relu\n conv n kernel=3 pad=1 -> add input -> relu\n}\n"
    graph = graph_of(" stem: conv 8 kernel=1\n a: residual 8\n b: stem -> residual 8\n add a b", residual)
    reads = {name: inputs for name, _, inputs in layers(graph)}
    assert reads["a.conv2.add"] == ("a.conv2", "stem")
    assert reads["b.conv1"] == ("stem",)
    assert reads["b.conv2.add"] == ("b.conv2", "stem")
    assert reads["add1"] == ("a.conv2.relu", "b.conv2.relu")


def test_a_block_passes_its_parameters_to_a_block_in_it() -> None:
    outer = TWIN + "block outer(m, deep=2) {\n left: twin m\n right: input -> twin m k=3\n concat left right\n}\n"
    graph = graph_of(" a: outer 4\n linear 2", outer)
    assert layers(graph)[-2] == ("a.concat1", "8x16x16", ("a.left.again", "a.right.again"))
    assert "self.a_left_conv1 = " in write_pytorch(graph, "test.net")


def test_names_in_a_block_are_known_only_in_the_block() -> None:
    message = codes(check(" a: twin 8\n b: again -> relu\n", TWIN))
    assert message == ["E0201"]
    assert codes(check(" a: conv 8 kernel=1\n odd\n", "block odd() {\n add a input\n}\n")) == ["E0211"]


def test_a_repetition_numbers_the_names() -> None:
    graph = graph_of(" repeat 2 {\n  a: conv 4 kernel=1\n  repeat 2 { b: relu -> tanh }\n }\n c: add a1 b2_2")
    assert [name for name, _, _ in layers(graph)] == [
        *("a1", "b1_1", "b1_1.tanh", "b1_2", "b1_2.tanh", "a2", "b2_1", "b2_1.tanh", "b2_2", "b2_2.tanh", "c")
    ]
    assert layers(graph)[-1][2] == ("a1", "b2_2.tanh")


def test_a_name_in_a_repetition_means_the_layer_of_the_same_iteration() -> None:
    graph = graph_of(" stem: conv 4 kernel=1\n repeat 2 {\n  a: conv 4 kernel=1\n  b: relu -> add a\n }")
    reads = {name: inputs for name, _, inputs in layers(graph)}
    assert reads["b1.add"] == ("b1", "a1")
    assert reads["b2.add"] == ("b2", "a2")


def test_a_parameter_can_be_the_number_of_repetitions() -> None:
    stage = "block stage(n, times) {\n repeat times { conv n kernel=1 }\n}\n"
    assert [str(node.output) for node in graph_of(" stage 4 3", stage).nodes] == ["4x16x16"] * 3


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "n", "200001", "3x3", "f(2)", "2 2", "x=2"])
def test_invalid_numbers_of_repetitions(count: str) -> None:
    assert codes(check(f" repeat {count} {{ relu }}\n linear 2")) == ["E0204"]


def test_an_error_in_a_repetition_is_reported_once() -> None:
    assert codes(check(" repeat 50 { conv 4 kernle=1 }")) == ["E0202"]
    assert codes(check(" repeat 50 { cnov 4 }")) == ["E0201"]
    assert codes(check(" repeat 50 { print: relu }")) == ["E0206"]


def test_an_error_in_a_block_instance_is_reported_once() -> None:
    assert codes(check(" a: twin\n b: a -> relu\n concat a b", TWIN)) == ["E0203"]


def test_an_edit_changes_the_arguments_of_an_instance() -> None:
    base = TWIN + "network A {\n input 3x16x16\n a: twin 4 -> relu\n b: conv 2 kernel=1 -> twin 2\n linear 2\n}\n"
    edits = "network B extends A {\n every relu: tanh\n a: n=6\n b.twin: k=1\n a.again: bias=none\n}\n"
    checked = check_text(base + edits, "test.net")
    assert checked.graph is not None, render_all(checked.source, checked.diagnostics)
    made = {node.layer.name: str(node.output) for node in checked.graph.nodes}
    assert (made["a.conv1"], made["a.conv1.tanh"], made["a.tanh"]) == ("6x16x16",) * 3
    assert made["b.twin.again"] == "2x20x20"
    assert {node.layer.name: node.bias_count for node in checked.graph.nodes}["a.again"] == 0


def chain_of_blocks(depth: int, width: int, last: str) -> str:
    links = [
        f"block b{i} {{\n {' -> '.join([f'b{i + 1}'] * width)}\n}}\n".replace("{", "() {", 1) for i in range(depth)
    ]
    return "".join(links) + f"block b{depth}() {{\n {last}\n}}\n"


BOMBS = {
    "nested repetitions": (" repeat 200000 { repeat 200000 { repeat 200000 { relu } } }", ""),
    "repetitions of nothing": (" repeat 200000 { repeat 200000 { } }", ""),
    "doubling blocks": (" b0", chain_of_blocks(30, 2, "relu")),
    "blocks in a circle": (" a\n", "block a() {\n b -> b\n}\nblock b() {\n a -> a\n}\n"),
    "doubling blocks of mistakes": (" b0", chain_of_blocks(30, 2, "b0 1")),
    "a deep chain of blocks": (" b0", chain_of_blocks(1000, 1, "relu")),
    "a long line many times": (" repeat 100000 { concat " + "a " * 100_000 + "}", ""),
    "deep braces": (" repeat 1 {\n" * 100_000 + "}" * 100_000, ""),
    "deep calls": (" conv 8 kernel=" + "f(" * 1000 + ")" * 1000, ""),
    "long names": (" " + "a" * 64 + ": b0", chain_of_blocks(30, 1, "relu")),
    "many unknown names": ("".join(f" concat x{i} y{i}\n" for i in range(20_000)), ""),
    "many names twice": (" a: relu\n" * 20_000, ""),
    "many misfits": (" conv 4 kernel=99\n" * 20_000, ""),
    "one line of many layers": (" a: " + " -> ".join(["relu"] * 100_000) + " -> lrn", ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_no_file_is_written_out_for_ever(name: str) -> None:
    lines, blocks = BOMBS[name]
    started = time.process_time()
    checked = check(lines, blocks)
    assert checked.graph is None
    assert 1 <= len(checked.diagnostics) <= 200
    assert all(len(render_all(checked.source, [each])) < 5000 for each in checked.diagnostics)
    assert time.process_time() - started < 30  # a hang, not a speed: the worst takes a few seconds


def test_an_expanded_name_that_python_uses_is_refused() -> None:
    message = codes(check(" get: outer\n", "block outer() {\n buffer: relu\n}\n"))
    assert message == ["E0206"]
