"""Every kind against torch on the meta device: shapes, parameters and multiply-adds of random configurations."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from functools import partial
from importlib import import_module

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from alexc.compiler.layers.arguments import Arguments
from alexc.compiler.layers.initial_values import DISTRIBUTIONS
from alexc.compiler.layers.kind import Kind
from alexc.compiler.layers.registry import kinds
from alexc.compiler.pipeline import check_text
from alexc.compiler.recipe.steps import CHOICES, WholeNumber, runtime_module
from alexc.runtime.layers import initial_values
from tests.conftest import ROOT
from tests.support.compiled import network_of

Draw = Callable[[random.Random], str]


def size(rng: random.Random) -> str:
    height, width = rng.randint(1, 5), rng.randint(1, 5)
    return rng.choice([str(height), f"{height}x{width}"])


def margin(rng: random.Random) -> str:
    return rng.choice(["0", "1", "2", "1x2", "0x1"])


def padding(rng: random.Random) -> str:
    return rng.choice([margin(rng), "same", "sides(0, 1, 2, 1)", "sides(1, 1, 0, 0)"])


def pool(rng: random.Random) -> str:
    rounding = rng.choice(["floor", "ceil"])
    return f"{rng.randint(2, 4)} stride={size(rng)} pad={rng.choice(['0', '1', '0x1'])} round={rounding}"


# Random configurations of each kind. A kind without a line here fails `test_every_kind_has_a_random_configuration`.
LAYERS: dict[str, Draw] = {
    "conv": lambda rng: (
        f"conv {rng.choice([4, 8, 12])} kernel={size(rng)} stride={size(rng)} pad={padding(rng)} "
        f"dilation={rng.choice(['1', '1', '2', '1x3'])} "
        f"reads={rng.choice(['tower', 'all'])} groups={rng.choice([1, 1, 2])} "
        f"bias={rng.choice(['none', '0', '1.5', '0 shared_bias=no'])}"
    ),
    "linear": lambda rng: (
        f"linear {rng.choice([4, 8, 12])} reads={rng.choice(['tower', 'all'])} bias={rng.choice(['none', '0', '1'])}"
    ),
    "local": lambda rng: (
        f"local {rng.choice([4, 8])} kernel={size(rng)} stride={size(rng)} pad={padding(rng)} "
        f"reads={rng.choice(['tower', 'all'])} groups={rng.choice([1, 2])} bias={rng.choice(['none', '1.5'])}"
    ),
    "batchnorm": lambda rng: (
        f"{rng.choice(['relu', 'linear 8 reads=all'])} -> batchnorm eps={rng.choice(['1e-3', '1e-5'])} momentum=0.5"
    ),
    "layernorm": lambda rng: (
        f"{rng.choice(['relu', 'linear 8 reads=all'])} -> layernorm eps={rng.choice(['1e-6', '1e-5'])}"
    ),
    "layer_scale": lambda rng: (
        f"{rng.choice(['relu', 'linear 8 reads=all'])} -> layer_scale{rng.choice(['', ' 0.1', ' 1 bias=0.5'])}"
    ),
    "prelu": lambda rng: f"{rng.choice(['', 'linear 8 reads=all -> '])}prelu{rng.choice(['', ' 0.1', ' shared=yes'])}",
    "maxpool": lambda rng: f"maxpool {pool(rng)}",
    "avgpool": lambda rng: f"avgpool {pool(rng)} count_pad={rng.choice(['yes', 'no'])}",
    "adaptive_avgpool": lambda rng: f"adaptive_avgpool {size(rng)}",
    "global_avgpool": lambda _: "global_avgpool",
    "global_maxpool": lambda _: "global_maxpool",
    "flatten": lambda _: "flatten",
    "add": lambda rng: f"relu -> add {rng.choice(['conv1', 'conv1 conv1'])}",
    "concat": lambda rng: f"conv 4 kernel=1 reads=all -> concat {rng.choice(['conv1', 'conv1 conv1'])}",
    "maximum": lambda rng: f"relu -> maximum {rng.choice(['conv1', 'conv1 conv1'])}",
    "multiply": lambda rng: (
        f"{rng.choice(['relu', 'global_avgpool', 'adaptive_avgpool 1'])}"
        f" -> multiply {rng.choice(['conv1', 'conv1 conv1'])}"
    ),
    "lrn": lambda rng: (
        f"lrn {rng.randint(1, 6)} k=2 alpha=1e-4 beta=0.75 norm={rng.choice(['sum', 'mean'])} "
        f"over={rng.choice(['tower', 'all'])}"
    ),
    "dropout": lambda rng: f"dropout {rng.choice(['0.5', '0', '0.1'])} scale={rng.choice(['test', 'train'])}",
    "stochastic_depth": lambda rng: f"stochastic_depth 0.2 scale={rng.choice(['test', 'train'])}",
    "slice": lambda rng: (
        f"conv 8 kernel=1 reads=all towers=1 -> slice {rng.choice(['0 3', '2 8', '5', '0', '1 end=2'])} "
        "-> conv 4 kernel=1"
    ),
    "widen": lambda rng: (
        f"conv 8 kernel=1 reads=all towers=1 -> {rng.choice(['', 'global_avgpool -> '])}widen {rng.choice([8, 12])}"
    ),
    "reorg": lambda rng: (
        f"conv 8 kernel=1 reads=all towers=1 -> adaptive_avgpool {rng.choice(['4', '6x2'])} -> reorg "
        f"{rng.choice([1, 2])}"
    ),
    "channel_shuffle": lambda rng: f"channel_shuffle {rng.choice([1, 2, 4])}",
    "hardsigmoid": lambda _: "hardsigmoid",
    "hardswish": lambda _: "hardswish",
    "relu": lambda rng: f"relu{rng.choice(['', ' limit=0.5'])}",
    "abs": lambda _: "abs",
    "square": lambda _: "square",
    "sqrt": lambda _: "abs -> sqrt",
    "log": lambda _: "softplus -> log",
    "affine": lambda rng: f"affine {rng.choice(['2', '-0.5 shift=1'])}",
    "relu6": lambda _: "relu6",
    "mish": lambda _: "mish",
    "power": lambda rng: f"power {rng.choice(['3', '-2'])}",
    "tanh": lambda _: "tanh",
    "sigmoid": lambda _: "sigmoid",
    "gelu": lambda _: "gelu",
    "silu": lambda _: "silu",
    "softplus": lambda _: "softplus",
    "leaky_relu": lambda rng: f"leaky_relu{rng.choice(['', ' 0.2'])}",
    "elu": lambda rng: f"elu{rng.choice(['', ' 0.5'])}",
    "blur": lambda rng: f"blur {rng.choice([1, 3, 9])} std={rng.choice(['0.5', '4'])}",
    "subsample": lambda rng: f"subsample {size(rng)}",
    "flip": lambda _: "flip",
    "tree_linear": lambda rng: rng.choice(["tree_linear 4 tree=parents(4, 4, 6, 5, 5, 6)", "tree_linear 3 bias=none"]),
    "softmax": lambda _: "linear 8 reads=all -> softmax -> linear 4 reads=all",
}


def random_spec(rng: random.Random, kind: str) -> str:
    towers = rng.choice([1, 2])
    first = f"conv {rng.choice([4, 8])} kernel={rng.randint(1, 3)}"
    return (
        f"network Random {{\n input {rng.choice([1, 3, 4])}x{rng.randint(7, 19)}x{rng.randint(7, 19)}\n"
        f" towers {towers}\n {first}\n subject: {LAYERS[kind](rng)}\n linear 4 reads=all\n}}\n"
    )


def test_every_kind_is_in_the_file_with_its_name() -> None:
    defined = {
        (file.stem, value.keyword)
        for file in (ROOT / "compiler" / "layers").glob("*.py")
        for value in vars(import_module(f"alexc.compiler.layers.{file.stem}")).values()
        if isinstance(value, type) and issubclass(value, Kind) and "keyword" in vars(value)
        if value.__module__ == f"alexc.compiler.layers.{file.stem}"
    }
    assert {(keyword, keyword) for keyword in kinds()} == defined
    assert list(kinds()) == sorted(kinds())
    assert "kind" not in kinds()
    assert len(kinds()) == len(defined)


def test_every_kind_has_a_random_configuration() -> None:
    assert set(LAYERS) == set(kinds())


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_shapes_parameters_and_multiply_adds_equal_those_of_torch(kind: str) -> None:
    rng = random.Random(kind)
    compared = 0
    while compared < 40:
        text = random_spec(rng, kind)
        graph = check_text(text, "random.net").graph
        if graph is None:  # a window that does not fit, say
            continue
        network = network_of(graph)
        shapes = record_shapes(network)
        images = torch.empty(1, *graph.net.input.sizes, device="meta")
        with FlopCounterMode(display=False) as counter:
            made = network.eval()(images)
        assert made.shape == (1, *graph.nodes[-1].output.sizes), text
        assert sum(each.numel() for each in network.parameters()) == graph.parameters, text
        assert counter.get_total_flops() == 2 * graph.multiply_adds, text
        for node in graph.nodes:
            attribute = node.layer.name.replace(".", "_")
            if attribute in shapes:
                assert shapes[attribute] == (1, *node.output.sizes), (text, node.layer.name)
        compared += 1


def record_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def record(name: str, _module: nn.Module, _given: object, made: torch.Tensor) -> None:
        shapes[name] = tuple(made.shape)

    for name, child in network.named_children():
        child.register_forward_hook(partial(record, name))
    return shapes


def models() -> list[type[Arguments]]:
    steps = [step for choices in CHOICES.values() for step in choices]
    return [*kinds().values(), *DISTRIBUTIONS.values(), *steps, WholeNumber]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_argument_has_an_expectation_and_every_kind_is_documented(model: type[Arguments]) -> None:
    assert model.__doc__
    assert set(model.positional) <= set(model.model_fields)
    for field in model.model_fields:
        assert model.expectation(field).words


@pytest.mark.parametrize(
    "model",
    [*DISTRIBUTIONS.values(), *(step for steps in CHOICES.values() for step in steps)],
    ids=lambda m: m.__name__,
)
def test_the_runtime_has_a_class_with_the_same_fields(model: type[Arguments]) -> None:
    module = initial_values if model in DISTRIBUTIONS.values() else import_module(runtime_module(model))
    twin = getattr(module, model.__name__)
    assert [field.name for field in dataclasses.fields(twin)] == list(model.model_fields)
    for name, field in model.model_fields.items():
        if not field.is_required():
            assert twin.__dataclass_fields__[name].default == field.default


def test_a_default_for_an_argument_that_a_layer_excludes_is_left_out() -> None:
    """`over` has no effect within a map, so a default for it is meant for other layers."""
    lrn = "size=3 k=1 alpha=1e-3 beta=0.75 norm=sum"
    text = "network N {{\n input 4x8x8\n towers 2\n default lrn {}\n conv 4 kernel=3\n lrn {} {}\n}}\n"
    checked = check_text(text.format(f"{lrn} over=tower", lrn, "within=map"), "net.net")
    assert checked.diagnostics == ()
    said = check_text(text.format(lrn, lrn, "within=map over=tower"), "net.net")
    assert [each.headline for each in said.diagnostics] == [
        "`lrn1` normalises within each map, so `over` has no effect"
    ]
