"""Layers of a file of weights find their places by name, by structure, by order; or the file is refused."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.runtime import layer_search
from alexc.runtime.errors import UserError
from alexc.runtime.layer_matching import match_layers
from alexc.runtime.network_file import NetworkFile, load_network_file
from alexc.runtime.tensor_files import natural_order
from alexc.runtime.weights_import import carry_over, import_weights

TWO_BRANCHES = """network Two {
  input 3x8x8
  a_conv: conv 8 kernel=3 bias=none -> batchnorm -> relu
  b_conv: conv 8 kernel=1 bias=none -> batchnorm -> relu
  fc:     linear 4 -> softmax
}
train {
  prepare   resize 8 -> center_crop 8
  test      center 8
  loss      cross_entropy
  optimizer sgd lr=0.05
  schedule  constant
  batch     8
  epochs    1
}
"""
RIGHT = {"a_conv": 1.0, "a_conv_batchnorm": 1.0, "b_conv": 2.0, "b_conv_batchnorm": 2.0, "fc": 3.0}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> NetworkFile:
    graph = check_text(TWO_BRANCHES, "two.net").graph
    assert graph is not None
    path = tmp_path_factory.mktemp("generated") / "two.py"
    path.write_text(write_pytorch(graph, "two.net"))
    return load_network_file(path)


def conv(name: str, *shape: int, value: float = 0.0) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.full(shape, value)}


def norm(name: str, channels: int, value: float = 1.0) -> dict[str, Tensor]:
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{kind}": torch.full((channels,), value) for kind in kinds}


def of_two_branches(a: str, a_norm: str, b: str, b_norm: str, fc: str = "fc", order: str = "bBaA") -> dict[str, Tensor]:
    """A file with layers of these names: those of a hold 1, those of b hold 2. A capital letter is a batch norm."""
    layers = {
        "a": conv(a, 8, 3, 3, 3, value=1.0),
        "A": norm(a_norm, 8, 1.0),
        "b": conv(b, 8, 8, 1, 1, value=2.0),
        "B": norm(b_norm, 8, 2.0),
    }
    last = {f"{fc}.weight": torch.full((4, 288), 3.0), f"{fc}.bias": torch.full((4,), 3.0)}
    return {name: tensor for each in order for name, tensor in layers[each].items()} | last


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "tensors",
    [
        of_two_branches("a.conv", "a.bn", "b.conv", "b.bn"),
        of_two_branches("a.conv", "a.bn", "b.conv", "b.bn", order="baBA"),
        of_two_branches("model.a.conv", "model.a.bn", "model.b.conv", "model.b.bn", fc="model.fc"),
        of_two_branches("z.0", "z.1", "y.0", "y.1", order="bBaA"),
        of_two_branches("a_conv", "a_bn", "b_conv", "b_bn"),
        of_two_branches("a_conv", "a_bn", "b_conv", "b_bn", order="abBA"),
        of_two_branches("a.conv", "norms.a", "b.conv", "norms.b", order="abBA"),
        of_two_branches("conv9", "bn9", "conv10", "bn10"),
        of_two_branches("one.conv", "one.bn", "two.conv", "two.bn", fc="out"),
    ],
    ids=lambda tensors: " ".join(dict.fromkeys(name.rpartition(".")[0] for name in tensors)),
)
def test_a_batch_norm_goes_where_its_convolution_goes(
    tensors: dict[str, Tensor], ending: str, tmp_path: Path, network: NetworkFile
) -> None:
    path = tmp_path / f"given{ending}"
    if ending == ".pth":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)
    import_weights(path, network, [], tmp_path / "out.safetensors")
    made = load_file(tmp_path / "out.safetensors")
    assert {name: set(made[f"{name}.weight"].flatten().tolist()) for name in RIGHT} == {
        name: {value} for name, value in RIGHT.items()
    }


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        (of_two_branches("a_conv", "a_post", "b_conv", "b_post", order="abBA"), ("b_post", "a_post")),
        (of_two_branches("a_conv", "a_post", "b_conv", "b_post", order="bBaA"), ("b_post", "a_post")),
        (of_two_branches("x", "first", "y", "second", order="bBaA"), ("second", "first")),
    ],
)
def test_where_nothing_tells_two_layers_apart_the_file_is_refused(
    tensors: dict[str, Tensor], named: Sequence[str], tmp_path: Path, network: NetworkFile
) -> None:
    save_file(tensors, tmp_path / "given.safetensors")  # which keeps no order
    with pytest.raises(UserError, match=r"same shapes .* nothing tells which of them is a_conv_batchnorm") as mistake:
        import_weights(tmp_path / "given.safetensors", network, [], tmp_path / "out.safetensors")
    assert all(name in str(mistake.value) for name in named)
    assert "give the layers of the spec the names that they have in the file" in str(mistake.value)
    assert not (tmp_path / "out.safetensors").exists()


def matched(given: dict[str, Tensor], wanted: dict[str, Tensor], ordered: bool = True) -> dict[str, str]:
    return {match.target: match.source for match in match_layers(given, wanted, ordered=ordered)}


def vectors(*names: str, size: int = 2) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.zeros(size) for name in names}


def test_order_decides_only_in_a_file_that_keeps_it() -> None:
    given, wanted = vectors("z", "y", "x"), vectors("one", "two", "three")
    assert matched(given, wanted) == {"one": "z", "two": "y", "three": "x"}
    with pytest.raises(UserError, match=r"y and x have the same shapes .* which of them is two"):
        matched(given, wanted, ordered=False)


def test_order_does_not_decide_where_a_known_layer_contradicts_it() -> None:
    wanted = conv("a", 8, 3, 3, 3) | norm("p", 8) | conv("b", 8, 8, 3, 3) | norm("q", 8)
    in_order = conv("a", 8, 3, 3, 3) | norm("x", 8) | conv("b", 8, 8, 3, 3) | norm("y", 8)
    turned = conv("b", 8, 8, 3, 3) | norm("y", 8) | conv("a", 8, 3, 3, 3) | norm("x", 8)
    assert matched(in_order, wanted) == {"a": "a", "p": "x", "b": "b", "q": "y"}
    with pytest.raises(UserError, match=r"y and x have the same shapes"):
        matched(turned, wanted)


def test_numbers_in_names_tell_the_order() -> None:
    given = vectors("layer10", "layer9", "layer2", size=3) | vectors("3x3", "1x1")
    wanted = vectors("one", "two", "three", size=3) | vectors("3x3", "1x1")
    found = matched(given, wanted, ordered=False)
    assert [found[name] for name in ("one", "two", "three")] == ["layer2", "layer9", "layer10"]
    with pytest.raises(UserError, match="3x3 and 1x1 have the same shapes"):  # sizes say nothing of the order
        matched(vectors("3x3", "1x1"), vectors("one", "two"), ordered=False)


def test_numbers_that_a_known_layer_contradicts_tell_nothing() -> None:
    given = conv("m.c1", 8, 3, 3, 3) | norm("m.n1", 8) | conv("m.c2", 8, 8, 3, 3) | norm("m.n2", 8)
    wanted = conv("m_c2", 8, 8, 3, 3) | norm("p", 8) | conv("m_c1", 8, 3, 3, 3) | norm("q", 8)
    with pytest.raises(UserError, match=r"m\.n1 and m\.n2 have the same shapes"):
        matched(given, wanted)


def test_layers_that_are_kept_in_two_lists() -> None:
    convs = [conv(f"convs.{index}", 8, 8, 3, 3) for index in range(3)]
    norms = [norm(f"norms.{index}", 8) for index in range(3)]
    given = {name: tensor for each in [*convs, *norms] for name, tensor in each.items()}

    def wanted(*order: int) -> dict[str, Tensor]:
        pairs = [conv(f"convs_{index}", 8, 8, 3, 3) | norm(f"n{index}", 8) for index in order]
        return {name: tensor for pair in pairs for name, tensor in pair.items()}

    assert matched(given, wanted(0, 1, 2))["n1"] == "norms.1"
    with pytest.raises(UserError, match="in another order"):
        matched(given, wanted(1, 0, 2))


def test_a_sibling_that_is_before_its_convolution_is_not_taken_for_the_one_behind() -> None:
    """In networks such as DenseNet, norm1 is before conv1 and norm2 is behind it."""
    given = norm("d.norm1", 8) | conv("d.conv1", 8, 8, 1, 1) | norm("d.norm2", 8) | conv("d.conv2", 4, 8, 3, 3)
    wanted = (
        norm("d_norm1", 8) | conv("d_conv1", 8, 8, 1, 1) | norm("d_conv1_batchnorm", 8) | conv("d_conv2", 4, 8, 3, 3)
    )
    for ordered in (True, False):
        assert matched(given, wanted, ordered)["d_conv1_batchnorm"] == "d.norm2"


@pytest.mark.parametrize("seed", range(60))
def test_modules_in_any_order_are_matched_or_refused_but_never_wrongly(seed: int) -> None:
    rng = random.Random(seed)
    forms = [("conv{0}", "bn{0}"), ("c{0}", "n{0}"), ("body.{1}", "body.{2}"), ("conv{0}.conv", "conv{0}.bn")]
    blocks: list[list[tuple[dict[str, Tensor], dict[str, Tensor]]]] = []
    wanted: dict[str, Tensor] = {}
    truth: dict[str, str] = {}
    for block in rng.sample(["stem", "left", "right", "mid.a", "mid.b", "last"], 4):
        first, second = rng.choice(forms)
        channels, pairs = rng.choice([4, 8]), []
        for number in range(rng.randint(1, 3)):
            names = [f"{block}.{each.format(number + 1, 2 * number, 2 * number + 1)}" for each in (first, second)]
            target = names[0].replace(".", "_")
            pairs.append((conv(names[0], channels, channels, 1, 1), norm(names[1], channels)))
            wanted |= conv(target, channels, channels, 1, 1) | norm(f"{target}_batchnorm", channels)
            truth |= {target: names[0], f"{target}_batchnorm": names[1]}
        blocks.append(pairs)
    rng.shuffle(blocks)
    given: dict[str, Tensor] = {}
    for pairs in blocks:
        parts = [each for pair in pairs for each in pair] if rng.random() < 0.5 else [*zip(*pairs, strict=True)]
        for part in parts:
            for each in part if isinstance(part, tuple) else (part,):
                given |= each
    ordered = rng.random() < 0.5
    if not ordered:
        given = {name: given[name] for name in sorted(given, key=natural_order)}
    try:
        assert matched(given, wanted, ordered) == truth
    except UserError as refusal:
        assert "mid" in str(refusal) or "in another order" in str(refusal)  # noqa: PT017


def siblings(blocks: Sequence[str], start: str = "") -> dict[str, Tensor]:
    """Modules with a convolution and a batch norm each, all of one shape."""
    return {
        name: tensor
        for block in blocks
        for name, tensor in (conv(f"{start}{block}.conv1", 4, 4, 3, 3) | norm(f"{start}{block}.bn1", 4)).items()
    }


@pytest.mark.parametrize("start", ["", "module.", "module.model."])
@pytest.mark.parametrize(
    "names",
    [
        ("a", "a_batchnorm", "b", "b_batchnorm"),
        ("a_conv1", "p", "b_conv1", "q"),
        ("left_a", "p", "left_b", "q"),
        ("one", "bn_a", "two", "bn_b"),
    ],
)
def test_order_does_not_decide_where_parts_of_names_contradict_it(names: Sequence[str], start: str) -> None:
    wanted = {
        name: tensor
        for first, second in (names[:2], names[2:])
        for name, tensor in (conv(first, 4, 4, 3, 3) | norm(second, 4)).items()
    }
    assert matched(siblings("ab", start), wanted)[names[0]] == f"{start}a.conv1"
    try:
        assert matched(siblings("ba", start), wanted)[names[0]] == f"{start}a.conv1"
    except UserError as refusal:
        assert "have the same shapes" in str(refusal)  # noqa: PT017


@pytest.mark.parametrize("seed", range(40))
def test_siblings_in_any_order_go_where_a_part_of_their_name_says_or_are_refused(seed: int) -> None:
    """The network has the first part of each name of the file, and the file has its modules in any order."""
    rng = random.Random(seed)
    blocks = rng.sample(["left", "right", "stem", "body.a", "body.b"], rng.randint(2, 4))
    start, form = rng.choice(["", "module.", "net.model."]), rng.choice([("conv{}", "bn{}"), ("{}.0", "{}.1")])
    pairs: dict[str, list[dict[str, Tensor]]] = {}
    wanted: dict[str, Tensor] = {}
    truth: dict[str, str] = {}
    for block in blocks:
        for number in range(rng.randint(1, 3)):
            source, source_norm = (f"{start}{block}.{each.format(number)}" for each in form)
            target = f"{block.replace('.', '_')}_{rng.choice(['x', 'unit', 'conv'])}{number + 1}"
            target_norm = rng.choice([f"{target}_batchnorm", f"{block.replace('.', '_')}_norm{number + 1}"])
            pairs.setdefault(block, []).append(conv(source, 4, 4, 3, 3) | norm(source_norm, 4))
            wanted |= conv(target, 4, 4, 3, 3) | norm(target_norm, 4)
            truth |= {target: source, target_norm: source_norm}
    rng.shuffle(blocks)
    given = {name: tensor for block in blocks for pair in pairs[block] for name, tensor in pair.items()}
    try:
        assert matched(given, wanted) == truth
    except UserError as refusal:
        assert "have the same shapes" in str(refusal)  # noqa: PT017


def test_the_search_ends_after_a_bounded_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 20 modules can have any place but the last, so only trying all orders would show that none is right."""
    monkeypatch.setattr(layer_search, "_MOST_STEPS", 20_000)
    given: dict[str, Tensor] = {}
    for module in "abcdefghijklmnopqrst":
        given |= vectors(f"{module}.0") | vectors(f"{module}.1", size=3)
    wanted: dict[str, Tensor] = {}
    for number in range(19):
        wanted |= vectors(f"p{number}") | vectors(f"q{number}", size=3)
    wanted |= vectors("last1", size=3) | vectors("last2")
    with pytest.raises(UserError, match="in too many orders to try them all: give the layers of the spec"):
        matched(given, wanted)


