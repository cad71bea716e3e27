"""A network file: Python with one network class and its RECIPE, compiled by alexc or written by hand in that form."""

from __future__ import annotations

import hashlib
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from alexc.runtime.errors import UserError
from alexc.runtime.printable import printable
from alexc.runtime.recipe import Recipe

FORM = (
    "expected what `alexc compile` writes: RECIPE = Recipe(...) and one class of nn.Module with "
    "input_shape = (channels, height, width) and reset_parameters(seed)"
)


@dataclass(frozen=True, eq=False)
class NetworkFile:
    """A network file that was read and run once.

    Attributes:
        path: where it lies.
        content: its bytes.
        network_class: the class of the network.
        recipe: how it is trained and tested.
        input_shape: (channels, height, width) of one image.
    """

    path: Path
    content: bytes
    network_class: type[nn.Module]
    recipe: Recipe
    input_shape: tuple[int, int, int]

    @property
    def name(self) -> str:
        """The name of the network's class."""
        return self.network_class.__name__

    @property
    def sha256(self) -> str:
        """The hash of the file's bytes."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def size(self) -> int:
        """Pixels a side of the images that the network reads."""
        return self.input_shape[1]

    def build(self, seed: int) -> nn.Module:
        """The network with the initial values of this seed.

        Raises:
            UserError: when the class raises, naming file and line.
        """
        try:
            network = self.network_class()
            network.reset_parameters(seed)  # type: ignore[operator]
        except Exception as error:
            raise _raised(self.path, error, f"{self.name}() cannot be made") from error
        return network

    def outputs(self, network: nn.Module) -> int:
        """How many outputs the network has, found by showing it a black image.

        Raises:
            UserError: when it raises, or returns anything but one row of outputs an image.
        """
        network.eval()
        try:
            with torch.no_grad():
                logits = network(torch.zeros(1, *self.input_shape))
        except Exception as error:
            shape = "x".join(map(str, self.input_shape))
            raise _raised(self.path, error, f"{self.name} cannot read an image of {shape}") from error
        if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != 1:
            shown = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise UserError(
                f"{printable(self.path)}: {self.name} returns {shown} for one image: expected (1, number of classes)"
            )
        return logits.shape[1]


def load_network_file(path: Path) -> NetworkFile:
    """Read a network file and run it.

    Raises:
        UserError: when it is missing, no Python, raises, or is not of the form; the message names file and line.
    """
    content = _read(path)
    module = _run(path, content)
    recipe = vars(module).get("RECIPE")
    if not isinstance(recipe, Recipe):
        found = "has no RECIPE" if recipe is None else f"has a RECIPE of type {type(recipe).__name__}"
        raise UserError(f"{printable(path)} {found}: {FORM}")
    network_class = _network_class(path, module)
    return NetworkFile(path, content, network_class, recipe, _input_shape(path, network_class))


def _read(path: Path) -> bytes:
    shown = printable(path)
    if path.suffix == ".net":
        raise UserError(
            f"{shown} is a spec, not a network file: compile it with `alexc compile {shown}`, "
            "then give the Python file that it writes"
        )
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{shown} does not exist: expected a Python file that `alexc compile` wrote") from None
    except OSError as error:
        raise UserError(f"{shown} cannot be read ({error.strerror}): expected a Python file") from None


def _run(path: Path, content: bytes) -> ModuleType:
    module = ModuleType(f"alexc_network_{hashlib.sha256(content).hexdigest()[:16]}")
    module.__file__ = str(path)
    try:
        code = compile(content, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        place = f"{printable(path)}:{error.lineno}" if error.lineno else printable(path)
        raise UserError(f"{place}: this is not valid Python ({printable(error.msg)})") from None
    except ValueError as error:  # null bytes, before Python 3.12
        raise UserError(f"{printable(path)}: this is not valid Python ({error})") from None
    sys.modules[module.__name__] = module  # dataclasses and the like look their module up
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the user's own network is what the command is for
    except Exception as error:
        raise _raised(path, error, "it cannot be imported") from error
    return module


def _network_class(path: Path, module: ModuleType) -> type[nn.Module]:
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    ]
    networks = [value for value in own if hasattr(value, "input_shape")]
    if len(networks) > 1:
        names = ", ".join(value.__name__ for value in networks)
        raise UserError(f"{printable(path)} has {len(networks)} networks ({names}): {FORM}")
    if not networks:
        found = f"{own[0].__name__} has no input_shape" if own else "it has no class of nn.Module"
        raise UserError(f"{printable(path)}: {found}: {FORM}")
    if not callable(getattr(networks[0], "reset_parameters", None)):
        raise UserError(f"{printable(path)}: {networks[0].__name__} has no method reset_parameters: {FORM}")
    return networks[0]


def _input_shape(path: Path, network_class: type[nn.Module]) -> tuple[int, int, int]:
    match getattr(network_class, "input_shape", None):
        case (3, int(height), int(width)) if height == width > 0:
            return 3, height, width
        case found:
            raise UserError(
                f"{printable(path)}: {network_class.__name__}.input_shape is {found!r}: "
                "expected (3, size, size), since training reads square RGB images"
            )


def _raised(path: Path, error: Exception, what: str) -> UserError:
    """An error of the user's own code, at the last line of the file that took part in it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f"{printable(path)}:{lines[-1]}" if lines else printable(path)
    return UserError(f"{place}: {what} ({type(error).__name__}: {printable(error)})")
