"""Turns the groups of cuda-convnet's layers into layers of alexc's kinds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TypeVar

from alexc.compiler.layers.initial_values import Normal
from alexc.compiler.layers.kind import Join, Kind, Shape, ShapeError
from alexc.compiler.text.diagnostics import Diagnostic, list_in_words
from alexc.compiler.text.source import Span

from ..foreign.network import ForeignLayer, make_kind
from ..foreign.options import Options, ReadError
from .groups import Group, GroupInput
from .layers import COST, COSTS, TRAINED, CudaLayer
from .losses import coefficients
from .norm_bounds import norm_bounds
from .untrained import KindOfLayer, dropout, image_layer, neurons, normalisation, pool

# Keys that only change how the library computes.
_WITHOUT_EFFECT = ("partialSum", "sumWidth", "topk")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class _Window:
    """The window of a layer over the maps of one input."""

    size: int
    stride: int
    padding: int


class NetworkBuilder:
    """Builds the network group by group. `layers` has the layers so far.

    Args:
        written: all layers of the file.
        image: the shape of an image.
        towers: the number of towers that the channels are split into.
        findings: the list that diagnostics are appended to.
    """

    def __init__(self, written: Mapping[str, CudaLayer], image: Shape, towers: int, findings: list[Diagnostic]) -> None:
        self.layers: list[ForeignLayer] = []
        self._written = written
        self._image = image
        self._towers = towers
        self._findings = findings
        self._shapes: dict[str | None, Shape] = {None: image}
        self._ends: dict[int, str] = {}  # the last layer of each group
        self._kept: list[GroupInput] = []  # so that no other object gets the id of one
        self._joined: dict[int, str] = {}  # what joins the layers that the copies of a layer read beside each other
        self._names: dict[int, list[str]] = {}
        self._said: set[str] = set()
        self._costs = {name: layer for layer in written.values() if layer.type == COST for name in layer.inputs[1:]}

    def names_of(self, group: Group) -> Sequence[str]:
        """The names of the layers of a group; empty if it could not be read."""
        return self._names.get(id(group), ())

    def add_group(self, group: Group, multipliers: Mapping[str, float]) -> None:
        """Add the layers of a group or report its error. A group that reads a broken one is skipped."""
        read = [each for input_ in group.inputs for each in (input_.group, *input_.beside)]
        if any(each is not None and id(each) not in self._ends for each in read):
            return
        before = len(self.layers)
        try:
            end = self._add_layers(group, multipliers)
            self._ends[id(group)] = self._after(group, end)
            self._names[id(group)] = [layer.name for layer in self.layers[before:]]
        except ReadError as error:
            self._findings.append(error.diagnostic)
            del self.layers[before:]
            return
        for options in (group.first.options, group.first.parameters):
            if options is not None:
                options.report_unread("cuda-convnet", self._findings)

    def report_costs(self) -> None:
        """Check the loss and data layers, and report their unread keys."""
        for layer in self._written.values():
            if layer.type in COSTS:
                read = self._written[layer.inputs[-1]]
                if layer.type == COST and (len(layer.inputs) != 2 or read.type != "softmax"):
                    message = f"`{layer.name}` must read labels and a softmax, in this order"
                    self._findings.append(Diagnostic("E0904", message, layer.options.span("inputs")))
                layer.options.text("gpu", "")
                layer.options.report_unread("cuda-convnet", self._findings)
                if layer.parameters is not None:
                    layer.parameters.text("coeff", "1")
                    self._note_without_effect(layer.parameters)
                    layer.parameters.report_unread("cuda-convnet", self._findings)
            elif layer.type == "data":
                layer.options.text("dataIdx", "0")
                layer.options.report_unread("cuda-convnet", self._findings)

    def _add_layers(self, group: Group, multipliers: Mapping[str, float]) -> str:
        """Add a group without its neurons; returns the name of the last layer.

        Raises:
            ReadError: the group has no counterpart.
        """
        layer, options = group.first, group.first.options
        options.text("gpu", "")
        options.text("neuron", "")
        self._note_without_effect(options)
        if layer.type == "treefc":
            return self._add_tree(group, multipliers)
        if layer.type in TRAINED:
            return self._add_trained(group, multipliers)
        if layer.type == "concat" and self._joins_all_copies(group):
            return self._end(group.inputs[0]) or _image_is_no_layer(options)
        if layer.type in ("concat", "eltsum"):
            _require_own_copies(group)
        if layer.type == "concat":
            return self._add(group.name, "concat", {}, group, [self._end(each) for each in group.inputs])
        if layer.type == "eltsum":
            if any(each != 1 for each in coefficients(layer)):
                message = f"`{layer.name}` multiplies its inputs by factors before it adds them"
                said = options if "coeffs" in options else layer.parameters or options
                raise said.error("E0903", message, "coeffs")
            return self._add(group.name, "add", {}, group, [self._end(each) for each in group.inputs])
        if layer.type == "neuron":  # which `_after` adds
            return self._end(self._one_input(group)) or _image_is_no_layer(options)
        input_ = self._one_input(group)
        found = self._untrained(group, input_)
        if found is None:
            return self._end(input_) or _image_is_no_layer(options)
        keyword, arguments = found
        return self._add(group.name, keyword, arguments, group, [self._end(input_)], self._notes(layer))

    def _one_input(self, group: Group) -> GroupInput:
        """The input of a layer without weights. Different layers behind a `pass` are joined first.

        Raises:
            ReadError: it reads several layers.
        """
        first, *others = group.inputs
        if others and any(input_.places != (0,) or input_.beside for input_ in group.inputs):
            message = f"`{group.first.name}` reads one layer, not {len(group.inputs)}"
            raise group.first.options.error("E0904", message, "inputs")
        if not others:
            return first
        joined = replace(first, beside=tuple(input_.group for input_ in others), parts=len(group.inputs))
        ends = [self._end(input_) for input_ in group.inputs]
        self._joined[id(joined)] = self._add(f"{group.name}_inputs", "concat", {}, group, ends)
        self._kept.append(joined)
        return joined

    def _joins_all_copies(self, group: Group) -> bool:
        """Whether it joins all copies of one layer: in a spec, this is the output of that layer.

        The order must be that of the GPUs, unless the readers are fully connected with random weights.
        """
        (input_, *others) = group.inputs
        gpus = [self._written[name].gpus for name in group.first.inputs]
        readers = [layer for layer in self._written.values() if group.first.name in layer.inputs]
        any_order = all(each.type in ("fc", "treefc") and "initWFunc" not in each.options for each in readers)
        in_order = any_order or gpus == sorted(gpus)
        return not others and input_.relation == "all" and input_.reads == "all" and in_order

    def _untrained(self, group: Group, input_: GroupInput) -> KindOfLayer | None:
        """The kind and the arguments of a layer without weights; None if the layer does nothing."""
        layer = group.first
        if layer.type in ("pool", "rnorm", "cmrnorm", "cnorm", "blur", "nailbed", "href"):
            channels, side, _ = self._maps(group, input_)
            self._check_channels(group, input_, channels)
            if layer.type == "pool":
                return pool(layer, side)
            if layer.type in ("blur", "nailbed", "href"):
                return image_layer(layer)
            cut = self._shape(input_).towers > 1
            return normalisation(layer, ("tower" if input_.of_own_copy else "all") if cut else None)
        if layer.type in ("dropout", "dropout2", "hs"):
            return dropout(layer, self._findings)
        assert layer.type == "softmax"
        if input_.of_own_copy:
            raise layer.options.error(
                "E0903", f"`{layer.name}` is a softmax over the units of each GPU separately", "inputs"
            )
        cost = self._costs.get(layer.name)
        parameters = cost.parameters if cost is not None else None
        coefficient = parameters.number("coeff", 1.0) if parameters else 1.0
        if coefficient <= 0:
            assert parameters is not None
            raise parameters.error("E0903", f"the loss of `{layer.name}` does not train the network", "coeff")
        return "softmax", {} if coefficient == 1 else {"share": coefficient}

    def _after(self, group: Group, end: str) -> str:
        """Add the neurons of a layer, and before them the dropout of the first version; returns the last layer."""
        layer = group.first
        dropped = layer.parameters.number("dropout", 0.0, least=0) if layer.parameters else 0.0
        kinds = neurons(layer.options)
        name = group.name if layer.type == "neuron" else f"{group.name}_neuron"
        steps = [(keyword, arguments, name) for keyword, arguments in kinds]
        if dropped:
            # A ReLU gives the same before and after; after it is the usual place.
            after_relu = [keyword for keyword, _ in kinds] in ([], ["relu"])
            place = len(steps) if after_relu else 0
            steps.insert(place, ("dropout", {"p": dropped, "scale": "test"}, f"{group.name}_dropout"))
        for word, arguments, name in steps:
            end = self._add(name, word, arguments, group, [end])
        return end

    # -- layers with weights

    def _add_trained(self, group: Group, multipliers: Mapping[str, float]) -> str:
        layer, options = group.first, group.first.options
        copies = len(group.members)
        self._refuse_shared_weights(layer)
        for number, input_ in enumerate(group.inputs, 1):
            if input_.beside:
                ends = [None if each is None else self._ends[id(each)] for each in (input_.group, *input_.beside)]
                name = f"{group.name}_inputs{number if len(group.inputs) > 1 else ''}"
                self._joined[id(input_)] = self._add(name, "concat", {}, group, ends)
        stds = self._each(options, "initW", options.numbers("initW", 0.01, least=0), layer)
        bias = options.number("initB", 0.0)
        notes = self._notes(layer)
        parts: list[dict[str, object]] = []
        for input_ in group.inputs:
            arguments: dict[str, object] = {"weight": Normal(mean=0.0, std=self._one(input_, stds, "initW", layer))}
            if layer.type == "fc":
                arguments["units"] = options.whole("outputs", least=1) * copies
            else:
                arguments |= self._convolution(group, input_)
            if self._shape(input_).towers > 1:
                arguments["reads"] = input_.reads
            if self._has_one_tower(group, arguments):
                arguments["towers"] = 1
            parts.append({**arguments, **self._norm_bounds(group, input_, arguments)})
        alike = all(part == parts[0] for part in parts)
        if len(parts) == 1 or (alike and self._can_join(group, parts[0])):
            ends = [self._end(each) for each in group.inputs]
            start = self._add(f"{group.name}_inputs", "concat", {}, group, ends) if len(ends) > 1 else ends[0]
            return self._add(
                group.name,
                layer.type.replace("fc", "linear"),
                {**parts[0], "bias": bias, **multipliers},
                group,
                [start],
                notes,
            )
        names: list[str | None] = []
        for number, (input_, part) in enumerate(zip(group.inputs, parts, strict=True), 1):
            kept = {**part, "bias": bias if number == 1 else None, **multipliers}
            if number > 1:
                kept.pop("shared_bias", None)
            name = f"{group.name}_{number}"
            names.append(self._add(name, layer.type.replace("fc", "linear"), kept, group, [self._end(input_)], notes))
        return self._add(group.name, "add", {}, group, names)

    def _norm_bounds(self, group: Group, input_: GroupInput, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """The bounds on the norms of the kernels that read an input, as arguments."""
        given = self._shape(input_)
        try:
            kind = self._kind(group.first.type.replace("fc", "linear"), {**arguments, "bias": 0.0}, group)
            weights = kind.weights(given, kind.output(given, self._towers))
        except ShapeError:  # reported when the layer is added
            return {}
        assert weights is not None
        return norm_bounds(group.first, input_, prod(weights.shape[1:]), self._findings)

    def _add_tree(self, group: Group, multipliers: Mapping[str, float]) -> str:
        """Add a layer over a class tree. The data has the tree and the number of classes, not the files."""
        layer, options = group.first, group.first.options
        digits = re.search(r"\d+", layer.name)
        units = int(digits[0]) if digits and len(digits[0]) < 8 else 0
        if not units:
            message = f"the files do not say how many classes `{layer.name}` has"
            raise options.error("E0906", message, "type", "call the layer `fc1000` if there are 1000 classes")
        message = f"the class tree of `{layer.name}` is not in the files"
        help_ = f"the name says {units} classes; write your tree as `tree=parents(…)`"
        self._findings.append(Diagnostic("W0901", message, options.span("type"), help=help_))
        arguments: dict[str, object] = {
            "units": units,
            "weight": Normal(mean=0.0, std=options.number("initW", 0.01, least=0)),
            "bias": options.number("initB", 0.0),
            **multipliers,
        }
        notes = (*self._notes(layer), f"The tree is not in the files: add tree=parents(...). {units} is from the name.")
        if layer.parameters is not None and any(layer.parameters.numbers("wball", 0.0)):
            message = f"`wball` of `{layer.name}` has no counterpart"
            self._findings.append(Diagnostic("W0901", message, layer.parameters.span("wball")))
        return self._add(group.name, "tree_linear", arguments, group, [self._end(self._one_input(group))], notes)

    def _has_one_tower(self, group: Group, arguments: Mapping[str, object]) -> bool:
        """Whether a layer on one GPU gets `towers=1`: it cannot be split evenly, or is joined to another layer."""
        if len(group.members) > 1 or self._towers == 1:
            return False
        joined = any(
            layer.type in ("concat", "eltsum") and group.first.name in layer.inputs for layer in self._written.values()
        )
        return joined or self._uneven(arguments)

    def _uneven(self, arguments: Mapping[str, object]) -> bool:
        """Whether the towers cannot share the kernels or units of a layer that one GPU has."""
        count = arguments["units"] if "units" in arguments else arguments["kernels"]
        assert isinstance(count, int)
        return count % self._towers != 0

    def _can_join(self, group: Group, arguments: Mapping[str, object]) -> bool:
        """Whether reading all of them joined is the same as adding what each of them gives."""
        shapes = [self._shape(input_) for input_ in group.inputs]
        same_sides = len({shape.sizes[1:] for shape in shapes}) == 1
        same_towers = len({shape.towers for shape in shapes}) == 1
        plain = arguments.get("groups", 1) == 1 and not {"min_norm", "max_norm"} & arguments.keys()
        return same_sides and same_towers and plain

    def _convolution(self, group: Group, input_: GroupInput) -> dict[str, object]:
        """The arguments of a convolution. Rounding up can add a position, which needs more zeros at the far sides."""
        layer, options = group.first, group.first.options
        copies = len(group.members)
        groups = self._of(input_, "groups", 1, 1, layer)
        kernels = self._of(input_, "filters", None, 1, layer) * groups
        channels, side, _ = self._maps(group, input_)
        self._check_channels(group, input_, channels)
        if channels // (copies if input_.of_own_copy or input_.beside else 1) % groups:
            raise options.error("E0904", f"`{layer.name}` cannot split its maps into {groups} groups", "groups")
        shuffles = self._shuffles(input_, groups, channels, layer)
        if groups > 1 and copies > 1 and not (input_.of_own_copy or input_.beside or shuffles):
            raise options.error(
                "E0903", f"`{layer.name}` has groups on several GPUs, and each GPU reads all maps", "groups"
            )
        window = _Window(
            self._of(input_, "filterSize", None, 1, layer),
            self._of(input_, "stride", 1, 1, layer),
            self._padding(input_, layer),
        )
        unshared = layer.type == "conv" and not options.flag("sharedBiases", True)
        room = side + 2 * window.padding - window.size
        places = options.whole("modulesX", 0) or 1 + -(-room // window.stride)
        more = (places - 1) * window.stride - room
        if window.padding + more < 0 or places < 1:
            message = f"`{layer.name}` does not cover its input of {side} values a side"
            raise options.error("E0904", message, "modulesX" if "modulesX" in options else "filterSize")
        near = window.padding
        far = near if -window.stride < more <= 0 else near + more  # fewer zeros than a stride add no position
        return {
            "kernels": kernels * copies,
            "kernel": (window.size, window.size),
            "stride": (window.stride, window.stride),
            "pad": (near, far, near, far),
            **({"groups": groups} if groups > 1 else {}),
            **({"groups": groups * copies} if input_.beside else {}),
            **({"shuffles": shuffles} if shuffles else {}),
            **({"shared_bias": "no"} if unshared else {}),
        }

    def _padding(self, input_: GroupInput, layer: CudaLayer) -> int:
        options = layer.options
        padding = self._one(
            input_, self._each(options, "padding", options.wholes("padding", 0, -(10**6)), layer), "padding", layer
        )
        if padding < 0:
            message = f"`padding={padding}`: cuda-convnet expects a positive number here"
            help_ = f"it is read as a border of {-padding} zeros"
            self._findings.append(Diagnostic("W0902", message, options.span("padding"), help=help_))
        return abs(padding)

    def _check_channels(self, group: Group, input_: GroupInput, channels: int) -> None:
        """Check `channels=`, which counts the channels of one input: one copy of the group that is read."""
        layer = group.first
        said = self._of(input_, "channels", None, 1, layer)
        copies = len(input_.group.members) if input_.group is not None else 1
        copies = len(input_.beside) + 1 if input_.beside else copies
        there = channels * input_.parts // copies
        if said != there:
            message = f"`{layer.name}` has `channels={said}`, but its input has {there}"
            raise layer.options.error("E0904", message, "channels", f"channels={there}")

    def _shuffles(self, input_: GroupInput, groups: int, channels: int, layer: CudaLayer) -> int:
        """The number of random orders in which the groups of a copy read the maps; 0 if they are not random."""
        options = layer.options
        sparse = self._one(
            input_, self._each(options, "randSparse", options.flags("randSparse"), layer), "randSparse", layer
        )
        if not sparse or groups == 1:
            if "filterChannels" in options and self._of(input_, "filterChannels", None, 1, layer) * groups != channels:
                raise options.error("E0904", f"`{layer.name}` has too many `filterChannels`", "filterChannels")
            return 0
        if input_.beside:
            raise options.error("E0903", f"`{layer.name}` reads randomly chosen maps of different layers", "randSparse")
        own = channels // (len(input_.group.members) if input_.group is not None else 1)
        wide = self._of(input_, "filterChannels", max(1, own // groups), 1, layer)
        if groups * wide % own:
            message = f"`{layer.name}`: {groups} groups of {wide} maps are not a multiple of its {own} maps"
            raise options.error("E0904", message, "filterChannels")
        return groups * wide // own

    def _refuse_shared_weights(self, layer: CudaLayer) -> None:
        if layer.options.text("weightSource", "").strip(", "):
            raise layer.options.error("E0903", f"`{layer.name}` shares the weights of another layer", "weightSource")

    def _notes(self, layer: CudaLayer) -> tuple[str, ...]:
        """The comments about a layer."""
        notes = []
        of_key = {"initWFunc": "weights", "initBFunc": "biases", "initCFunc": "chosen maps"}
        functions = {key: function for key in of_key if (function := layer.options.text(key, ""))}
        if functions:
            what = list_in_words([of_key[key] for key in functions])
            message = f"the {what} of `{layer.name}` start from the values of a Python function"
            self._findings.append(Diagnostic("W0901", message, layer.options.span(next(iter(functions)))))
            notes.append(f"In cuda-convnet, the {what} start from {list_in_words([*functions.values()])}.")
        if layer.type == "dropout":
            notes.append("cuda-convnet2's `dropout` does not scale at test time; its `dropout2` scales as here.")
        return tuple(notes)

    # -- shared by all layers

    def _add(
        self,
        name: str,
        keyword: str,
        arguments: Mapping[str, object],
        group: Group,
        inputs: Sequence[str | None],
        notes: tuple[str, ...] = (),
    ) -> str:
        """Add a layer and compute its shape; returns its name.

        Raises:
            ReadError: the layer does not fit its input.
        """
        kind = self._kind(keyword, arguments, group)
        given = [self._shapes[each] for each in inputs]
        try:
            shape = kind.join(given, self._towers) if isinstance(kind, Join) else kind.output(given[0], self._towers)
        except ShapeError as misfit:
            span = self._span(group)
            raise ReadError(Diagnostic("E0904", f"`{group.name}` {misfit}", span, help=misfit.help)) from None
        while name in self._shapes:
            name += "_"
        self.layers.append(ForeignLayer(name, kind, tuple(inputs), self._span(group), notes))
        self._shapes[name] = shape
        return name

    def _kind(self, keyword: str, arguments: Mapping[str, object], group: Group) -> Kind:
        findings: list[Diagnostic] = []
        kind = make_kind(keyword, arguments, self._span(group), findings)
        if kind is None:
            raise ReadError(findings[0])
        return kind

    def _span(self, group: Group) -> Span:
        return group.first.options.section.span

    def _end(self, input_: GroupInput) -> str | None:
        if input_.beside:
            return self._joined[id(input_)]
        return None if input_.group is None else self._ends[id(input_.group)]

    def _shape(self, input_: GroupInput) -> Shape:
        return self._shapes[self._end(input_)]

    def _maps(self, group: Group, input_: GroupInput) -> tuple[int, int, int]:
        sizes = self._shape(input_).sizes
        if len(sizes) != 3:
            message = f"`{group.first.name}` reads maps, but its input is a vector of {sizes[0]} units"
            raise group.first.options.error("E0904", message, "inputs")
        channels, height, width = sizes
        return channels, height, width

    def _note_without_effect(self, options: Options) -> None:
        for key in _WITHOUT_EFFECT:
            if key in options:
                options.text(key)
                if key not in self._said:
                    self._said.add(key)
                    message = f"`{key}` does not change any result and has no counterpart"
                    self._findings.append(Diagnostic("W0902", message, options.key_span(key)))

    def _of(self, input_: GroupInput, key: str, default: int | None, least: int, layer: CudaLayer) -> int:
        """The value of a key for one input."""
        return self._one(
            input_, self._each(layer.options, key, layer.options.wholes(key, default, least), layer), key, layer
        )

    def _each(self, options: Options, key: str, values: list[_Value], layer: CudaLayer) -> list[_Value]:
        """The values of a key, one per input."""
        if len(values) not in (1, len(layer.inputs)):
            message = f"`{key}` has {len(values)} values for {len(layer.inputs)} inputs"
            raise options.error("E0904", message, key)
        return values * len(layer.inputs) if len(values) == 1 else values

    def _one(self, input_: GroupInput, values: Sequence[_Value], key: str, layer: CudaLayer) -> _Value:
        """The value that all inputs from one group share."""
        own = [values[place] for place in input_.places]
        if any(value != own[0] for value in own):
            raise layer.options.error("E0903", f"`{key}` of `{layer.name}` differs between the GPUs that it reads", key)
        return own[0]


def _require_own_copies(group: Group) -> None:
    """Check that a join reads whole layers, or the parts on each GPU separately.

    Raises:
        ReadError: it joins or adds the parts of one layer.
    """
    for input_ in group.inputs:
        if input_.group is not None and len(input_.group.members) > 1 and not input_.of_own_copy:
            message = f"`{group.first.name}` reads the parts on several GPUs of `{input_.group.name}`"
            help_ = "`pass` joins parts; layers with weights can read them directly"
            raise group.first.options.error("E0903", message, "inputs", help_)
    if len(group.inputs) < 2:
        message = f"`{group.first.name}` must join or add several layers, not one"
        raise group.first.options.error("E0904", message, "inputs")


def _image_is_no_layer(options: Options) -> str:
    raise options.error("E0903", f"`{options.section.name}` does not change the image", "type")
