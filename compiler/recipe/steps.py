"""The steps that the statements of a `train` block can name, except augmentations.

Each model has the name and the fields of a class in the runtime's recipes; a test compares them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from ..layers.arguments import (
    LARGEST_SIZE,
    Arguments,
    Bits,
    Colors,
    Count,
    Expects,
    Fraction,
    ImageSides,
    Interval,
    IterationCount,
    LayerName,
    Milestones,
    NotNegative,
    PixelSizes,
    Positive,
    ShorterOrBoth,
    Warmup,
    YesOrNo,
    one_of,
)
from .augmentation import Augmentation, augmentations


class Resize(Arguments):
    """Scale so that the shorter side has `shorter` pixels, or to height x width; `bits=16` is for grey images."""

    keyword: ClassVar[str] = "resize"
    positional: ClassVar[tuple[str, ...]] = ("shorter",)

    shorter: ShorterOrBoth
    bits: Bits = 8


class CenterCrop(Arguments):
    """Keep the centre: a square, or height x width."""

    keyword: ClassVar[str] = "center_crop"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: ImageSides


class Subtract(Arguments):
    """Subtract the training set's mean image, at the place of the crop or always its centre, or its mean colour."""

    keyword: ClassVar[str] = "subtract"
    positional: ClassVar[tuple[str, ...]] = ("what",)

    what: Annotated[Literal["mean_image", "mean_color"], one_of("mean_image", "mean_color")]
    window: Annotated[Literal["crop", "center"], one_of("crop", "center")] = "crop"


class Normalize(Arguments):
    """Subtract `mean` from pixels in 0..1 and divide by `std`; the defaults are torchvision's for RGB."""

    keyword: ClassVar[str] = "normalize"

    mean: Colors = (0.485, 0.456, 0.406)
    std: Colors = (0.229, 0.224, 0.225)


class TenCrop(Arguments):
    """Four corners, the centre, and their mirror images."""

    keyword: ClassVar[str] = "ten_crop"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: ImageSides


class CenterView(Arguments):
    """Only the centre: a square, or height x width."""

    keyword: ClassVar[str] = "center"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: ImageSides


class GridCrop(Arguments):
    """Windows at `steps` by `steps` evenly spaced positions, and their mirror images."""

    keyword: ClassVar[str] = "grid_crop"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: ImageSides
    steps: Annotated[int, Field(ge=1, le=32), Expects("a whole number from 1 to 32")] = 3


class ScaledCrops(Arguments):
    """The ten crops at each of several sizes, as if the shorter side of the stored image had so many pixels."""

    keyword: ClassVar[str] = "scaled_crops"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: ImageSides
    sizes: PixelSizes


class CrossEntropy(Arguments):
    """The mean cross-entropy of the softmax; `smoothing` of each target is spread evenly over the classes."""

    keyword: ClassVar[str] = "cross_entropy"
    activation: ClassVar[str] = "softmax"

    smoothing: Fraction = 0.0


class BinaryCrossEntropy(Arguments):
    """The cross-entropy of each unit's `sigmoid` by itself, summed over the units: an image can have several labels."""

    keyword: ClassVar[str] = "binary_cross_entropy"
    activation: ClassVar[str] = "sigmoid"


class LogSquare(Arguments):
    """log(1 + (y - t)^2) of each output y, summed; its target t is 1 for the labels of the image, else 0."""

    keyword: ClassVar[str] = "log_square"
    activation: ClassVar[str] = ""


class Square(Arguments):
    """(y - t)^2 of each output y, summed; its target t is 1 for the labels of the image, else 0."""

    keyword: ClassVar[str] = "square"
    activation: ClassVar[str] = ""


class SGD(Arguments):
    """Gradient descent with momentum; in the form `paper` the learning rate is inside the velocity."""

    keyword: ClassVar[str] = "sgd"

    lr: Positive
    momentum: Fraction = 0.0
    weight_decay: NotNegative = 0.0
    form: Annotated[Literal["paper", "torch", "nesterov"], one_of("paper", "torch", "nesterov")] = "paper"


