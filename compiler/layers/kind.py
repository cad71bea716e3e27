"""What every kind of layer tells the compiler."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from .arguments import Arguments
from .initial_values import Distribution


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of what a layer makes for one image, and into how many towers its channels are cut.

    `sizes` is (channels, height, width) for feature maps and (units,) for a vector.
    """

    sizes: tuple[int, ...]
    towers: int = 1

    @property
    def channels(self) -> int:
        """The number of feature maps, or of units."""
        return self.sizes[0]

    @property
    def values(self) -> int:
        """How many numbers there are."""
        return prod(self.sizes)

    def share(self, devices: int) -> Shape:
        """The part that one of several devices has of it, cut by channels."""
        assert self.channels % devices == 0, f"{devices} devices cannot share {self} evenly"
        towers = self.towers // devices if self.towers % devices == 0 else 1
        return Shape((self.channels // devices, *self.sizes[1:]), towers)

    def __str__(self) -> str:
        return "x".join(map(str, self.sizes))


class ShapeError(Exception):
    """A layer cannot read what it is given.

    Attributes:
        code: the diagnostic's code.
        message: what is wrong, with the numbers; completes "`conv4` …".
        argument: the argument at fault, or None where it is the layer as a whole.
        help: the way out.
    """

    def __init__(self, code: str, message: str, argument: str | None = None, help: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.argument, self.help = code, message, argument, help


@dataclass(frozen=True, repr=False)
class TorchCall:
    """A call in Python: the function, and its arguments as Python text or as calls. Prints as Python text."""

    function: str
    arguments: tuple[str | TorchCall, ...] = ()

    def __repr__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"

    def functions(self) -> Iterator[str]:
        """The functions that it calls: its own, and those of its arguments."""
        yield self.function
        for argument in self.arguments:
            if isinstance(argument, TorchCall):
                yield from argument.functions()


@dataclass(frozen=True)
class TorchModule:
    """A layer that reads in PyTorch as a submodule: the call that makes it, and the imports that this needs.

    `before` is a call that its input goes through first; its arguments follow the input.
    """

    constructor: TorchCall
    imports: tuple[str, ...] = ()
    before: TorchCall | None = None


@dataclass(frozen=True)
class TorchFunction:
    """A layer that reads in PyTorch as a function; its arguments follow the input."""

    call: TorchCall
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class TorchJoin:
    """A layer that reads several: a call whose first argument is the tuple of them."""

    call: TorchCall
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class TorchOperator:
    """A layer that reads several, with an operator between them."""

    symbol: str
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cut:
    """What one of several devices computes of a layer whose channels they share.

    Attributes:
        kind: the layer with its share of the kernels or units.
        reads_all: whether it reads all channels; otherwise those of its own device.
        halo: with maps of its own device, how many it reads beside them of the devices before and after.
    """

    kind: Kind
    reads_all: bool = False
    halo: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class OnMesh:
    """Where on a mesh a layer computes, as the generated class says it.

    `images` and `channels` are the axes that cut what it reads, outermost first: `self.tower`; `halo` as in `Cut`.
    """

    images: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    halo: tuple[int, int] = (0, 0)


TorchLayer = TorchModule | TorchFunction | TorchJoin | TorchOperator


@dataclass(frozen=True)
class Weights:
    """The parameters of a layer.

    `shape` is that of the weight tensor as torch keeps it; `biases` is the length of the bias, 0 where there is none.
    """

    shape: tuple[int, ...]
    biases: int
    start: Distribution
    bias_start: float | None


class Kind(Arguments):
    """Base of the kinds. A kind without weights answers only `output` and `torch`."""

    pointwise: ClassVar[bool] = False  # reads each value by itself: shares a line of the generated file
    alias: ClassVar[bool] = False  # what it makes is what it reads, in another shape: it takes no memory
    reads_vector: ClassVar[bool] = False  # feature maps are flattened, channels first, before they are read
    shared_statistics: ClassVar[int] = 0  # numbers a channel that devices share in training where the images are cut
    in_loss: ClassVar[bool] = False  # as the last layer it belongs to the loss, which reads what stands before it

    @abstractmethod
    def output(self, given: Shape, towers: int) -> Shape:
        """The shape made from `given` in a network of `towers` towers.

        Raises:
            ShapeError: the layer cannot read it.
        """

    @abstractmethod
    def torch(self, given: Shape, output: Shape) -> TorchLayer:
        """How the layer reads in PyTorch."""

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchLayer:  # noqa: ARG002
        """How a device's part of the layer reads in PyTorch; `given` and `output` are the shapes there."""
        return self.torch(given, output)

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:  # noqa: ARG002
        """One device's part of the layer, where several share its channels; None where each must compute it whole.

        Raises:
            ShapeError: its weights cannot be cut into so many parts.
        """
        return None

    def weights(self, given: Shape, output: Shape) -> Weights | None:  # noqa: ARG002
        """The layer's parameters; None where it has none."""
        return None

    @property
    def share_of_loss(self) -> float:
        """The factor of this layer's part of the loss, where it belongs to the loss."""
        return 1.0

    def multiply_adds(self, given: Shape, output: Shape) -> int:  # noqa: ARG002
        """Multiplications, each with its addition, for one image; only layers with weights count them."""
        return 0

    def multipliers(self) -> dict[str, tuple[float, float]]:
        """Of the learning rate and of weight decay, by the parameter's name, where they are not both 1."""
        return {}

    def neurons(self, given: Shape, output: Shape) -> int:
        """Units with weights of their own or shared: the outputs of a layer with weights."""
        return output.values if self.weights(given, output) else 0


class EachChannel(Kind):
    """Base of the kinds that make each channel of the same one that they read: any part of them is cut alike."""

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:  # noqa: ARG002
        """The same layer, of its device's channels."""
        return None if any(shape.channels % devices for shape in given) else Cut(self)


class Join(Kind):
    """Base of the kinds that read several layers, which a spec names after them: `concat left right`."""

    @abstractmethod
    def join(self, given: Sequence[Shape], towers: int) -> Shape:
        """The shape made from two shapes or more.

        Raises:
            ShapeError: they cannot be joined.
        """

    def output(self, given: Shape, towers: int) -> Shape:
        """The shape made from one layer."""
        return self.join([given], towers)


def require_maps(given: Shape) -> tuple[int, int, int]:
    """The (channels, height, width) of feature maps.

    Raises:
        ShapeError: `given` is a vector.
    """
    if len(given.sizes) != 3:
        raise ShapeError(
            "E0303",
            f"reads feature maps, but is given a vector of {given} units",
            help="put it before the first layer that makes a vector",
        )
    channels, height, width = given.sizes
    return channels, height, width
