"""Translates a Caffe net layer by layer: follows the blobs and separates the loss from the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from alexc.compiler.layers.kind import Join, Kind, Shape, ShapeError
from alexc.compiler.layers.softmax import Softmax
from alexc.compiler.text.diagnostics import Diagnostic, list_in_words
from alexc.compiler.text.fixes import did_you_mean
from alexc.compiler.text.source import Span

from ..foreign.flattening import without_needless_flattening
from ..foreign.network import ForeignLayer, make_kind
from .channelwise import batch_normalisation
from .fields import Fields
from .ignored import ignore_settings
from .images import SOURCES, Images, declared_input, read_images, stored_size
from .joins import slices
from .kinds import DEPTHWISE, TRANSLATIONS
from .layer import TYPES, CaffeLayer, read_layers
from .start_of_training import check_running_statistics, without_zeros
from .translation import Context, Translated, as_parts

# Layers that measure or drop a blob, and are not part of the network.
_NO_PART = ("Accuracy", "Silence", "ArgMax", "HDF5Output")
_LOSSES = (
    "ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss",
    "SigmoidCrossEntropyLoss", "SoftmaxWithLoss",
)  # fmt: skip
_READ_MAPS = ("Convolution", *DEPTHWISE, "Deconvolution", "LRN", "Pooling", "ShuffleChannel")
_KEEP_SHAPE = (
    "AbsVal", "Axpy", "BatchNorm", "Bias", "BNLL", "Concat", "Crop", "Dropout", "ELU", "Eltwise", "HardSwish", "Log",
    "Mul", "PReLU", "Power", "ReLU", "ReLU6", "Scale", "Sigmoid", "Slice", "Split", "Swish", "TanH",
)  # fmt: skip
_MOST_NAMED = 5  # of the outputs in a message


@dataclass
class CaffeNet:
    """The content of a net's file.

    Attributes:
        name: its name, or "".
        span: the span of the name, or the beginning of the file.
        input: the shape of an image, or None if it is not given.
        layers: the layers, in order.
        images: the settings of the training images, or None in a net for deployment.
        has_initial_values: whether the file has initial values for the weights.
        notes: comments for the spec.
    """

    name: str
    span: Span
    input: Shape | None = None
    layers: list[ForeignLayer] = field(default_factory=list)
    images: Images | None = None
    has_initial_values: bool = False
    notes: list[str] = field(default_factory=list)


def read_net(fields: Fields, given: Shape | None, findings: list[Diagnostic]) -> CaffeNet:
    """Read a net in its training phase; `given` is the shape of an image if the file does not give it."""
    start = fields.span_of("name") if fields.has("name") else Span(fields.span.source, 0, 0)
    net = CaffeNet(fields.text("name"), start)
    fields.ignore("force_backward", "debug_info", "engine")
    _Builder(fields, net, given, findings).build()
    findings += [
        Diagnostic("E0903", f"`{each.name}` of a net has no counterpart", each.span) for each in fields.unread_here()
    ]
    return net


class _LaterReaders:
    """Which layers read the output of a layer, by its index, found in one pass from the end.

    Attributes:
        read_as_maps: the layers whose output reaches a layer that needs feature maps.
        next_reader: the first layer that reads the first output blob of a layer.
    """

    def __init__(self, layers: Sequence[CaffeLayer]) -> None:
        self.read_as_maps: set[int] = set()
        self.next_reader: dict[int, int] = {}
        maps: set[str] = set()
        readers: dict[str, int] = {}
        for index in range(len(layers) - 1, -1, -1):
            layer = layers[index]
            as_maps = bool(maps & set(layer.tops))
            if as_maps:
                self.read_as_maps.add(index)
            if layer.tops and layer.tops[0] in readers:
                self.next_reader[index] = readers[layer.tops[0]]
            for top in layer.tops:
                maps.discard(top)
                readers.pop(top, None)
            if layer.type in _READ_MAPS or (as_maps and layer.type in _KEEP_SHAPE):
                maps.update(layer.bottoms)
            readers |= dict.fromkeys(layer.bottoms, index)


class _Builder:
    """Follows the blobs from layer to layer.

    A blob is the latest output of that name; None is the image. A layer that cannot be read makes its blobs broken, and
    layers that read a broken blob are skipped, since the error is already reported.
    """

    def __init__(self, fields: Fields, net: CaffeNet, given: Shape | None, findings: list[Diagnostic]) -> None:
        self._net = net
        self._findings = findings
        self._made: dict[str, str | None] = {}
        self._no_maps: set[str] = set()  # labels, and the outputs of layers that only measure
        self._broken: set[str] = set()
        self._shapes: dict[str | None, Shape | None] = {}
        self._again: Counter[str] = Counter()  # counts names that several layers have
        self._merged: set[int] = set()  # indices of Scale layers that are part of a BatchNorm
        names, declared = declared_input(fields, findings)
        layers = read_layers(fields, findings)
        ignore_settings(fields, layers, findings)
        self._layers, self._only_testing = _in_phase(layers, bool(names), findings)
        self._later = _LaterReaders(self._layers)
        net.has_initial_values = any(
            layer.fields.places(f"{name}_param", "weight_filler")
            for layer in self._layers
            for name in ("convolution", "inner_product")
        )
        for name in names[:1]:
            self._made[name] = None
        self._no_maps.update(names[1:])
        net.images = None
        self._find_input(declared, given)

    def build(self) -> None:
        """Read all layers; none if the list of layers could not be read."""
        for index, layer in enumerate(self._layers):
            if index not in self._merged:
                self._read(index, layer)
        trained = {_place(layer) for layer in self._layers}
        for layer in self._only_testing:
            self._check_only_testing(layer, trained)
        trains = any("loss" in layer.type.lower() for layer in self._layers)
        kept = self._without_unread()
        made = without_zeros(kept, trains, self._findings)
        check_running_statistics(made, self._findings)
        if trains:
            self._check_global_statistics()
        self._net.layers = _main_head_last(without_needless_flattening(made))
        if self._net.input is None and not any(each.severity == "error" for each in self._findings):
            message = "the file does not give the size of its images"
            helpful = "give it: `alexc import … --input 3x32x32`"
            self._findings.append(Diagnostic("E0904", message, self._source_span, help=helpful))

    def _without_unread(self) -> list[ForeignLayer]:
        """The layers without those that only lead to outputs that nothing reads, beside the last softmax or layer."""
        layers = self._net.layers
        read = {name for layer in layers for name in layer.inputs}
        ends = [layer for layer in layers if layer.name not in read]
        heads = [layer for layer in ends if isinstance(layer.kind, Softmax)] or ends[-1:]
        if len(heads) == len(ends) or self._broken:
            return layers
        needed = {layer.name for layer in heads}
        for layer in reversed(layers):
            if layer.name in needed:
                needed.update(name for name in layer.inputs if name is not None)
        left_out = [layer for layer in ends if layer not in heads]
        names = list_in_words([f"`{layer.name}`" for layer in left_out[:_MOST_NAMED]])
        more = f" and {len(left_out) - _MOST_NAMED} more" if len(left_out) > _MOST_NAMED else ""
        message = f"nothing reads {names}{more}: what only leads there is left out; the output is `{heads[-1].name}`"
        self._findings.append(Diagnostic("W0902", message, left_out[0].span))
        self._net.notes.append(f"Left out, because nothing reads it: {', '.join(layer.name for layer in left_out)}.")
        return [layer for layer in layers if layer.name in needed]

    def _check_global_statistics(self) -> None:
        """Warn if a batch norm does not use the statistics of the batch in training."""
        for layer in (each for each in self._layers if each.type == "BatchNorm"):
            parameters = layer.fields.message("batch_norm_param")
            if parameters.flag("use_global_stats", False):
                message = (
                    f"in Caffe, `{layer.name}` uses its running statistics in training, too; here, those of the batch"
                )
                helpful = "`alexc train --freeze LAYER` keeps the statistics and the weights of a layer"
                span = parameters.span_of("use_global_stats")
                self._findings.append(Diagnostic("W0901", message, span, help=helpful))
                return

    def _find_input(self, declared: Images | None, given: Shape | None) -> None:
        sources = [read_images(layer, self._findings) for layer in self._layers if layer.type in SOURCES]
        testing = [read_images(layer, self._findings) for layer in self._only_testing if layer.type in SOURCES]
        trained_on = [
            images
            for images, layer in zip(sources, [each for each in self._layers if each.type in SOURCES], strict=True)
            if layer.type not in ("Input", "DummyData")
        ]
        if trained_on:
            images = replace(trained_on[0], stored=stored_size(trained_on[0], testing))
            self._net.images = images
            for other in testing:
                if not other.same_values(images):
                    message = "images are prepared differently for testing, which has no counterpart"
                    self._findings.append(Diagnostic("W0901", message, other.span))
        shapes = [each.shape for each in (declared, *sources, *testing) if each is not None and each.shape is not None]
        self._net.input = shapes[0] if shapes else given
        self._shapes[None] = self._net.input
        self._source_span = next((each.span for each in (declared, *sources) if each is not None), self._net.span)
        if given is not None and given != self._net.input:
            message = f"the images are {self._net.input} here, not {given}"
            self._findings.append(
                Diagnostic("E0904", message, self._source_span, help="leave out the other shape, for example --input")
            )

    def _read(self, index: int, layer: CaffeLayer) -> None:
        if layer.type in SOURCES:
            for top in layer.tops[:1]:
                self._made[top] = None
            self._no_maps.update(layer.tops[1:])
        elif layer.type in _NO_PART:
            self._no_maps.update(layer.tops)
        elif layer.type == "Split":
            self._read_split(layer)
        elif layer.type == "Slice":
            self._read_slice(layer)
        elif layer.type in _LOSSES and layer.type != "SoftmaxWithLoss":
            self._read_other_loss(layer)
        elif layer.type == "Softmax" and self._has_loss(layer):
            self._no_maps.update(layer.tops)
        else:
            self._read_part(index, layer)

    def _read_split(self, layer: CaffeLayer) -> None:
        inputs = self._inputs(layer, layer.bottoms[:1])
        for top in layer.tops:
            self._make(top, None if inputs is None else inputs[:1])

    def _read_slice(self, layer: CaffeLayer) -> None:
        """A slice for each output, named after the output."""
        inputs = self._inputs(layer, layer.bottoms[:1])
        shape = None if inputs is None else self._shapes.get(inputs[0])
        parts = None if inputs is None else slices(layer, shape, self._findings)
        if inputs is None or parts is None:
            for top in layer.tops:
                self._make(top, None)
            return
        for top, kind in zip(layer.tops, parts, strict=True):
            self._make(top, [inputs[0] if kind is None else self._add(top, kind, (inputs[0],), layer.span)])

    def _read_other_loss(self, layer: CaffeLayer) -> None:
        """A multinomial logistic loss after a softmax is the cross-entropy; the other losses have no counterpart."""
        self._no_maps.update(layer.tops)
        source = self._made.get(layer.bottoms[0]) if layer.bottoms else None
        places: dict[str | None, int] = {each.name: place for place, each in enumerate(self._net.layers)}
        read = self._net.layers[places[source]] if source in places else None
        if layer.type == "MultinomialLogisticLoss" and read is not None and isinstance(read.kind, Softmax):
            share = 1.0 if layer.loss_weight is None else layer.loss_weight
            kind = make_kind("softmax", {"share": share}, layer.fields.span_of("loss_weight"), self._findings)
            if kind is not None:
                self._net.layers[places[source]] = replace(read, kind=kind)
            return
        message = f"`{layer.type}` has no counterpart: cross-entropy is the only loss"
        self._findings.append(Diagnostic("W0901", message, layer.span, help="the network is imported without it"))
        if read is not None:
            note = f"in Caffe, the input of the loss {layer.type}"
            self._net.layers[places[source]] = replace(read, notes=(*read.notes, note))

    def _read_part(self, index: int, layer: CaffeLayer) -> None:
        inputs = self._inputs(layer, layer.bottoms[:1] if layer.type == "SoftmaxWithLoss" else layer.bottoms)
        if layer.type == "BatchNorm":
            scale = self._scale_of(index)
            made, top = self._translate(index, layer, scale, inputs), (scale or layer).tops[:1]
        else:
            made, top = self._translate(index, layer, None, inputs), layer.tops[:1]
        ends = None if made is None or inputs is None else [self._put(layer, made, inputs)]
        for name in top:
            self._make(name, ends)
        for name in layer.tops[1:]:
            self._make(name, None)

    def _translate(
        self, index: int, layer: CaffeLayer, scale: CaffeLayer | None, inputs: Sequence[str | None] | None
    ) -> Translated | None:
        """The kinds of a layer; None, and an error, if it has no counterpart."""
        before = len(self._findings)
        given = [self._shapes.get(each) for each in inputs or ()]
        context = Context(given, index in self._later.read_as_maps, self._net.has_initial_values, self._findings)
        if layer.type == "BatchNorm":
            kind = batch_normalisation(layer, scale, context)
            made: Translated | None = None if kind is None else [kind]
        elif layer.type in TRANSLATIONS:
            made = TRANSLATIONS[layer.type](layer, context)
        else:
            message = f"a `{layer.type}` layer has no counterpart" if layer.type else "the layer has no `type`"
            helpful = "" if layer.type in {*TYPES, ""} else did_you_mean(layer.type, TRANSLATIONS)
            self._findings.append(Diagnostic("E0902", message, layer.span, help=helpful))
            return None
        for each in (layer, scale) if made is not None else ():
            for unread in each.fields.unread() if each is not None else ():
                message = f"`{unread.name}` of a `{layer.type}` has no counterpart"
                self._findings.append(Diagnostic("E0903", message, unread.span))
        parts = as_parts(made or [], len(inputs or ()))
        if parts and inputs and len(inputs) > 1 and not any(isinstance(part.kind, Join) for part in parts):
            message = f"a `{layer.type}` of several layers has no counterpart"
            self._findings.append(Diagnostic("E0903", message, layer.span))
        return None if any(each.severity == "error" for each in self._findings[before:]) else made

    def _scale_of(self, index: int) -> CaffeLayer | None:
        """The Scale that is the next reader of a BatchNorm's output, or None."""
        later = self._later.next_reader.get(index)
        scale = None if later is None else self._layers[later]
        if later is None or scale is None or scale.type != "Scale" or len(scale.bottoms) != 1:
            return None
        self._merged.add(later)
        return scale

    def _put(self, layer: CaffeLayer, made: Translated, inputs: Sequence[str | None]) -> str | None:
        """Add the kinds of a layer, the last under the layer's name; returns the name of their output."""
        names = list(inputs)
        parts = as_parts(made, len(inputs))
        for number, part in enumerate(parts, 1):
            reads = tuple(names[each] for each in part.reads)
            if isinstance(part.kind, Join) and len(reads) == 1:  # a join of one layer is that layer
                names.append(reads[0])
            else:
                name = layer.name if number == len(parts) else f"{layer.name} ({part.kind.keyword})"
                names.append(self._add(name, part.kind, reads, layer.span))
        return names[-1] if parts else inputs[0]

    def _add(self, name: str, kind: Kind, inputs: tuple[str | None, ...], span: Span) -> str:
        unique = name
        while unique in self._shapes:
            self._again[name] += 1
            unique = f"{name} {self._again[name] + 1}"
        self._net.layers.append(ForeignLayer(unique, kind, inputs, span))
        self._shapes[unique] = self._shape_of(kind, [self._shapes[each] for each in inputs])
        return unique

    def _shape_of(self, kind: Kind, given: Sequence[Shape | None]) -> Shape | None:
        """The output shape of a layer; None if it is not known or does not fit (the check of the spec reports that)."""
        known = [shape for shape in given if shape is not None]
        if len(known) < len(given):
            return None
        try:
            return kind.join(known, 1) if isinstance(kind, Join) else kind.output(known[0], 1)
        except ShapeError:
            return None

    def _make(self, blob: str, ends: Sequence[str | None] | None) -> None:
        """Set a blob to the output of a layer, or mark it as broken (None)."""
        if ends is None:
            self._broken.add(blob)
        else:
            self._broken.discard(blob)
            self._no_maps.discard(blob)
            self._made[blob] = ends[0]

    def _inputs(self, layer: CaffeLayer, bottoms: Sequence[str]) -> list[str | None] | None:
        """The layers whose outputs these blobs are; None if one of them is missing or broken."""
        if not bottoms and layer.type in (*TRANSLATIONS, "BatchNorm"):
            self._findings.append(Diagnostic("E0905", f"`{layer.name}` reads nothing", layer.span))
        if not bottoms:
            return None
        places = dict(zip(layer.bottoms, layer.fields.spans_of("bottom"), strict=True))
        missing = [blob for blob in bottoms if blob not in self._made and blob not in self._broken]
        for blob in missing:
            if blob in self._no_maps:
                message = f"`{layer.name}` reads `{blob}`, which is neither an image nor the output of a layer"
            else:
                message = f"no layer above makes `{blob}`, which `{layer.name}` reads"
            known = did_you_mean(blob, self._made)
            self._findings.append(Diagnostic("E0905", message, places[blob], help=known))
        whole = not missing and not self._broken & set(bottoms)
        return [self._made[blob] for blob in bottoms] if whole else None

    def _has_loss(self, softmax: CaffeLayer) -> bool:
        """Whether a loss reads the same blob, so that this softmax is only for display."""
        losses = [layer for layer in self._layers if layer.type == "SoftmaxWithLoss"]
        return any(layer.bottoms[:1] == softmax.bottoms[:1] for layer in losses)

    def _check_only_testing(self, layer: CaffeLayer, trained: Collection[object]) -> None:
        if _place(layer) in trained:
            return  # a layer with other settings in testing, as `use_global_stats: true` of a BatchNorm
        if layer.bottoms and layer.type not in (*_NO_PART, *_LOSSES, "Softmax"):
            message = f"`{layer.name}` exists only in testing, which has no counterpart"
            self._findings.append(Diagnostic("E0903", message, layer.span))