def test_numbers_of_any_length_in_names() -> None:
    nines = "9" * 5000
    assert sorted([f"a{nines}", "a10", "a9"], key=natural_order) == ["a9", "a10", f"a{nines}"]
    assert matched(vectors(f"a{nines}", "a2"), vectors("x", "y"), ordered=False) == {"x": "a2", "y": f"a{nines}"}


def test_a_linear_layer_of_each_place_is_a_convolution_of_1x1() -> None:
    given = {"norm.weight": torch.zeros(4), "up.weight": torch.rand(8, 4), "up.bias": torch.rand(8)}
    wanted = {"n.weight": torch.zeros(4), "c.weight": torch.zeros(8, 4, 1, 1), "c.bias": torch.zeros(8)}
    matches = match_layers(given, wanted)
    assert [(match.source, match.target) for match in matches] == [("norm", "n"), ("up", "c")]
    carried = carry_over(given, wanted, matches)
    assert torch.equal(carried["c.weight"][:, :, 0, 0], given["up.weight"])
    assert carried["c.weight"].shape == (8, 4, 1, 1)
    (back,) = match_layers({"c.weight": torch.zeros(8, 4, 1, 1)}, {"up.weight": torch.zeros(8, 4)})
    assert back.shapes == (("weight", (8, 4)),)