class Adam(Arguments):
    """Adam (Kingma and Ba); weight decay is added to the gradient."""

    keyword: ClassVar[str] = "adam"

    lr: Positive
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    eps: Positive = 1e-8
    weight_decay: NotNegative = 0.0


class AdamW(Arguments):
    """Adam with decoupled weight decay (Loshchilov and Hutter)."""

    keyword: ClassVar[str] = "adamw"

    lr: Positive
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    eps: Positive = 1e-8
    weight_decay: NotNegative = 0.01


class ClipNorm(Arguments):
    """Scale all gradients down together, so that their common norm is at most this."""

    keyword: ClassVar[str] = "clip_norm"
    positional: ClassVar[tuple[str, ...]] = ("largest",)

    largest: Positive


class ClipValue(Arguments):
    """Clip every value of a gradient to at most this, in both directions."""

    keyword: ClassVar[str] = "clip_value"
    positional: ClassVar[tuple[str, ...]] = ("largest",)

    largest: Positive


class Float32(Arguments):
    """Compute everything in float32: the default."""

    keyword: ClassVar[str] = "float32"


class BFloat16(Arguments):
    """Compute layers in bfloat16 where it is safe; weights, loss and updates stay float32."""

    keyword: ClassVar[str] = "bf16"


class Float16(Arguments):
    """The same in float16, with a scaled loss: halved after an overflow, doubled after `growth` steps without one."""

    keyword: ClassVar[str] = "fp16"

    scale: Positive = 65536.0
    growth: Count = 2000


class MovingAverage(Arguments):
    """Validate and keep as best weights a moving average; each step keeps `decay` of it."""

    keyword: ClassVar[str] = "ema"

    decay: Fraction


class Stalled(Arguments):
    """End when `patience` epochs in a row did not lower the best value of the metric by more than `least`."""

    keyword: ClassVar[str] = "stalled"

    of: Annotated[Literal["val_error", "val_loss", "train_loss"], one_of("val_error", "val_loss", "train_loss")]
    patience: Count
    least: NotNegative = 0.0


class Reached(Arguments):
    """End after the first epoch in which the metric is at most `value`."""

    keyword: ClassVar[str] = "reached"

    of: Annotated[
        Literal["val_error", "val_loss", "train_error", "train_loss"],
        one_of("val_error", "val_loss", "train_error", "train_loss"),
    ]
    value: NotNegative


class Plateau(Arguments):
    """Divide the rate when a metric stops improving."""

    keyword: ClassVar[str] = "plateau"

    of: Annotated[Literal["val_error", "val_loss", "train_loss"], one_of("val_error", "val_loss", "train_loss")]
    divide: Positive
    times: Count
    patience: Count = 3
    least: NotNegative = 0.0


class RateOfStep(Arguments):
    """Base of the schedules that depend on the step alone.

    `noise` multiplies each rate by 1 + noise * |z|, with a new z from N(0, 1) for each tensor in each step.
    """

    warmup: Warmup = 0.0
    noise: NotNegative = 0.0


class ConstantRate(RateOfStep):
    """The same rate throughout."""

    keyword: ClassVar[str] = "constant"


class StepRate(RateOfStep):
    """Divide the rate after every `every` epochs or iterations."""

    keyword: ClassVar[str] = "step"

    every: Interval
    divide: Positive


class MilestoneRate(RateOfStep):
    """Divide the rate after each of these epochs or iterations."""

    keyword: ClassVar[str] = "milestones"

    at: Milestones
    divide: Positive


class ExponentialRate(RateOfStep):
    """Divide the rate evenly, step by step: by `divide` in total at the end."""

    keyword: ClassVar[str] = "exponential"

    divide: Positive


