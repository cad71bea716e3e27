"""Turns the learning rates and decays of the parameter file into a recipe, and into multipliers of each layer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from alexc.compiler.layers.arguments import LARGEST_SIZE
from alexc.compiler.net.spec_text import step_text
from alexc.compiler.recipe.steps import (
    SGD,
    CenterCrop,
    CenterView,
    ConstantRate,
    DiscreteExponentialRate,
    ExponentialRate,
    FixedRule,
    LinearRate,
    Loss,
    Resize,
    Subtract,
)
from alexc.compiler.text.diagnostics import Diagnostic, list_in_words

from ..foreign.network import RecipeLine
from ..foreign.options import Options, ReadError, number_in
from .groups import Group
from .layers import TRAINED, CudaLayer

_DEFAULT_BATCH = 128  # the default of both versions
_LATE_RATE = 1e-5  # the author's last rate of 2012; a training from the beginning has a larger one
_FIRST_RATE = 0.01  # the author's first one
EPOCHS = 90  # not in the files; the author's ImageNet networks trained for 90
_FORM = re.compile(r"(?P<form>const|linear|exp|dexp)\s*\[(?P<values>[^\]]*)\]", re.IGNORECASE)
# The schedules of 2012 are keys of their own, in two spellings: `dexp[tgtFactor=250,noiseStdev=0,numSteps=4]` names the
# values, `dexp[250,0,4]` or `dexp[250,4]` does not.
_SCHEDULE = re.compile(r"(?P<form>linear|exp|dexp|jdexp)\s*\[(?P<values>[^\]]*)\]", re.IGNORECASE)
_NAMES_OF = {"tgtfactor": "factor", "noisestdev": "noise", "numsteps": "steps"}
_VALUES_OF = {
    "const": ("base",),
    "linear": ("base", "tgtfactor"),
    "exp": ("base", "tgtfactor"),
    "dexp": ("base", "tgtfactor", "numsteps"),
}
_Schedule = tuple[str, float, int, float]  # the form, tgtFactor, numSteps and noiseStdev
_Value = TypeVar("_Value", bound=Hashable)


@dataclass(frozen=True)
class Rate:
    """A learning rate: its initial value and its schedule, as in `dexp[base=0.01;tgtFactor=250;numSteps=4]`."""

    base: float
    form: str = "const"
    factor: float = 1.0
    steps: int = 1
    noise: float = 0.0

    @property
    def schedule(self) -> _Schedule:
        """The schedule without the initial value."""
        return self.form, self.factor, self.steps, self.noise

    def __str__(self) -> str:
        if self.form == "const":
            return "const"
        noise = f";noiseStdev={self.noise:g}" if self.noise else ""
        steps = f";numSteps={self.steps}" if self.form in ("dexp", "jdexp") else ""
        return f"{self.form}[tgtFactor={self.factor:g}{noise}{steps}]"


@dataclass(frozen=True)
class Rates:
    """The rates of a layer with weights. `momenta` are the momenta of weights and biases."""

    weight: Rate
    bias: Rate
    momenta: tuple[float, float]
    decay: float


@dataclass(frozen=True)
class Recipe:
    """The recipe of the network. The rates of the layers are multiples of its learning rate."""

    lr: float
    decay: float
    lines: tuple[RecipeLine, ...]
    notes: tuple[str, ...]

    def multipliers(self, rates: Rates) -> dict[str, float]:
        """The multipliers of a layer, as arguments. Biases have no weight decay in cuda-convnet."""
        return {
            "weight_rate": _ratio(rates.weight.base, self.lr),
            "bias_rate": _ratio(rates.bias.base, self.lr),
            "weight_decay": _ratio(rates.decay, self.decay) if self.decay else 1.0,
            "bias_decay": 0.0 if self.decay else 1.0,
        }


def rates_of(group: Group, findings: list[Diagnostic]) -> Rates | None:
    """The rates of a layer with weights; None for other layers and for a layer without rates."""
    if group.first.type not in TRAINED:
        return None
    found = []
    for layer in group.members:
        try:
            found.append(_rates(layer, findings))
        except ReadError as error:
            findings.append(error.diagnostic)
    rates = [each for each in found if each is not None]
    if len(set(rates)) > 1:
        message = f"the copies of `{group.name}` have different rates; those of `{group.first.name}` are used"
        findings.append(Diagnostic("W0901", message, group.first.options.section.span))
    return rates[0] if rates else None


def _rates(layer: CudaLayer, findings: list[Diagnostic]) -> Rates | None:
    options = layer.parameters
    if options is None:
        return None
    weight = _all_alike(options, "epsW", [_rate(options, "epsW", part) for part in _parts(options, "epsW")], findings)
    bias = _rate(options, "epsB", options.text("epsB"))
    weight, bias = _scheduled(options, weight, "schedW"), _scheduled(options, bias, "schedB")
    momentum = _all_alike(options, "momW", options.numbers("momW", least=0), findings)
    decay = _all_alike(options, "wc", options.numbers("wc", 0.0, least=0), findings)
    for key in ("superEps", "superMom"):
        if any(options.numbers(key, 0.0)):
            message = f"`{key}` of `{layer.name}` has no counterpart"
            findings.append(Diagnostic("W0901", message, options.span(key)))
    if options.whole("updatePeriod", 0) > 1:
        message = f"`{layer.name}` is updated after several batches, which a recipe cannot express for one layer"
        findings.append(Diagnostic("W0901", message, options.span("updatePeriod")))
    return Rates(weight, bias, (momentum, options.number("momB", least=0)), decay)


def _parts(options: Options, key: str) -> list[str]:
    return [part.strip() for part in options.text(key).split(",")]


def _rate(options: Options, key: str, text: str) -> Rate:
    found = _FORM.fullmatch(text)
    if found is None:
        if number_in(text) is None:
            message = f"`{key}` is not a rate that cuda-convnet knows: `{text}`"
            raise options.error("E0904", message, key, "as in `0.01` or `dexp[base=0.01;tgtFactor=250;numSteps=4]`")
        return Rate(_number(options, key, text))
    form = found["form"].lower()
    pairs = [part.partition("=") for part in found["values"].split(";")]
    values = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if tuple(values) != _VALUES_OF[form]:
        message = f"`{form}[…]` gives {', '.join(_VALUES_OF[form])}, in this order"
        raise options.error("E0904", message, key, "as in `dexp[base=0.01;tgtFactor=250;numSteps=4]`")
    numbers = {name: _number(options, key, value) for name, value in values.items()}
    factor, steps = numbers.get("tgtfactor", 1.0), int(numbers.get("numsteps", 1.0))
    if factor <= 0 or not 1 <= steps <= LARGEST_SIZE:
        message = f"`{key}` must have a tgtFactor above 0 and numSteps from 1 to {LARGEST_SIZE}"
        raise options.error("E0904", message, key)
    return Rate(numbers["base"], form, factor, steps)


def _scheduled(options: Options, rate: Rate, key: str) -> Rate:
    """The rate with its schedule: that of `key`, or else of `sched`, which is for weights and biases."""
    text = re.sub(r"\s", "", options.text(key, "default"))
    common = re.sub(r"\s", "", options.text("sched", "default"))
    if text == "default":
        key, text = "sched", common
    if text == "default":
        return rate
    found = _SCHEDULE.fullmatch(text)
    values = _schedule_values(found["form"].lower(), found["values"].split(",")) if found else None
    numbers = {name: number_in(value) for name, value in values.items()} if values else {}
    factor, steps, noise = numbers.get("factor"), numbers.get("steps", 1.0), numbers.get("noise", 0.0)
    if found is None or not factor or factor < 0 or noise is None or noise < 0 or not steps or steps != int(steps):
        message = f"`{key}` is not a schedule that cuda-convnet knows: `{text}`"
        raise options.error("E0904", message, key, "as in `exp[1000]` or `dexp[250,0,4]`")
    if not 1 <= steps <= LARGEST_SIZE:
        raise options.error("E0904", f"`{key}` must have from 1 to {LARGEST_SIZE} steps", key)
    return Rate(rate.base, found["form"].lower(), factor, int(steps), noise)


def _schedule_values(form: str, parts: Sequence[str]) -> dict[str, str] | None:
    """The values of a schedule by name; None if they have another form."""
    named = [part.partition("=") for part in parts]
    if all(equals for _, equals, _ in named):
        names = [_NAMES_OF.get(name.lower(), "") for name, _, _ in named]
        return (
            None
            if "" in names or len(set(names)) < len(names)
            else dict(zip(names, [v for *_, v in named], strict=True))
        )
    stepped = form in ("dexp", "jdexp")
    orders = {1: ["factor"], 2: ["factor", "noise"]}
    if stepped:
        orders = {2: ["factor", "steps"], 3: ["factor", "noise", "steps"]}
    return dict(zip(orders[len(parts)], parts, strict=True)) if len(parts) in orders else None


def _number(options: Options, key: str, text: str) -> float:
    number = number_in(text)
    if number is None or number < 0:
        raise options.error("E0904", f"`{key}` must have numbers of at least 0, not `{text}`", key)
    return number


def _all_alike(options: Options, key: str, values: Sequence[_Value], findings: list[Diagnostic]) -> _Value:
    """The value that all inputs of a layer share."""
    if len(set(values)) > 1:
        message = f"`{key}` of `{options.section.name}` differs between the inputs; the first value is used for all"
        findings.append(Diagnostic("W0901", message, options.span(key)))
    return values[0]


def recipe_of(rated: Sequence[tuple[Group, Rates]], size: int, loss: Loss, findings: list[Diagnostic]) -> Recipe | None:
    """The recipe with the rates of most layers. Differences other than a factor become comments.

    Args:
        rated: the layers with weights, each with its rates.
        size: the side of the images.
        loss: the loss.
        findings: the list that diagnostics are appended to.
    """
    bases = [rates.weight.base for _, rates in rated] + [rates.bias.base for _, rates in rated]
    lr = _most_frequent(base for base in bases[: len(rated)] + bases if base > 0)
    if lr is None:
        if rated:
            message = "no layer has a learning rate above 0, so there is no recipe"
            findings.append(Diagnostic("W0901", message, rated[0][0].first.options.section.span))
        return None
    decay = _most_frequent(rates.decay for _, rates in rated if rates.decay > 0) or 0.0
    late = [group for group, rates in rated if _is_late(group, rates)]
    momentum = _most_frequent(rates.momenta[0] for _, rates in rated) or 0.0
    weights = [rates.weight.schedule for _, rates in rated if rates.weight.base > 0]
    biases = [rates.bias.schedule for _, rates in rated if rates.bias.base > 0]
    usual = _most_frequent(weights or biases)
    usual_of_biases = _most_frequent(biases or weights)
    assert usual is not None
    assert usual_of_biases is not None
    notes = _end_of_a_run(late, findings) + list(_other_schedules(rated, usual, usual_of_biases, findings))
    notes += _other_momenta(rated, momentum, findings)
    optimizer = SGD(lr=lr, momentum=min(momentum, 0.999999), weight_decay=decay)
    prepare = [Resize(shorter=size), CenterCrop(size=size), Subtract(what="mean_image")]
    lines = (
        RecipeLine(
            "prepare",
            " -> ".join(map(step_text, prepare)),
            "crops and mirroring are command-line options in cuda-convnet",
        ),
        RecipeLine("test", step_text(CenterView(size=size))),
        RecipeLine("loss", step_text(loss)),
        RecipeLine("optimizer", step_text(optimizer)),
        *_schedule_lines(usual, usual_of_biases, rated[0][0], findings),
        RecipeLine("batch", str(_DEFAULT_BATCH), "cuda-convnet's default; not in its files"),
        RecipeLine("epochs", str(EPOCHS), "not in its files"),
    )
    return Recipe(lr, decay, lines, tuple(notes))


def at_the_start(rated: Sequence[tuple[Group, Rates]]) -> tuple[list[tuple[Group, Rates]], str]:
    """The layers with the rates of the beginning of a run where they have those of its end, and a comment about it.

    The largest rate of the weights is a hint at it. In the author's files, that of the biases is at first twice as
    large, and stays longer: if half of it is larger, the rates of all weights are late.
    """
    late = [group for group, rates in rated if rates.weight.base <= _LATE_RATE]
    if not late:
        return list(rated), ""
    weights = max(rates.weight.base for _, rates in rated)
    biases = max(rates.bias.base for _, rates in rated)
    source = "the largest rate of weights in the file"
    if biases / 2 > weights:
        weights, source = biases / 2, "half the largest rate of biases in the file"
        late = [group for group, _ in rated]
    if weights <= _LATE_RATE:
        weights, source = _FIRST_RATE, "the usual one of the author, because all rates in the file are small"
    if biases <= _LATE_RATE:
        biases = 2 * weights

    def begun(rates: Rates) -> Rates:
        return replace(rates, weight=replace(rates.weight, base=weights), bias=replace(rates.bias, base=biases))

    begins = "begins" if len(late) == 1 else "begin"
    note = (
        f"Assumed: {_named([group.name for group in late])} {begins} with a rate of {weights:g}, {source}, and with "
        f"{biases:g} for biases. The file records the end of a run, with a rate of {_LATE_RATE:g} or less."
    )
    return [(group, begun(rates) if group in late else rates) for group, rates in rated], note


def _is_late(group: Group, rates: Rates) -> bool:
    """Whether the weights are random and have a rate of the end of a run."""
    return rates.weight.base <= _LATE_RATE and not group.first.options.text("initWFunc", "")


def _end_of_a_run(late: Sequence[Group], findings: list[Diagnostic]) -> list[str]:
    """Warn if layers start from random weights with a rate near 0: the file is from the end of a run."""
    if not late:
        return []
    names = _named([group.name for group in late])
    what = f"the weights of {names} are random and have a rate of {_LATE_RATE:g} or less"
    assert late[0].first.parameters is not None
    message = f"the file records the end of a run: {what}"
    help_ = "`--from-start` writes rates for a training from the beginning"
    findings.append(Diagnostic("W0901", message, late[0].first.parameters.span("epsW"), help=help_))
    return [f"The file records the end of a run: {what}. To train from the beginning, set their rates."]


def _schedule_lines(
    weights: _Schedule, biases: _Schedule, first: Group, findings: list[Diagnostic]
) -> Iterator[RecipeLine]:
    """The line `schedule` and, if the biases have another schedule, the line `bias_schedule`."""
    assert first.first.parameters is not None
    written = ""
    for word, key, usual in (("schedule", "epsW", weights), ("bias_schedule", "epsB", biases)):
        schedule, note = _schedule(usual)
        if step_text(schedule) == written:
            continue
        written = step_text(schedule)
        if note:
            findings.append(Diagnostic("W0901", note, first.first.parameters.span(key)))
        yield RecipeLine(word, written, note)


def _schedule(usual: _Schedule) -> tuple[FixedRule, str]:
    """The alexc schedule, and a comment about what it cannot express."""
    form, factor, steps, noise = usual
    if form == "exp" and factor != 1:
        return ExponentialRate(divide=factor, noise=noise), ""
    if form in ("dexp", "jdexp") and factor != 1 and steps > 1:
        jumps: Literal["yes", "no"] = "yes" if form == "jdexp" else "no"
        return DiscreteExponentialRate(divide=factor, steps=steps, jumps=jumps, noise=noise), ""
    if form in ("dexp", "jdexp") and steps == 1:
        return ConstantRate(noise=noise), f"{form} of one step: the rate divided by {factor:g} throughout"
    if form == "linear" and factor != 1:
        return LinearRate(divide=factor, noise=noise), ""
    return ConstantRate(noise=noise), ""


def _other_schedules(
    rated: Sequence[tuple[Group, Rates]], weights: _Schedule, biases: _Schedule, findings: list[Diagnostic]
) -> list[str]:
    """A comment for each rate with another schedule than the recipe's."""
    others: dict[str, list[tuple[Group, str]]] = {}
    for group, rates in rated:
        for key, rate, usual in (("epsW", rates.weight, weights), ("epsB", rates.bias, biases)):
            if rate.base > 0 and rate.schedule != usual:
                others.setdefault(str(rate), []).append((group, key))
    notes = []
    for text, users in others.items():
        group, key = users[0]
        parts = [part for part, written in (("weights", "epsW"), ("biases", "epsB")) if (group, written) in users]
        names = _named([each.name for each, written in users if written == key])
        note = f"In cuda-convnet, the schedule of the {' and '.join(parts)} of {names} is {text}."
        notes.append(note)
        assert group.first.parameters is not None
        message = f"`{key}` of {len(users)} layers has another schedule than the recipe: {text}"
        findings.append(
            Diagnostic("W0901", message, group.first.parameters.span(key), help="see the comment in the spec")
        )
    return notes


def _other_momenta(rated: Sequence[tuple[Group, Rates]], momentum: float, findings: list[Diagnostic]) -> list[str]:
    notes = []
    for place, key in enumerate(("momW", "momB")):
        others = [(group, rates.momenta[place]) for group, rates in rated if rates.momenta[place] != momentum]
        if others:
            group, other = others[0]
            assert group.first.parameters is not None
            message = f"a recipe has one momentum, {momentum:g} here; `{group.name}` has {key}={other:g}"
            findings.append(Diagnostic("W0901", message, group.first.parameters.span(key)))
            notes.append(f"In cuda-convnet, {key} is {other:g} for {_named([each.name for each, _ in others])}.")
    return notes


def _named(names: Sequence[str]) -> str:
    """Up to four names, or the number of layers."""
    return list_in_words(names) if len(names) <= 4 else f"{len(names)} layers ({names[0]} among them)"


def _most_frequent(values: Iterable[_Value]) -> _Value | None:
    """The most frequent value; of several, the first."""
    counts = Counter(values)
    return max(counts, key=counts.__getitem__) if counts else None


def _ratio(part: float, whole: float) -> float:
    """A quotient without rounding errors: 0.03 / 0.004 is 7.5."""
    return float(f"{part / whole:.10g}")
