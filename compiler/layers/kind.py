"""The base class of layer kinds, and the types of what each kind provides to the compiler."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from .arguments import Arguments
from .initial_values import Distribution


class Towers(int):
    """The number of towers, with the `rows` of the grid that they form: `towers 2x2` is 4 towers in 2 rows.

    Without a grid there is one row.
    """

    rows: int

    def __new__(cls, rows: int, columns: int) -> Towers:
        """A grid of `rows` by `columns` towers, row by row."""
        made = super().__new__(cls, rows * columns)
        made.rows = rows
        return made

    @property
    def columns(self) -> int:
        """The number of towers in a row."""
        return self // self.rows


def in_grid(towers: int) -> Towers:
    """The towers with their grid; a plain number is one row."""
    return towers if isinstance(towers, Towers) else Towers(1, towers)


def towers_text(towers: int) -> str:
    """The towers as a spec writes them: `4`, or `2x2`."""
    grid = in_grid(towers)
    return str(int(towers)) if grid.rows == 1 else f"{grid.rows}x{grid.columns}"


@dataclass(frozen=True, slots=True)
class Shape:
    """The output shape of a layer for one image, and the number of towers that split its channels.

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
        """The number of values."""
        return prod(self.sizes)

    def share(self, devices: int) -> Shape:
        """The shape of one device's part if several devices share the channels."""
        assert self.channels % devices == 0, f"{devices} devices cannot share {self} evenly"
        return Shape((self.channels // devices, *self.sizes[1:]), self._towers_of_share(devices))

    def _towers_of_share(self, devices: int) -> int:
        """The towers on each device: whole rows of the grid, or a part of a row; 1 if a tower is split over devices."""
        grid = in_grid(self.towers)
        if grid.rows % devices == 0:
            return Towers(grid.rows // devices, grid.columns)
        return grid // devices if grid % devices == 0 else 1

    def __str__(self) -> str:
        return "x".join(map(str, self.sizes))


@dataclass(frozen=True)
class ArgumentEdit:
    """A change of an argument that removes a `ShapeError`: another value, or None to remove the argument.

    `before` means the argument of the layer that this one reads.
    """

    argument: str
    value: str | None
    before: bool = False


class ShapeError(Exception):
    """A layer cannot take its input.

    Attributes:
        code: the diagnostic's code.
        message: what is wrong, with the numbers; it completes "`conv4` …".
        argument: the wrong argument, or None if the whole layer is wrong.
        help: how to fix it.
        edits: the changes of arguments that `help` describes; several are alternatives.
    """

    def __init__(
        self,
        code: str,
        message: str,
        argument: str | None = None,
        help: str = "",
        edits: tuple[ArgumentEdit, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.argument, self.help, self.edits = code, message, argument, help, edits


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
    """A layer that is a submodule in PyTorch: the call of its constructor, and the imports for it.

    `before` are the calls that its input goes through first, in order; their arguments follow the input.
    """

    constructor: TorchCall
    imports: tuple[str, ...] = ()
    before: tuple[TorchCall, ...] = ()


@dataclass(frozen=True)
class TorchFunction:
    """A layer that is a function in PyTorch; its arguments follow the input."""

    call: TorchCall
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class TorchJoin:
    """A layer with several inputs: a call whose first argument is the tuple of the inputs."""

    call: TorchCall
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class TorchOperator:
    """A layer with several inputs and an operator between them."""

    symbol: str
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cut:
    """One device's part of a layer whose channels several devices share.

    Attributes:
        kind: the layer with its share of the kernels or units.
        reads_all: whether it reads all channels; otherwise it reads the channels of its own device.
        halo: the number of maps of the previous and the next device that it reads beside those of its own device.
    """

    kind: Kind
    reads_all: bool = False
    halo: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class OnMesh:
    """The place of a layer on a mesh, as the generated class names it.

    `images` and `channels` are the axes that split its input, outermost first: `self.tower`. `halo` is as in `Cut`.
    """

    images: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    halo: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class TorchIndex:
    """A layer that takes a part of its input: `:, 58:` for `x[:, 58:]`."""

    index: str
    imports: tuple[str, ...] = ()


TorchLayer = TorchModule | TorchFunction | TorchJoin | TorchOperator | TorchIndex


@dataclass(frozen=True)
class Weights:
    """The parameters of a layer.

    `shape` is the shape of the weight tensor in torch; `biases` is the length of the bias vector, 0 without a bias.
    """

    shape: tuple[int, ...]
    biases: int
    start: Distribution
    bias_start: float | None


class Kind(Arguments):
    """Base of the layer kinds. A kind without weights defines only `output` and `torch`."""

    pointwise: ClassVar[bool] = False  # maps each value by itself; shares a line of the generated file with its input
    alias: ClassVar[bool] = False  # only reshapes its input, so it takes no memory
    reads_vector: ClassVar[bool] = False  # feature maps are flattened first, channels first
    shared_statistics: ClassVar[int] = 0  # numbers per channel that devices exchange in training if images are split
    normalises: ClassVar[bool] = False  # the scale of its output does not depend on that of its input
    in_loss: ClassVar[bool] = False  # as the last layer it is part of the loss function

    @abstractmethod
    def output(self, given: Shape, towers: int) -> Shape:
        """The output shape for the input shape `given` in a network of `towers` towers.

        Raises:
            ShapeError: the layer cannot take this input.
        """

    @abstractmethod
    def torch(self, given: Shape, output: Shape) -> TorchLayer:
        """The layer in PyTorch."""

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchLayer:  # noqa: ARG002
        """A device's part of the layer in PyTorch; `given` and `output` are the shapes on the device."""
        return self.torch(given, output)

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:  # noqa: ARG002
        """One device's part if several devices share the channels; None if each must compute the whole layer.

        Raises:
            ShapeError: the weights cannot be split into this number of parts.
        """
        return None

    def weights(self, given: Shape, output: Shape) -> Weights | None:  # noqa: ARG002
        """The layer's parameters; None without parameters."""
        return None

    @property
    def share_of_loss(self) -> float:
        """The factor of this layer's part of the loss, if the layer is part of the loss."""
        return 1.0

    def multiply_adds(self, given: Shape, output: Shape) -> int:  # noqa: ARG002
        """The multiply-adds per image; 0 for layers without weights."""
        return 0

    def multipliers(self) -> dict[str, tuple[float, float]]:
        """The factors of the learning rate and the weight decay, by parameter name, unless both are 1."""
        return {}

    def norm_bounds(self) -> tuple[float | None, float | None, str] | None:
        """The bounds on the norm of each kernel: the smallest, the largest, and what it is about; None without."""
        return None

    def neurons(self, given: Shape, output: Shape) -> int:
        """The number of neurons: the output values of a layer with weights."""
        return output.values if self.weights(given, output) else 0


class EachChannel(Kind):
    """Base of the kinds that compute each channel from the same channel of the input, so any split works."""

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:  # noqa: ARG002
        """The same layer on the channels of the device."""
        return None if any(shape.channels % devices for shape in given) else Cut(self)


class Join(Kind):
    """Base of the kinds with several inputs, which a spec names: `concat left right`."""

    symmetric: ClassVar[bool] = False  # the order of the inputs does not matter

    @abstractmethod
    def join(self, given: Sequence[Shape], towers: int) -> Shape:
        """The output shape for two or more input shapes.

        Raises:
            ShapeError: they cannot be joined.
        """

    def output(self, given: Shape, towers: int) -> Shape:
        """The output shape for one input."""
        return self.join([given], towers)


def require_maps(given: Shape) -> tuple[int, int, int]:
    """Return (channels, height, width) of feature maps.

    Raises:
        ShapeError: `given` is a vector.
    """
    if len(given.sizes) != 3:
        raise ShapeError(
            "E0303",
            f"needs feature maps, but gets a vector of {given} units",
            help="move it before the first layer that outputs a vector",
        )
    channels, height, width = given.sizes
    return channels, height, width
