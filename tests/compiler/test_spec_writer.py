"""`alexc compile --emit net`: a spec that extends no other and compiles to the same bytes."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.files.spec_writer import write_spec
from alexc.compiler.graph.graph import Graph
from alexc.compiler.layers.kind import Kind
from alexc.compiler.net.expanded_parts import attribute_of
from alexc.compiler.net.spec_text import argument_text
from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.text.diagnostics import render_all
from tests.conftest import ROOT, Alexc

SPECS = sorted([*(ROOT / "spec").glob("*.net"), *(ROOT / "examples").glob("*.net")])
# Blocks in lines of blocks: lines are cut, so the file has more rows of counts, and other names of values in `forward`.
NESTED = {"efficientnet_b0", "inception_v3", "lenet5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf"}


def read(text: str) -> Graph:
    checked = check_text(text, "test.net")
    assert checked.graph is not None, render_all(checked.source, checked.diagnostics)
    return checked.graph


def layers(graph: Graph) -> list[tuple[Kind, list[str]]]:
    """Each layer, with its name and those of its inputs in the compiled file."""
    named = [
        (node.layer.kind, [node.layer.name, *(name or "input" for name in node.layer.inputs)]) for node in graph.nodes
    ]
    return [(kind, [attribute_of(name) for name in names]) for kind, names in named]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_it_compiles_to_the_same_bytes(spec: Path) -> None:
    graph = check_file(spec).graph
    assert graph is not None
    text = write_spec(graph)
    assert not {"extends", "repeat", "default"} & set(text.split())
    again = read(text)
    assert layers(again) == layers(graph)
    if spec.stem not in NESTED:
        assert write_pytorch(again, "test.net") == write_pytorch(graph, "test.net")
    assert write_spec(again) == text
    assert again.net.placements == graph.net.placements


ODD = {
    "names of parts": " a: conv 4 kernel=1 -> relu -> tanh\n b: a.relu -> tanh\n concat a b input -> relu\n linear 2",
    "multipliers": " conv 4 pad=sides(0, 1, 2, 3) kernel=3 bias_rate=2\n linear 2 bias_decay=0 weight=uniform(-1, 1)",
    "a block that starts from a name": " a: conv 4 kernel=1\n b: a -> relu\n c: a -> twin 4 -> relu\n add b c",
    "a repeated block": " conv 4 kernel=1\n repeat 3 { t: twin 4 -> add conv1 }\n linear 2",
    "layers inside a block": " t: twin 3 -> relu\n u: t.a.relu -> conv 3 kernel=1\n v: t.b2 -> add t.a u t\n linear 2",
    "layers inside a block in a block": " t: nest 4\n u: t.n.a -> add t.n.b1 t.n\n add u t.m t\n linear 2",
    "the end of a block within its line": " t: twin 3 -> relu\n u: t.add1 -> tanh\n add t u\n linear 2",
    "the input of a block": " twin 3\n add input twin1\n linear 2",
}
TWIN = """block twin(n) {
  a: conv n kernel=3 pad=1 -> relu -> batchnorm
  repeat 2 { b: a -> conv n kernel=1 }
  add a b1 b2 input
}
block nest(n) {
  m: conv n kernel=1
  n: twin n
}
"""


@pytest.mark.parametrize("lines", ODD.values(), ids=list(ODD))
def test_odd_forms_compile_to_the_same_bytes(lines: str) -> None:
    graph = read(f"{TWIN}network Net {{\n input 3x8x8\n{lines}\n}}\n")
    again = read(write_spec(graph))
    assert write_pytorch(again, "test.net") == write_pytorch(graph, "test.net")


def test_a_block_in_the_middle_of_a_line_keeps_its_layers_and_their_names() -> None:
    graph = read(
        f"{TWIN}network Net {{\n input 3x8x8\n a: conv 4 kernel=1 -> twin 4 -> dropout 0.5 scale=test\n linear 2\n}}\n"
    )
    assert layers(read(write_spec(graph))) == layers(graph)


def test_a_line_of_a_block_that_begins_with_a_block_keeps_the_names_of_its_layers() -> None:
    nest = "block deep(n) {\n n: twin n -> tanh -> conv n kernel=1\n}\n"
    graph = read(
        f"{TWIN}{nest}network Net {{\n input 3x8x8\n t: deep 3\n u: t.n.b1 -> relu -> add t.n.tanh t\n linear 2\n}}\n"
    )
    assert layers(read(write_spec(graph))) == layers(graph)


def test_the_command_prints_it_and_writes_nothing(tmp_path: Path, alexc: Alexc) -> None:
    (tmp_path / "a.net").write_text("network A {\n  input 3x8x8\n  conv1: conv 4 kernel=3 -> relu\n  fc: linear 2\n}\n")
    (tmp_path / "b.net").write_text('network B extends "a.net" {\n  every relu: tanh\n}\n')
    result = alexc("compile", tmp_path / "b.net", "--emit", "net")
    assert result.stdout == ("network B {\n  input 3x8x8\n\n  conv1: conv 4 kernel=3 -> tanh\n  fc:    linear 2\n}\n")
    assert (result.returncode, result.stderr) == (0, "")
    assert not (tmp_path / "generated").exists()


def test_a_spec_can_have_every_number_that_is_written() -> None:
    rng = random.Random(1)
    values = [0.0, 1e15, -1e15, 999999999999999.9, 123456789012345.6, 0.000123456789012345, 1 / 3, 1e-4, 2.0**60]
    values += [rng.uniform(-1, 1) * 10 ** rng.uniform(-90, 90) for _ in range(300)]
    spelled = re.search(r"^NUMBER: /(.*)/$", (ROOT / "compiler" / "tree" / "grammar.lark").read_text(), re.MULTILINE)
    assert spelled is not None
    for value in values:
        text = argument_text(value)
        assert re.fullmatch(spelled[1], text), text
        assert float(text) == value
