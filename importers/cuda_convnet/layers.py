"""The layers of cuda-convnet's layer file, each with its section of the parameter file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.fixes import did_you_mean

from ..foreign.options import Options, ReadError
from ..foreign.sections import Section

TRAINED = ("conv", "local", "fc", "treefc")
COST = "cost.logreg"
LABEL_COSTS = ("cost.crossent2", "cost.bce", "cost.rflickr", "cost.sum2")  # over a vector of labels per image
COSTS = (COST, *LABEL_COSTS)
TYPES = (
    "data", *TRAINED, "pool", "rnorm", "cmrnorm", "cnorm", "blur", "nailbed", "href", "neuron", "dropout", "dropout2",
    "hs", "softmax", "concat", "pass", "eltsum", *COSTS,
)  # fmt: skip
# cuda-convnet's other types, with the reason why they cannot be imported.
WITHOUT_COUNTERPART = {
    "sfc": "a fully connected layer in parts",
    "eltmax": "the maximum of several layers",
    "sum": "sums of neighbouring units",
    "cmpool": "pooling across maps",
    "resize": "scaling inside the network",
    "rscale": "random scaling inside the network",
    "crop": "cropping inside the network",
    "rgb2yuv": "another colour space",
    "rgb2lab": "another colour space",
    "cost.crossent": "a loss over several labels",
    "cost.dce": "a loss of detection",
}


@dataclass(frozen=True, eq=False)
class CudaLayer:
    """A layer of the file.

    Attributes:
        name: the name of its section.
        type: the value of `type=`.
        options: its section of the layer file.
        parameters: its section of the parameter file, or None.
        inputs: the names of the layers that it reads, as written.
        gpus: its GPUs: one, several that split the images, or none if the file does not say.
    """

    name: str
    type: str
    options: Options
    parameters: Options | None
    inputs: tuple[str, ...]
    gpus: tuple[int, ...]


def read_layers(
    sections: Sequence[Section], parameters: Mapping[str, Section], findings: list[Diagnostic]
) -> dict[str, CudaLayer]:
    """The layers that could be read, in order, by name. Each mistake is reported once."""
    layers: dict[str, CudaLayer] = {}
    broken: set[str] = set()
    for section in sections:
        if section.name in layers or section.name in broken:
            message = f"two layers are called `{section.name}`"
            findings.append(Diagnostic("E0901", message, section.span, help="give one of them another name"))
            continue
        try:
            layer = _layer(section, parameters.get(section.name), layers, broken)
        except ReadError as error:
            findings.append(error.diagnostic)
            layer = None
        if layer is None:
            broken.add(section.name)
        else:
            layers[section.name] = layer
    named = {section.name for section in sections}
    for section in parameters.values():
        if section.name not in named:
            message = f"there is no layer `{section.name}`  for these parameters"
            findings.append(Diagnostic("W0902", message, section.span, help=did_you_mean(section.name, named)))
    return layers


def _layer(
    section: Section, parameters: Section | None, above: Mapping[str, CudaLayer], broken: set[str]
) -> CudaLayer | None:
    """The layer, or None if one of its inputs could not be read.

    Raises:
        ReadError: it cannot be read.
    """
    options = Options(section)
    type_ = options.text("type")
    if type_ in WITHOUT_COUNTERPART:
        message = f"`{section.name}` is of type `{type_}`, {WITHOUT_COUNTERPART[type_]}, which a spec cannot express"
        raise options.error("E0902", message, "type")
    if type_ not in TYPES:
        known = did_you_mean(type_, [*TYPES, *WITHOUT_COUNTERPART])
        raise options.error("E0902", f"cuda-convnet has no layers of type `{type_}`", "type", known)
    inputs = () if type_ == "data" else tuple(name.strip() for name in options.text("inputs").split(","))
    for name in inputs:
        if name in broken:
            return None
        if name not in above:
            message = f"`{section.name}` reads `{name}`, which is not a layer above it"
            raise options.error("E0905", message, "inputs", did_you_mean(name, above))
        if above[name].type in COSTS:
            message = f"`{section.name}` reads `{name}`, a loss, which has no output"
            raise options.error("E0905", message, "inputs")
    read_first = above[inputs[0]].gpus if inputs else ()
    gpus = tuple(options.wholes("gpu")) if "gpu" in options else read_first
    if len(set(gpus)) != len(gpus):
        raise options.error("E0904", f"`{section.name}` names a GPU twice", "gpu")
    return CudaLayer(
        section.name, type_, options, Options(parameters) if parameters is not None else None, inputs, gpus
    )
