"""The layers of a prototxt file in the new or the old format, and whether each exists in training."""

from __future__ import annotations

from dataclasses import dataclass

from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Span

from .fields import Fields

# From the types of the old format (`layers`) to those of the new one (`layer`).
_OLD_TYPES = {
    "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL", "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution", "DATA": "Data",
    "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData", "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss", "EXP": "Exp", "FLATTEN": "Flatten", "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output", "HINGE_LOSS": "HingeLoss", "IM2COL": "Im2col", "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN", "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss", "MVN": "MVN", "POOLING": "Pooling", "POWER": "Power",
    "RELU": "ReLU", "SIGMOID": "Sigmoid", "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence", "SLICE": "Slice", "SOFTMAX": "Softmax", "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split", "TANH": "TanH", "THRESHOLD": "Threshold", "WINDOW_DATA": "WindowData",
}  # fmt: skip
# All types of Caffe, by their new names.
TYPES = frozenset(_OLD_TYPES.values()) | {
    "BatchNorm", "BatchReindex", "Bias", "Clip", "Crop", "ELU", "Embed", "Filter", "Input", "LSTM", "Log", "PReLU",
    "Parameter", "Python", "RNN", "Reduction", "Reshape", "SPP", "Scale", "Swish", "Tile",
}  # fmt: skip
_RULES = ("phase", "min_level", "max_level", "stage", "not_stage")


@dataclass(frozen=True)
class Multipliers:
    """The multipliers of the learning rate and the weight decay for one parameter of a layer."""

    rate: float = 1.0
    decay: float = 1.0


@dataclass(frozen=True)
class CaffeLayer:
    """A layer.

    Attributes:
        name: its name; layers of different phases may share a name.
        type: its new type name, or its old one if there is no new one.
        fields: the whole message.
        span: the span of its type.
        bottoms: its input blobs.
        tops: its output blobs; a blob that is also an input is changed in place.
        training: whether it exists in training.
        testing: whether it exists in testing.
        loss_weight: the loss weight of its first top, or None if it is not given.
        multipliers: the multipliers of its parameters, in order, as far as they are given.
    """

    name: str
    type: str
    fields: Fields
    span: Span
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    training: bool
    testing: bool
    loss_weight: float | None
    multipliers: tuple[Multipliers, ...]


def read_layers(net: Fields, findings: list[Diagnostic]) -> list[CaffeLayer]:
    """The layers of a net, in order."""
    new, old = net.messages("layer"), net.messages("layers")
    for oldest in old:
        if oldest.has("layer"):
            message = "this is the format of 2013: a `layer` in each `layers`"
            helpful = "convert it with Caffe's upgrade_net_proto_text"
            findings.append(Diagnostic("E0901", message, oldest.span_of("layer"), help=helpful))
            return []
    if new and old:
        message = "a net has `layer` or, in the old format, `layers`, but not both"
        findings.append(Diagnostic("E0901", message, old[0].span))
    return [
        *(_read(fields, fields.text("type"), _new_multipliers(fields, findings), findings) for fields in new),
        *(_read(fields, _old_type(fields), _old_multipliers(fields), findings) for fields in old),
    ]


def _read(fields: Fields, type_: str, multipliers: tuple[Multipliers, ...], findings: list[Diagnostic]) -> CaffeLayer:
    span = fields.span_of("type", "name")
    training, testing = _phases(fields, findings)
    weights = fields.numbers("loss_weight")
    _check_gradients(fields, findings)
    return CaffeLayer(
        fields.text("name", type_),
        type_,
        fields,
        span,
        tuple(fields.texts("bottom")),
        tuple(fields.texts("top")),
        training,
        testing,
        weights[0] if weights else None,
        multipliers,
    )


def _check_gradients(fields: Fields, findings: list[Diagnostic]) -> None:
    """Warn if a layer passes no gradient to an input."""
    if any(word.lower() not in ("true", "1", "t") for word in fields.texts("propagate_down")):
        message = "`propagate_down: false` is left out: in Caffe, the layers before this one get no gradient from it"
        helpful = "`weight_rate=0 bias_rate=0` in the spec, or `alexc train --freeze`, keeps a layer as it is"
        findings.append(Diagnostic("W0901", message, fields.span_of("propagate_down"), help=helpful))


def _old_type(fields: Fields) -> str:
    type_ = fields.text("type")
    return _OLD_TYPES.get(type_, type_)


def _new_multipliers(fields: Fields, findings: list[Diagnostic]) -> tuple[Multipliers, ...]:
    found = []
    for parameter in fields.messages("param"):
        if parameter.text("name"):
            message = "weights that several layers share have no counterpart"
            findings.append(Diagnostic("E0903", message, parameter.span_of("name")))
        parameter.ignore("share_mode")
        found.append(Multipliers(parameter.number("lr_mult", 1), parameter.number("decay_mult", 1)))
    return tuple(found)


def _old_multipliers(fields: Fields) -> tuple[Multipliers, ...]:
    rates, decays = fields.numbers("blobs_lr"), fields.numbers("weight_decay")
    count = max(len(rates), len(decays))
    ones = [1.0] * count
    return tuple(map(Multipliers, [*rates, *ones][:count], [*decays, *ones][:count]))


def _phases(fields: Fields, findings: list[Diagnostic]) -> tuple[bool, bool]:
    """Whether the layer exists in training and in testing, at level 0 and without stages, Caffe's defaults."""
    included, excluded = fields.messages("include"), fields.messages("exclude")
    if included and excluded:
        message = "a layer has `include` or `exclude`, but not both"
        findings.append(Diagnostic("E0904", message, excluded[0].span))
    phases = []
    for phase in ("TRAIN", "TEST"):
        met = [_meets(rule, phase) for rule in included]
        left_out = [_meets(rule, phase) for rule in excluded]
        phases.append((any(met) or not included) and not any(left_out))
    if not any(phases):
        message = "the layer is left out: no phase includes it without a stage or a level"
        findings.append(Diagnostic("W0902", message, (included or excluded)[0].span))
    return phases[0], phases[1]


def _meets(rule: Fields, phase: str) -> bool:
    said = rule.text("phase", phase)
    least, most = rule.whole("min_level", 0), rule.whole("max_level", 0)
    stages = rule.texts("stage")
    rule.ignore(*_RULES)
    return said in (phase, str(("TRAIN", "TEST").index(phase))) and least <= 0 <= most and not stages
