"""The recipe of a compiled file: plain values, as the `train` block of the spec wrote them.

Nothing here acts: `data.recipe_images`, `data.views` and `training` read these values and do the work. The steps of
`augment` are in `augmentations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from .augmentations.augmentation import Augmentation
from .sides import Sides


@dataclass(frozen=True)
class Resize:
    """Scale so that the shorter side has `shorter` pixels; the aspect is kept.

    With (height, width) for `shorter`, scale to exactly that size. With `bits=16`, the pixels of a grey image keep 16
    bits; they are on the scale of 0..255 all the same, in steps of 1/257.
    """

    shorter: Sides
    bits: Literal[8, 16] = 8


@dataclass(frozen=True)
class CenterCrop:
    """Keep the central square of `size` by `size` pixels, or the central (height, width)."""

    size: Sides


@dataclass(frozen=True)
class Subtract:
    """Subtract the training set's mean image, per pixel and channel (section 2), or its mean colour everywhere.

    With `window="crop"`, the part of the mean image at the place of the crop is subtracted, and mirrored with it. With
    `window="center"` it is the central part for every crop, which is never mirrored, as in the program of 2012.
    """

    what: Literal["mean_image", "mean_color"]
    window: Literal["crop", "center"] = "crop"


@dataclass(frozen=True)
class Normalize:
    """(x / 255 - mean) / std, per channel: as torchvision's `ToTensor` and `Normalize`; the default is ImageNet's.

    One value is for all channels.
    """

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TenCrop:
    """Average the softmax over the four corners, the centre, and their mirror images (section 4.1)."""

    size: Sides


@dataclass(frozen=True)
class CenterView:
    """Use only the central `size` by `size` pixels, or the central (height, width)."""

    size: Sides


@dataclass(frozen=True)
class GridCrop:
    """Average the softmax over `steps` by `steps` evenly spaced windows and their mirror images (Howard 2013)."""

    size: Sides
    steps: int = 3


@dataclass(frozen=True)
class ScaledCrops:
    """Average the softmax over the ten crops of the image at each of several sizes (Simonyan and Zisserman 2015).

    At size s, the shorter side of the stored image counts as s pixels. So a crop is a window of
    round(size * shorter / s) stored pixels a side, at a corner or in the centre, scaled to `size`.
    """

    size: Sides
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class CrossEntropy:
    """The mean cross-entropy of the softmax: multinomial logistic regression (section 3.5).

    `smoothing` is the part of the target that is spread evenly over all classes (Szegedy et al. 2016, section 7).
    """

    smoothing: float = 0.0


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """The sum over the outputs of -t log y - (1 - t) log(1 - y), with y the sigmoid of an output: `cost.crossent2`.

    With this loss and the two below, the target t of an output is 1 for the labels of the image, else 0. The mean over
    the images is minimised.
    """


@dataclass(frozen=True)
class LogSquare:
    """The sum over the outputs y of log(1 + (y - t)^2): `cost.rflickr` of 2012."""


@dataclass(frozen=True)
class Square:
    """The sum over the outputs y of (y - t)^2: `cost.sum2` of a difference, in 2012."""


Loss = CrossEntropy | BinaryCrossEntropy | LogSquare | Square


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum; in the paper's form with the rate inside the velocity (section 5).

    paper:    v <- momentum v - weight_decay lr w - lr g;  w <- w + v
    torch:    v <- momentum v + weight_decay w + g;        w <- w - lr v
    nesterov: v as in torch's form;                        w <- w - lr (g + weight_decay w + momentum v)
    """

    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    form: Literal["paper", "torch", "nesterov"] = "paper"


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1), with weight decay added to the gradient.

    g <- g + weight_decay w;  m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;
    w <- w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0


@dataclass(frozen=True)
class AdamW:
    """Adam with w <- w - lr weight_decay w instead of the term in g (Loshchilov and Hutter 2019, algorithm 2)."""

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01


@dataclass(frozen=True)
class ClipNorm:
    """Multiply all gradients by largest / norm if their common Euclidean norm is larger (Pascanu et al. 2013)."""

    largest: float


@dataclass(frozen=True)
class ClipValue:
    """Clip every value of a gradient to -largest..largest."""

    largest: float


@dataclass(frozen=True)
class Float32:
    """Compute in float32 throughout."""


@dataclass(frozen=True)
class BFloat16:
    """Compute in bfloat16 where torch.autocast considers it safe; weights, loss and updates stay float32."""


@dataclass(frozen=True)
class Float16:
    """Compute in float16 where it is safe, with a scaled loss (Micikevicius et al. 2018).

    A step whose gradients overflow is skipped and halves the scale; `growth` steps in a row without overflow double it.
    """

    scale: float = 65536.0
    growth: int = 2000


