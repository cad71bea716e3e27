"""What the statements of a `train` block may say.

Each model has the name and the fields of a class of the runtime's recipe; a test compares them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from alexc.compiler.arguments import Arguments, Count, Fraction, NotNegative, Positive, one_of


class Resize(Arguments):
    """Scale so that the shorter side has so many pixels."""

    keyword: ClassVar[str] = "resize"
    positional: ClassVar[tuple[str, ...]] = ("shorter",)

    shorter: Count


class CenterCrop(Arguments):
    """Keep the central square."""

    keyword: ClassVar[str] = "center_crop"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: Count


class Subtract(Arguments):
    """Subtract the training set's mean image."""

    keyword: ClassVar[str] = "subtract"
    positional: ClassVar[tuple[str, ...]] = ("what",)

    what: Annotated[Literal["mean_image"], one_of("mean_image")]


class RandomCrop(Arguments):
    """Cut a square at a place drawn anew each time."""

    keyword: ClassVar[str] = "random_crop"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: Count


class Mirror(Arguments):
    """Mirror left to right now and then."""

    keyword: ClassVar[str] = "mirror"
    positional: ClassVar[tuple[str, ...]] = ("probability",)

    probability: Fraction = 0.5


class PCAColor(Arguments):
    """Shift the colours along their principal components."""

    keyword: ClassVar[str] = "pca_color"
    positional: ClassVar[tuple[str, ...]] = ("std",)

    std: NotNegative
    by: Annotated[Literal["eigenvalue", "stddev"], one_of("eigenvalue", "stddev")] = "eigenvalue"


class TenCrop(Arguments):
    """Four corners, the centre, and their mirror images."""

    keyword: ClassVar[str] = "ten_crop"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: Count


class CenterView(Arguments):
    """The central square only."""

    keyword: ClassVar[str] = "center"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: Count


class CrossEntropy(Arguments):
    """The mean cross-entropy of the softmax."""

    keyword: ClassVar[str] = "cross_entropy"


class SGD(Arguments):
    """The paper's gradient descent, with the rate inside the velocity."""

    keyword: ClassVar[str] = "sgd"

    lr: Positive
    momentum: Fraction = 0.0
    weight_decay: NotNegative = 0.0


class Plateau(Arguments):
    """Divide the rate when a figure stops improving."""

    keyword: ClassVar[str] = "plateau"

    of: Annotated[Literal["val_error", "val_loss", "train_loss"], one_of("val_error", "val_loss", "train_loss")]
    divide: Positive
    times: Count
    patience: Count = 3
    least: NotNegative = 0.0


class ConstantRate(Arguments):
    """The same rate throughout."""

    keyword: ClassVar[str] = "constant"


class WholeNumber(Arguments):
    """A number by itself: `batch 128`."""

    keyword: ClassVar[str] = ""
    positional: ClassVar[tuple[str, ...]] = ("value",)

    value: Count


PrepareStep = Resize | CenterCrop | Subtract
AugmentStep = RandomCrop | Mirror | PCAColor
TestViews = TenCrop | CenterView
Loss = CrossEntropy
Optimizer = SGD
Schedule = Plateau | ConstantRate

# The statements of a `train` block, and the kinds that each may name.
CHOICES: dict[str, tuple[type[Arguments], ...]] = {
    "prepare": (Resize, CenterCrop, Subtract),
    "augment": (RandomCrop, Mirror, PCAColor),
    "test": (TenCrop, CenterView),
    "loss": (CrossEntropy,),
    "optimizer": (SGD,),
    "schedule": (Plateau, ConstantRate),
}
NUMBERS = ("batch", "epochs")
PIPELINES = ("prepare", "augment")
