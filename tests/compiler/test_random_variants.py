"""Random variants of random networks: an edit equals the same change in the text or in the graph."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from torch.utils.flop_counter import FlopCounterMode

from alexc.compiler.files.spec_writer import write_spec
from alexc.compiler.graph.graph import Graph
from alexc.compiler.net.spec_text import step_text
from alexc.compiler.pipeline import check_text
from alexc.compiler.text.diagnostics import render_all
from alexc.compiler.tree.format import format_spec
from tests.compiler.test_format import hold
from tests.compiler.test_kinds import LAYERS
from tests.compiler.test_random_specs import BLOCKS, BOUNDED, JOINS, SEEDS, edited, graph_of, random_lines, random_spec
from tests.support.compiled import network_of

pytestmark = pytest.mark.slow

MISFITS = {"E0301", "E0302", "E0303", "E0305"}  # the form is right, but the shapes do not go together
# An edit removed all layers, a layer that is read, or the only reader of a layer.
GONE = {"E0210", "E0211", "E0212"}
SHAPELESS = [
    "relu",
    "relu6",
    "tanh",
    "sigmoid",
    "gelu",
    "silu",
    "softplus",
    "leaky_relu",
    "elu",
    "dropout",
    "softmax",
    "lrn",
]
REPLACEMENTS = [
    "relu",
    "tanh",
    "leaky_relu 0.3",
    "dropout 0.25 scale=test",
    "maxpool 2 pad=1",
    "conv 8 kernel=1 reads=all",
]

Structure = list[tuple[str, tuple[int, ...]]]


def structure(graph: Graph, leave_out: str = "") -> Structure:
    """Every layer with the positions of its inputs, without names, as if there were no `leave_out` layers."""
    places: dict[str | None, int] = {None: -1}
    layers: Structure = []
    for node in graph.nodes:
        inputs = tuple(places[name] for name in node.layer.inputs)
        if node.layer.kind.keyword == leave_out:
            places[node.layer.name] = inputs[0]
        else:
            places[node.layer.name] = len(layers)
            layers.append((step_text(node.layer.kind), inputs))
    return layers


def variant(text: str, *edits: str) -> str:
    return text + "network Changed extends Net {\n" + "".join(f" {edit}\n" for edit in edits) + "}\n"


def graph_or_codes(text: str, allowed: set[str]) -> Graph | None:
    """The graph; None if the spec is rejected for one of the allowed reasons."""
    checked = check_text(text, "random.net")
    said = {each.code for each in checked.diagnostics}
    assert said <= allowed, text + render_all(checked.source, checked.diagnostics)
    return checked.graph


def with_steps(text: str, kind: str, change: Callable[[str], str]) -> str:
    """The text with another text in place of every step of a kind and its arguments."""
    return re.sub(rf"(?<= ){kind}\b(?:(?! ->| \}}|\n).)*", lambda step: change(step.group()), text)


def with_key(step: str, key: str, value: str) -> str:
    return re.sub(rf" {key}=\S+", "", step) + f" {key}={value}"


def kinds_in(graph: Graph) -> list[str]:
    return sorted({node.layer.kind.keyword for node in graph.nodes})


@BOUNDED
@given(SEEDS)
def test_a_line_is_rejected_only_because_of_its_shapes(seed: int) -> None:
    rng = random.Random(seed)
    towers, lines = rng.choice([1, 2]), random_lines(rng, 1, "n0")
    body = f" input 3x11x9\n towers {towers}\n n0: conv 8 kernel=1\n{lines}"
    graph_or_codes(f"{BLOCKS}network Net {{\n{body}}}\n", MISFITS)


@BOUNDED
@given(SEEDS)
def test_every_with_a_kind_equals_the_text_with_the_kind_replaced(seed: int) -> None:
    rng = random.Random(seed)
    text = random_spec(seed)
    kind = rng.choice([kind for kind in kinds_in(graph_of(text)) if kind not in JOINS])
    replacement = rng.choice(REPLACEMENTS)
    made = graph_or_codes(variant(text, f"every {kind}: {replacement}"), MISFITS)
    hand = graph_or_codes(with_steps(text, kind, lambda _: replacement), MISFITS)
    assert (made and structure(made)) == (hand and structure(hand)), (text, kind, replacement)


@BOUNDED
@given(SEEDS)
def test_every_with_an_argument_equals_the_text_with_the_argument_replaced(seed: int) -> None:
    rng = random.Random(seed)
    text = random_spec(seed)
    kind = rng.choice([kind for kind in kinds_in(graph_of(text)) if kind in ("conv", "local", "linear")])
    key, value = rng.choice([("bias", "none"), ("bias", "0.25"), ("reads", "all"), ("weight_rate", "2")])
    made = graph_or_codes(variant(text, f"every {kind}: {key}={value}"), MISFITS)
    hand = graph_or_codes(with_steps(text, kind, lambda step: with_key(step, key, value)), MISFITS)
    assert (made and structure(made)) == (hand and structure(hand)), (text, kind, key)


@BOUNDED
@given(SEEDS)
def test_without_connects_the_readers_of_a_layer_to_its_input(seed: int) -> None:
    text = random_spec(seed)
    base = graph_of(text)
    for kind in set(kinds_in(base)) & set(SHAPELESS):
        made = graph_or_codes(variant(text, f"without {kind}"), GONE | MISFITS)
        if made is not None:
            assert structure(made) == structure(base, leave_out=kind), (text, kind)


def test_a_join_keeps_its_previous_layer() -> None:
    base = "network Net {\n input 3x8x8\n" + "".join(f" {name}: conv 4 kernel=1\n" for name in "abc")
    base += " y: relu -> add a b\n z: y -> add c\n linear 2\n}\n"
    made = graph_of(variant(base, "without relu"))
    assert structure(made) == structure(graph_of(base), leave_out="relu")
    assert structure(graph_of(write_spec(made))) == structure(made)


def edits(rng: random.Random, graph: Graph) -> Iterator[str]:
    """One edit of each form, at random places of the network."""
    some = [rng.choice(graph.nodes).layer.name for _ in range(3)]
    yield f"after {some[0]}: {rng.choice(REPLACEMENTS)}"
    yield f"before {some[1]}: {rng.choice(REPLACEMENTS)}"
    yield f"without {some[2]}"
    yield f"input {rng.choice([1, 3])}x{rng.randint(7, 15)}x{rng.randint(7, 15)}"
    yield f"n0: conv {rng.choice([4, 8])} kernel=2"
    yield "n0: kernels=4 bias=1"
    yield f"every conv: bias={rng.choice(['none', '1'])}"


@BOUNDED
@given(SEEDS)
def test_a_variant_is_formatted_expanded_and_counted_like_any_network(seed: int) -> None:
    rng = random.Random(seed)
    text = random_spec(seed)
    kept: list[str] = []
    graph = graph_of(text)
    for edit in rng.sample(list(edits(rng, graph)), 4):
        changed = graph_or_codes(variant(text, *kept, edit), MISFITS | GONE | {"E0603"})  # or named, and taken away
        if changed is not None:
            kept, graph = [*kept, edit], changed
    whole = variant(text, *kept)
    assert structure(graph_of(hold(whole))) == structure(graph_of(whole)), whole
    assert structure(graph_of(write_spec(graph_of(whole)))) == structure(graph_of(whole)), whole
    if kept:
        hold_torchs_counts(whole, graph)


def hold_torchs_counts(text: str, graph: Graph) -> None:
    network = network_of(graph).eval()
    with FlopCounterMode(display=False) as counter:
        made = network(torch.empty(1, *graph.net.input.sizes, device="meta"))
    assert made.shape == (1, *graph.without_loss()[-1].output.sizes), text
    assert sum(each.numel() for each in network.parameters()) == graph.parameters, text
    assert counter.get_total_flops() == 2 * graph.multiply_adds, text


@settings(BOUNDED, max_examples=200)
@given(SEEDS)
def test_an_edited_variant_gets_diagnostics_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    base = random_spec(seed % 20)
    text = edited(rng, variant(base, *rng.sample(list(edits(rng, graph_of(base))), 3)))
    checked = check_text(text, "edited.net")
    assert (checked.graph is None) == bool(checked.diagnostics)
    shown = render_all(checked.source, checked.diagnostics)
    assert all(f"error[{each.code}]" in shown for each in checked.diagnostics)
    laid_out, problems = format_spec(checked.source)
    assert (laid_out is None) == bool(problems)
    if checked.graph is not None:
        assert laid_out is not None
        assert structure(graph_of(laid_out)) == structure(checked.graph), text


def test_the_kinds_that_keep_shapes_are_kinds() -> None:
    assert set(SHAPELESS) <= set(LAYERS)