@pytest.mark.parametrize("shape", [(4, 8), (8, 4, 1, 3), (8, 4, 3, 1)])
def test_other_shapes_are_not_taken(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="nothing in it fits"):
        match_layers({"up.weight": torch.zeros(8, 4)}, {"c.weight": torch.zeros(shape)})


@pytest.mark.parametrize("scale", ["layer_scale", "gamma"])
def test_a_scale_of_convnext_is_a_layer(scale: str) -> None:
    given = {
        f"0.{scale}": torch.rand(4, 1, 1), "0.block.0.weight": torch.zeros(4, 1, 3, 3),
        f"1.{scale}": torch.rand(4, 1, 1), "1.block.0.weight": torch.zeros(4, 1, 3, 3),
    }  # fmt: skip
    wanted = {
        "a.weight": torch.zeros(4, 1, 3, 3), "a_layer_scale.weight": torch.zeros(4),
        "b.weight": torch.zeros(4, 1, 3, 3), "b_layer_scale.weight": torch.zeros(4),
    }  # fmt: skip
    carried = carry_over(given, wanted, match_layers(given, wanted))
    for target, source in (("a", "0"), ("b", "1")):
        assert torch.equal(carried[f"{target}_layer_scale.weight"], given[f"{source}.{scale}"].flatten())


def test_a_layer_can_be_called_gamma() -> None:
    given, wanted = {"gamma.weight": torch.rand(4)}, {"gamma.weight": torch.zeros(4)}
    assert torch.equal(carry_over(given, wanted, match_layers(given, wanted))["gamma.weight"], given["gamma.weight"])
