"""Groups the copies of a layer: cuda-convnet places a layer on several GPUs by writing it once per GPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from alexc.compiler.layers.kind import Towers

from ..foreign.options import Options
from .layers import COSTS, TRAINED, CudaLayer

MOST_PARTS = 1024  # the largest number of towers

# Keys in which the copies of a layer may differ.
_OWN_OF_A_COPY = ("inputs", "gpu", "initwfunc", "initbfunc", "initcfunc")
_FOUR = Towers(2, 2)  # the grid of four GPUs: each pair is a row

Relation = Literal["own", "row", "cross", "all"]


@dataclass(frozen=True)
class GroupInput:
    """The part of a group that a layer reads.

    Attributes:
        group: the group; None is the image.
        gpus: the GPUs whose copies it reads, or () if the group has no copies.
        relation: how these GPUs lie relative to the layer's own GPU in the grid of all GPUs; None if irregular.
        places: the indices of the written inputs that refer to this group.
        parts: the number of copies behind each of these inputs: more than one behind a `pass`.
        beside: the layers that the copies on the other GPUs read in its place, one for each GPU; else empty.
    """

    group: Group | None
    gpus: tuple[int, ...]
    relation: Relation | None
    places: tuple[int, ...]
    parts: int
    beside: tuple[Group | None, ...] = ()

    @property
    def of_own_copy(self) -> bool:
        """Whether each copy reads the copy on its own GPU, of a group with several copies."""
        return self.reads == "tower"

    @property
    def reads(self) -> Literal["tower", "row", "cross", "all"]:
        """The towers that a copy reads, in the words of a spec; "all" for a group without copies."""
        if self.group is None or len(self.group.members) == 1:
            return "all"
        return "tower" if self.relation == "own" else self.relation or "all"

    def is_like(self, other: GroupInput) -> bool:
        """Whether this input and `other` can be inputs of two copies of one layer."""
        alike = self.gpus == other.gpus or (self.relation is not None and self.relation == other.relation)
        return self.group is other.group and alike


@dataclass(eq=False)
class Group:
    """A layer of the network: one layer of the file, or its copies on all GPUs in the order of the GPUs."""

    members: list[CudaLayer]
    inputs: tuple[GroupInput, ...]
    name: str = ""

    @property
    def first(self) -> CudaLayer:
        """The first copy."""
        return self.members[0]


@dataclass
class Groups:
    """All layers of the network in order. `gpus` are the GPUs that have their own copies."""

    groups: list[Group] = field(default_factory=list)
    gpus: tuple[int, ...] = ()

    @property
    def grid(self) -> Towers:
        """The grid of the GPUs: two rows of two if a layer reads a row or a cross, else one row."""
        read = {input_.relation for group in self.groups for input_ in group.inputs if input_.reads in ("row", "cross")}
        return _FOUR if read else Towers(1, len(self.gpus))


def group_layers(layers: Mapping[str, CudaLayer], *, together: bool) -> Groups:
    """Group the copies: layers on different GPUs with equal settings, equal parameters and equal inputs.

    If `together` is false, each layer is a group of its own.

    Raises:
        ReadError: a layer reads some copies of another layer in a way that a spec cannot express.
    """
    computed = [layer for layer in layers.values() if layer.type not in ("data", *COSTS)]
    alone = {layer.gpus[0] for layer in computed if len(layer.gpus) == 1}
    result = Groups(gpus=tuple(sorted(alone)) if len(alone) > 1 else ())
    group_of: dict[str, Group] = {}
    passed_on: dict[str, list[CudaLayer]] = {}
    known: dict[tuple[object, ...], list[Group]] = {}
    can_group = together and len(result.gpus) > 1
    for layer in computed:
        inputs = _inputs_of(layer, layers, passed_on)
        if layer.type == "pass":
            passed_on[layer.name] = [read for _, read in inputs]
            continue
        reads = _reads(inputs, layer, group_of, result.gpus)
        like = known.setdefault((layer.type, _settings(layer.options), _network_parameters(layer)), [])
        group = _group_for(layer, reads, like) if can_group else None
        if group is None:
            group = Group([], reads)
            like.append(group)
            result.groups.append(group)
        group.members.append(layer)
        group_of[layer.name] = group
    for group in result.groups:
        _check(group, result.gpus)
        _in_order(group)
    _name(result.groups)
    return result


def _group_for(layer: CudaLayer, reads: Sequence[GroupInput], like: Sequence[Group]) -> Group | None:
    """The group that a layer is another copy of, or None.

    A convolution can also read, in the place of an input without copies, another layer with the same shape.
    """
    for group in like:
        if _lacks(group, layer) and len(group.inputs) == len(reads):
            pairs = list(zip(group.inputs, reads, strict=True))
            if all(own.is_like(other) and not own.beside for own, other in pairs):
                return group
            if layer.type == "conv" and all(own.is_like(other) or _lie_beside(own, other) for own, other in pairs):
                group.inputs = tuple(_with_copy(own, other, len(group.members)) for own, other in pairs)
                return group
    return None


def _with_copy(own: GroupInput, other: GroupInput, members: int) -> GroupInput:
    """The input of a group of `members` copies, after another copy that reads `other` was added."""
    if own.is_like(other) and not own.beside:
        return own
    return replace(own, beside=(*(own.beside or (own.group,) * (members - 1)), other.group))


def _lie_beside(own: GroupInput, other: GroupInput) -> bool:
    """Whether two copies of a convolution can read these layers, which are on no other GPU and have no copies."""
    lone = all(group is None or len(group.members) == 1 for group in (own.group, other.group))
    return lone and own.parts == other.parts == 1 and own.places == other.places and own.group is not other.group


def _lacks(group: Group, layer: CudaLayer) -> bool:
    """Whether the layer can be another copy of the group: it is on one GPU, which has no copy yet."""
    return len(layer.gpus) == 1 and all(len(each.gpus) == 1 and each.gpus != layer.gpus for each in group.members)


def _inputs_of(
    layer: CudaLayer, layers: Mapping[str, CudaLayer], passed_on: Mapping[str, Sequence[CudaLayer]]
) -> list[tuple[int, CudaLayer]]:
    """The layers that it reads, each with the index of the written input. A `pass` is replaced by its own inputs.

    Raises:
        ReadError: a layer is read twice, or a `pass` has too many inputs.
    """
    found = [(place, read) for place, name in enumerate(layer.inputs) for read in passed_on.get(name, (layers[name],))]
    if len({read.name for _, read in found}) < len(found) and layer.type not in TRAINED:
        raise layer.options.error("E0903", f"`{layer.name}` reads a layer twice", "inputs")
    if layer.type == "pass" and len(found) > MOST_PARTS:
        message = f"`{layer.name}` joins {len(found)} layers; at most {MOST_PARTS} are used"
        raise layer.options.error("E0904", message, "inputs")
    return found


def _reads(
    inputs: Sequence[tuple[int, CudaLayer]],
    layer: CudaLayer,
    group_of: Mapping[str, Group],
    all_gpus: tuple[int, ...],
) -> tuple[GroupInput, ...]:
    by_group: dict[tuple[int, int], tuple[Group | None, list[tuple[int, CudaLayer]]]] = {}
    again: Counter[str] = Counter()
    for place, read in inputs:
        group = None if read.type == "data" else group_of[read.name]
        by_group.setdefault((id(group), again[read.name]), (group, []))[1].append((place, read))
        again[read.name] += 1  # a layer that is read twice has two matrices
    inputs_ = []
    for group, found in by_group.values():
        gpus = () if group is None else tuple(sorted({read.gpus for _, read in found if len(read.gpus) == 1}))
        lone = tuple(gpu for (gpu,) in gpus)
        places = tuple(dict.fromkeys(place for place, _ in found))
        inputs_.append(
            GroupInput(group, lone, _relation(layer.gpus, lone, all_gpus), places, len(found) // len(places))
        )
    return tuple(inputs_)


def _relation(own: tuple[int, ...], read: tuple[int, ...], gpus: tuple[int, ...]) -> Relation | None:
    """How the GPUs that a layer reads lie relative to its own GPU."""
    if len(own) == 1 and read == own:
        return "own"
    if read == gpus:
        return "all"
    if len(own) != 1 or len(gpus) != _FOUR or own[0] not in gpus:
        return None
    row, column = divmod(gpus.index(own[0]), _FOUR.columns)
    places = [divmod(place, _FOUR.columns) for place in range(_FOUR)]
    in_row = tuple(gpu for gpu, (other, _) in zip(gpus, places, strict=True) if other == row)
    in_cross = tuple(gpu for gpu, other in zip(gpus, places, strict=True) if other[0] == row or other[1] == column)
    return "row" if read == in_row else "cross" if read == in_cross else None


def _network_parameters(layer: CudaLayer) -> tuple[tuple[str, str], ...]:
    """The parameters of a layer that are not rates."""
    entries = layer.parameters.section.entries if layer.parameters is not None else ()
    return tuple(
        sorted((entry.key, entry.value) for entry in entries if layer.type not in TRAINED or entry.key == "dropout")
    )


def _settings(options: Options) -> tuple[tuple[str, str], ...]:
    """The settings of a layer except its placement; a list of equal values counts as one value."""
    said = []
    for entry in options.section.entries:
        if entry.key not in _OWN_OF_A_COPY:
            values = dict.fromkeys(part.strip() for part in entry.value.split(","))
            said.append((entry.key, ",".join(values) if len(values) == 1 else entry.value))
    return tuple(sorted(said))


def _check(group: Group, gpus: Sequence[int]) -> None:
    layer = group.first
    if 1 < len(group.members) < len(gpus):
        missing = sorted(set(gpus) - {each.gpus[0] for each in group.members})
        message = f"`{layer.name}` has copies on {len(group.members)} of {len(gpus)} GPUs"
        raise layer.options.error("E0903", message, "type", f"GPU {missing[0]} has no copy with the same settings")
    for input_ in group.inputs:
        if input_.beside and len(input_.beside) + 1 == len(group.members) == len(gpus):
            continue
        if input_.group is None or len(input_.group.members) == 1:
            continue
        if input_.relation == "all" or _is_regular(input_, group, gpus):
            continue
        which = ", ".join(map(str, input_.gpus))
        message = f"`{layer.name}` reads the part on GPU {which} of a layer that {len(gpus)} GPUs share"
        help_ = "each copy can read the part on its own GPU or all parts; of four GPUs also a pair, or all but one"
        raise layer.options.error("E0903", message, "inputs", help_)


def _is_regular(input_: GroupInput, group: Group, gpus: Sequence[int]) -> bool:
    """Whether a spec can express what the copies read; only layers with weights can read a row or a cross."""
    words = ("own", "row", "cross") if group.first.type in TRAINED else ("own",)
    return input_.relation in words and len(group.members) == len(gpus)


def _in_order(group: Group) -> None:
    """Sort the copies by GPU, and the layers that they read beside each other."""
    order = sorted(range(len(group.members)), key=lambda place: group.members[place].gpus)
    group.members = [group.members[place] for place in order]
    group.inputs = tuple(_sorted_beside(input_, order) if input_.beside else input_ for input_ in group.inputs)


def _sorted_beside(input_: GroupInput, order: Sequence[int]) -> GroupInput:
    first, *others = [(input_.group, *input_.beside)[place] for place in order]
    return replace(input_, group=first, beside=tuple(others))


def _name(groups: Sequence[Group]) -> None:
    """Name each group by the common prefix of its copies' names, or by its first copy if the prefix is taken."""
    taken = {group.first.name for group in groups if len(group.members) == 1}
    for group in groups:
        names = [layer.name for layer in group.members]
        shared = _beginning(names).rstrip("_-.") if len(names) > 1 else ""
        group.name = shared if shared and shared not in taken else names[0]
        taken.add(group.name)


def _beginning(names: Sequence[str]) -> str:
    """The characters that all names begin with."""
    alike = [len(set(characters)) == 1 for characters in zip(*names, strict=False)]
    return names[0][: [*alike, False].index(False)]
