"""Turns a solver and the net's image settings into a recipe, with epochs in place of iterations."""

from __future__ import annotations

from dataclasses import dataclass

from alexc.compiler.layers.arguments import LARGEST_SIZE, Arguments
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
    DiscreteExponentialRate,
    ExponentialRate,
    Normalize,
    PolynomialRate,
    Resize,
    StepRate,
    Subtract,
)
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Span

from ..foreign.network import RecipeLine
from ..foreign.schedules import are_whole, milestones, power
from .fields import Fields
from .images import Images

USUAL_STORED = 256  # pixels per side, to which Caffe's scripts resize images before storing them

# Fields of a solver about logs, files and devices, which are not part of the recipe.
_RUNNING = (
    "net", "train_net", "test_net", "test_iter", "test_interval", "test_initialization", "test_compute_loss", "display",
    "average_loss", "snapshot", "snapshot_prefix", "snapshot_diff", "snapshot_format", "snapshot_after_train",
    "solver_mode", "device_id", "random_seed", "debug_info", "layer_wise_reduce", "weights",
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
        self._rate = solver.number("base_lr", 0.01)
        self._batch = (self._images.batch or 128) * max(solver.whole("iter_size", 1), 1)
        self._epoch = dataset / self._batch  # iterations
        self._epochs = max(1, round(self._iterations / self._epoch))

    def read(self) -> CaffeRecipe:
        notes = [
            f"Caffe trains for {self._iterations:,} iterations of {self._batch} images. The epochs assume "
            f"{self._dataset:,} training images (`--images`)."
        ]
        said = self._solver.ignore(*_RUNNING)
        if said:
            notes.append(f"Left out, because it is not part of a recipe: {', '.join(said)}.")
        lines = [
            *self._preparation(),
            RecipeLine("loss", step_text(CrossEntropy())),
            self._optimizer(),
            self._schedule(),
            *self._gradients(),
            RecipeLine("batch", str(self._batch), self._batch_note()),
            RecipeLine("epochs", str(self._epochs)),
        ]
        for each in self._solver.unread():
            self._lost(f"`{each.name}` of a solver has no counterpart", each.span)
            notes.append(f"Without a counterpart: {each.name}.")
        if not 1 <= self._batch <= LARGEST_SIZE or self._epochs > LARGEST_SIZE:
            message = "the batch size or the number of epochs is too large for a recipe"
            self._findings.append(Diagnostic("E0904", message, self._solver.span_of("max_iter")))
        return CaffeRecipe(tuple(lines), tuple(notes))

    def _preparation(self) -> list[RecipeLine]:
        """How images are stored, what is subtracted, and which crops the network gets."""
        size = self._input.sizes[1]
        crop = self._images.crop
        stored = self._images.stored or (max(USUAL_STORED, crop) if crop else size)
        assumed = [] if self._images.stored or not crop else ["the size of the stored images is assumed"]
        if self._images.mean_values and self._images.scale == 1:
            values = ", ".join(f"{value:g}" for value in self._images.mean_values)
            assumed.append(f"Caffe subtracts {values}, blue first")
            message = f"subtracting {values} has no counterpart; the spec subtracts the mean colour of the training set"
            self._lost(message, self._images.span)
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
        if images.mean_values and images.scale == 1:
            return [Subtract(what="mean_color")]
        if images.scale <= 0:
            self._lost(f"a scale of {images.scale:g} has no counterpart", images.span)
        if images.scale == 1 or images.scale <= 0:
            return []
        values = images.mean_values if len(images.mean_values) == 3 else (*images.mean_values, 0.0)[:1] * 3
        blue, green, red = (round(value / 255, 6) for value in values)
        std = round(1 / (255 * images.scale), 6)
        return [Normalize(mean=(red, green, blue), std=(std, std, std))]

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
                return RecipeLine("schedule", step_text(ConstantRate()))
            case "step" if size > 0 and gamma > 0:
                return self._steps(size, gamma, place)
            case "multistep" if values and gamma > 0:
                return self._steps_at(values, gamma, place)
            case "exp" if gamma > 0:
                return self._exponential(power(gamma, -self._iterations), "")
            case "poly" if exponent > 0:
                return RecipeLine("schedule", step_text(PolynomialRate(power=exponent)))
            case "inv" if gamma > 0 and exponent > 0:
                note = f"in Caffe, {self._rate:g} (1 + {gamma:g} n)^-{exponent:g} at iteration n, with the same end"
                self._lost(
                    "the policy `inv` has no counterpart; the spec has an exponential schedule with the same end", place
                )
                return self._exponential(power(1 + gamma * self._iterations, exponent), note)
            case _:
                self._lost(
                    f"the policy `{policy}` with these values has no counterpart; the learning rate is constant", place
                )
                values_ = ", ".join(
                    f"{name} {solver.text(name)}" for name in ("gamma", "stepsize", "power") if solver.has(name)
                )
                return RecipeLine("schedule", step_text(ConstantRate()), f"in Caffe, {policy}, {values_}".rstrip(", "))

    def _steps(self, size: int, gamma: float, place: Span) -> RecipeLine:
        """A step every few whole epochs; if the interval is not whole epochs, equal parts of the training."""
        epochs = size / self._epoch
        every, parts = max(1, round(epochs)), self._iterations // size
        divide = power(gamma, -1)
        note = f"in Caffe, every {size:,} iterations"
        if are_whole(every, epochs) or self._iterations <= size:
            return RecipeLine("schedule", step_text(StepRate(every=every, divide=divide)), note)
        if 2 <= parts <= LARGEST_SIZE and self._iterations % size == 0:
            step = DiscreteExponentialRate(divide=power(gamma, 1 - parts), steps=parts)
            return RecipeLine("schedule", step_text(step), note)
        self._lost(
            f"{size:,} iterations are {epochs:.2f} epochs; the spec has {every}",
            place,
            "give the size of the training set: --images N",
        )
        return RecipeLine("schedule", step_text(StepRate(every=every, divide=divide)), note)

    def _steps_at(self, values: list[int], gamma: float, place: Span) -> RecipeLine:
        """Steps if the values are equally far apart up to the end of the training, otherwise milestones."""
        first = values[0]
        note = f"in Caffe, at iterations {', '.join(f'{value:,}' for value in values)}"
        regular = values == [first * number for number in range(1, len(values) + 1)]
        if first > 0 and regular and first * (len(values) + 1) >= self._iterations:
            line = self._steps(first, gamma, place)
            return RecipeLine("schedule", line.text, note)
        step, same = milestones([value / self._epoch for value in values], power(gamma, -1))
        if not same:
            message = "steps are not at whole epochs; the spec has the nearest whole epochs"
            self._lost(message, place, "give the size of the training set: --images N")
        return RecipeLine("schedule", step_text(step), note)

    def _exponential(self, divide: float, note: str) -> RecipeLine:
        return RecipeLine("schedule", step_text(ExponentialRate(divide=divide)), note)

    def _lost(self, message: str, span: Span, help_: str = "") -> None:
        self._findings.append(Diagnostic("W0901", message, span, help=help_))
