"""Turns darknet's sections into layers of alexc's kinds.

A section reads the section before it, and refers to others by a negative offset or by their index from 0. The meaning
is that of darknet's source: `pad=1` is a padding of half the kernel; the padding of a maxpool is the total of both
sides, by default one less than the window; the default activation is logistic; weight decay does not apply to biases
and batch normalisation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from alexc.compiler.layers.adaptive_avgpool import AdaptiveAvgpool
from alexc.compiler.layers.initial_values import Kaiming, LeCun
from alexc.compiler.layers.kind import Join, Kind, Shape, ShapeError, require_maps
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.fixes import did_you_mean

from ..foreign.network import ForeignLayer, make_kind
from ..foreign.options import Options, ReadError
from ..foreign.sections import Section

_OTHER_NAMES = {
    "conv": "convolutional",
    "conn": "connected",
    "max": "maxpool",
    "avg": "avgpool",
    "soft": "softmax",
}
_KNOWN = (
    "convolutional", "local", "connected", "maxpool", "avgpool", "dropout", "batchnorm", "activation",
    "shortcut", "route", "scale_channels", "sam", "reorg", "softmax", "crop", "cost",
)  # fmt: skip
# Other sections of darknet and of its maintained fork, with the reason why they cannot be imported.
WITHOUT_COUNTERPART = {
    **dict.fromkeys(("region", "yolo", "detection", "iseg", "gaussian_yolo"), "an object-detection head"),
    **dict.fromkeys(("rnn", "gru", "lstm", "crnn", "conv_lstm"), "a recurrent layer"),
    **dict.fromkeys(("deconvolutional", "deconv", "upsample"), "an upsampling layer"),
    "reorg3d": "maps cut into smaller ones in another order",
    "logistic": "a separate loss per output",
    "l2norm": "normalisation of a vector's length",
    "local_avgpool": "average pooling with another kind of window",
    "contrastive": "another loss",
    **dict.fromkeys(("lrn", "normalization"), "a normalisation with a bug in darknet: its sums miss one map"),
}
# The kinds of an activation, each of which reads the one before.
_ACTIVATIONS: dict[str, list[tuple[str, dict[str, object]]]] = {
    "linear": [],
    "relu": [("relu", {})],
    "relu6": [("relu6", {})],
    "leaky": [("leaky_relu", {"slope": 0.1})],
    "relie": [("leaky_relu", {"slope": 0.01})],
    "ramp": [("leaky_relu", {"slope": 1 / 11}), ("affine", {"scale": 1.1})],  # 1.1 x, and 0.1 x below 0
    "logistic": [("sigmoid", {})],
    "loggy": [("affine", {"scale": 0.5}), ("tanh", {})],  # 2 / (1 + exp(-x)) - 1
    "tanh": [("tanh", {})],
    "elu": [("elu", {})],
    "selu": [("elu", {"alpha": 1.6732}), ("affine", {"scale": 1.0507})],
    "swish": [("silu", {})],
    "mish": [("mish", {})],
    "gelu": [("gelu", {})],
}
_OTHER_ACTIVATIONS = ("plse", "stair", "hardtan", "lhtan", "hard_mish", "normalize_channels")
_UNIFORM = LeCun(gain=0.816497)  # darknet's is uniform in ±sqrt(2 / fan_in), of variance 2/3 / fan_in
_OF_WEIGHT_FILES = ("dontload", "dontsave", "numload", "dontloadscales", "flipped")
_PRODUCTS = ("scale_channels", "sam")
_ONLY_SHARE_MEMORY = ("truth", "onlyforward")


class NetworkBuilder:
    """Builds the network section by section. `layers` has the layers so far.

    Args:
        image: the shape of an image.
        decays: whether there is weight decay; then parameters without it need a multiplier of 0.
        findings: the list that diagnostics are appended to.
    """

    def __init__(self, image: Shape, decays: bool, findings: list[Diagnostic]) -> None:
        self.layers: list[ForeignLayer] = []
        self.notes: list[str] = []
        self._decays = decays
        self._findings = findings
        self._shapes: dict[str | None, Shape] = {None: image}
        self._ends: list[str | None] = []  # per section, the layer whose output is the section's output
        self._broken: set[int] = set()
        self._counts: Counter[str] = Counter()

    @property
    def end(self) -> str | None:
        """The layer that the next section reads; None is the image."""
        return self._ends[-1] if self._ends else None

    def skip(self) -> None:
        """Count a section without a layer."""
        self._ends.append(self.end)

    def add_section(self, section: Section) -> None:
        """Add the layers of a section or report its error.

        A section that reads a broken one is skipped; it is reported if its type has no counterpart.
        """
        place = len(self._ends)
        before = len(self.layers)
        options = Options(section)
        broken = place - 1 in self._broken
        try:
            read = self._others(options, place)
            if broken or any(each in self._broken for each in read):
                if type_of(section) not in _KNOWN:
                    self._findings.append(_unknown(section, type_of(section)))
                self._broken.add(place)
                self._ends.append(self.end)
                return
            end = self._add_layers(options, [self._ends[each] for each in read])
            self._ends.append(end)
            self._common(options)
        except ReadError as error:
            self._findings.append(error.diagnostic)
            del self.layers[before:], self._ends[place:]
            self._broken.add(place)
            self._ends.append(self.end)
            return
        options.report_unread("darknet", self._findings)

    def _others(self, options: Options, place: int) -> list[int]:
        """The indices of the other sections that a section refers to.

        Raises:
            ReadError: one of them is not above it.
        """
        key = {**dict.fromkeys(("shortcut", *_PRODUCTS), "from"), "route": "layers"}.get(type_of(options.section))
        if key is None:
            return []
        found = []
        for written in options.wholes(key, least=-(10**9)):
            number = place + written if written < 0 else written
            if not 0 <= number < place:
                message = f"`{key}={written}` is not a section above this one, which is number {place}"
                raise options.error("E0905", message, key, "-1 is the section before it, 0 the first after `[net]`")
            found.append(number)
        return found

    def _add_layers(self, options: Options, others: Sequence[str | None]) -> str | None:
        """Add the layers of a section; returns the layer whose output is the section's output.

        Raises:
            ReadError: the section has no counterpart.
        """
        match type_of(options.section):
            case "convolutional":
                return self._convolutional(options)
            case "local":
                return self._local(options)
            case "connected":
                return self._connected(options)
            case "maxpool":
                return self._maxpool(options)
            case "avgpool":
                self._maps(options)
                return self._add(options, "pool", "global_avgpool", {}, [self.end])
            case "dropout":
                return self._dropout(options)
            case "batchnorm":
                return self._batchnorm_alone(options)
            case "activation":
                return self._activate(options, self.end, "linear")
            case "shortcut":
                return self._shortcut(options, others)
            case "route":
                return self._route(options, others)
            case "scale_channels" | "sam":
                return self._product(options, others)
            case "reorg":
                return self._reorg(options)
            case "softmax":
                return self._softmax(options)
            case type_:
                raise ReadError(_unknown(options.section, type_))

    # -- layers with weights

    def _convolutional(self, options: Options) -> str:
        kernels, size = options.whole("filters", 1, least=1), options.whole("size", 1, least=1)
        stride, groups = options.whole("stride", 1, least=1), options.whole("groups", 1, least=1)
        padding = options.whole("padding", 0)
        if options.whole("pad", 0):
            padding = size // 2
        for key in ("binary", "xnor", "antialiasing", "deform", "assisted_excitation"):
            if options.whole(key, 0):
                raise options.error("E0903", f"`{key}` has no counterpart", key)
        for key, usual in (("dilation", 1), ("stride_x", stride), ("stride_y", stride)):
            if options.whole(key, usual) != usual:
                raise options.error("E0903", f"`{key}` exists only in a fork of darknet", key)
        if options.number("dot", 0.0):
            self._findings.append(Diagnostic("W0901", "`dot` has no counterpart", options.span("dot")))
        normalised = bool(options.whole("batch_normalize", 0))
        arguments: dict[str, object] = {"kernels": kernels, "kernel": (size, size), "stride": (stride, stride)}
        arguments |= {"pad": (padding,) * 4, "groups": groups, **self._of_weights(options, normalised)}
        keyword = "conv"
        if len(self._given.sizes) == 1 and not self._as_maps():
            if size > 1 or groups > 1:
                message = "a convolution over a vector must have kernels of size 1"
                raise options.error("E0903", message, "size", "write it as `[connected]`")
            keyword, arguments = "linear", {"units": kernels, **self._of_weights(options, normalised)}
        name = self._add(options, keyword, keyword, {**arguments, "weight": Kaiming()}, [self.end])
        return self._normalise_and_activate(options, name, normalised, "logistic")

    def _local(self, options: Options) -> str:
        _, height, width = self._maps(options)
        size, stride = options.whole("size", 1, least=1), options.whole("stride", 1, least=1)
        pad = options.whole("pad", 0)
        for side in (height, width):
            if pad and (side + 2 * pad - size) // stride != (side - 1) // stride:
                message = (
                    f"darknet itself miscounts with `pad={pad}`: it computes with {(side - 1) // stride + 1} places"
                )
                raise options.error("E0903", message, "pad", f"pad={size // 2} for kernels of {size} by {size}")
        self._findings.append(
            Diagnostic(
                "W0901", "in darknet, the kernels of all positions but the first start at 0", options.section.span
            )
        )
        arguments = {
            "kernels": options.whole("filters", 1, least=1),
            "kernel": (size, size),
            "stride": (stride, stride),
            "pad": (pad,) * 4,
            "weight": _UNIFORM,
            **self._of_weights(options, False),
        }
        note = "in darknet, the kernels of all positions but the first start at 0."
        name = self._add(options, "local", "local", arguments, [self.end], (note,))
        return self._activate(options, name, "logistic") or name

    def _connected(self, options: Options) -> str:
        normalised = bool(options.whole("batch_normalize", 0))
        arguments = {
            "units": options.whole("output", 1, least=1),
            "weight": _UNIFORM,
            **self._of_weights(options, normalised),
        }
        name = self._add(options, "fc", "linear", arguments, [self.end])
        return self._normalise_and_activate(options, name, normalised, "logistic")

    def _of_weights(self, options: Options, normalised: bool) -> dict[str, object]:
        """The multipliers of a layer with weights, which has no bias before a batch normalisation."""
        rate = options.number("learning_rate", 1.0, least=0)
        if normalised:
            return {"weight_rate": rate, "bias": None}
        return {"weight_rate": rate, "bias_rate": rate, **({"bias_decay": 0} if self._decays else {})}

    def _normalise_and_activate(self, options: Options, name: str, normalised: bool, usual: str) -> str:
        if normalised:
            rate = options.number("learning_rate", 1.0, least=0)
            arguments = {**self._normalisation(), "weight_rate": rate, "bias_rate": rate}
            name = self._add(options, "batchnorm", "batchnorm", arguments, [name])
        return self._activate(options, name, usual) or name

    def _normalisation(self) -> dict[str, object]:
        """Darknet's running statistics have a momentum of 0.01, and its weight decay does not apply to this layer."""
        return {"momentum": 0.01, **({"weight_decay": 0, "bias_decay": 0} if self._decays else {})}

    # -- layers without

    def _maxpool(self, options: Options) -> str:
        """A maxpool: half of its padding is before each side, and windows may reach over the far edge."""
        _, height, width = self._maps(options)
        stride = options.whole("stride", 1, least=1)
        size = options.whole("size", stride, least=1)
        padding = options.whole("padding", size - 1)
        for key in ("maxpool_depth", "antialiasing"):
            if options.whole(key, 0):
                raise options.error("E0903", f"`{key}` has no counterpart", key)
        wanted = tuple((side + padding - size) // stride + 1 for side in (height, width))
        before = padding // 2
        window: dict[str, object] = {"window": (size, size), "pad": (before, before)}
        if stride != size:
            window["stride"] = (stride, stride)
        for rounding in ("floor", "ceil"):
            kind = self._kind(options, "maxpool", {**window, "round": rounding})
            try:
                fits = kind.output(self._given, 1).sizes[1:] == wanted
            except ShapeError as misfit:
                raise options.error("E0904", f"a maxpool {misfit}", "size") from None
            if fits:
                return self._add(options, "pool", "maxpool", {**window, "round": rounding}, [self.end])
        message = f"this maxpool makes {wanted[0]}x{wanted[1]} from {height}x{width}, with a window over each far edge"
        help_ = f"a pool with a padding of {before} on every side differs; `padding={2 * before}` has a counterpart"
        raise options.error("E0903", message, "padding" if "padding" in options else "size", help_)

    def _dropout(self, options: Options) -> str:
        """Dropout, which works in place: later readers of the section before it read the output of the dropout."""
        p = options.number("probability", 0.5, least=0)
        for key in ("dropblock", "dropblock_size_rel", "dropblock_size_abs"):
            if options.number(key, 0.0):
                raise options.error("E0903", f"`{key}` has no counterpart", key)
        name = self._add(options, "dropout", "dropout", {"p": p, "scale": "train"}, [self.end])
        self._ends = [name if end == self.end else end for end in self._ends]
        return name

    def _batchnorm_alone(self, options: Options) -> str:
        """A section `[batchnorm]`, whose parameters darknet never updates."""
        arguments = {**self._normalisation(), "weight_rate": 0, "bias_rate": 0}
        note = "darknet does not train a separate `[batchnorm]`."
        return self._add(options, "batchnorm", "batchnorm", arguments, [self.end], (note,))

    def _shortcut(self, options: Options, others: Sequence[str | None]) -> str:
        """A sum. Of another layer, darknet adds the channels that both have, at the places that both have."""
        alpha, beta = options.number("alpha", 1.0), options.number("beta", 1.0)
        if options.text("weights_type", "none") != "none":
            raise options.error("E0903", "a shortcut with weights has no counterpart", "weights_type")
        if self.end is None or None in others:
            raise options.error("E0903", "a shortcut from the image has no counterpart", "from")
        own = self._given
        end: str | None = self.end
        fitting = [self._fitted(options, other, own) for other in others]
        if (alpha, beta) != (1, 1):
            if any(self._shapes[other].sizes != own.sizes for other in others):
                key = "alpha" if alpha != 1 else "beta"
                raise options.error("E0903", f"`{key}` multiplies only a part of the sum here", key)
            end = self._scaled(options, end, alpha)
            fitting = [self._scaled(options, other, beta) for other in fitting]
        name = self._add(options, "shortcut", "add", {}, [*fitting, end])
        return self._activate(options, name, "linear") or name

    def _scaled(self, options: Options, name: str | None, factor: float) -> str | None:
        return name if factor == 1 else self._add(options, "scaled", "affine", {"scale": factor}, [name])

    def _fitted(self, options: Options, other: str | None, own: Shape) -> str | None:
        """A layer as a shortcut adds it to one of the shape `own`: every n-th place, the first channels, then zeros.

        Raises:
            ReadError: its maps are smaller, or not a whole number of times as large.
        """
        shape, name = self._shapes[other], other
        if len(shape.sizes) != len(own.sizes):
            raise options.error("E0903", f"this shortcut adds {shape} to {own}, maps and a vector", "from")
        if shape.sizes[1:] != own.sizes[1:]:
            (high, wide), (_, height, width) = shape.sizes[1:], own.sizes
            stride = high // height
            if stride < 2 or (high, wide) != (stride * height, stride * width):
                message = f"this shortcut adds {shape} to {own}; darknet adds at some of the places"
                help_ = "the maps of the other layer may be a whole number of times as large"
                raise options.error("E0903", message, "from", help_)
            arguments = {"window": (1, 1), "stride": (stride, stride)}
            name = self._add(options, "reduced", "maxpool", arguments, [name])
        if shape.channels > own.channels:
            return self._add(options, "reduced", "slice", {"first": 0, "end": own.channels}, [name])
        if shape.channels < own.channels:
            return self._add(options, "widened", "widen", {"channels": own.channels}, [name])
        return name

    def _route(self, options: Options, others: Sequence[str | None]) -> str | None:
        """The output of one earlier section again, or several joined; with `groups`, one of the parts of each."""
        groups, part = options.whole("groups", 1, least=1), options.whole("group_id", 0)
        if groups > 1:
            others = [self._part(options, other, groups, part) for other in others]
        if len(others) == 1:
            return others[0]
        sides = {self._shapes[other].sizes[1:] for other in others}
        if len(sides) > 1:
            shapes = " and ".join(str(self._shapes[other]) for other in others)
            raise options.error("E0903", f"this route joins maps of different sizes: {shapes}", "layers")
        return self._add(options, "route", "concat", {}, others)

    def _part(self, options: Options, name: str | None, groups: int, part: int) -> str:
        """One of `groups` equal parts of the channels of a layer.

        Raises:
            ReadError: there is no such part.
        """
        channels = self._shapes[name].channels
        if channels % groups or part >= groups:
            message = f"{channels} channels have no part {part} of {groups} equal ones"
            raise options.error("E0904", message, "group_id" if part >= groups else "groups")
        width = channels // groups
        end = None if part == groups - 1 else width * (part + 1)
        return self._add(options, "part", "slice", {"first": width * part, "end": end}, [name])

    def _product(self, options: Options, others: Sequence[str | None]) -> str:
        """The product of a layer and one value for each of its maps, or of two layers of equal shapes."""
        other, own = self._shapes[others[0]], self._given
        one_for_each_map = own.values == own.channels == other.channels and not options.whole("scale_wh", 0)
        if len(others) > 1 or not (own.sizes == other.sizes or one_for_each_map):
            message = f"`[{options.section.name}]` multiplies {other} by {own}, which has no counterpart"
            raise options.error("E0903", message, "from", "one value for each map has one, and equal shapes")
        name = self._add(options, "product", "multiply", {}, [self.end, *others])
        return self._activate(options, name, "linear") or name

    def _reorg(self, options: Options) -> str:
        """Maps cut into smaller ones; with `extra`, a vector with so many more units, which are 0."""
        stride, extra = options.whole("stride", 1, least=1), options.whole("extra", 0)
        for key in ("reverse", "flatten"):
            if options.whole(key, 0):
                raise options.error("E0903", f"`{key}` has no counterpart", key)
        self._maps(options)
        if not extra:
            return self._add(options, "reorg", "reorg", {"stride": stride}, [self.end])
        units = self._given.values + extra
        flat = self._add(options, "flatten", "flatten", {}, [self.end])
        return self._add(options, "widened", "widen", {"channels": units}, [flat])

    def _softmax(self, options: Options) -> str:
        if options.whole("groups", 1) != 1:
            raise options.error("E0903", "a softmax in groups has no counterpart", "groups")
        temperature = options.number("temperature", 1.0)
        if temperature <= 0:
            raise options.error("E0904", f"`temperature` must be more than 0, not {temperature:g}", "temperature")
        for key in ("tree", "spatial"):
            if key in options and options.text(key) not in ("0", ""):
                raise options.error("E0903", f"a softmax with `{key}` has no counterpart", key)
        if options.whole("noloss", 0):
            raise options.error("E0903", "a softmax that trains nothing has no counterpart", "noloss")
        start = self.end
        if len(self._given.sizes) == 3:
            start = self._add(options, "flatten", "flatten", {}, [start])
        if temperature != 1:
            message = f"in darknet, the gradient of this softmax is not divided by its temperature of {temperature:g}"
            self._findings.append(Diagnostic("W0901", message, options.span("temperature")))
            start = self._add(options, "cooled", "affine", {"scale": 1 / temperature}, [start])
        return self._add(options, "softmax", "softmax", {}, [start])

    def _activate(self, options: Options, name: str | None, usual: str) -> str | None:
        """Add the activation of a section after a layer; returns that layer if the activation is linear.

        Raises:
            ReadError: the section has no counterpart.
        """
        activation = options.text("activation", usual)
        if activation in _OTHER_ACTIVATIONS:
            message = f"the activation `{activation}` has no counterpart"
            raise options.error("E0903", message, "activation", f"these have: {', '.join(_ACTIVATIONS)}")
        if activation not in _ACTIVATIONS:
            message = f"darknet has no activation `{activation}`; it uses ReLU"
            meant = did_you_mean(activation, _ACTIVATIONS)
            self._findings.append(Diagnostic("W0902", message, options.span("activation"), help=meant))
            activation = "relu"
        end = name
        for keyword, arguments in _ACTIVATIONS[activation]:
            end = self._add(options, "activation", keyword, arguments, [end])
        return end

    # -- shared by all sections

    def _common(self, options: Options) -> None:
        """Read the keys that every section can have."""
        options.number("learning_rate", 1.0)
        for key in (*_OF_WEIGHT_FILES, *_ONLY_SHARE_MEMORY):
            if key in options and options.whole(key):
                message = f"`{key}` only concerns darknet's weight files or memory"
                self._findings.append(Diagnostic("W0902", message, options.key_span(key)))
        if options.whole("stopbackward", 0):
            message = (
                "`stopbackward`: this section and all above it are not trained; add `weight_rate=0` to their lines"
            )
            self._findings.append(Diagnostic("W0901", message, options.key_span("stopbackward")))
            self.notes.append(f"In darknet, {self.end or 'the image'} and all layers before it are not trained.")
        if options.number("smooth", 0.0):
            self._findings.append(Diagnostic("W0901", "`smooth` has no counterpart", options.span("smooth")))

    @property
    def _given(self) -> Shape:
        """The output shape of the section before."""
        return self._shapes[self.end]

    def _maps(self, options: Options) -> tuple[int, int, int]:
        """The channels, height and width of the maps that a section reads.

        Raises:
            ReadError: its input is a vector.
        """
        if len(self._given.sizes) == 1 and not self._as_maps():
            message = f"`[{options.section.name}]` reads maps, but its input is a vector of {self._given} units"
            raise ReadError(Diagnostic("E0904", message, options.section.span))
        return require_maps(self._given)

    def _as_maps(self) -> bool:
        """Turn the vector of a global pool into maps of one value, as in darknet; returns whether that was possible."""
        for place, layer in enumerate(self.layers):
            if layer.name == self.end and layer.kind.keyword == "global_avgpool":
                pool = AdaptiveAvgpool(size=(1, 1))
                self.layers[place] = ForeignLayer(layer.name, pool, layer.inputs, layer.span, layer.notes)
                self._shapes[layer.name] = pool.output(self._shapes[layer.inputs[0]], 1)
                return True
        return False

    def _add(
        self,
        options: Options,
        word: str,
        keyword: str,
        arguments: Mapping[str, object],
        inputs: Sequence[str | None],
        notes: tuple[str, ...] = (),
    ) -> str:
        """Add a layer, named `word` with a number, and compute its shape; returns its name.

        Raises:
            ReadError: the layer does not fit its input.
        """
        kind = self._kind(options, keyword, arguments)
        given = [self._shapes[each] for each in inputs]
        try:
            shape = kind.join(given, 1) if isinstance(kind, Join) else kind.output(given[0], 1)
        except ShapeError as misfit:
            message = f"`[{options.section.name}]` {misfit}"
            raise ReadError(Diagnostic("E0904", message, options.section.span, help=misfit.help)) from None
        self._counts[word] += 1
        name = f"{word}{self._counts[word]}"
        self.layers.append(ForeignLayer(name, kind, tuple(inputs), options.section.span, notes))
        self._shapes[name] = shape
        return name

    def _kind(self, options: Options, keyword: str, arguments: Mapping[str, object]) -> Kind:
        findings: list[Diagnostic] = []
        kind = make_kind(keyword, arguments, options.section.span, findings)
        if kind is None:
            raise ReadError(findings[0])
        return kind


def type_of(section: Section) -> str:
    """The usual name of a section's type."""
    return _OTHER_NAMES.get(section.name, section.name)


def _unknown(section: Section, type_: str) -> Diagnostic:
    if type_ in WITHOUT_COUNTERPART:
        message = f"`[{section.name}]` is {WITHOUT_COUNTERPART[type_]}, which a spec cannot express"
        return Diagnostic("E0902", message, section.span)
    known = did_you_mean(type_, [*_KNOWN, *WITHOUT_COUNTERPART])
    return Diagnostic("E0902", f"darknet has no sections `[{section.name}]`", section.span, help=known)
