"""Imports weights of other programs, such as torchvision, under the names of a compiled network."""

from __future__ import annotations

import pickle
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from alexc.printable import printable

from .caffemodel import ForeignWeights, read_caffemodel
from .errors import UserError
from .files import check_new, require_regular_file, write_new
from .network_file import NetworkFile
from .progress import Progress

_COUNTER = "num_batches_tracked"  # of batch normalisation; older checkpoints lack it
_FROM_A_RUN = "`alexc weights export` writes the weights of a run"
_CAFFES = ".caffemodel"
_COLORS = 3
_MOST_NAMED = 5
_DEEPEST = 32  # parts of a name, as in layer1.0.conv1
_NESTED = ("state_dict", "model")  # where training scripts put the weights in a checkpoint

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Match:
    """A layer of a file, and the layer of the network that takes its tensors.

    `shapes` holds name and shape of each tensor: (("weight", (64, 3, 11, 11)), ("bias", (64,))).
    """

    source: str
    target: str
    shapes: Shapes


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        matches: the pairs of layers, in the order of the network.
        turned: layers of the file that read the image; their channels were changed from BGR to RGB.
    """

    matches: list[Match]
    turned: tuple[str, ...]


def import_weights(
    path: Path, network: NetworkFile, without: Sequence[str], out: Path, bgr: bool | None = None
) -> Imported:
    """Write the weights of a file under the names of a network, as safetensors for its `load_state_dict`.

    Args:
        path: a `.caffemodel`, a `.safetensors` file, or a checkpoint that `torch.load(weights_only=True)` reads.
        network: the compiled network.
        without: layers of the file to leave out, with everything under their names: `aux1`.
        out: the file to write, which must not exist.
        bgr: whether the file's network reads BGR images, so that its channels are reversed; None: if a `.caffemodel`
            does.

    Raises:
        UserError: the file cannot be read, its layers do not match the network's, or `out` cannot be written.
    """
    check_new(out)
    with Progress("import", 3, "steps") as progress:
        read = _read(path)
        given = _leave_out(read.tensors, without, path)
        _check_finite(given, path)
        progress.advance()
        turned = read.image_readers if bgr or (bgr is None and path.suffix == _CAFFES) else ()
        if bgr and not turned:
            raise UserError(f"--bgr: {printable(path)} has no convolution that reads three channels")
        wanted = network.build_without_memory().state_dict()
        try:
            given = _with_channels_turned(given, turned)
            matches = match_layers(given, wanted, read.second_names)
        except UserError as mistake:
            raise UserError(
                f"{printable(path)} does not fit {network.name} of {printable(network.path)}: {mistake}"
            ) from None
        progress.advance()
        write_new(out, save(carry_over(given, wanted, matches)))
        progress.advance()
    return Imported(matches, turned)


def _read(path: Path) -> ForeignWeights:
    """The tensors of a file of any format, and what is known about them."""
    if path.suffix == _CAFFES:
        return read_caffemodel(path)
    tensors = read_tensors(path)
    convolutions = (name for name, tensor in tensors.items() if tensor.ndim == 4 and tensor.shape[1] == _COLORS)
    first = next(convolutions, None)
    return ForeignWeights(tensors, {}, () if first is None else (first.rpartition(".")[0],))


def _check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise UserError(
                f"{printable(path)}: `{printable(name)}` holds numbers that are not finite: these weights "
                "cannot be used"
            )


def _with_channels_turned(tensors: Mapping[str, Tensor], layers: Sequence[str]) -> dict[str, Tensor]:
    """The tensors, with the order of the three input channels of `layers` reversed."""
    turned = dict(tensors)
    for layer in layers:
        per_channel = _join(layer, "running_mean") in tensors
        for kind in ("running_mean", "running_var", "weight", "bias") if per_channel else ("weight",):
            name = _join(layer, kind)
            if name in tensors:  # `without` may have removed it
                turned[name] = _turned(tensors[name], 0 if per_channel else 1, layer)
    return turned


def _turned(tensor: Tensor, axis: int, layer: str) -> Tensor:
    """Reversed along an axis of three channels, or of the values of three channels one after the other."""
    size = tensor.shape[axis] if tensor.ndim > axis else 0
    if not size or size % _COLORS or (size > _COLORS and tensor.ndim != 2):
        raise UserError(
            f"{printable(layer)} reads the image, but not three channels that could be turned from blue, green, red: "
            "--no-bgr takes it as it is"
        )
    return torch.cat(tensor.chunk(_COLORS, axis)[::-1], axis)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, in the order of its layers.

    A checkpoint keeps its order. A safetensors file has none; its names are sorted, with numbers by value.

    Raises:
        UserError: it cannot be read, or contains something other than tensors.
    """
    shown = printable(path)
    if path.suffix == _CAFFES:
        raise UserError(f"{shown} is Caffe's: convert its weights with `alexc weights import {shown} --into NETWORK`")
    try:
        require_regular_file(path)
        if path.suffix == ".safetensors":
            loaded: object = dict(sorted(load_file(path).items(), key=lambda item: natural_order(item[0])))
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{shown} does not exist: expected a .safetensors file or a checkpoint of torch") from None
    except IsADirectoryError:
        raise UserError(
            f"{shown} is a folder: expected a .safetensors file or a checkpoint of torch; {_FROM_A_RUN}"
        ) from None
    except OSError as error:
        raise UserError(f"{shown} cannot be read: {error.strerror or printable(error)}") from None
    except SafetensorError as error:
        raise UserError(f"{shown} is not a valid safetensors file: {printable(error)}") from None
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        raise UserError(
            f"{shown} is not a checkpoint that can be read without running code from it: "
            "expected what torch.save(model.state_dict(), path) writes, or a .safetensors file"
        ) from None
    for key in _NESTED:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not loaded:
        raise UserError(f"{shown} holds no table of tensors: expected a state dict")
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(
                f"{shown}: `{printable(name)}` is not a tensor: expected a state dict and nothing else; {_FROM_A_RUN}"
            )
        if (not value.is_floating_point() and not name.endswith(_COUNTER)) or value.layout is not torch.strided:
            raise UserError(f"{shown}: `{printable(name)}` holds {value.dtype}: expected dense floating-point numbers")
    return loaded


