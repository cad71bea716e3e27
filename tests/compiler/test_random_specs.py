"""Random specs with all kinds, branches, blocks and towers: their counts equal those of torch, and none crashes."""

from __future__ import annotations

import random
import re
from functools import cache

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from alexc.compiler.drawing.draw import drawing_of
from alexc.compiler.drawing.stages import is_chain
from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.files.spec_writer import write_spec
from alexc.compiler.graph.graph import Graph
from alexc.compiler.pipeline import check_text
from alexc.compiler.text.diagnostics import render_all
from alexc.compiler.text.source import Source
from alexc.compiler.tree.format import format_spec
from tests.compiler.test_draw import assert_no_elements_overlap, assert_no_line_crosses_a_text_or_a_box
from tests.compiler.test_kinds import LAYERS, record_shapes
from tests.conftest import ROOT
from tests.support.compiled import network_of

pytestmark = pytest.mark.slow

BOUNDED = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**32 - 1)
JOINS = ("add", "concat", "maximum", "multiply")
KINDS = sorted(set(LAYERS) - set(JOINS))


def random_lines(rng: random.Random, number: int, last: str) -> str:
    """Lines that can be added to a network: one layer, two branches and their join, or a block."""
    kinds = [rng.choice(KINDS) for _ in range(rng.randint(1, 3))]
    layers = [LAYERS[kind](rng) for kind in kinds]
    form = rng.randrange(5)
    if form == 0:
        other = rng.choice(["relu", "conv 4 kernel=1 reads=all", LAYERS[rng.choice(KINDS)](rng)])
        join = rng.choice(JOINS)
        return (
            f" l{number}: {last} -> {layers[0]}\n m{number}: {last} -> {other}\n"
            f" n{number}: {join} l{number} m{number}\n"
        )
    if form == 1:
        return f" n{number}: {rng.choice(['twin 4', 'twin 8 k=1', 'residual'])} -> {layers[0]}\n"
    if form == 2:
        return f" repeat {rng.randint(1, 3)} {{ {layers[0]} }}\n n{number}: relu\n"
    if form == 3:
        return f" n{number}: {layers[0]} -> {rng.choice(JOINS)} {last}\n"
    return f" n{number}: {' -> '.join(layers)}\n"


BLOCKS = """block twin(n, k=3) {
  a: conv n kernel=k pad=same reads=all -> relu
  b: input -> conv n kernel=1 reads=all
  concat a b
}
block residual() {
  tanh -> add input
}
"""


@cache
def random_spec(seed: int) -> str:
    """A valid spec: lines are added one after the other, and lines that do not fit are left out."""
    rng = random.Random(seed)
    head = f" input {rng.choice([1, 3, 4])}x{rng.randint(7, 15)}x{rng.randint(7, 15)}\n towers {rng.choice([1, 2])}\n"
    body, last = f" n0: conv {rng.choice([4, 8])} kernel={rng.randint(1, 3)}\n", "n0"
    for number in range(1, rng.randint(3, 8)):
        lines = random_lines(rng, number, last)
        if check_text(f"{BLOCKS}network Net {{\n{head}{body}{lines}}}\n", "random.net").graph is not None:
            body, last = body + lines, f"n{number}"
    return f"{BLOCKS}network Net {{\n{head}{body}}}\n"


def graph_of(text: str) -> Graph:
    checked = check_text(text, "random.net")
    assert checked.graph is not None, text + render_all(checked.source, checked.diagnostics)
    return checked.graph


@BOUNDED
@given(SEEDS)
def test_shapes_parameters_and_multiply_adds_equal_those_of_torch(seed: int) -> None:
    text = random_spec(seed)
    graph = graph_of(text)
    network = network_of(graph).eval()
    shapes = record_shapes(network)
    with FlopCounterMode(display=False) as counter:
        made = network(torch.empty(2, *graph.net.input.sizes, device="meta"))
    assert made.shape == (2, *graph.without_loss()[-1].output.sizes), text
    assert sum(each.numel() for each in network.parameters()) == graph.parameters, text
    assert counter.get_total_flops() == 2 * 2 * graph.multiply_adds, text
    for node in graph.nodes:
        attribute = node.layer.name.replace(".", "_")
        if attribute in shapes:
            assert shapes[attribute] == (2, *node.output.sizes), (text, node.layer.name)