@dataclass(frozen=True)
class MovingAverage:
    """Validate and keep as best weights the moving average a <- decay a + (1 - decay) w, updated after each step.

    Buffers such as running statistics are averaged too; counters are copied.
    """

    decay: float


@dataclass(frozen=True)
class Stalled:
    """End when `patience` epochs in a row did not lower the best value of the metric by more than `least`."""

    of: Literal["val_error", "val_loss", "train_loss"]
    patience: int
    least: float = 0.0


@dataclass(frozen=True)
class Reached:
    """End after the first epoch in which the metric is at most `value`."""

    of: Literal["val_error", "val_loss", "train_error", "train_loss"]
    value: float


@dataclass(frozen=True)
class Plateau:
    """Divide the rate when a metric stops improving; end when it stops once more after `times` divisions (section 5).

    A metric has stopped improving when `patience` epochs in a row did not lower its best value by more than `least`.
    """

    of: Literal["val_error", "val_loss", "train_loss"]
    divide: float
    times: int
    patience: int = 3
    least: float = 0.0


class Iterations(tuple[int, ...]):
    """Numbers of iterations, in place of plain numbers, which are epochs: `Iterations(5000)`."""

    def __new__(cls, *numbers: int) -> Self:
        """Make it from separate numbers."""
        return super().__new__(cls, numbers)


@dataclass(frozen=True, kw_only=True)
class RateOfStep:
    """Base of the schedules that depend on the step alone: the rate first rises linearly during `warmup` epochs.

    `noise` multiplies each rate by 1 + noise * |z|, with a new z from N(0, 1) for each tensor in each step.
    """

    warmup: float | Iterations = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class ConstantRate(RateOfStep):
    """The same rate from the first step to the last."""


@dataclass(frozen=True)
class StepRate(RateOfStep):
    """Divide the rate after every `every` epochs or iterations."""

    every: int | Iterations
    divide: float


@dataclass(frozen=True)
class MilestoneRate(RateOfStep):
    """Divide the rate after each of these epochs or iterations."""

    at: tuple[int, ...] | Iterations
    divide: float


@dataclass(frozen=True)
class ExponentialRate(RateOfStep):
    """Divide the rate evenly, step by step: by `divide` in total at the end."""

    divide: float


@dataclass(frozen=True)
class DiscreteExponentialRate(RateOfStep):
    """The same in `steps` equal parts of the training, each with one rate: cuda-convnet2's `dexp`.

    With `jumps="yes"`, the second half of a part has the geometric mean of its rate and the one before, while 20 % to
    90 % of the training are done: the `jdexp` of 2012.
    """

    divide: float
    steps: int
    jumps: Literal["yes", "no"] = "no"


@dataclass(frozen=True)
class InverseRate(RateOfStep):
    """Divide the rate by (1 + gamma * n) ** power at iteration n: Caffe's `inv`."""

    gamma: float
    power: float


@dataclass(frozen=True)
class LinearRate(RateOfStep):
    """Lower the rate on a straight line to the rate divided by `divide`: cuda-convnet's `linear`."""

    divide: float


@dataclass(frozen=True)
class PolynomialRate(RateOfStep):
    """Lower the rate to zero as (1 - done)^power, where `done` is the finished part; 1 is a straight line."""

    power: float = 1.0


@dataclass(frozen=True)
class CosineRate(RateOfStep):
    """Lower the rate to zero along half a cosine (Loshchilov and Hutter 2017, without restarts)."""


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


@dataclass(frozen=True)
class SlowLayer:
    """Divide the rate of the layer with this attribute by `divide` after `after` epochs."""

    layer: str
    after: int
    divide: float


@dataclass(frozen=True)
class FreezeLayer:
    """Do not train the layer with this attribute any more after `after` epochs: it stays as it is then."""

    layer: str
    after: int


PrepareStep = Resize | CenterCrop | Subtract | Normalize
TestViews = TenCrop | CenterView | GridCrop | ScaledCrops
Optimizer = SGD | Adam | AdamW
LayerStep = SlowLayer | FreezeLayer
GradientStep = ClipNorm | ClipValue
Precision = Float32 | BFloat16 | Float16
EarlyStopping = Stalled | Reached


@dataclass(frozen=True)
class Recipe:
    """How a network is trained and tested. One of `epochs` and `iterations` is the length of the training."""

    prepare: tuple[PrepareStep, ...]
    augment: tuple[Augmentation, ...]
    test: TestViews
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    batch: int
    epochs: int | None = None
    iterations: int | None = None
    bias_schedule: FixedRule | None = None
    layers: tuple[LayerStep, ...] = ()
    gradients: tuple[GradientStep, ...] = ()
    precision: Precision = Float32()
    average: MovingAverage | None = None
    stop: EarlyStopping | None = None