def match_layers(
    given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], second_names: Mapping[str, str] | None = None
) -> list[Match]:
    """Decide which layer of `given` becomes which layer of `wanted`.

    Layers with the same tensor names and shapes (`weight` 64x3x11x11, `bias` 64) are matched by their own names, if
    `given` has all names of `wanted`. Otherwise the layers of `wanted` are filled in order, each with the next such
    layer of `given`; layers under one name, such as `layer1.0`, stay together, and numbered ones keep their order.

    Args:
        given: tensors by name, in the order of the file.
        wanted: tensors by name, in the order of the network.
        second_names: alternative names of layers of `given`.

    Raises:
        UserError: a layer has no match; the message names layers of both sides.
    """
    sources, targets = _layers(given), _layers(wanted)
    _check_counts(sources, targets)
    matched = _by_name(sources, targets, second_names or {})
    nameless = {name: shapes for name, shapes in targets.items() if name not in matched}
    left = {name: shapes for name, shapes in sources.items() if name not in matched.values()}
    filled: list[str] = []
    furthest = [0]
    if _fill(_tree(left), list(nameless.values()), filled, furthest) is None:
        name, shapes = list(nameless.items())[furthest[0]]
        raise UserError(
            f"it has layers of the same shapes, but in another order: nothing that comes next in it fits "
            f"{name} ({in_words(shapes)})"
        )
    matched |= dict(zip(nameless, filled, strict=True))
    return [Match(matched[name], name, shapes) for name, shapes in targets.items()]


def _by_name(
    sources: Mapping[str, Shapes], targets: Mapping[str, Shapes], second_names: Mapping[str, str]
) -> dict[str, str]:
    """The source of each target by name, if all targets with these shapes have one: `conv2/3x3` is `conv2_3x3`.

    A single equal name proves nothing, because another file may count its layers from zero.
    """
    named: dict[Shapes, dict[str, str]] = defaultdict(dict)
    for names in ({name: name for name in sources}, second_names):
        for source, name in names.items():
            if source in sources:
                named[sources[source]].setdefault(_plain(name), source)
    alike: dict[Shapes, list[str]] = defaultdict(list)
    for target, shapes in targets.items():
        alike[shapes].append(target)
    matched: dict[str, str] = {}
    for shapes, names_here in alike.items():
        found = [named[shapes].get(_plain(name)) for name in names_here]
        if len(set(found) - {None}) == len(found):
            matched |= {name: source for name, source in zip(names_here, found, strict=True) if source is not None}
    return matched


