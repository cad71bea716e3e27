"""Groups the copies of a layer: cuda-convnet places a layer on several GPUs by writing it once per GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..foreign.options import Options
from .layers import COST, CudaLayer

MOST_PARTS = 1024  # the largest number of towers

# Keys in which the copies of a layer may differ.
_OWN_OF_A_COPY = ("inputs", "gpu", "initwfunc", "initbfunc")


@dataclass(frozen=True)
class GroupInput:
    """The part of a group that a layer reads.

    Attributes:
        group: the group; None is the image.
        gpus: the GPUs whose copies it reads, or () if the group has no copies.
        own: whether it reads only the copy on its own GPU.
        places: the indices of the written inputs that refer to this group.
        parts: the number of copies behind each of these inputs: more than one behind a `pass`.
    """

    group: Group | None
    gpus: tuple[int, ...]
    own: bool
    places: tuple[int, ...]
    parts: int

    @property
    def of_own_copy(self) -> bool:
        """Whether each copy reads the copy on its own GPU, of a group with several copies."""
        return self.own and self.group is not None and len(self.group.members) > 1

    @property
    def signature(self) -> tuple[object, ...]:
        """A key that is equal for the copies of a layer."""
        return (id(self.group), "own" if self.own else self.gpus)


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


def group_layers(layers: Mapping[str, CudaLayer]) -> Groups:
    """Group the copies: layers on different GPUs with equal settings and equal inputs.

    Raises:
        ReadError: a layer reads some copies of another layer but not all.
    """
    computed = [layer for layer in layers.values() if layer.type not in ("data", COST)]
    alone = {layer.gpus[0] for layer in computed if len(layer.gpus) == 1}
    result = Groups(gpus=tuple(sorted(alone)) if len(alone) > 1 else ())
    group_of: dict[str, Group] = {}
    passed_on: dict[str, list[CudaLayer]] = {}
    known: dict[tuple[object, ...], list[Group]] = {}
    for layer in computed:
        inputs = _inputs_of(layer, layers, passed_on)
        if layer.type == "pass":
            passed_on[layer.name] = [read for _, read in inputs]
            continue
        reads = _reads(inputs, layer, group_of)
        key = (layer.type, _settings(layer.options), tuple(input_.signature for input_ in reads))
        like = known.setdefault(key, [])
        group = next((each for each in like if _lacks(each, layer)), None) if result.gpus else None
        if group is None:
            group = Group([], reads)
            like.append(group)
            result.groups.append(group)
        group.members.append(layer)
        group_of[layer.name] = group
    for group in result.groups:
        _check(group, result.gpus)
        group.members.sort(key=lambda layer: layer.gpus)
    _name(result.groups)
    return result


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
    if len({read.name for _, read in found}) < len(found):
        raise layer.options.error("E0903", f"`{layer.name}` reads a layer twice", "inputs")
    if layer.type == "pass" and len(found) > MOST_PARTS:
        message = f"`{layer.name}` joins {len(found)} layers; at most {MOST_PARTS} are used"
        raise layer.options.error("E0904", message, "inputs")
    return found


def _reads(
    inputs: Sequence[tuple[int, CudaLayer]], layer: CudaLayer, group_of: Mapping[str, Group]
) -> tuple[GroupInput, ...]:
    by_group: dict[int, tuple[Group | None, list[tuple[int, CudaLayer]]]] = {}
    for place, read in inputs:
        group = None if read.type == "data" else group_of[read.name]
        by_group.setdefault(id(group), (group, []))[1].append((place, read))
    inputs_ = []
    for group, found in by_group.values():
        gpus = () if group is None else tuple(sorted({read.gpus for _, read in found if len(read.gpus) == 1}))
        lone = tuple(gpu for (gpu,) in gpus)
        places = tuple(dict.fromkeys(place for place, _ in found))
        own = lone == layer.gpus and len(lone) == 1
        inputs_.append(GroupInput(group, lone, own, places, len(found) // len(places)))
    return tuple(inputs_)


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
        if input_.group is None or len(input_.group.members) == 1:
            continue
        if (input_.own and len(group.members) == len(gpus)) or input_.gpus == tuple(gpus):
            continue
        which = ", ".join(map(str, input_.gpus))
        message = f"`{layer.name}` reads the part on GPU {which} of a layer that {len(gpus)} GPUs share"
        help_ = "each copy can read the part on its own GPU or all parts"
        raise layer.options.error("E0903", message, "inputs", help_)


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
