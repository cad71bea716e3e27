"""Decides which layer of a file of weights becomes which layer of a network: by name, by structure, by order.

A file of weights says what its layers are called and how large they are, but not what reads what.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile

from torch import Tensor

from alexc.printable import printable

from .errors import UserError
from .layer_search import SAME_NAMES, LayerSearch, Shapes, too_many_orders, without_numbers

COUNTER = "num_batches_tracked"  # of batch normalisation; older checkpoints lack it
_SCALES = ("layer_scale", "gamma")  # parameters of ConvNeXt's blocks, each of which is a layer in a spec
_STATISTICS = "running_mean"
_MOST_NAMED = 5
_MOST_COMPARED = 500_000  # pairs of layers
_KIND_WORDS = re.compile(r"(conv(olution)?(2d)?|batch_?norm(2d|alization)?|bn|norm|scale)s?", re.IGNORECASE)


@dataclass(frozen=True)
class Match:
    """A layer of a file, and the layer of the network that takes its tensors.

    `shapes` holds name and shape of each tensor: (("weight", (64, 3, 11, 11)), ("bias", (64,))).
    """

    source: str
    target: str
    shapes: Shapes


def match_layers(
    given: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    second_names: Mapping[str, str] | None = None,
    *,
    ordered: bool = True,
) -> list[Match]:
    """Decide which layer of `given` becomes which layer of `wanted`.

    Layers with the same tensor names and shapes (`weight` 64x3x11x11, `bias` 64) are matched by their own names, if
    `given` has all names of `wanted`. The others are matched by structure: layers under one name, such as `layer1.0`,
    stay together, and numbered ones keep their order. If that leaves a choice, the order of the file decides, provided
    that no match contradicts it.

    Args:
        given: tensors by name, in the order of the file.
        wanted: tensors by name, in the order of the network.
        second_names: alternative names of layers of `given`.
        ordered: whether the file keeps the order of its layers.

    Returns:
        A match for each layer of `wanted`, in their order.

    Raises:
        UserError: a layer has no match, or several that nothing tells apart; the message names layers of both sides.
    """
    targets = _layers(wanted)
    sources = _with_shapes_of(targets, _layers(given))
    _check_counts(sources, targets)
    matched = _by_name(sources, targets, second_names or {})
    if len(matched) < len(targets):
        matched = _by_structure(sources, targets, matched, ordered)
        _check_names(matched, targets)
    return [Match(matched[name], name, shapes) for name, shapes in targets.items()]


def in_words(shapes: Shapes) -> str:
    """The shapes of a layer's tensors: `weight 64x3x11x11, bias 64`."""
    return ", ".join(f"{printable(name)} {'x'.join(map(str, shape))}" for name, shape in shapes)


def _layers(tensors: Mapping[str, Tensor]) -> dict[str, Shapes]:
    found: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for name, tensor in tensors.items():
        layer, _, kind = name.rpartition(".")
        if kind in _SCALES:
            layer, kind = name, "weight"
        if kind != COUNTER:
            found.setdefault(layer, []).append((kind, tuple(tensor.shape)))
    # "weight" before "bias" before running statistics, whatever order the file has
    return {
        layer: tuple(sorted(shapes, key=lambda each: (-len(each[1]), each[0] != "weight", each[0])))
        for layer, shapes in found.items()
    }


def _with_shapes_of(targets: Mapping[str, Shapes], sources: Mapping[str, Shapes]) -> dict[str, Shapes]:
    """The layers of a file, with sides of 1 added or removed at the end of shapes that the network has only so.

    A convolution of 1x1 can be a `linear` of each place in the file: 384x96x1x1 and 384x96 are the same numbers.
    """
    there, wanted = set(sources.values()), set(targets.values())
    only = {_without_sides_of_one(shapes): shapes for shapes in targets.values() if shapes not in there}
    return {
        layer: shapes if shapes in wanted else only.get(_without_sides_of_one(shapes), shapes)
        for layer, shapes in sources.items()
    }


def _without_sides_of_one(shapes: Shapes) -> Shapes:
    return tuple(
        (name, shape[: max((place for place, side in enumerate(shape, 1) if side != 1), default=0)])
        for name, shape in shapes
    )


def _check_counts(sources: Mapping[str, Shapes], targets: Mapping[str, Shapes]) -> None:
    """Check that both sides have the same number of layers of each shape."""
    waiting: dict[Shapes, deque[str]] = defaultdict(deque)
    for name, shapes in sources.items():
        waiting[shapes].append(name)
    lacking: list[str] = []
    for name, shapes in targets.items():
        if waiting[shapes]:
            waiting[shapes].popleft()
        else:
            lacking.append(f"{name} ({in_words(shapes)})")
    left = {name for names in waiting.values() for name in names}
    if lacking or left:
        over = [f"{printable(name)} ({in_words(sources[name])})" for name in sources if name in left]
        raise UserError(
            "; ".join([*_listed("nothing in it fits", lacking), *_listed("the network has no place for", over)])
        )