def _place(layer: CaffeLayer) -> tuple[object, ...]:
    """What a layer is called, and what it reads and makes."""
    return layer.name, layer.type, layer.bottoms, layer.tops


def _in_phase(
    layers: Sequence[CaffeLayer], has_input: bool, findings: list[Diagnostic]
) -> tuple[list[CaffeLayer], list[CaffeLayer]]:
    """The layers of the phase TRAIN, and those that exist only in testing.

    If only the phase TEST has images, the layers are those of this phase.
    """
    training = [layer for layer in layers if layer.training]
    only_testing = [layer for layer in layers if layer.testing and not layer.training]
    source = next((layer for layer in only_testing if layer.type in SOURCES), None)
    if has_input or source is None or any(layer.type in SOURCES for layer in training):
        return training, only_testing
    message = "the net has images only for testing, so its layers are those of the phase TEST"
    findings.append(Diagnostic("W0902", message, source.span))
    return [layer for layer in layers if layer.testing], []


def _main_head_last(layers: Sequence[ForeignLayer]) -> list[ForeignLayer]:
    """Put the head with the largest share last, with the layers that only it needs: the last layer is the output."""
    read = {name for layer in layers for name in layer.inputs}
    heads = [layer for layer in layers if isinstance(layer.kind, Softmax) and layer.name not in read]
    if len(heads) < 2:
        return list(layers)
    main = max(reversed(heads), key=lambda head: head.kind.share_of_loss)
    by_name: dict[str | None, ForeignLayer] = {layer.name: layer for layer in layers}
    for_others = {head.name for head in heads if head is not main}
    for layer in reversed(layers):
        if layer.name in for_others:
            for_others.update(name for name in layer.inputs if name is not None)
    chain = []
    end: ForeignLayer | None = main
    while end is not None and end.name not in for_others:
        chain.append(end.name)
        end = by_name.get(end.inputs[0]) if len(end.inputs) == 1 else None
    return [*(each for each in layers if each.name not in chain), *(each for each in layers if each.name in chain)]