class DiscreteExponentialRate(RateOfStep):
    """The same in `steps` equal parts of the training: cuda-convnet2's `dexp`; with `jumps=yes` its `jdexp` of 2012."""

    # With jumps, the second half of a part has the geometric mean of its rate and the one before, while 20 % to 90 % of
    # the training are done.
    keyword: ClassVar[str] = "discrete_exponential"

    divide: Positive
    steps: Annotated[int, Field(ge=2, le=LARGEST_SIZE), Expects(f"a whole number from 2 to {LARGEST_SIZE}")]
    jumps: YesOrNo = "no"


class InverseRate(RateOfStep):
    """Divide the rate by (1 + gamma * n) ** power at iteration n: Caffe's `inv`."""

    keyword: ClassVar[str] = "inverse"

    gamma: Positive
    power: Positive


class LinearRate(RateOfStep):
    """Lower the rate on a straight line to the rate divided by `divide`: cuda-convnet's `linear`."""

    keyword: ClassVar[str] = "linear"

    divide: Positive


class PolynomialRate(RateOfStep):
    """Lower the rate to zero as a power of the remaining share of the training; 1 is a straight line."""

    keyword: ClassVar[str] = "polynomial"

    power: Positive = 1.0


class CosineRate(RateOfStep):
    """Lower the rate to zero along half a cosine."""

    keyword: ClassVar[str] = "cosine"


class SlowLayer(Arguments):
    """Divide the learning rate of a layer by `divide` once `after` epochs are done."""

    keyword: ClassVar[str] = "slow"
    positional: ClassVar[tuple[str, ...]] = ("layer",)

    layer: LayerName
    after: Count
    divide: Positive


class FreezeLayer(Arguments):
    """Stop training a layer once `after` epochs are done."""

    keyword: ClassVar[str] = "freeze"
    positional: ClassVar[tuple[str, ...]] = ("layer",)

    layer: LayerName
    after: Count


class WholeNumber(Arguments):
    """A number: `batch 128`."""

    keyword: ClassVar[str] = ""
    positional: ClassVar[tuple[str, ...]] = ("value",)

    value: Count


class LargeNumber(WholeNumber):
    """A number that may be larger: `iterations 2400000`."""

    value: IterationCount


PrepareStep = Resize | CenterCrop | Subtract | Normalize
TestViews = TenCrop | CenterView | GridCrop | ScaledCrops
# `activation` is the last layer that belongs to the loss; "" if the loss reads the outputs as they are.
Loss = CrossEntropy | BinaryCrossEntropy | LogSquare | Square
Optimizer = SGD | Adam | AdamW
GradientStep = ClipNorm | ClipValue
Precision = Float32 | BFloat16 | Float16
Average = MovingAverage
EarlyStopping = Stalled | Reached
FixedRule = (
    ConstantRate
    | StepRate
    | MilestoneRate
    | ExponentialRate
    | DiscreteExponentialRate
    | InverseRate
    | LinearRate
    | PolynomialRate
    | CosineRate
)
Schedule = Plateau | FixedRule
LayerStep = SlowLayer | FreezeLayer

# The statements of a `train` block, and the steps that each can name.
CHOICES: dict[str, tuple[type[Arguments], ...]] = {
    "prepare": get_args(PrepareStep),
    "augment": augmentations(),
    "test": get_args(TestViews),
    "loss": get_args(Loss),
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "bias_schedule": get_args(FixedRule),
    "layers": get_args(LayerStep),
    "gradients": get_args(GradientStep),
    "precision": get_args(Precision),
    "average": (Average,),
    "stop": get_args(EarlyStopping),
}
NUMBERS: dict[str, type[WholeNumber]] = {"batch": WholeNumber, "epochs": WholeNumber, "iterations": LargeNumber}
RECIPE_STATEMENTS = (*CHOICES, *NUMBERS)
LENGTHS = ("epochs", "iterations")  # a recipe has one of the two
PIPELINES = ("prepare", "augment", "layers", "gradients")


def runtime_module(step: type[Arguments]) -> str:
    """The module of the runtime that has the class of the same name."""
    return f"alexc.runtime.augmentations.{step.keyword}" if issubclass(step, Augmentation) else "alexc.runtime.recipes"
