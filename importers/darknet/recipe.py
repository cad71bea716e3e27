"""Turns darknet's `[net]` section, and a `[crop]` section, into a recipe."""

from __future__ import annotations

import math
from itertools import accumulate
from math import prod

from alexc.compiler.layers.arguments import LARGEST_SIZE, MOST_ITERATIONS, MOST_MILESTONES, Iterations
from alexc.compiler.layers.kind import Shape
from alexc.compiler.net.spec_text import step_text
from alexc.compiler.recipe.augmentation import Augmentation
from alexc.compiler.recipe.augmentations.color_jitter import ColorJitter
from alexc.compiler.recipe.augmentations.mirror import Mirror
from alexc.compiler.recipe.augmentations.random_crop import RandomCrop
from alexc.compiler.recipe.augmentations.random_resized_crop import RandomResizedCrop
from alexc.compiler.recipe.steps import (
    SGD,
    Adam,
    CenterCrop,
    CenterView,
    ConstantRate,
    CrossEntropy,
    ExponentialRate,
    MilestoneRate,
    Normalize,
    Optimizer,
    PolynomialRate,
    PrepareStep,
    Resize,
    Schedule,
    StepRate,
)
from alexc.compiler.text.diagnostics import Diagnostic

from ..foreign.network import RecipeLine
from ..foreign.options import Options
from ..foreign.schedules import LARGEST_DIVISION, divisor, power, whole_epochs

EPOCHS = 90  # if the file does not give the number of batches
_ONLY_ELSEWHERE = ("time_steps", "notruth", "inputs", "max_crop", "min_crop", "max_ratio", "min_ratio")
_WITHOUT_COUNTERPART = ("random", "center", "clip")


