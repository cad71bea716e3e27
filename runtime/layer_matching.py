"""Decides which layer of a file of weights becomes which layer of a network: by name, by structure, by order.

A file of weights says what its layers are called and how large they are, but not what reads what.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations, pairwise, takewhile

from torch import Tensor

from alexc.printable import printable

from .errors import UserError

COUNTER = "num_batches_tracked"  # of batch normalisation; older checkpoints lack it
_SCALES = ("layer_scale", "gamma")  # parameters of ConvNeXt's blocks, each of which is a layer in a spec
_STATISTICS = "running_mean"
_MOST_NAMED = 5
_DEEPEST = 32  # parts of a name, as in layer1.0.conv1
_MOST_STEPS = 5_000_000  # one or two seconds
_SAME_NAMES = "give the layers of the spec the names that they have in the file, and compile it again"
_KIND_WORDS = re.compile(r"(conv(olution)?(2d)?|batch_?norm(2d|alization)?|bn|norm|scale)s?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+(?:x[0-9]+)+|([0-9]+)")  # not those of a size, as in 3x3

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


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
    steps = 0
    for shapes, pairs in alike.items():
        for ((words, given), one), ((other_words, other_given), other) in combinations(pairs.items(), 2):
            steps += 1
            if steps > _MOST_STEPS // 10:
                raise _too_many_orders()
            common = len(words & given) + len(other_words & other_given)
            if len(words & other_given) + len(other_words & given) > common:
                raise _not_told_apart(matched[one], matched[other], one, shapes)


def _words(name: str, shapes: Shapes) -> frozenset[str]:
    """The parts of a layer's name, without those that are numbers, and with `#` for other numbers: `layer#`, `conv#`.

    A batch norm can have the name of its convolution, so words for a kind say nothing about it.
    """
    if _is_norm(shapes):
        name = _KIND_WORDS.sub("", name)
    return frozenset(_without_numbers(_plain(name)).lower().split("_")) - {"#"}


def _is_norm(shapes: Shapes) -> bool:
    return any(kind == _STATISTICS for kind, _ in shapes)


def _not_told_apart(one: str, other: str, target: str, shapes: Shapes) -> UserError:
    return UserError(
        f"its layers {printable(one)} and {printable(other)} have the same shapes ({in_words(shapes)}), and nothing "
        f"tells which of them is {target}: {_SAME_NAMES}"
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
    search = _Search(sources, targets, named)
    found = search.first_two()
    if not found and named:  # layers of one module are far from each other in the network
        rest = {name: shapes for name, shapes in sources.items() if name not in named.values()}
        search = _Search(rest, {name: shapes for name, shapes in targets.items() if name not in named}, {})
        found = search.first_two()
        ordered = False
        if found and not _is_in_order({**named, **found[0]}, sources, targets):
            found = found[:0]
    if not found:
        name, shapes = search.furthest
        raise UserError(
            f"it has layers of the same shapes, but in another order: nothing that comes next in it fits "
            f"{name} ({in_words(shapes)}); {_SAME_NAMES}"
        )
    if len(found) > 1 and not (ordered and _is_in_order(found[0], sources, targets)):
        found = search.first_two_alike() or found
    first = found[0]
    if len(found) > 1 and not (ordered and _is_in_order(first, sources, targets)):
        target = next(name for name in first if first[name] != found[1][name])
        raise _not_told_apart(first[target], found[1][target], target, targets[target])
    return {**named, **first}


def _too_many_orders() -> UserError:
    return UserError(f"its layers have the same shapes in too many orders to try them all: {_SAME_NAMES}")


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


class _Module:
    """A name in a file with everything under it: a layer, modules, or both.

    Attributes:
        path: the whole name.
        shapes: those of its tensors; None if it is not a layer.
        children: the modules under it, by the last part of their names.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.shapes: Shapes | None = None
        self.children: dict[str, _Module] = {}

    @cached_property
    def modules(self) -> list[_Module]:
        """The children, in the order of the file."""
        return list(self.children.values())

    @cached_property
    def groups(self) -> list[list[int]]:
        """For each child, the indices of those whose names differ from its name in numbers only, by number."""
        alike: dict[str, list[int]] = defaultdict(list)
        names = list(self.children)
        for index, name in enumerate(names):
            alike[_without_numbers(name)].append(index)
        groups: list[list[int]] = [[]] * len(names)
        for group in alike.values():
            group.sort(key=lambda index: [by_value(number) for number in _NUMBER.findall(names[index])])
            for index in group:
                groups[index] = group
        return groups

    def holds(self, path: str) -> bool:
        """Whether the layer with this name is this one, or under it."""
        return path == self.path or path.startswith(f"{self.path}.")

    def is_number(self) -> bool:
        """Whether its name is a number, as in nn.Sequential."""
        return _NUMBER.fullmatch(self.path.rpartition(".")[2]) is not None


def _tree(layers: Mapping[str, Shapes]) -> _Module:
    root = _Module("")
    for name, shapes in layers.items():
        module = root
        parts = name.split(".") if name else []
        if len(parts) > _DEEPEST:
            raise UserError(f"`{printable(name[:80])}…` is nested under more than {_DEEPEST} names")
        for part in parts:
            path = f"{module.path}.{part}" if module.path else part
            module = module.children.setdefault(part, _Module(path))
        module.shapes = shapes
    return root