def _listed(headline: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    rest = f" and {len(items) - _MOST_NAMED:,} more" if len(items) > _MOST_NAMED else ""
    return [f"{headline} {', '.join(items[:_MOST_NAMED])}{rest}"]


def _by_name(
    sources: Mapping[str, Shapes], targets: Mapping[str, Shapes], second_names: Mapping[str, str]
) -> dict[str, str]:
    """The source of each target by name, if all targets with these shapes have one: `conv2/3x3` is `conv2_3x3`.

    A single equal name proves nothing, because another file may count its layers from zero.
    """
    bare = _without_common_start(sources)
    named: dict[Shapes, dict[str, str]] = defaultdict(dict)
    for names in ({name: name for name in sources}, second_names, bare, _names_after_siblings(bare, sources)):
        for source, name in names.items():
            if source in sources:
                named[sources[source]].setdefault(_plain(name), source)
    alike: dict[Shapes, list[str]] = defaultdict(list)
    for target, shapes in targets.items():
        alike[shapes].append(target)
    matched: dict[str, str] = {}
    for shapes, names_here in alike.items():
        found = [named[shapes].get(_plain(name)) for name in names_here]
        if len(set(found) - {None}) == len(found):
            matched |= {name: source for name, source in zip(names_here, found, strict=True) if source is not None}
    return matched


def _check_names(matched: Mapping[str, str], targets: Mapping[str, Shapes]) -> None:
    """Check that no two targets have more of their names in common with each other's sources than with their own.

    Numbers do not count, because another file may count its layers from zero.
    """
    alike: dict[Shapes, dict[tuple[frozenset[str], frozenset[str]], str]] = defaultdict(dict)
    for target, source in matched.items():
        shapes = targets[target]
        alike[shapes].setdefault((_words(target, shapes), _words(source, shapes)), target)
    compared = 0
    for shapes, pairs in alike.items():
        for ((words, given), one), ((other_words, other_given), other) in combinations(pairs.items(), 2):
            compared += 1
            if compared > _MOST_COMPARED:
                raise too_many_orders()
            common = len(words & given) + len(other_words & other_given)
            if len(words & other_given) + len(other_words & given) > common:
                raise _not_told_apart(matched[one], matched[other], one, shapes)


def _words(name: str, shapes: Shapes) -> frozenset[str]:
    """The parts of a layer's name, without those that are numbers, and with `#` for other numbers: `layer#`, `conv#`.

    A batch norm can have the name of its convolution, so words for a kind say nothing about it.
    """
    if _is_norm(shapes):
        name = _KIND_WORDS.sub("", name)
    return frozenset(without_numbers(_plain(name)).lower().split("_")) - {"#"}


def _is_norm(shapes: Shapes) -> bool:
    return any(kind == _STATISTICS for kind, _ in shapes)


def _not_told_apart(one: str, other: str, target: str, shapes: Shapes) -> UserError:
    return UserError(
        f"its layers {printable(one)} and {printable(other)} have the same shapes ({in_words(shapes)}), and nothing "
        f"tells which of them is {target}: {SAME_NAMES}"
    )


def _without_common_start(sources: Mapping[str, Shapes]) -> dict[str, str]:
    """The names without the modules around the whole network, as in `module.conv1` of nn.DataParallel."""
    around = [name.split(".")[:-1] for name in sources]
    common = sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, zip(*around, strict=False)))
    return {name: ".".join(name.split(".")[common:]) for name in sources}


def _names_after_siblings(names: Mapping[str, str], sources: Mapping[str, Shapes]) -> dict[str, str]:
    """The name that an imported spec gives to a batch norm: `conv1_batchnorm` for `bn1` if there is a `conv1`.

    Siblings have as many channels, and names that differ only in the word for the kind: `a.conv` and `a.bn`.
    """
    norms: dict[tuple[str, int], list[str]] = defaultdict(list)
    others: dict[tuple[str, int], list[str]] = defaultdict(list)
    for source, name in names.items():
        _, shape = sources[source][0]
        if shape:
            (norms if _is_norm(sources[source]) else others)[_plain(_KIND_WORDS.sub("", name)), shape[0]].append(source)
    return {
        of[0]: f"{names[others[key][0]]}_batchnorm"
        for key, of in norms.items()
        if len(of) == 1 and len(others.get(key, ())) == 1
    }


def _plain(name: str) -> str:
    """A name as it can be in a spec."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")


def _by_structure(
    sources: Mapping[str, Shapes], targets: Mapping[str, Shapes], named: Mapping[str, str], ordered: bool
) -> dict[str, str]:
    """The source of each target, where `named` has those that are known by name."""
    search = LayerSearch(sources, targets, named)
    found = search.first_two()
    if not found and named:  # layers of one module are far from each other in the network
        rest = {name: shapes for name, shapes in sources.items() if name not in named.values()}
        search = LayerSearch(rest, {name: shapes for name, shapes in targets.items() if name not in named}, {})
        found = search.first_two()
        ordered = False
        if found and not _is_in_order({**named, **found[0]}, sources, targets):
            found = found[:0]
    if not found:
        name, shapes = search.furthest
        raise UserError(
            f"it has layers of the same shapes, but in another order: nothing that comes next in it fits "
            f"{name} ({in_words(shapes)}); {SAME_NAMES}"
        )
    if len(found) > 1 and not (ordered and _is_in_order(found[0], sources, targets)):
        found = search.first_two_alike() or found
    first = found[0]
    if len(found) > 1 and not (ordered and _is_in_order(first, sources, targets)):
        target = next(name for name in first if first[name] != found[1][name])
        raise _not_told_apart(first[target], found[1][target], target, targets[target])
    return {**named, **first}


def _is_in_order(matched: Mapping[str, str], sources: Mapping[str, Shapes], targets: Mapping[str, Shapes]) -> bool:
    """Whether the layers of each kind, such as convolutions, come in the same order in the file and in the network."""
    places = {name: place for place, name in enumerate(sources)}
    last: dict[tuple[tuple[str, int], ...], int] = defaultdict(lambda: -1)
    for target, shapes in targets.items():
        kind, place = tuple((name, len(shape)) for name, shape in shapes), places[matched[target]]
        if place < last[kind]:
            return False
        last[kind] = place
    return True
