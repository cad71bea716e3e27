"""Reads the layer and parameter files of cuda-convnet and cuda-convnet2 (Krizhevsky 2011, 2014).

Their meaning is that of the libraries' source: a convolution and a pool have an output of
1 + ceil((side + 2 padding - window) / stride) values per side, `filters` counts the filters of one group, `scale` of a
normalisation is divided by the number of values in its window, biases have no weight decay, and `minDiv` of the second
version is always 1 in the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from alexc.compiler.layers.kind import Towers
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Source, Span

from ..foreign.names import name_of_file
from ..foreign.network import Assumptions, ForeignNetwork, ForeignPlacement, ForeignSplit, ReadResult
from ..foreign.options import ReadError
from ..foreign.sections import Section, sections_of
from .groups import Groups, group_layers
from .layers import COSTS, TRAINED, CudaLayer, read_layers
from .losses import loss_of, without_differences
from .network import NetworkBuilder
from .recipe import at_the_start, rates_of, recipe_of
from .rounding import sends_half

PROGRAM = "cuda-convnet"
_CROSS_CHANNELS = (
    "conv",
    "local",
    "fc",
    "cmrnorm",
    "softmax",
)  # the output of a copy depends on all maps that it reads


def recognises(source: Source) -> bool:
    """Whether a file has sections, none of them darknet's `[net]`, with keys of cuda-convnet."""
    return bool(
        re.search(r"^\[", source.text, re.MULTILINE)
        and not re.search(r"^\s*\[net(work)?\]", source.text, re.MULTILINE)
        and re.search(
            r"^(type|epsW|epsB|momW|momB|wc|coeff|scale|pow)\s*[=:]", source.text, re.MULTILINE | re.IGNORECASE
        )
    )


def read(sources: Sequence[Source], assumed: Assumptions) -> ReadResult:
    """Read the network of a layer file, with or without its parameter file, in any order."""
    findings: list[Diagnostic] = []
    files = [(source, sections_of(source, "python", findings)) for source in sources]
    layered = [(source, sections) for source, sections in files if _has_types(sections)]
    others = [(source, sections) for source, sections in files if not _has_types(sections)]
    if len(layered) != 1 or len(others) > 1:
        found = f"{len(layered)} layer files and {len(others)} parameter files"
        message = f"a network of cuda-convnet is a layer file, with or without its parameter file; these are {found}"
        span = Span(sources[-1], 0, 0)
        return ReadResult(
            None, (*findings, Diagnostic("E0906", message, span, help="sections of a layer file have a line `type=…`"))
        )
    source, sections = layered[0]
    parameters = {section.name: section for _, others_ in others for section in others_}
    layers = read_layers(sections, parameters, findings)
    if assumed.input is None:
        message = "cuda-convnet's files do not give the size of the images"
        findings.append(_at(layers, source, message, "give it: `--input 3x224x224`, or `--input 3x32x32` for CIFAR-10"))
    if any(each.severity == "error" for each in findings) or assumed.input is None:
        return ReadResult(None, tuple(findings))
    together = _attempt(source, layers, assumed, bool(others), together=True)
    if any(each.severity == "error" for each in together.findings):
        apart = _attempt(source, layers, assumed, bool(others), together=False)
        if not any(each.severity == "error" for each in apart.findings):
            return ReadResult(apart.network, (*findings, *apart.findings))
    return ReadResult(together.network, (*findings, *together.findings))


def _attempt(
    source: Source, layers: dict[str, CudaLayer], assumed: Assumptions, with_parameters: bool, *, together: bool
) -> ReadResult:
    """The network, with the copies of a layer on several GPUs as the towers of one layer, or as layers of their own."""
    findings: list[Diagnostic] = []
    network = None
    try:
        layers = without_differences(layers)
        _require_one_image(layers)
        groups = group_layers(layers, together=together)
        network = _network(source, layers, assumed, with_parameters, findings, groups)
    except ReadError as error:
        findings.append(error.diagnostic)
    return ReadResult(network, tuple(findings))


def _has_types(sections: Sequence[Section]) -> bool:
    return any(entry.key == "type" for section in sections for entry in section.entries)


def _at(layers: dict[str, CudaLayer], source: Source, message: str, help_: str) -> Diagnostic:
    data = next((layer.options.section.span for layer in layers.values() if layer.type == "data"), Span(source, 0, 0))
    return Diagnostic("E0906", message, data, help=help_)


