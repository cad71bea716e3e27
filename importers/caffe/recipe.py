"""Turns a solver and the net's image settings into a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from alexc.compiler.layers.arguments import (
    LARGEST_SIZE,
    MOST_ITERATIONS,
    MOST_MILESTONES,
    Arguments,
    Iterations,
)
from alexc.compiler.layers.kind import Shape
from alexc.compiler.net.spec_text import step_text
from alexc.compiler.recipe.augmentations.mirror import Mirror
from alexc.compiler.recipe.augmentations.random_crop import RandomCrop
from alexc.compiler.recipe.steps import (
    SGD,
    Adam,
    CenterCrop,
    CenterView,
    ClipNorm,
    ConstantRate,
    CrossEntropy,
    ExponentialRate,
    InverseRate,
    MilestoneRate,
    Normalize,
    PolynomialRate,
    Resize,
    StepRate,
    Subtract,
)
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Span

from ..foreign.network import RecipeLine
from ..foreign.schedules import LARGEST_DIVISION, divisor, power, whole_epochs
from .fields import Fields
from .images import Images

EPOCHS = 90  # if the solver does not give the number of iterations
# Pixels per side of stored images: those of CIFAR, of tiny ImageNet, and those of Caffe's scripts for ImageNet.
_USUAL_STORED = (32, 64, 256)

# Fields of a solver about logs, files, tests and devices, which are not part of the recipe: nothing reads their values.
RUNNING = (
    "net", "train_net", "test_net", "test_iter", "test_interval", "test_initialization", "test_compute_loss",
    "test_state", "display", "average_loss", "snapshot", "snapshot_prefix", "snapshot_diff", "snapshot_format",
    "snapshot_after_train", "solver_mode", "device_id", "random_seed", "debug_info", "layer_wise_reduce", "weights",
)  # fmt: skip
_TYPES = {"0": "SGD", "1": "Nesterov", "2": "AdaGrad", "3": "RMSProp", "4": "AdaDelta", "5": "Adam"}


@dataclass(frozen=True)
class CaffeRecipe:
    """The statements of a `train` block, and the comments above it."""

    lines: tuple[RecipeLine, ...]
    notes: tuple[str, ...]


def read_recipe(
    solver: Fields, images: Images | None, input_: Shape, dataset: int, findings: list[Diagnostic]
) -> CaffeRecipe:
    """The recipe of a solver and of the image settings of its net; `dataset` is the size of the training set."""
    return _Reader(solver, images, input_, dataset, findings).read()


class _Reader:
    def __init__(
        self, solver: Fields, images: Images | None, input_: Shape, dataset: int, findings: list[Diagnostic]
    ) -> None:
        self._solver = solver
        self._input = input_
        self._dataset = dataset
        self._findings = findings
        self._images = images or Images(solver.span)
        self._iterations = solver.whole("max_iter", 0)
        self._end = self._iterations if self._iterations > 0 else MOST_ITERATIONS
        self._rate = solver.number("base_lr", 0.01)
        self._batch = (self._images.batch or 128) * max(solver.whole("iter_size", 1), 1)
        self._epoch = max(1, -(-dataset // max(self._batch, 1)))  # iterations; the last batch may be smaller

    def read(self) -> CaffeRecipe:
        notes = [
            f"Caffe trains for {self._iterations:,} iterations of {self._batch} images. {self._in_words()} "
            f"{self._dataset:,} training images (`--images`)."
        ]
        said = self._solver.ignore(*RUNNING)
        if said:
            notes.append(f"Left out, because it is not part of a recipe: {', '.join(said)}.")
        lines = [
            *self._preparation(),
            RecipeLine("loss", step_text(CrossEntropy())),
            self._optimizer(),
            self._schedule(),
            *self._gradients(),
            RecipeLine("batch", str(self._batch), self._batch_note()),
            self._length(),
        ]
        for each in self._solver.unread():
            self._lost(f"`{each.name}` of a solver has no counterpart", each.span)
            notes.append(f"Without a counterpart: {each.name}.")
        if not 1 <= self._batch <= LARGEST_SIZE or self._iterations > MOST_ITERATIONS:
            message = "the batch size or the number of iterations is too large for a recipe"
            self._findings.append(Diagnostic("E0904", message, self._solver.span_of("max_iter")))
        return CaffeRecipe(tuple(lines), tuple(notes))

    def _in_words(self) -> str:
        """The length in epochs, as the beginning of a sentence that ends with the size of the training set."""
        if self._iterations < 1 or self._in_epochs([self._iterations]):
            return "The epochs assume"
        return f"That is {self._iterations / self._epoch:.3g} epochs of"

    def _preparation(self) -> list[RecipeLine]:
        """How images are stored, what is subtracted, and which crops the network gets."""
        _, height, width = self._input.sizes
        size = height if height == width else (height, width)
        crop = self._images.crop
        usual = next((each for each in _USUAL_STORED if crop and crop <= each), size)
        stored = self._images.stored or usual
        assumed = [] if self._images.stored or not crop else ["the size of the stored images is assumed"]
        if self._images.mean_values:
            values = ", ".join(f"{value:g}" for value in self._images.mean_values)
            assumed.append(
                f"Caffe subtracts {values} from pixels up to 255{', blue first' if self._input.channels == 3 else ''}"
            )
        steps: list[Arguments] = [Resize(shorter=stored), CenterCrop(size=stored), *self._subtraction()]
        views: list[Arguments] = [RandomCrop(size=size)] if crop else []
        views += [Mirror()] if self._images.mirror else []
        augment = [RecipeLine("augment", " -> ".join(map(step_text, views)))] if views else []
        return [
            RecipeLine("prepare", " -> ".join(map(step_text, steps)), "; ".join(assumed)),
            *augment,
            RecipeLine("test", step_text(CenterView(size=size))),
        ]

    def _subtraction(self) -> list[Arguments]:
        """The steps that subtract and scale. Caffe subtracts before it scales."""
        images = self._images
        if images.mean_file:
            if images.scale != 1:
                self._lost(f"a scale of {images.scale:g} after a mean image has no counterpart", images.span)
            return [Subtract(what="mean_image")]
        if images.scale <= 0:
            self._lost(f"a scale of {images.scale:g} has no counterpart", images.span)
        if images.scale <= 0 or (images.scale == 1 and not images.mean_values):
            return []
        channels = self._input.channels
        values = images.mean_values if len(images.mean_values) == channels else (*images.mean_values, 0.0)[:1]
        mean = tuple(float(f"{value / 255:.8g}") for value in values[::-1])
        std = (float(f"{1 / (255 * images.scale):.8g}"),)
        of_colors = channels == 3  # a number for each, as specs of colour images usually have it
        return [Normalize(mean=mean * 3 if of_colors and len(mean) == 1 else mean, std=std * 3 if of_colors else std)]

    def _batch_note(self) -> str:
        if self._images.batch is None:
            self._lost("the batch size is not given; 128 is used", self._images.span)
            return "assumed"
        times = self._solver.whole("iter_size", 1)
        return f"{self._images.batch}, {times} times" if times > 1 else ""

    def _optimizer(self) -> RecipeLine:
        solver = self._solver
        old = solver.text("solver_type", "SGD")
        type_ = solver.text("type", _TYPES.get(old, {"NESTEROV": "Nesterov", "ADAM": "Adam"}.get(old, old)))
        momentum, decay = solver.number("momentum", 0), solver.number("weight_decay", 0)
        second, delta = solver.number("momentum2", 0.999), solver.number("delta", 1e-8)
        norm = solver.text("regularization_type", "L2")
        if norm != "L2" and decay:
            self._lost(
                f"`{norm}` regularisation has no counterpart; alexc has L2 weight decay",
                solver.span_of("regularization_type"),
            )
        if not (self._rate > 0 and 0 <= momentum < 1 and 0 <= second < 1 and decay >= 0 and delta > 0):
            message = "the solver has an invalid learning rate, momentum or weight decay"
            span = solver.span_of("base_lr", "momentum", "weight_decay")
            self._findings.append(Diagnostic("E0904", message, span))
            return RecipeLine("optimizer", step_text(SGD(lr=0.01)))
        if type_ == "Adam":
            step: Arguments = Adam(lr=self._rate, beta1=momentum, beta2=second, eps=delta, weight_decay=decay)
            return RecipeLine("optimizer", step_text(step))
        note = ""
        form = "nesterov" if type_ == "Nesterov" else "paper"
        if type_ == "Nesterov" and solver.text("lr_policy", "fixed") != "fixed":
            note = "in Caffe, the velocity includes the learning rate"
            self._lost(
                "in alexc, Nesterov's momentum applies the learning rate outside the velocity",
                solver.span_of("type", "solver_type"),
            )
        if type_ not in ("SGD", "Nesterov"):
            note = f"{type_} in Caffe"
            solver.ignore("rms_decay")
            self._lost(f"`{type_}` has no counterpart; the spec has `sgd`", solver.span_of("type", "solver_type"))
        written = SGD.model_validate({"lr": self._rate, "momentum": momentum, "weight_decay": decay, "form": form})
        return RecipeLine("optimizer", step_text(written), note)

    def _gradients(self) -> list[RecipeLine]:
        largest = self._solver.number("clip_gradients", -1)
        return [RecipeLine("gradients", step_text(ClipNorm(largest=largest)))] if largest > 0 else []

    def _schedule(self) -> RecipeLine:
        solver = self._solver
        policy = solver.text("lr_policy", "fixed")
        gamma, exponent = solver.number("gamma", 0), solver.number("power", 0)
        size, values = solver.whole("stepsize", 0), solver.whole_numbers("stepvalue")
        place = solver.span_of("lr_policy")
        match policy:
            case "fixed":
                return _schedule_line(ConstantRate())
            case "step" | "multistep" | "exp" if gamma == 1:
                return _schedule_line(ConstantRate(), f"in Caffe, {policy} with gamma 1")
            case "step" if size > 0 and gamma > 0:
                return self._steps(size, gamma, "")
            case "multistep" if values and gamma > 0:
                return self._steps_at(values, gamma, place)
            case "exp" if gamma > 0:
                return self._exponential(gamma)
            case "poly" if exponent > 0:
                return _schedule_line(PolynomialRate(power=exponent))
            case "inv" if gamma > 0 and exponent > 0:
                return _schedule_line(InverseRate(gamma=gamma, power=exponent))
            case _:
                self._lost(
                    f"the policy `{policy}` with these values has no counterpart; the learning rate is constant", place
                )
                values_ = ", ".join(
                    f"{name} {solver.text(name)}" for name in ("gamma", "stepsize", "power") if solver.has(name)
                )
                return _schedule_line(ConstantRate(), f"in Caffe, {policy}, {values_}".rstrip(", "))

    def _steps(self, size: int, gamma: float, note: str) -> RecipeLine:
        """A step every `size` iterations."""
        if self._end <= size:
            return _schedule_line(ConstantRate(), note or f"in Caffe, every {size:,} iterations, after the end")
        every = self._in_epochs([size])
        if every and not note:
            note = f"in Caffe, every {size:,} iterations"
        divide = divisor(gamma, self._end // size)
        return _schedule_line(StepRate(every=every[0] if every else Iterations(size), divide=divide), note)

    def _steps_at(self, values: list[int], gamma: float, place: Span) -> RecipeLine:
        """Steps if the values are equally far apart up to the end of the training, otherwise milestones."""
        if values[0] < 1:
            self._lost("a step at iteration 0 has no counterpart; the spec has it at iteration 1", place)
        places = list(accumulate(values, lambda before, value: max(value, before + 1), initial=0))[1:]
        inside = [each for each in places if each < self._end]
        beyond = ", ".join(f"{value:,}" for value in places[len(inside) :])
        note = f"in Caffe, also at iterations {beyond}, after the end" if beyond else ""
        if not inside:
            return _schedule_line(ConstantRate(), note)
        first = inside[0]
        regular = inside == [first * number for number in range(1, len(inside) + 1)]
        if regular and self._end <= first * (len(inside) + 1):
            return self._steps(first, gamma, note)
        at = inside[:MOST_MILESTONES]
        if at != inside:
            message = f"a recipe has at most {MOST_MILESTONES} milestones, so the last rate comes earlier"
            self._lost(message, place)
        epochs = self._in_epochs(at)
        if epochs and not note:
            note = f"in Caffe, at iterations {', '.join(f'{value:,}' for value in at)}"
        # The same last rate, where a recipe cannot have as many divisions.
        divide = divisor(gamma ** (len(inside) / len(at)), len(at))
        when = ("epochs", *epochs) if epochs else Iterations(*at)
        return _schedule_line(MilestoneRate.model_validate({"at": when, "divide": divide}), note)

    def _exponential(self, gamma: float) -> RecipeLine:
        """An exponential schedule, or a step after every iteration if a recipe cannot have its total divisor."""
        total = power(gamma, -self._iterations)
        if self._iterations > 0 and 1 / LARGEST_DIVISION < total < LARGEST_DIVISION:
            return _schedule_line(ExponentialRate(divide=total))
        return _schedule_line(StepRate(every=Iterations(1), divide=divisor(gamma, self._end)))

    def _length(self) -> RecipeLine:
        """The length of the training: in epochs if it is whole epochs, else in iterations."""
        if self._iterations < 1:
            self._lost(f"the solver has no `max_iter`; {EPOCHS} epochs are used", self._solver.span_of("max_iter"))
            return RecipeLine("epochs", str(EPOCHS), "assumed")
        whole = self._in_epochs([self._iterations])
        return RecipeLine("epochs", str(whole[0])) if whole else RecipeLine("iterations", str(self._iterations))

    def _in_epochs(self, iterations: Sequence[int]) -> list[int]:
        """These iterations as epochs if they and the whole training are whole epochs, else none."""
        return whole_epochs([*iterations, self._iterations], self._epoch)[: len(iterations)]

    def _lost(self, message: str, span: Span, help_: str = "") -> None:
        self._findings.append(Diagnostic("W0901", message, span, help=help_))


def _schedule_line(schedule: Arguments, note: str = "") -> RecipeLine:
    return RecipeLine("schedule", step_text(schedule), note)