def test_the_random_specs_have_every_kind_and_form() -> None:
    bodies = "".join(random_spec(seed).split("network")[1] for seed in range(150))
    assert {kind for kind in LAYERS if re.search(rf"\b{kind}\b", bodies)} == set(LAYERS)
    for form in ("twin", "residual", "repeat", "towers 2", "reads=tower"):
        assert form in bodies


@BOUNDED
@given(SEEDS)
def test_the_compiled_file_runs_and_learns(seed: int) -> None:
    graph = graph_of(random_spec(seed))
    network = network_of(graph, "cpu").eval()
    torch.manual_seed(0)
    made = network(torch.randn(2, *graph.net.input.sizes))
    made.double().square().mean().backward()
    assert all(each.grad is not None for each in network.parameters())


@BOUNDED
@given(SEEDS)
def test_formatting_and_expanding_change_nothing(seed: int) -> None:
    text = random_spec(seed)
    made = write_pytorch(graph_of(text), "random.net")
    laid_out, problems = format_spec(Source("random.net", text))
    assert laid_out is not None, problems
    assert write_pytorch(graph_of(laid_out), "random.net") == made
    assert format_spec(Source("random.net", laid_out))[0] == laid_out
    body = re.compile(r'^"""[^"]*"""')  # its table differs: a block inside a line becomes several lines
    written = write_pytorch(graph_of(write_spec(graph_of(text))), "random.net")
    if not re.search(r"-> (twin|residual)", text):
        assert body.sub("", written) == body.sub("", made)


@BOUNDED
@given(SEEDS)
def test_nothing_in_a_picture_covers_anything(seed: int) -> None:
    graph = graph_of(random_spec(seed))
    picture = drawing_of(graph)
    assert_no_elements_overlap(picture)
    if not is_chain(graph):
        assert_no_line_crosses_a_text_or_a_box(picture)


PIECES = [
    *("network", "block", "train", "placement", "repeat", "extends", "input", "towers", "default", "without", "every"),
    *("after", "before", "conv", "relu", "lrn", "concat", "add", "twin", "n0", "n1", "kernel", "reads", "tower", "all"),
    *(
        "{",
        "}",
        "(",
        ")",
        "->",
        ":",
        "=",
        ",",
        "..",
        "\n",
        "\r\n",
        "\t",
        "#",
        '"',
        "3",
        "0",
        "-1",
        "1e9",
        "3x3",
        "é",
        "\0",
    ),
]
BASES = [path.read_text() for path in sorted([*(ROOT / "spec").glob("*.net"), *(ROOT / "examples").glob("*.net")])]


def edited(rng: random.Random, text: str) -> str:
    """The text after a few characters, words or lines are inserted, removed or moved."""
    for _ in range(rng.randint(1, 5)):
        unit = rng.choice([r".", r"\w+|\s+|.", r".*\n"])
        parts = re.findall(unit, text, re.DOTALL if unit == "." else 0) or [""]
        place = rng.randrange(len(parts))
        match rng.randrange(4):
            case 0:
                parts.insert(place, rng.choice(PIECES))
            case 1:
                parts[place] = rng.choice(PIECES)
            case 2:
                del parts[place : place + rng.randint(1, 3)]
            case 3:
                parts.insert(rng.randrange(len(parts)), parts[place])
        text = "".join(parts)
    return text


@settings(BOUNDED, max_examples=400)
@given(SEEDS)
def test_an_edited_spec_gets_diagnostics_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    text = edited(rng, rng.choice([*BASES, random_spec(seed % 20)]))
    checked = check_text(text, "edited.net")
    assert (checked.graph is None) == any(each.severity == "error" for each in checked.diagnostics)
    if checked.graph is None:
        assert render_all(checked.source, checked.diagnostics)
    elif checked.graph.parameters < 10**8:
        write_pytorch(checked.graph, "edited.net")
        write_spec(checked.graph)
