"""Searches for the ways in which the layers of a file of weights fill those of a network, module by module."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, pairwise

from alexc.printable import printable

from .errors import UserError

Shapes = tuple[tuple[str, tuple[int, ...]], ...]  # name and shape of each tensor of a layer
_MOST_STEPS = 5_000_000  # one or two seconds
SAME_NAMES = "give the layers of the spec the names that they have in the file, and compile it again"
_DEEPEST = 32  # parts of a name, as in layer1.0.conv1
_NUMBER = re.compile(r"[0-9]+(?:x[0-9]+)+|([0-9]+)")  # not those of a size, as in 3x3


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
            alike[without_numbers(name)].append(index)
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


class LayerSearch:
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
            raise too_many_orders()

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


def too_many_orders() -> UserError:
    """The error for layers that can be matched in more ways than are tried."""
    return UserError(f"its layers have the same shapes in too many orders to try them all: {SAME_NAMES}")


def without_numbers(name: str) -> str:
    """A name with `#` for each number that is no size: `layer#.#.conv3x3`."""
    return _NUMBER.sub(lambda found: "#" if found[1] else found[0], name)


def by_value(digits: str) -> tuple[int, str]:
    """A key that sorts numbers of any length by their values."""
    significant = digits.lstrip("0")
    return len(significant), significant