def _network(
    source: Source,
    layers: dict[str, CudaLayer],
    assumed: Assumptions,
    with_parameters: bool,
    findings: list[Diagnostic],
    groups: Groups,
) -> ForeignNetwork:
    """The network. Errors of single layers are appended to `findings`."""
    image = assumed.input
    assert image is not None
    towers = groups.grid if _needs_towers(groups) else Towers(1, 1)
    rated = [(group, rates) for group in groups.groups if (rates := rates_of(group, findings)) is not None]
    begun = ""
    if assumed.from_start:
        rated, begun = at_the_start(rated)
    loss = loss_of(layers, findings)
    recipe = recipe_of(rated, image.sizes[1], loss, findings) if with_parameters and loss is not None else None
    if with_parameters:
        findings += _without_rates(groups)
    half = sends_half(layers, findings)
    builder = NetworkBuilder(layers, image, towers, findings)
    by_group = {id(group): rates for group, rates in rated}
    for group in groups.groups:
        found = by_group.get(id(group))
        builder.add_group(group, recipe.multipliers(found) if recipe and found else {})
    builder.report_costs()
    first = next(iter(layers.values()), None)
    return ForeignNetwork(
        name=name_of_file(source.name),
        program=PROGRAM,
        input=image,
        layers=tuple(builder.layers),
        span=first.options.section.span if first else Span(source, 0, 0),
        towers=towers,
        recipe=recipe.lines if recipe else (),
        placements=_placements(groups, towers, builder, half),
        notes=()
        if with_parameters
        else ("There is no recipe, because the rates are in the parameter file, which was not given.",),
        recipe_notes=(*filter(None, [begun]), *recipe.notes) if recipe else (),
    )


def _require_one_image(layers: Mapping[str, CudaLayer]) -> None:
    """Check that all layers except the losses read one data layer, and all of its data.

    Raises:
        ReadError: there are two such data layers, or only a part of one is read.
    """
    reads = {name for layer in layers.values() if layer.type not in COSTS for name in layer.inputs}
    data = [layer for layer in layers.values() if layer.type == "data" and layer.name in reads]
    if len(data) > 1:
        message = f"`{data[0].name}` and `{data[1].name}` are both read; a network has one image input"
        raise ReadError(Diagnostic("E0903", message, data[1].options.section.span))
    for key in ("start", "end"):
        if data and key in data[0].options:
            raise data[0].options.error("E0903", f"`{data[0].name}` reads only a part of the data", key)


def _needs_towers(groups: Groups) -> bool:
    """Whether a layer mixes only the channels of its own GPU. Otherwise the placement does not change the network."""
    return any(
        group.first.type in _CROSS_CHANNELS and any(input_.reads != "all" for input_ in group.inputs)
        for group in groups.groups
    )


def _without_rates(groups: Groups) -> Iterator[Diagnostic]:
    for group in groups.groups:
        if group.first.type in TRAINED and group.first.parameters is None:
            message = f"the parameter file has no rates for `{group.first.name}`; those of the recipe are used"
            yield Diagnostic("W0901", message, group.first.options.section.span)


def _placements(groups: Groups, towers: Towers, builder: NetworkBuilder, half: bool) -> tuple[ForeignPlacement, ...]:
    """The placement that `gpu=` describes; none for one GPU. `half` says whether what travels is rounded."""
    # A softmax is part of the loss, and can stand in the line of a layer that lies elsewhere.
    located = [group for group in groups.groups if builder.names_of(group) and group.first.type != "softmax"]
    replicas = max((len(group.first.gpus) for group in located), default=0)
    devices = max(len(groups.gpus), replicas)
    if devices < 2 or not located:
        return ()
    mesh = {"tower" if towers > 1 else "gpu": devices}
    if towers.rows > 1:
        mesh = {"row": towers.rows, "column": towers.columns}
    images = [name for group in located if len(group.first.gpus) > 1 for name in builder.names_of(group)]
    channels = [name for group in located if len(group.members) > 1 for name in builder.names_of(group)]
    alone = [group for group in located if groups.gpus and len(group.members) == len(group.first.gpus) == 1]
    splits = []
    for axis in mesh:
        if images:
            splits.append(ForeignSplit("images", axis, None if len(images) == len(builder.layers) else tuple(images)))
        if channels:
            splits.append(ForeignSplit("channels", axis, None if not images else tuple(channels)))
    keeps: dict[tuple[str, int], list[str]] = {}
    for group in alone:
        gpu = groups.gpus.index(group.first.gpus[0])
        at = divmod(gpu, towers.columns) if towers.rows > 1 else (gpu,)
        for axis, index in zip(mesh, at, strict=True):
            keeps.setdefault((axis, index), []).extend(builder.names_of(group))
    said = [group.first.options for group in located if "gpu" in group.first.options]
    span = said[0].span("gpu") if said else located[0].first.options.section.span
    return (
        ForeignPlacement(
            "gpus",
            tuple(mesh.items()),
            tuple(splits),
            span,
            tuple((tuple(names), axis, index) for (axis, index), names in keeps.items()),
            half,
        ),
    )