class RecipeReader:
    """Reads the recipe. What a recipe cannot express becomes a warning and a comment in `notes`.

    Args:
        net: the `[net]` section.
        crop: a `[crop]` section at the beginning of the network, or None.
        images: the size of the training set.
        findings: the list that diagnostics are appended to.
    """

    def __init__(self, net: Options, crop: Options | None, images: int, findings: list[Diagnostic]) -> None:
        self.notes: list[str] = []
        self._net = net
        self._crop = crop
        self._images = images
        self._findings = findings
        self._batch = net.whole("batch", 1, least=1)
        self._most = net.whole("max_batches", 0)

    @property
    def decays(self) -> bool:
        """Whether there is weight decay."""
        return self._net.number("decay", 1e-4, least=0) > 0

    def image(self) -> Shape:
        """The shape of the network's input: of an image, or of the crop of a `[crop]` section.

        Raises:
            ReadError: the file does not give it.
        """
        net = self._net
        channels, height, width = (net.whole(key, least=1) for key in ("channels", "height", "width"))
        for key, size in (("channels", channels), ("height", height), ("width", width)):
            if size > LARGEST_SIZE:
                raise net.error("E0904", f"`{key}` must be at most {LARGEST_SIZE}", key)
        if self._crop is None:
            return Shape((channels, height, width))
        wide, high = self._crop.whole("crop_width", 1, least=1), self._crop.whole("crop_height", 1, least=1)
        if wide > width or high > height:
            raise self._crop.error("E0904", f"cuts {high}x{wide} out of {height}x{width}", "crop_height")
        return Shape((channels, high, wide))

    def lines(self, image: Shape) -> tuple[RecipeLine, ...]:
        """The statements of a `train` block for images of this shape.

        Raises:
            ReadError: a value is not valid.
        """
        prepare, augment = self._views(image)
        schedule, note = self._schedule()
        for key in _ONLY_ELSEWHERE:
            self._net.text(key, "")
        for key in _WITHOUT_COUNTERPART:
            if self._net.number(key, 0.0):
                self._lose(key, f"`{key}` has no counterpart")
        if self._batch == 1:
            self._lose("batch", "`batch=1` is for prediction; training needs a larger batch size")
        batch_note = "darknet's setting for prediction, not for training" if self._batch == 1 else ""
        self._net.whole("subdivisions", 1, least=1)
        lines = [
            RecipeLine("prepare", " -> ".join(map(step_text, prepare))),
            RecipeLine("augment", " -> ".join(map(step_text, augment))) if augment else None,
            RecipeLine("test", step_text(CenterView(size=_size(image)))),
            RecipeLine("loss", step_text(CrossEntropy())),
            RecipeLine("optimizer", step_text(self._optimizer())),
            RecipeLine("schedule", step_text(schedule), note),
            RecipeLine("batch", str(self._batch), batch_note),
            self._length(),
        ]
        return tuple(line for line in lines if line is not None)

    def _optimizer(self) -> Optimizer:
        """Darknet's momentum applies the learning rate outside the velocity, as torch's does."""
        net = self._net
        lr, decay = net.number("learning_rate", 0.001, least=1e-12), net.number("decay", 1e-4, least=0)
        momentum = net.number("momentum", 0.9, least=0)
        if momentum >= 1:
            raise net.error("E0904", f"`momentum` must be less than 1, not {momentum:g}", "momentum")
        if net.whole("adam", 0):
            beta1, beta2, eps = net.number("B1", 0.9), net.number("B2", 0.999), net.number("eps", 1e-7)
            return Adam(lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=decay)
        return SGD(lr=lr, momentum=momentum, weight_decay=decay, form="torch")

    def _schedule(self) -> tuple[Schedule, str]:
        """The schedule, and a comment about what it cannot express."""
        net = self._net
        policy, exponent = net.text("policy", "constant"), net.number("power", 4.0, least=0)
        warmup = self._warmup(exponent)
        match policy:
            case "constant":
                return ConstantRate(warmup=warmup), ""
            case "poly" if exponent > 0:
                return PolynomialRate(power=exponent, warmup=warmup), ""
            case "exp":
                gamma = net.number("gamma", 1.0, least=0)
                if not 0 < gamma < 1:
                    return self._lost_policy(policy, warmup)
                total = power(gamma, -self._most)
                if self._most and total < LARGEST_DIVISION:
                    return ExponentialRate(divide=total, warmup=warmup), ""
                each = divisor(gamma, self._most or MOST_ITERATIONS)
                return StepRate(every=Iterations(1), divide=each, warmup=warmup), ""
            case "step":
                return self._steps([net.whole("step", 1, least=1)], [net.number("scale", 1.0, least=0)], warmup)
            case "steps":
                return self._steps(net.wholes("steps", least=-(10**9)), net.numbers("scales", least=0), warmup)
            case _:
                for key in ("gamma", "step", "scale", "steps", "scales"):
                    net.text(key, "")
                return self._lost_policy(policy, warmup)

    def _steps(self, steps: list[int], scales: list[float], warmup: float | Iterations) -> tuple[Schedule, str]:
        """Steps if they are equally far apart up to the end of the training, otherwise milestones with one factor."""
        single = self._net.text("policy") == "step"
        if not all(0 < scale <= 1 for scale in scales) or len(scales) != len(steps) or min(steps) < 1:
            return self._lost_policy(self._net.text("policy"), warmup)
        end = self._most or MOST_ITERATIONS
        places = [each for each in accumulate(steps, max) if each < end]
        scales = scales[: len(places)]
        if not places or set(scales) == {1.0}:
            note = f"in darknet, {self._net.text('policy')} {', '.join(map(str, steps))}"
            return ConstantRate(warmup=warmup), note
        first, alike, at = places[0], len(set(scales)) == 1, list(dict.fromkeys(places))[:MOST_MILESTONES]
        regular = places == [first * number for number in range(1, len(places) + 1)]
        if single or (alike and regular and first * (len(places) + 1) >= end):
            epochs = self._whole_epochs([first])
            every = epochs[0] if epochs else Iterations(first)
            return StepRate(every=every, divide=divisor(scales[0], end // first), warmup=warmup), ""
        factor = scales[0] if alike and at == places else math.prod(scales) ** (1 / len(at))
        epochs = self._whole_epochs(at)
        when = ("epochs", *epochs) if epochs else Iterations(*at)
        values = {"at": when, "divide": divisor(factor, len(at)), "warmup": warmup}
        schedule = MilestoneRate.model_validate(values)
        if alike and at == places:
            return schedule, ""
        what = "a recipe divides by one factor" if not alike else "a recipe divides once at each of 32 places"
        self._lose("scales", f"{what}; {schedule.divide:g} gives the same final rate")
        times = f"times {', '.join(f'{scale:g}' for scale in scales)} "
        return schedule, f"in darknet, {times}after {', '.join(map(str, places))} iterations"

    def _lost_policy(self, policy: str, warmup: float | Iterations) -> tuple[Schedule, str]:
        self._lose("policy", f"the policy `{policy}` has no counterpart")
        return ConstantRate(warmup=warmup), f"in darknet, policy={policy}"

    def _warmup(self, exponent: float) -> float | Iterations:
        batches = self._net.whole("burn_in", 0)
        if not batches:
            return 0.0
        if exponent != 1:
            self._lose("burn_in", f"the warm-up is linear here; in darknet it has the power {exponent:g}")
            self.notes.append(f"In darknet, the warm-up is not linear but has the power {exponent:g}.")
        epochs = self._whole_epochs([batches])
        return float(epochs[0]) if epochs else Iterations(batches)

    def _whole_epochs(self, batches: list[int]) -> list[int]:
        """These batches as epochs if they and the whole training are whole epochs, else none."""
        steps_per_epoch = -(-self._images // self._batch)
        total = [self._most] if self._most else []
        return whole_epochs([*batches, *total], steps_per_epoch)[: len(batches)]

    def _length(self) -> RecipeLine:
        if not self._most:
            return RecipeLine("epochs", str(EPOCHS), "not in the file")
        epochs = self._whole_epochs([self._most])
        if not epochs:
            return RecipeLine("iterations", str(self._most))
        note = f"max_batches={self._most}, of {self._images:,} images (`alexc import --images`)"
        return RecipeLine("epochs", str(epochs[0]), note)

    def _views(self, image: Shape) -> tuple[list[PrepareStep], list[Augmentation]]:
        """Preprocessing and augmentation. Values are in 0..1 in darknet, or in -1..1 after `[crop]`."""
        net, (channels, *sides) = self._net, image.sizes
        size, side = _size(image), max(sides)
        colored = channels == 3
        doubled = self._crop is not None and not self._crop.whole("noadjust", 0)
        values = channels if colored else 1  # one number is for all channels
        normalize = (
            Normalize(mean=(0.5,) * values, std=(0.5,) * values)
            if doubled
            else Normalize(mean=(0.0,) * values, std=(1.0,) * values)
        )
        width = net.whole("width", least=1)
        least, most = net.whole("min_crop", width, least=1), net.whole("max_crop", 2 * width, least=1)
        augment: list[Augmentation] = []
        if self._crop is not None:
            most = least = width
            augment.append(RandomCrop(size=size))
            if self._crop.whole("flip", 0):
                augment.append(Mirror())
            self._read_crop(self._crop)
        else:
            aspect = net.number("aspect", 1.0, least=1e-3)
            if least == most and aspect == 1 and most >= side:
                augment.append(RandomCrop(size=size))
            else:
                augment.append(
                    RandomResizedCrop(
                        size=size,
                        smallest=float(f"{min(prod(sides) / max(most, side) ** 2, 0.999):.3g}"),
                        aspect=float(f"{max(aspect, 1 / aspect):.6g}"),
                    )
                )
                self._lose(
                    "max_crop",
                    f"crops of images scaled to {least} to {most} pixels become random crops of nearly the same sizes",
                )
                self.notes.append(f"In darknet, images are scaled to {least} to {most} pixels and cropped.")
            augment.append(Mirror())
        jitter = self._jitter() if colored else None
        if jitter is not None:
            augment.append(jitter)
        if net.number("angle", 0.0):
            self._lose("angle", "a rotation of images has no counterpart")
            self.notes.append(f"In darknet, images are rotated by up to {net.text('angle')} degrees.")
        most = max(most, side)
        prepare: list[PrepareStep] = [Resize(shorter=most), CenterCrop(size=most)]
        return [*prepare, normalize], augment

    def _jitter(self) -> ColorJitter | None:
        net = self._net
        hue = net.number("hue", 0.0, least=0)
        shares = {}
        for key in ("saturation", "exposure"):
            value = net.number(key, 1.0, least=1e-3)
            shares[key] = float(f"{min(1 - min(value, 1 / value), 0.999):.6g}")
        if not hue and not any(shares.values()):
            return None
        self._lose(
            "saturation" if "saturation" in net else "hue",
            "`color_jitter` draws its factors uniformly; darknet does not",
        )
        return ColorJitter(brightness=shares["exposure"], saturation=shares["saturation"], hue=min(hue, 0.5))

    def _read_crop(self, crop: Options) -> None:
        for key, usual in (("angle", 0.0), ("saturation", 1.0), ("exposure", 1.0), ("shift", 0.0)):
            if crop.number(key, usual) != usual:
                message = f"`{key}` of `[crop]` has no counterpart"
                self._findings.append(Diagnostic("W0901", message, crop.span(key)))

    def _lose(self, key: str, message: str) -> None:
        self._findings.append(Diagnostic("W0901", message, self._net.span(key)))


def _size(image: Shape) -> int | tuple[int, int]:
    """Pixels a side of a square, or height and width."""
    _, height, width = image.sizes
    return height if height == width else (height, width)
