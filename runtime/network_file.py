"""Loads network files: Python with one network class, compiled by alexc or hand-written in that form.

Training needs a file with a RECIPE; the file of a spec without a `train` block has none. A file with a PLACEMENT has a
second class: the part of the network that each device of a mesh computes.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from alexc.nearby import nearby
from alexc.printable import printable, shell_line

from .errors import UserError
from .files import require_regular_file
from .parallel.mesh import Mesh
from .parallel.placement import Placement
from .recipes import Recipe
from .sides import MOST_CHANNELS, Sides

FORM = (
    "expected what `alexc compile` writes: RECIPE = Recipe(...) and one class of nn.Module with "
    "input_shape = (channels, height, width) and reset_parameters(seed)"
)
_PLACED_FORM = (
    "expected what `alexc compile --placement` writes: PLACEMENT = Placement(...), the class of the whole network, and "
    "one whose constructor takes the mesh"
)
# In the docstring of a file that `alexc compile --standalone` wrote.
_STANDALONE = re.compile(rb"^Made by alexc from ([^\n,]+), standalone: ", re.MULTILINE)
_HEAD_BYTES = 2000  # of a file, where that line is


@dataclass(frozen=True, eq=False)
class ModuleFile:
    """A network file after it was run once, with or without a recipe.

    Attributes:
        path: the file.
        content: its bytes.
        network_class: the class of the network.
        recipe: the recipe of training and testing; None if the spec has no `train` block.
        input_shape: (channels, height, width) of one image.
        placed_class: the class of one device's part of the network; its constructor takes the mesh.
        placement: the placement; None, like `placed_class`, in a file for one device.
    """

    path: Path
    content: bytes
    network_class: type[nn.Module]
    recipe: Recipe | None
    input_shape: tuple[int, int, int]
    placed_class: type[nn.Module] | None
    placement: Placement | None

    @property
    def name(self) -> str:
        """The name of the network's class."""
        return self.network_class.__name__

    @cached_property
    def sha256(self) -> str:
        """The hash of the network and its recipe. Comments, formatting, imports and the placement do not change it."""
        placed = self.placed_class.__name__ if self.placed_class else None
        body = [node for node in ast.parse(self.content).body if not _says_nothing_of_the_network(node, placed)]
        return hashlib.sha256(ast.unparse(ast.Module(body, [])).encode()).hexdigest()

    @property
    def channels(self) -> int:
        """The channels of the input images."""
        return self.input_shape[0]

    @property
    def size(self) -> Sides:
        """The size of the input images: pixels a side, or (height, width)."""
        _, height, width = self.input_shape
        return height if height == width else (height, width)

    def build(self, seed: int) -> nn.Module:
        """Build the network with the initial values of this seed.

        Raises:
            UserError: the class raised an error; the message names file and line.
        """
        return self._build(seed, self.network_class)

    def build_placed(self, seed: int, mesh: Mesh) -> nn.Module:
        """Build this device's part of the network, with the initial values of this seed.

        Raises:
            UserError: the class raised an error; the message names file and line.
        """
        assert self.placed_class is not None
        return self._build(seed, partial(self.placed_class, mesh))

    def build_without_memory(self) -> nn.Module:
        """The whole network on torch's meta device: names and shapes without values."""
        with torch.device("meta"):
            return self._build(0, self.network_class)

    def _build(self, seed: int, make: Callable[[], nn.Module]) -> nn.Module:
        try:
            network = make()
            network.reset_parameters(seed)  # type: ignore[operator]
        except Exception as error:
            raise _raised(self.path, error, f"{self.name}() cannot be made") from error
        return network

    def outputs(self, network: nn.Module) -> int:
        """The number of outputs, found with a black image.

        Raises:
            UserError: the network raises an error, or does not return one row of outputs per image.
        """
        network.eval()
        try:
            with torch.no_grad():
                logits = network(torch.zeros(1, *self.input_shape, device=next(network.parameters()).device))
        except Exception as error:
            shape = "x".join(map(str, self.input_shape))
            raise _raised(self.path, error, f"{self.name} cannot read an image of {shape}") from error
        if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != 1:
            shown = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise UserError(
                f"{printable(self.path)}: {self.name} returns {shown} for one image: expected (1, number of classes)"
            )
        return logits.shape[1]


@dataclass(frozen=True, eq=False)
class NetworkFile(ModuleFile):
    """A network file with a recipe; its images have up to four channels."""

    recipe: Recipe

    @classmethod
    def of(cls, file: ModuleFile, recipe: Recipe) -> NetworkFile:
        """The same network with this recipe."""
        values: dict[str, Any] = {field.name: getattr(file, field.name) for field in fields(ModuleFile)}
        values["recipe"] = recipe
        return cls(**values)


def load_network_file(path: Path) -> NetworkFile:
    """Read a network file with a recipe, and run it.

    Raises:
        UserError: the file is missing, not Python, raises an error, or has another form; the message names file and
            line.
    """
    content = _read(path)
    module = _run(path, content)
    recipe = _recipe(path, module)
    if recipe is None:
        raise UserError(
            f"{printable(path)} has no RECIPE: {FORM}. Write a `train` block in its spec, and compile it again"
        )
    file = _module_file(path, content, module)
    if file.channels > MOST_CHANNELS:
        raise UserError(
            f"{printable(path)}: {file.name}.input_shape is {file.input_shape}: expected 1 to {MOST_CHANNELS} "
            "channels, since training reads images"
        )
    return NetworkFile.of(file, recipe)