class _Search:
    """Searches for the ways in which the layers of a file fill those of a network, module by module.

    Args:
        sources: the layers of the file.
        targets: the layers of the network, of the same shapes.
        named: the sources of targets that are known; others do not take these.
    """

    def __init__(self, sources: Mapping[str, Shapes], targets: Mapping[str, Shapes], named: Mapping[str, str]) -> None:
        self._root = _tree(sources)
        self._targets = list(targets.items())
        self._known = {place: named[name] for place, name in enumerate(targets) if name in named}
        self._taken = frozenset(self._known.values())
        self._furthest = 0
        self._steps = 0
        self._by_number = True

    @property
    def furthest(self) -> tuple[str, Shapes]:
        """The last layer of the network that the search reached."""
        return self._targets[self._furthest]

    def first_two(self) -> list[dict[str, str]]:
        """The source of each target in the first two ways, or in fewer; the first way follows the file's order.

        Numbers in names tell the order of modules, unless a layer that is known by name contradicts them.
        """
        found = self._two()
        if found and not self._numbers_hold(found[0]):
            self._by_number = False
            found = self._two()
        return self._by_target(found)

    def first_two_alike(self) -> list[dict[str, str]]:
        """The first two of the ways in which all modules have equally named children in the same order.

        If `conv1` comes before `bn1` in one block, it does so in every block.
        """
        self._steps = 0
        return self._by_target(self._two(self._are_alike))

    def _by_target(self, ways: Sequence[tuple[str, ...]]) -> list[dict[str, str]]:
        return [dict(zip((name for name, _ in self._targets), each, strict=True)) for each in ways]

    def _two(self, wanted: Callable[[tuple[str, ...]], bool] = lambda _: True) -> list[tuple[str, ...]]:
        ways = filter(wanted, self._ways(self._root, 0))
        return [each for each in (next(ways, None), next(ways, None)) if each is not None]

    def _ways(self, module: _Module, start: int) -> Iterator[tuple[str, ...]]:
        """The ways in which all layers of `module` fill the network from place `start` on."""
        self._count(10)
        own: tuple[str, ...] = ()
        if module.shapes is not None:
            if not self._fits(module, start):
                return
            own = (module.path,)
        if not module.children:
            yield own
            return
        for filled in self._ways_of_children(module, start + len(own)):
            yield own + filled

    def _fits(self, module: _Module, place: int) -> bool:
        if place == len(self._targets):
            return False
        self._furthest = max(self._furthest, place)
        known = self._known.get(place)
        free = module.path not in self._taken if known is None else module.path == known
        return free and module.shapes == self._targets[place][1]

    def _ways_of_children(self, module: _Module, start: int) -> Iterator[tuple[str, ...]]:
        """The ways in which the children of `module` fill it, in each order that the numbers in their names allow."""
        waiting = [True] * len(module.modules)
        chosen: list[tuple[int, tuple[str, ...]]] = []
        choices = [self._choices(module, waiting, start)]
        place = start
        while choices:
            if len(chosen) == len(choices):  # undo the last choice, and take the next one
                index, filled = chosen.pop()
                waiting[index] = True
                place -= len(filled)
            choice = next(choices[-1], None)
            if choice is None:
                choices.pop()
                continue
            index, filled = choice
            chosen.append(choice)
            waiting[index] = False
            place += len(filled)
            if len(chosen) < len(waiting):
                choices.append(self._choices(module, waiting, place))
            else:
                yield tuple(chain.from_iterable(filled for _, filled in chosen))

    def _choices(self, module: _Module, waiting: Sequence[bool], place: int) -> Iterator[tuple[int, tuple[str, ...]]]:
        """The children that can come next, each with the layers that it fills."""
        known = self._known.get(place)
        seen: set[int] = set()
        for index, child in enumerate(module.modules):
            self._count(1)
            if not waiting[index] or index in seen or (known is not None and not child.holds(known)):
                continue
            group = module.groups[index] if self._by_number and known is None else [index]
            seen.update(group)
            for member in (each for each in group if waiting[each]):
                fits = False
                for filled in self._ways(module.modules[member], place):
                    fits = True
                    yield member, filled
                if fits or (self._by_number and module.modules[member].is_number()):
                    break

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > _MOST_STEPS:
            raise _too_many_orders()

    def _numbers_hold(self, filled: Sequence[str]) -> bool:
        """Whether modules whose names differ in a number come in the order of these numbers."""
        places = {name: place for place, name in enumerate(filled)}
        return self._first_place(self._root, places) is not None

    def _are_alike(self, filled: tuple[str, ...]) -> bool:
        places = {name: place for place, name in enumerate(filled)}
        self._count(len(filled))
        before: set[tuple[str, str]] = set()

        def first_place(module: _Module) -> int:
            firsts = {name: first_place(child) for name, child in module.children.items()}
            in_order = sorted(firsts, key=lambda name: firsts[name])
            before.update((one, other) for place, one in enumerate(in_order) for other in in_order[place + 1 :])
            return min([*firsts.values(), *([] if module.shapes is None else [places[module.path]])])

        first_place(self._root)
        return not any((other, one) in before for one, other in before)

    def _first_place(self, module: _Module, places: Mapping[str, int]) -> int | None:
        """The first place that `module` fills; None if numbers in it do not hold."""
        firsts: list[int] = []
        for child in module.modules:
            first = self._first_place(child, places)
            if first is None:
                return None
            firsts.append(first)
        if any(firsts[one] > firsts[next_one] for group in module.groups for one, next_one in pairwise(group)):
            return None
        return min(firsts if module.shapes is None else [places[module.path], *firsts])


def _without_numbers(name: str) -> str:
    """A name with `#` for each number that is no size: `layer#.#.conv3x3`."""
    return _NUMBER.sub(lambda found: "#" if found[1] else found[0], name)


def by_value(digits: str) -> tuple[int, str]:
    """A key that sorts numbers of any length by their values."""
    significant = digits.lstrip("0")
    return len(significant), significant