def _plain(name: str) -> str:
    """A name as it can be in a spec."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")


def _check_counts(sources: Mapping[str, Shapes], targets: Mapping[str, Shapes]) -> None:
    """Check that both sides have the same number of layers of each shape."""
    waiting: dict[Shapes, list[str]] = defaultdict(list)
    for name, shapes in sources.items():
        waiting[shapes].append(name)
    lacking: list[str] = []
    for name, shapes in targets.items():
        if waiting[shapes]:
            waiting[shapes].pop(0)
        else:
            lacking.append(f"{name} ({in_words(shapes)})")
    left = {name for names in waiting.values() for name in names}
    if lacking or left:
        over = [f"{printable(name)} ({in_words(shapes)})" for name, shapes in sources.items() if name in left]
        raise UserError(
            "; ".join([*_listed("nothing in it fits", lacking), *_listed("the network has no place for", over)])
        )


@dataclass
class _Module:
    """A name in a file with everything under it: a layer, modules, or both."""

    path: str
    shapes: Shapes | None = None
    children: dict[str, _Module] = field(default_factory=dict)


def _tree(layers: Mapping[str, Shapes]) -> _Module:
    root = _Module("")
    for name, shapes in layers.items():
        module = root
        parts = name.split(".") if name else []
        if len(parts) > _DEEPEST:
            raise UserError(f"`{printable(name[:80])}…` is nested under more than {_DEEPEST} names")
        for part in parts:
            path = f"{module.path}.{part}" if module.path else part
            module = module.children.setdefault(part, _Module(path))
        module.shapes = shapes
    return root


def _fill(module: _Module, wanted: Sequence[Shapes], filled: list[str], furthest: list[int]) -> int | None:
    """Fill the next layers with all layers of `module`; None, with `filled` unchanged, if they do not fit there.

    `furthest` holds the index of the last layer that was tried.
    """
    before = len(filled)
    if module.shapes is not None:
        furthest[0] = max(furthest[0], before)
        if before == len(wanted) or wanted[before] != module.shapes:
            return None
        filled.append(module.path)
    waiting = dict(module.children)
    while waiting:
        numbered = next((name for name in waiting if name.isdigit()), None)
        for name, child in waiting.items():
            if (name == numbered or not name.isdigit()) and _fill(child, wanted, filled, furthest) is not None:
                del waiting[name]
                break
        else:
            del filled[before:]
            return None
    return len(filled)


def carry_over(
    given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], matches: Sequence[Match]
) -> dict[str, Tensor]:
    """The tensors of `given` with the names and number formats of `wanted`."""
    sources = {match.target: match.source for match in matches}
    carried: dict[str, Tensor] = {}
    for name, like in wanted.items():
        layer, _, tensor = name.rpartition(".")
        value = given.get(_join(sources[layer], tensor))
        if value is None:
            assert tensor == _COUNTER
            value = torch.zeros((), dtype=like.dtype)
        carried[name] = value.detach().to(like.dtype).contiguous()
    return carried


def in_words(shapes: Shapes) -> str:
    """The shapes of a layer's tensors: `weight 64x3x11x11, bias 64`."""
    return ", ".join(f"{printable(name)} {'x'.join(map(str, shape))}" for name, shape in shapes)


def _layers(tensors: Mapping[str, Tensor]) -> dict[str, Shapes]:
    found: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for name, tensor in tensors.items():
        layer, _, kind = name.rpartition(".")
        if kind != _COUNTER:
            found.setdefault(layer, []).append((kind, tuple(tensor.shape)))
    # "weight" before "bias" before running statistics, whatever order the file has
    return {
        layer: tuple(sorted(shapes, key=lambda each: (-len(each[1]), each[0] != "weight", each[0])))
        for layer, shapes in found.items()
    }


def _leave_out(tensors: Mapping[str, Tensor], without: Sequence[str], path: Path) -> dict[str, Tensor]:
    kept = dict(tensors)
    for layer in without:
        under = [name for name in kept if name.startswith((f"{layer}.", f"{layer}/"))]
        if not under:
            tops = sorted({re.split("[./]", name)[0] for name in kept}, key=natural_order)
            raise UserError(
                f"{printable(path)} has no layer `{printable(layer)}` to leave out; it has {printable(', '.join(tops))}"
            )
        for name in under:
            del kept[name]
    return kept


def _listed(headline: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    rest = f" and {len(items) - _MOST_NAMED} more" if len(items) > _MOST_NAMED else ""
    return [f"{headline} {', '.join(items[:_MOST_NAMED])}{rest}"]


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts `features.9` before `features.10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _join(layer: str, tensor: str) -> str:
    return f"{layer}.{tensor}" if layer else tensor