def load_module_file(path: Path) -> ModuleFile:
    """Read and run a network file for a use that needs no recipe: RECIPE may be missing, and images have any shape.

    Raises:
        UserError: the file cannot be read or run, or has no network class.
    """
    content = _read(path)
    return _module_file(path, content, _run(path, content))


def _module_file(path: Path, content: bytes, module: ModuleType) -> ModuleFile:
    placement = vars(module).get("PLACEMENT")
    networks = _networks(path, module)
    if placement is None:
        placed_class = None
    elif isinstance(placement, Placement):
        placed_class = _placed_class(path, networks)
        networks = [each for each in networks if each is not placed_class]
    else:
        raise UserError(f"{printable(path)} has a PLACEMENT of type {type(placement).__name__}: {_PLACED_FORM}")
    network_class = _network_class(path, networks)
    shape = _input_shape(path, network_class)
    return ModuleFile(path, content, network_class, _recipe(path, module), shape, placed_class, placement)


def _recipe(path: Path, module: ModuleType) -> Recipe | None:
    recipe = vars(module).get("RECIPE")
    if recipe is None or isinstance(recipe, Recipe):
        return recipe
    raise UserError(f"{printable(path)} has a RECIPE of type {type(recipe).__name__}: {FORM}")


def _read(path: Path) -> bytes:
    shown = printable(path)
    if path.suffix == ".net":
        raise UserError(
            f"{shown} is a spec, not a network file: compile it with `alexc compile {shell_line(path)}`, "
            "then give the Python file that it writes"
        )
    try:
        require_regular_file(path)
        content = path.read_bytes()
    except FileNotFoundError:
        expected = "expected a Python file that `alexc compile` wrote"
        raise UserError(f"{shown} does not exist: {expected}{nearby(path, '.py')}") from None
    except OSError as error:
        raise UserError(f"{shown} cannot be read ({error.strerror}): expected a Python file") from None
    if standalone := _STANDALONE.search(content[:_HEAD_BYTES]):
        command = f"alexc compile {shell_line(standalone[1].decode(errors='replace'))}"
        raise UserError(
            f"{shown} is a standalone file, without the recipe: give the file that `{command}` writes. Its weights "
            "load in the standalone file"
        )
    return content


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
    sys.modules[module.__name__] = module  # dataclasses, for example, look their module up
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the user's own network is what the command is for
    except ImportError as error:
        if (error.name or "").startswith("alexc."):
            raise UserError(f"{printable(path)}: {_compile_again(path)}") from error
        raise _raised(path, error, "it cannot be imported") from error
    except Exception as error:
        raise _raised(path, error, "it cannot be imported") from error
    return module


def _compile_again(path: Path) -> str:
    """The message for a file that imports modules or names that this version of alexc does not have."""
    spec = path.with_suffix(".net")  # as a run keeps it beside its network file
    command = shell_line("alexc", "compile", spec, "-o", path.parent) if spec.is_file() else "alexc compile SPEC"
    return f"it was compiled by another version of alexc: compile its spec again with `{command}`"


def _networks(path: Path, module: ModuleType) -> list[type[nn.Module]]:
    """The network classes of the file: at least one, each with `reset_parameters`."""
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    ]
    networks = [value for value in own if hasattr(value, "input_shape")]
    if not networks:
        found = f"{own[0].__name__} has no input_shape" if own else "it has no class of nn.Module"
        raise UserError(f"{printable(path)}: {found}: {FORM}")
    for network in networks:
        if not callable(getattr(network, "reset_parameters", None)):
            raise UserError(f"{printable(path)}: {network.__name__} has no method reset_parameters: {FORM}")
    return networks


def _network_class(path: Path, networks: Sequence[type[nn.Module]]) -> type[nn.Module]:
    if len(networks) != 1:
        names = ", ".join(value.__name__ for value in networks)
        raise UserError(f"{printable(path)} has {len(networks)} networks ({names}): {FORM}")
    return networks[0]


def _placed_class(path: Path, networks: Sequence[type[nn.Module]]) -> type[nn.Module]:
    """The class whose constructor takes the mesh."""
    placed = [each for each in networks if "mesh" in inspect.signature(each).parameters]
    if len(placed) != 1 or len(networks) != 2:
        names = ", ".join(each.__name__ for each in networks)
        raise UserError(f"{printable(path)} has a PLACEMENT, and the networks {names}: {_PLACED_FORM}")
    return placed[0]


def _says_nothing_of_the_network(node: ast.stmt, placed_class: str | None) -> bool:
    """Whether it is a docstring, an import of torch or alexc, or belongs to the placement."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.ImportFrom(module=str(module)) | ast.Import(names=[ast.alias(name=str(module))]):
            return module.partition(".")[0] in ("alexc", "torch", "typing")
        case ast.ClassDef(name=name):
            return name == placed_class
        case ast.Assign(targets=[ast.Name("PLACEMENT")]):
            return True
        case _:
            return False


def _input_shape(path: Path, network_class: type[nn.Module]) -> tuple[int, int, int]:
    match getattr(network_class, "input_shape", None):
        case (int(channels), int(height), int(width)) if min(channels, height, width) > 0:
            return channels, height, width
        case found:
            raise UserError(
                f"{printable(path)}: {network_class.__name__}.input_shape is {found!r}: "
                "expected (channels, height, width)"
            )


def _raised(path: Path, error: Exception, what: str) -> UserError:
    """The error of the user's code, at the last line of the file in the traceback."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f"{printable(path)}:{lines[-1]}" if lines else printable(path)
    return UserError(f"{place}: {what} ({type(error).__name__}: {printable(error)})")
